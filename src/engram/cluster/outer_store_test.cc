// What a copy that wants to lead asks of a configuration store outside, and what it makes of the
// answers, call by call. Changes of the set: outer_store_set_test.cc; clusters: walk_store_test.cc.
#include <functional>

#include <gmock/gmock.h>

#include "engram/cluster/outer_store_kit.h"

namespace engram::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(OuterStoreTest, ReadsThenWritesOverWhatItRead) {
  EXPECT_FALSE(Start({.kind = Kind::kLead, .id = 7}).has_value());
  ASSERT_EQ(called_, 1u);
  EXPECT_FALSE(call_.write.has_value());
  EXPECT_FALSE(Answered().has_value());
  ASSERT_EQ(called_, 1u);
  ASSERT_TRUE(call_.write.has_value());
  const StoreCall::Write& write = *call_.write;
  EXPECT_EQ(write.over, 40);
  EXPECT_EQ(write.deposes, "n1");
  EXPECT_EQ(write.deposes_lease, kFirstLease);
  EXPECT_FALSE(write.resigned);
  EXPECT_EQ(write.record.epoch, kNext);
  EXPECT_EQ(write.record.primary, kSelf);
  EXPECT_EQ(write.record.fork, kEnd);
  EXPECT_THAT(write.record.in_sync, ElementsAre(kSelf, kThird));
  EXPECT_FALSE(write.record.loss_after.has_value());
  CarryOut();
  const std::optional<StoreReply> won = Answered();
  ASSERT_TRUE(won.has_value());
  EXPECT_EQ(won->outcome, Outcome::kDone);
  EXPECT_TRUE(won->append);
  EXPECT_EQ(won->lease, kOwnLease);
  EXPECT_EQ(won->record, space_.record);
  EXPECT_TRUE(won->report->lossless);
  EXPECT_FALSE(store_->busy());
}

TEST_F(OuterStoreTest, WhoHasNoLeaseIsNotInItsSet) {
  leases_[2] = {};
  Start({.kind = Kind::kLead, .id = 7});
  Answered();
  EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kSelf));
  Make();
  leases_[2] = {Incarnation{{4}}, kThirdLease};  // its disk was lost: another member
  Start({.kind = Kind::kLead, .id = 7});
  Answered();
  EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kSelf));
}

TEST_F(OuterStoreTest, LeadsAboveAllThatIsKnownToBePromised) {
  connected_[2] = true;
  Start({.kind = Kind::kLead, .id = 7});
  ASSERT_NE(Asked(), nullptr);
  Answer answer = Granted(Asked()->round, kEnd, 4);
  answer.promised = MakeEpoch(8, 0);
  Answered();
  EXPECT_EQ(called_, 0u);  // n3 was asked, and may know more
  Hear(2, kThird, answer, kNext);
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_EQ(call_.write->record.epoch, MakeEpoch(9, 1));
}

TEST_F(OuterStoreTest, APrimaryWithAValidLeaseIsNotDeposed) {
  leases_[0].number = kFirstLease;
  Start({.kind = Kind::kLead, .id = 7});
  EXPECT_FALSE(Answered().has_value());
  EXPECT_EQ(called_, 0u);
  for (int i = 1; i < 8; ++i) {
    EXPECT_FALSE(Tick(milliseconds(500)).has_value());
    ASSERT_EQ(called_, 1u);
    EXPECT_FALSE(call_.write.has_value());
    EXPECT_FALSE(Answered().has_value());
    EXPECT_FALSE(Tick({}).has_value());
    EXPECT_EQ(called_, 0u);  // not oftener than that
  }
  const std::optional<StoreReply> late = Tick(milliseconds(500));
  ASSERT_TRUE(late.has_value());
  EXPECT_EQ(late->outcome, Outcome::kConflict);
  EXPECT_EQ(late->report->why, "n1 leads, and its lease is valid");
  EXPECT_THAT(late->report->what_helps, HasSubstr("engram switchover"));
  EXPECT_FALSE(store_->busy());
}

TEST_F(OuterStoreTest, WaitsForTheEndOfALease) {
  leases_[0].number = kFirstLease;
  Start({.kind = Kind::kLead, .id = 7});
  Answered();
  Tick(milliseconds(500));
  leases_[0].number = 99;  // of another life: it leads nothing by it
  Answered();
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_EQ(call_.write->deposes_lease, kFirstLease);
}

TEST_F(OuterStoreTest, AStoreThatIsSilentEndsARequest) {
  Start({.kind = Kind::kLead, .id = 7});
  EXPECT_FALSE(Tick(milliseconds(3999)).has_value());
  EXPECT_EQ(called_, 0u);  // one at a time
  const std::optional<StoreReply> late = Tick(milliseconds(1));
  ASSERT_TRUE(late.has_value());
  EXPECT_EQ(late->report->why, "the configuration store does not answer");
}

TEST_F(OuterStoreTest, WhoResignedIsTakenOverFromAtOnce) {
  leases_[0].number = kFirstLease;
  space_.resigned = true;
  Start({.kind = Kind::kLead, .id = 7});
  Answered();
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_FALSE(call_.write->deposes.has_value());
  EXPECT_FALSE(call_.write->resigned);
}

TEST_F(OuterStoreTest, WhoHandsItsEpochOverNeedsNoLeaseGone) {
  leases_[0].number = kFirstLease;
  connected_[0] = true;
  Start({.kind = Kind::kLead, .handed_by = kFirst, .within = seconds(2)});
  EXPECT_EQ(effects_.promise, kNext);
  ASSERT_NE(Asked(), nullptr);
  EXPECT_FALSE(Asked()->dry_run);
  EXPECT_TRUE(Asked()->handed_over);
  const uint64_t round = Asked()->round;
  Answered();
  Tick(milliseconds(300));
  EXPECT_FALSE(call_.write.has_value());  // its promise is missing
  Hear(0, kFirst, Granted(round, kEnd, 5), kNext);
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_FALSE(call_.write->deposes.has_value());
  EXPECT_EQ(call_.write->record.handed_by, kFirst);
  EXPECT_EQ(call_.write->record.epoch, kNext);
  EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kFirst, kSelf, kThird));
}

TEST_F(OuterStoreTest, TakesNoEpochOfALogThatEndsElsewhere) {
  connected_[0] = true;
  Start({.kind = Kind::kLead, .handed_by = kFirst, .within = seconds(2)});
  const uint64_t round = Asked()->round;
  Answered();
  const auto refused = Hear(0, kFirst, Granted(round, {kEpoch, Sequence(6)}, 4), kNext);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->report->why, "the log of n1 ends elsewhere");
}

TEST_F(OuterStoreTest, OnlyWhoIsForcedOrHandedAnEpochHasItPromised) {
  connected_ = {false, false, true};
  Start({.kind = Kind::kLead, .id = 7});
  EXPECT_FALSE(effects_.promise.has_value());
  ASSERT_NE(Asked(), nullptr);
  EXPECT_TRUE(Asked()->dry_run);
  Make();
  Start({.kind = Kind::kLead, .id = 7, .force = true});
  EXPECT_EQ(effects_.promise, kNext);
  ASSERT_NE(Asked(), nullptr);
  EXPECT_FALSE(Asked()->dry_run);
}

TEST_F(OuterStoreTest, WhoIsForcedLeadsAloneAndStatesTheLoss) {
  connected_ = {false, false, true};
  space_.record.in_sync = {kFirst, kThird};
  Start({.kind = Kind::kLead, .id = 7, .force = true});
  const uint64_t round = Asked()->round;
  Answered();
  Hear(2, kThird, Granted(round, kEnd, 9), kNext);
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_EQ(call_.write->deposes, "n1");  // it may lead still
  EXPECT_EQ(call_.write->record.epoch, kNext);
  EXPECT_THAT(call_.write->record.in_sync, ElementsAre(kSelf));
  EXPECT_EQ(call_.write->record.loss_after, (Position{kEpoch, Sequence(4)}));
  EXPECT_EQ(call_.write->record.loss_why, "forced promotion");
}

TEST_F(OuterStoreTest, AsksAgainAboveAHigherPromise) {
  connected_ = {false, false, true};
  Start({.kind = Kind::kLead, .id = 7, .force = true});
  Answer refusal = Granted(Asked()->round, kEnd, 4);
  refusal.granted = false;
  refusal.promised = MakeEpoch(6, 0);
  Answered();
  const std::optional<StoreReply> reply = Hear(2, kThird, refusal, kNext);
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(reply->retry_at_once);
  EXPECT_EQ(effects_.promise, MakeEpoch(6, 0));
}

TEST_F(OuterStoreTest, RefusesWhoIsNotInTheSet) {
  space_.record.in_sync = {kFirst, kThird};
  EXPECT_THAT(WhyNot({.kind = Kind::kLead, .id = 7}), HasSubstr("n2 is not in the in-sync set"));
  space_.record.in_sync = {kFirst, Member{"n2", {{8}}, {}}, kThird};  // before its disk was lost
  EXPECT_THAT(WhyNot({.kind = Kind::kLead, .id = 7}), HasSubstr("n2 is not in the in-sync set"));
  space_.there = false;
  EXPECT_THAT(WhyNot({.kind = Kind::kLead, .id = 7}), HasSubstr("has no record of this space"));
}

TEST_F(OuterStoreTest, LeadsByItselfOnlyWhatNamesIt) {
  EXPECT_EQ(WhyNot({.kind = Kind::kLead}), "n1 is its primary");
  space_.record.primary = kSelf;
  space_.lease = 21;  // of its last life
  Start({.kind = Kind::kLead});
  Answered();
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_FALSE(call_.write->deposes.has_value());
}

// A member of the set lacks what another knows to be committed: both cannot be true.
TEST_F(OuterStoreTest, RefusesWhoLacksWhatIsKnownToBeCommitted) {
  connected_[2] = true;
  Start({.kind = Kind::kLead, .id = 7});
  const uint64_t round = Asked()->round;
  Answered();
  const auto refused = Hear(2, kThird, Granted(round, {kEpoch, Sequence(9)}, 9), kNext);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->outcome, Outcome::kConflict);
  EXPECT_THAT(refused->report->why, HasSubstr("ends at 5, but 9 is known to be committed"));
  EXPECT_TRUE(refused->two_histories);
  EXPECT_FALSE(call_.write.has_value());
}

TEST_F(OuterStoreTest, AfterALostAnswerTheSameIsWrittenAgain) {
  LoseTheAnswer({.kind = Kind::kLead, .id = 7});
  const StoreCall::Write first = *call_.write;
  Tick(milliseconds(499));
  EXPECT_EQ(called_, 0u);
  Tick(milliseconds(1));
  ASSERT_EQ(called_, 1u);
  ASSERT_TRUE(call_.write.has_value());
  EXPECT_EQ(call_.write->record, first.record);
  EXPECT_EQ(call_.write->over, first.over);
  EXPECT_EQ(call_.write->deposes, first.deposes);
  // The first one had arrived.
  const std::optional<StoreReply> won = Answered(Outcome::kConflict);
  ASSERT_TRUE(won.has_value());
  EXPECT_EQ(won->outcome, Outcome::kDone);
  EXPECT_EQ(won->record, first.record);
  EXPECT_EQ(won->lease, kOwnLease);
}

TEST_F(OuterStoreTest, AConflictThatShowsAnythingElseIsNoWin) {
  const auto not_won = [&](const std::function<void()>& changed) {
    Make();
    space_ = {.there = true, .record = log_.records[0], .lease = kFirstLease, .revision = 40};
    space_.record.at = Sequence();
    LoseTheAnswer({.kind = Kind::kLead, .id = 7});
    changed();
    Tick(milliseconds(500));
    const std::optional<StoreReply> reply = Answered(Outcome::kConflict);
    return !reply.has_value() || reply->outcome != Outcome::kDone;
  };
  EXPECT_FALSE(not_won([] {}));
  EXPECT_TRUE(not_won([&] { space_.record.epoch = MakeEpoch(3, 2); }));
  EXPECT_TRUE(not_won([&] { Remove(&space_.record.in_sync, kThird); }));
  EXPECT_TRUE(not_won([&] { space_.lease = 21; }));  // of another lease than this node has now
  EXPECT_TRUE(not_won([&] { space_.resigned = true; }));
  EXPECT_TRUE(not_won([&] { space_.there = false; }));
}

TEST_F(OuterStoreTest, ADryRunChangesNothing) {
  connected_[2] = true;
  Start({.kind = Kind::kLead, .id = 7, .force = true, .dry_run = true});
  EXPECT_FALSE(effects_.promise.has_value());
  ASSERT_NE(Asked(), nullptr);
  EXPECT_TRUE(Asked()->dry_run);
  const uint64_t round = Asked()->round;
  Answered();
  const auto told = Hear(2, kThird, Granted(round, kEnd, 4), kNext);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->outcome, Outcome::kDone);
  EXPECT_FALSE(told->append);
  EXPECT_EQ(called_, 0u);
  EXPECT_FALSE(effects_.promise.has_value());
  EXPECT_EQ(told->report->loss_after, (Position{kEpoch, Sequence(4)}));
  connected_[2] = false;
  leases_[0].number = kFirstLease;
  EXPECT_EQ(WhyNot({.kind = Kind::kLead, .id = 8, .dry_run = true}),
            "n1 leads, and its lease is valid");
}

TEST_F(OuterStoreTest, WhatWasDroppedIsForgotten) {
  Start({.kind = Kind::kLead, .id = 7});
  store_->Drop();
  EXPECT_FALSE(store_->busy());
  EXPECT_FALSE(Answered().has_value());
  EXPECT_EQ(called_, 0u);
  EXPECT_FALSE(Tick(seconds(5)).has_value());
  EXPECT_EQ(called_, 0u);
  // Nor is it taken for an answer to what came after.
  const StoreCall dropped = call_;
  Start({.kind = Kind::kLead, .id = 8});
  call_ = dropped;
  EXPECT_FALSE(Answered().has_value());
  EXPECT_EQ(called_, 0u);
}

}  // namespace
}  // namespace engram::cluster
