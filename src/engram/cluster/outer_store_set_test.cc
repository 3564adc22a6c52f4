// Changes of the set in a configuration store outside, call by call; giving up, reading.
#include <gmock/gmock.h>

#include "engram/cluster/outer_store_kit.h"

namespace engram::cluster {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

TEST_F(OuterStoreTest, AChangeIsWrittenOverWhatIsKnown) {
  Start({.kind = Kind::kShrink, .member = kThird});
  EXPECT_FALSE(call_.write.has_value());
  Answered();
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kFirst, kSelf));
  CarryOut();
  std::optional<StoreReply> done = Answered();
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->outcome, Outcome::kDone);
  EXPECT_FALSE(done->append);
  EXPECT_THAT(done->record->in_sync, ElementsAre(kFirst, kSelf));
  // The next one need not read.
  Start({.kind = Kind::kGrow, .member = kThird});
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_EQ(call_.write->over, 41);
  EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kFirst, kSelf, kThird));
  // Somebody changed it meanwhile: written anew, over that.
  Remove(&space_.record.in_sync, kSelf);
  space_.revision = 50;
  EXPECT_FALSE(Answered(Outcome::kConflict).has_value());
  EXPECT_EQ(call_.write->over, 50);
  EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kFirst, kThird));
}

TEST_F(OuterStoreTest, AGrowWhoseAnswerWasLostIsSettledByAWrite) {
  Remove(&space_.record.in_sync, kThird);
  LoseTheAnswer({.kind = Kind::kGrow, .member = kThird});
  const StoreCall::Write first = *call_.write;
  Tick(milliseconds(500));
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_EQ(call_.write->over, first.over);
  EXPECT_EQ(call_.write->record, first.record);
  const std::optional<StoreReply> done = Answered(Outcome::kConflict);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->outcome, Outcome::kDone);
  EXPECT_TRUE(Has(done->record->in_sync, kThird));
}

// Nothing stops what may still arrive.
TEST_F(OuterStoreTest, WithoutThatRuleItIsSettledByReading) {
  Make(Mutant::kSettleByReading);
  Remove(&space_.record.in_sync, kThird);
  LoseTheAnswer({.kind = Kind::kGrow, .member = kThird});
  Tick(milliseconds(500));
  ASSERT_EQ(called_, 1u);
  EXPECT_FALSE(call_.write.has_value());
  EXPECT_EQ(Answered()->outcome, Outcome::kConflict);
}

TEST_F(OuterStoreTest, AChangeInAnEpochThatIsOverIsAConflict) {
  space_.record.epoch = MakeEpoch(2, 2);
  space_.record.primary = kThird;
  Start({.kind = Kind::kGrow, .member = kThird});
  std::optional<StoreReply> reply = Answered();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->outcome, Outcome::kConflict);
  EXPECT_EQ(reply->record, space_.record);
  EXPECT_EQ(called_, 0u);
  space_.there = false;
  Start({.kind = Kind::kGrow, .member = kThird});
  reply = Answered();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->outcome, Outcome::kConflict);
  EXPECT_FALSE(reply->record.has_value());
}

TEST_F(OuterStoreTest, ResignsOnce) {
  Start({.kind = Kind::kResign});
  Answered();
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_TRUE(call_.write->resigned);
  EXPECT_EQ(call_.write->record, space_.record);
  CarryOut();
  EXPECT_EQ(Answered()->outcome, Outcome::kDone);
  const std::optional<StoreReply> again = Start({.kind = Kind::kResign});
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->outcome, Outcome::kDone);
  EXPECT_EQ(called_, 0u);
  // A change of the set takes nothing of it back.
  Start({.kind = Kind::kShrink, .member = kThird});
  EXPECT_TRUE(call_.write->resigned);
}

TEST_F(OuterStoreTest, ReadsWithoutChangingAnything) {
  Start({.kind = Kind::kRead});
  EXPECT_FALSE(call_.write.has_value());
  const std::optional<StoreReply> read = Answered();
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->outcome, Outcome::kDone);
  EXPECT_EQ(read->record, space_.record);
  EXPECT_EQ(called_, 0u);
  Start({.kind = Kind::kRead});
  EXPECT_EQ(called_, 1u);  // anew each time
}

}  // namespace
}  // namespace engram::cluster
