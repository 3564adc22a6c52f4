#include <set>

#include <gtest/gtest.h>

#include "engram/base/bytes.h"
#include "engram/base/hash.h"
#include "engram/base/ids.h"
#include "engram/base/prng.h"
#include "engram/base/status.h"
#include "engram/base/types.h"

namespace engram {
namespace {

TEST(StatusTest, FourPartsInOrder) {
  Status status = Status(Reason::DIMENSION_MISMATCH, "Embedding has 3 numbers.")
                      .Expected("768")
                      .Suggest("another space")
                      .Example("engram space create")
                      .With("actual", uint64_t{3});
  EXPECT_EQ(status.ToString(),
            "Embedding has 3 numbers.\n  Expected: 768\n  Suggestion: another space\n"
            "  Example: engram space create");
  EXPECT_EQ(status.code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(status.metadata().at("actual"), "3");
}

TEST(StatusTest, AnnotateLeavesTheOriginalAlone) {
  const Status status(Reason::IO, "write failed");
  EXPECT_EQ(status.Annotate("wal").message(), "wal: write failed");
  EXPECT_EQ(status.message(), "write failed");
}

TEST(StatusTest, ReasonsHaveDistinctNamesThatCanBeFound) {
  std::set<std::string_view> names;
  for (int i = 0; i < kReasonCount; ++i) {
    const ReasonInfo& info = InfoOf(static_cast<Reason>(i));
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_EQ(ReasonFromName(info.name), info.reason);
    EXPECT_GE(info.http_status, 400);
    EXPECT_GT(info.exit_code, 0);
  }
  EXPECT_EQ(ReasonFromName("NO_SUCH_REASON"), std::nullopt);
}

Result<int> Half(int n) {
  if (n % 2) return Status(Reason::INVALID_REQUEST, "odd");
  return n / 2;
}
Result<int> Quarter(int n) {
  ASSIGN_OR_RETURN(int half, Half(n));
  return Half(half);
}

TEST(ResultTest, AssignOrReturn) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
}

TEST(HashTest, Crc32cKnownAnswers) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);            // RFC 3720's check value
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c("6789", Crc32c("12345")), Crc32c("123456789"));
}

TEST(HashTest, DigesterDoesNotDependOnPieces) {
  Digester whole, pieces;
  whole.Add("abcdef");
  pieces.Add("ab");
  pieces.Add("cdef");
  EXPECT_EQ(whole.Get(), pieces.Get());
  pieces.Reset();
  EXPECT_NE(whole.Get(), pieces.Get());
}

TEST(BytesTest, LittleEndian) {
  std::string bytes;
  AppendLe<uint32_t>(&bytes, 0xdeadbeef);
  EXPECT_EQ(bytes, std::string("\xef\xbe\xad\xde", 4));
  EXPECT_EQ(LoadLe<uint32_t>(bytes.data()), 0xdeadbeefu);
  EXPECT_EQ(Hex(0xf4240, 16), "00000000000f4240");
}

TEST(IdsTest, RoundTrips) {
  auto bytes = UuidFromRandom(0x0123456789abcdef, 0xfedcba9876543210);
  EXPECT_EQ(*ParseUuid(FormatUuid(bytes)), bytes);
  EXPECT_EQ(*ParseBase32(FormatBase32(bytes, false)), bytes);
  EXPECT_EQ(*ParseBase32(FormatBase32(bytes, true)), bytes);
  EXPECT_EQ(FormatUuid(bytes)[14], '4');
}

TEST(IdsTest, RefusesWhatIsNotAnIdentity) {
  EXPECT_FALSE(ParseUuid("").ok());
  EXPECT_FALSE(ParseUuid("01234567-89ab-4def-bedc-ba987654321").ok());
  EXPECT_FALSE(ParseUuid("0123456789ab4defbedcba9876543210").ok());
  EXPECT_FALSE(ParseBase32("8zzzzzzzzzzzzzzzzzzzzzzzzz").ok());  // 129 bits
  EXPECT_FALSE(ParseBase32("u0000000000000000000000000").ok());
}

TEST(IdsTest, UlidsSortByTime) {
  EXPECT_LT(MakeUlid(1, 0xffff, UINT64_MAX), MakeUlid(2, 0, 0));
  EXPECT_EQ(MakeUlid(1469918176385, 0, 0).substr(0, 10), "01ARYZ6S41");  // the ULID spec's time
}

TEST(PrngTest, SameSeedSameNumbers) {
  Prng a(7), b(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next(), b.Next());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.Below(10), 10u);
  EXPECT_EQ(a.Below(0), 0u);
}

TEST(TypesTest, PositionsOrderByEpochFirst) {
  EXPECT_LT((Position{Epoch(1), Sequence(9)}), (Position{Epoch(2), Sequence(1)}));
}

}  // namespace
}  // namespace engram
