// Floors at a batch with Holes, and where a batch has them.
#include "engram/replication/floors.h"

#include <gtest/gtest.h>

#include "engram/record/batch.h"
#include "engram/replication/verdict.h"

namespace engram::replication {
namespace {

const Floors kPrimary{Sequence(6), {Epoch(2), Sequence(8)}};

std::string EntryBytes(record::EntryType type, uint64_t sequence, const std::string& payload) {
  record::EntryHeader header;
  header.type = type;
  header.sequence = Sequence(sequence);
  std::string bytes;
  record::AppendEntry(&header, payload, &bytes);
  return bytes;
}

std::string HoleBytes(uint64_t first, uint64_t last) {
  const record::Hole hole{Sequence(first), {Epoch(1), Sequence(last)}, 0x1234};
  return EntryBytes(record::EntryType::kHole, 0, record::Encode(hole));
}

std::string BatchOf(uint64_t start, uint32_t count, const std::string& records) {
  record::BatchHeader header;
  header.start = Sequence(start);
  header.count = count;
  header.size = records.size();
  return record::EncodeBatch(header, records);
}

TEST(Floors, ABatchWithoutHolesTakesOverNothing) {
  EXPECT_EQ(TakeBatch({}, Sequence(2), Epoch(2), kPrimary, false), LogFloors());
}

TEST(Floors, HolesBringBothFloorsIfTheyAreHigher) {
  const auto taken = TakeBatch({}, Sequence(6), Epoch(2), kPrimary, true);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->floors, kPrimary);
  const LogFloors higher{{Sequence(9), {Epoch(2), Sequence(9)}}};
  EXPECT_EQ(TakeBatch(higher, Sequence(9), Epoch(2), kPrimary, true)->floors, higher.floors);
}

TEST(Floors, HolesNeedALogAtTheFloorOrBegunUnderIt) {
  EXPECT_EQ(TakeBatch({}, Sequence(5), Epoch(2), kPrimary, true), std::nullopt);
  const LogFloors begun = BeginAtOne(Epoch(2), kPrimary);
  EXPECT_EQ(begun.floors, Floors());
  EXPECT_TRUE(TakeBatch(begun, Sequence(), Epoch(2), kPrimary, true).has_value());
  EXPECT_EQ(TakeBatch(begun, Sequence(), Epoch(3), kPrimary, true), std::nullopt);
  EXPECT_TRUE(
      TakeBatch({}, Sequence(5), Epoch(2), kPrimary, true, Mutant::kHolesUnchecked).has_value());
}

TEST(Floors, UnderWhichALogWasBegunIsForgottenUnderOthers) {
  const LogFloors begun = BeginAtOne(Epoch(2), kPrimary);
  EXPECT_EQ(TakeBatch(begun, Sequence(1), Epoch(2), kPrimary, false), begun);
  EXPECT_EQ(TakeBatch(begun, Sequence(1), Epoch(3), kPrimary, false), LogFloors());
}

// The epoch went on without the copy: its log is longer than the floor, and forks below it.
TEST(Floors, TheVerdictGoesByTheForkAndNotByTheLogEnd) {
  const record::History theirs{{Epoch(1), Sequence(1)}, {Epoch(2), Sequence(5)}};
  const record::History mine{{Epoch(1), Sequence(1)}};
  const PrimaryLog primary{{}, Epoch(2), theirs, Sequence(9), kPrimary};
  const CopyLog copy{.history = mine, .end = Sequence(20)};
  EXPECT_EQ(DecideCatchUp(primary, copy), Verdict(Restart()));
  EXPECT_EQ(DecideCatchUp(primary, copy, Mutant::kFloorByLogEnd), Verdict(Truncate{Sequence(4)}));
}

TEST(Floors, ABatchSaysHowFarItsHolesReach) {
  EXPECT_EQ(*HolesThrough(BatchOf(3, 1, HoleBytes(3, 9))), Sequence(9));
  const std::string entry = EntryBytes(record::EntryType::kMemoryDelete, 10, "x");
  EXPECT_EQ(*HolesThrough(BatchOf(10, 1, entry)), Sequence());
  EXPECT_EQ(*HolesThrough(BatchOf(3, 2, HoleBytes(3, 9) + entry)), Sequence(9));
  // Cut short, or no batch at all: who appends it says what is wrong.
  EXPECT_EQ(*HolesThrough(BatchOf(10, 1, entry).substr(0, 100)), Sequence());
  EXPECT_EQ(*HolesThrough("x"), Sequence());
}

}  // namespace
}  // namespace engram::replication
