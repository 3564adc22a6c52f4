#include "engram/record/batch.h"

#include <gtest/gtest.h>

#include "engram/base/hash.h"
#include "engram/record/golden.h"

namespace engram::record {
namespace {

constexpr uint64_t kCredit = 1 << 20;

BatchHeader AHeader(size_t size) {
  BatchHeader header;
  for (size_t i = 0; i < 16; ++i) {
    header.space.bytes[i] = static_cast<uint8_t>(i);
    header.primary.bytes[i] = static_cast<uint8_t>(16 + i);
  }
  header.start = Sequence(2);
  header.count = 2;
  header.size = size;
  return header;
}

std::string TwoRecords() {
  return Golden("entry_second") + Golden("hole");
}

std::string Forge(std::string bytes, size_t at, ByteView value) {
  bytes.replace(at, value.size(), value);
  StoreLe<uint32_t>(bytes.data() + batch_offset::kCrc, 0);
  const uint32_t crc = Crc32c(bytes);
  StoreLe<uint32_t>(bytes.data() + batch_offset::kCrc, crc);
  return bytes;
}

Reason ReasonOf(const std::string& bytes, uint64_t credit = kCredit) {
  const auto header = DecodeBatchHeader(bytes, credit);
  EXPECT_FALSE(header.ok());
  return header.ok() ? Reason::IO : header.status().reason();
}

Reason SplitReason(const BatchHeader& header, const std::string& records) {
  const auto split = SplitBatch(header, records);
  EXPECT_FALSE(split.ok());
  return split.ok() ? Reason::IO : split.status().reason();
}

TEST(Batch, GoldenBytes) {
  const std::string records = TwoRecords();
  const std::string golden = Golden("batch");
  EXPECT_EQ(EncodeBatch(AHeader(records.size()), records), golden);
  const auto header = DecodeBatchHeader(golden, kCredit);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(*header, AHeader(records.size()));
  const auto split = SplitBatch(*header, BatchRecords(golden));
  ASSERT_TRUE(split.ok()) << split.status().ToString();
  ASSERT_EQ(split->size(), 2u);
  EXPECT_EQ((*split)[0].payload, "an episode");
  EXPECT_EQ((*split)[0].bytes, Golden("entry_second"));
  EXPECT_EQ((*split)[1].header.type, EntryType::kHole);
}

TEST(Batch, EveryFlippedBitIsFound) {
  const std::string golden = Golden("batch");
  for (size_t bit = 0; bit < golden.size() * 8; ++bit) {
    std::string bad = golden;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(ReasonOf(bad), bit < 16 ? Reason::UNSUPPORTED_VERSION : Reason::CHECKSUM_MISMATCH)
        << bit;
  }
}

TEST(Batch, CutAtEveryByteIsRefused) {
  const std::string golden = Golden("batch");
  for (size_t size = 0; size < golden.size(); ++size) {
    EXPECT_EQ(ReasonOf(golden.substr(0, size)),
              size < kBatchHeaderSize ? Reason::TRUNCATED_BATCH : Reason::CHECKSUM_MISMATCH);
  }
}

TEST(Batch, FieldsAreChecked) {
  const std::string golden = Golden("batch");
  const auto zeros = [](size_t n) { return std::string(n, '\0'); };
  EXPECT_EQ(ReasonOf(Forge(golden, batch_offset::kCount, zeros(4))), Reason::EMPTY_BATCH);
  EXPECT_EQ(ReasonOf(Forge(golden, batch_offset::kSize, zeros(8))), Reason::INVALID_BATCH_SIZE);
  EXPECT_EQ(ReasonOf(golden, 10), Reason::INVALID_BATCH_SIZE);
  EXPECT_EQ(ReasonOf(Forge(golden, batch_offset::kStart, zeros(8))), Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(ReasonOf(Forge(golden, batch_offset::kCompression, "\x03")),
            Reason::UNSUPPORTED_VERSION);
  EXPECT_EQ(ReasonOf(Forge(golden, batch_offset::kPadding + 4, "\x01")),
            Reason::CORRUPTION_DETECTED);
}

TEST(Batch, RecordsMustJoin) {
  std::string records = TwoRecords();
  BatchHeader header = AHeader(records.size());
  header.start = Sequence(1);
  EXPECT_EQ(SplitReason(header, records), Reason::SEQUENCE_GAP);
  header = AHeader(records.size());
  header.count = 3;
  EXPECT_EQ(SplitReason(header, records), Reason::INVALID_BATCH_SIZE);
  header = AHeader(records.size() + 1);
  EXPECT_EQ(SplitReason(header, records), Reason::INVALID_BATCH_SIZE);
  records = Golden("hole") + Golden("entry_second");
  header = AHeader(records.size());
  EXPECT_EQ(SplitReason(header, records), Reason::SEQUENCE_GAP);
}

TEST(Batch, AnEntryAfterAHoleChainsToItsLast) {
  EntryHeader next;
  next.sequence = Sequence(10);
  next.type = EntryType::kEpisodeStore;
  next.chain = 0xcafef00d;
  std::string good = TwoRecords(), bad = TwoRecords();
  AppendEntry(&next, "x", &good);
  next.chain = 1;
  AppendEntry(&next, "x", &bad);
  BatchHeader header = AHeader(good.size());
  header.count = 3;
  EXPECT_TRUE(SplitBatch(header, good).ok());
  EXPECT_EQ(SplitReason(header, bad), Reason::CORRUPTION_DETECTED);
}

TEST(Batch, LocalRecordsAreNeverShipped) {
  const std::string mark = Golden("sync_mark");
  BatchHeader header = AHeader(mark.size());
  header.count = 1;
  EXPECT_EQ(SplitReason(header, mark), Reason::CORRUPTION_DETECTED);
}

}  // namespace
}  // namespace engram::record
