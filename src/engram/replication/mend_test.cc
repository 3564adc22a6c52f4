#include "engram/replication/mend.h"

#include <gtest/gtest.h>

namespace engram::replication {
namespace {

EntryRange Range(uint64_t first, uint64_t last) {
  return {Sequence(first), Sequence(last)};
}

TEST(Mend, AsksForWhatIsBad) {
  EXPECT_EQ(RangeToAsk(Range(5, 9), Sequence()), Range(5, 9));
  EXPECT_EQ(RangeToAsk(Range(5, 9), Sequence(4)), Range(5, 9));
}

TEST(Mend, ReachesThroughItsOwnTombstoneFloor) {
  EXPECT_EQ(RangeToAsk(Range(5, 9), Sequence(5)), Range(5, 9));
  EXPECT_EQ(RangeToAsk(Range(5, 9), Sequence(20)), Range(5, 20));
  EXPECT_EQ(RangeToAsk(Range(5, 9), Sequence(20), Mutant::kMendEndsBelowFloor), Range(5, 9));
}

TEST(Mend, AsksForNothingWhereNothingIsLost) {
  EXPECT_TRUE(RangeToAsk(Range(5, 4), Sequence(20)).empty());
}

class Taking : public testing::Test {
 protected:
  // Epoch 1 from 1, epoch 3 from 11; committed through 20.
  const record::History history_ = {{Epoch(1), Sequence(1)}, {Epoch(3), Sequence(11)}};
  const DamagedLog own_{history_, Sequence(20), {}};
  static Floors Theirs(uint64_t tombstone, uint64_t epoch, uint64_t sequence) {
    return {Sequence(tombstone), {Epoch(epoch), Sequence(sequence)}};
  }
  std::string Why(const Floors& theirs, bool holes = true, Mutant mutant = Mutant::kNone) const {
    return WhyNotTaken(own_, theirs, Range(8, 12), holes, mutant);
  }
};

TEST_F(Taking, EntriesAreTheSameInEveryLog) {
  EXPECT_EQ(Why(Theirs(19, 9, 90), false), "");
}

TEST_F(Taking, HolesBelowTheFloorOfWhoAnswersAreNotTaken) {
  EXPECT_EQ(Why(Theirs(7, 3, 15)), "");
  EXPECT_NE(Why(Theirs(8, 3, 15)), "");
  EXPECT_EQ(Why(Theirs(8, 3, 15), true, Mutant::kMendTakesHoles), "");
}

TEST_F(Taking, HolesAreTrueInALogThatHoldsTheCompactionFloor) {
  EXPECT_EQ(Why(Theirs(0, 3, 20)), "");
  EXPECT_NE(Why(Theirs(0, 3, 21)), "");
  // Sequence 10 is of epoch 1 here: what was judged there was another branch.
  EXPECT_NE(Why(Theirs(0, 2, 10)), "");
  EXPECT_EQ(Why(Theirs(0, 2, 10), true, Mutant::kMendFloorWithoutEpoch), "");
  EXPECT_EQ(Why(Theirs(0, 1, 10)), "");
}

TEST_F(Taking, WhoTakesHolesTakesOverTheFloors) {
  const Floors own = Theirs(3, 1, 4), theirs = Theirs(2, 3, 15);
  EXPECT_EQ(FloorsAfter(own, theirs, true), Theirs(3, 3, 15));
  EXPECT_EQ(FloorsAfter(own, theirs, false), own);
}

}  // namespace
}  // namespace engram::replication
