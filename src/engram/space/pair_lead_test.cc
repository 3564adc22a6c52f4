// Leading and giving it up: what is promised away, refused, unknown, taken over, and leased.
#include <atomic>

#include "engram/space/pair_fixture.h"

namespace engram::space {
namespace {

// The promise is on the disk before the space is told to follow.
TEST_F(PairTest, AWriteBehindAPromiseIsToldThatThisCopyLeadsNoMore) {
  Agree(a_, b_);
  ASSERT_TRUE(a_.space->log().Promise(Epoch(9)).ok());
  EXPECT_EQ(Write(a_, "y", {})->Get().status().reason(), Reason::NOT_PRIMARY);
}

// A refusal tells of what it rests on: a deletion that is not committed may yet be lost.
TEST_F(PairTest, ARefusalIsAsSafeAsWhatItRestsOn) {
  ASSERT_TRUE(Write(a_, "x", At(v1::DURABILITY_LOCAL))->Get().ok());
  Agree(a_, b_);
  ForgetCommand command;
  command.ids = {"x"};
  command.mode = v1::FORGET_MODE_DELETE;
  command.options = At(v1::DURABILITY_LOCAL);
  auto deleted = std::make_shared<Waiting<v1::ForgetResponse>>();
  a_.space->Forget(command, deleted->done());
  ASSERT_TRUE(deleted->Get().ok());
  v1::UpdateRequest request;
  *request.mutable_episode() = MakeEpisode("x", "another");
  request.mutable_update_mask()->add_paths("what");
  const auto update = [&](v1::Durability level) {
    *request.mutable_options() = At(level);
    auto updated = std::make_shared<Waiting<v1::UpdateResponse>>();
    a_.space->Update(request, updated->done());
    return updated;
  };
  EXPECT_EQ(update(v1::DURABILITY_LOCAL)->Get().status().reason(), Reason::MEMORY_NOT_FOUND);
  a_.committer.commit_timeout_ns = 1'000'000;
  EXPECT_EQ(update(v1::DURABILITY_REPLICATED)->Get().status().reason(), Reason::COMMIT_UNKNOWN);
  a_.committer.commit_timeout_ns = kLong.count();
  std::atomic<int> early{0};
  const auto updated = update(v1::DURABILITY_REPLICATED);
  command.options = At(v1::DURABILITY_REPLICATED);
  auto again = std::make_shared<Waiting<v1::ForgetResponse>>();
  a_.space->Forget(command, [&early, done = again->done()](auto result) {
    ++early;
    done(std::move(result));
  });
  v1::WriteOptions options = At(v1::DURABILITY_REPLICATED);
  options.set_if_version(1);
  auto conflict = Write(a_, "x", options);
  EXPECT_EQ(early.load(), 0);
  Agree(a_, b_);
  EXPECT_EQ(updated->Get().status().reason(), Reason::MEMORY_NOT_FOUND);
  EXPECT_EQ(again->Get().status().reason(), Reason::MEMORY_NOT_FOUND);
  EXPECT_EQ(conflict->Get().status().reason(), Reason::VERSION_CONFLICT);
}

TEST_F(PairTest, WhoStepsDownAnswersUnknownAndWhoLeadsTakesOver) {
  Agree(a_, b_);
  const v1::WriteOptions options = At(v1::DURABILITY_REPLICATED, "key");
  auto waiting = Write(a_, "x", options);
  ASSERT_TRUE(Write(a_, "hidden", At(v1::DURABILITY_LOCAL))->Get().ok());
  ForgetCommand hide = MakeForgetCommand("hidden", v1::FORGET_MODE_SUPPRESS);
  hide.options = At(v1::DURABILITY_LOCAL);
  ASSERT_TRUE(Forget(*a_.space, hide).ok());
  ForgetCommand remove = MakeForgetCommand("x", v1::FORGET_MODE_DELETE);
  remove.options = At(v1::DURABILITY_LOCAL);
  ASSERT_TRUE(Forget(*a_.space, remove).ok());
  ShipAll(a_, b_);
  a_.Follow();
  EXPECT_EQ(waiting->Get().status().reason(), Reason::COMMIT_UNKNOWN);
  EXPECT_EQ(Write(a_, "y", {})->Get().status().reason(), Reason::NOT_PRIMARY);
  EXPECT_EQ(a_.space->MarkDeleted().reason(), Reason::NOT_PRIMARY);

  b_.Lead(Epoch(2));
  EXPECT_FALSE(Shows(*b_.space, "hidden"));
  auto repeat = Write(b_, "x", options);
  auto again = Write(b_, "x", At(v1::DURABILITY_REPLICATED));
  v1::UpdateRequest update;
  *update.mutable_episode() = MakeEpisode("hidden", "now");
  update.mutable_update_mask()->add_paths("what");
  *update.mutable_options() = At(v1::DURABILITY_LOCAL);
  auto updated = Update(*b_.space, update);
  ASSERT_TRUE(updated.ok()) << updated.status().ToString();
  EXPECT_EQ(updated->write().version(), 2u);
  AwaitDurable(b_);
  ASSERT_TRUE(a_.space->Rewind(ForkPoint(a_.log(), b_.log())).ok());
  Agree(b_, a_);
  EXPECT_EQ(repeat->Get()->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
  EXPECT_EQ(again->Get()->write().version(), 2u);  // after the deletion
  for (PairCopy* copy : {&a_, &b_}) {
    auto view = *copy->space->NewView();
    auto hidden = *view->FindId("hidden");
    ASSERT_TRUE(hidden.has_value());
    EXPECT_TRUE(hidden->suppressed);
    EXPECT_EQ(hidden->version, 2u);
  }
}

TEST_F(PairTest, LeadsAgainAfterFollowing) {
  Agree(a_, b_);
  for (uint64_t epoch = 2; epoch < 6; ++epoch) {
    auto cut = Write(a_, "x" + std::to_string(epoch), At(v1::DURABILITY_REPLICATED));
    a_.Follow();
    EXPECT_EQ(cut->Get().status().reason(), Reason::COMMIT_UNKNOWN);
    a_.Lead(Epoch(epoch));
    ASSERT_TRUE(
        a_.space->AppendEpochStart(EpochStartPayload(a_.node->environment, Epoch(epoch), {})).ok());
    auto kept = Write(a_, "y" + std::to_string(epoch), At(v1::DURABILITY_REPLICATED));
    Agree(a_, b_);
    EXPECT_TRUE(kept->Get().ok());
    EXPECT_TRUE(Shows(*b_.space, "x" + std::to_string(epoch)));
  }
}

TEST_F(PairTest, WhoWaitsGoesOnWaitingWhenThePrimaryBeginsANewEpoch) {
  Agree(a_, b_);
  v1::RememberBatchRequest request;
  for (const char* id : {"p", "q", "r"}) *request.add_episodes() = MakeEpisode(id, "about");
  *request.mutable_options() = At(v1::DURABILITY_REPLICATED);
  Waiting<v1::RememberBatchResponse> batch;
  a_.space->RememberBatch(request, batch.done());
  AwaitDurable(a_);
  a_.space->CommitThrough(Sequence(4), Sequence(4), 2);  // inside of the batch
  EXPECT_EQ(a_.space->visible().sequence, Sequence(2));
  a_.Lead(Epoch(2));
  Agree(a_, b_);
  auto reply = batch.Get();
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().epoch(), 1u);
  EXPECT_TRUE(Shows(*b_.space, "r"));
  // An epoch that cannot begin ends the waiting.
  auto waiting = Write(a_, "x", At(v1::DURABILITY_REPLICATED));
  EXPECT_EQ(a_.space->Lead(Epoch(2), "").reason(), Reason::STALE_EPOCH);
  EXPECT_EQ(waiting->Get().status().reason(), Reason::COMMIT_UNKNOWN);
  EXPECT_EQ(Write(a_, "y", At(v1::DURABILITY_LOCAL))->Get().status().reason(), Reason::NOT_PRIMARY);
}

// By its lease a primary answers reads without asking; when it has none it asks.
TEST_F(PairTest, ReadsOfThePrimaryGoByItsLease) {
  Agree(a_, b_);
  a_.committer.holds_lease = true;
  EXPECT_TRUE(a_.space->NewViewPrimary(kShort).ok());
  EXPECT_EQ(a_.committer.confirms.load(), 0u);
  a_.committer.holds_lease = false;
  EXPECT_TRUE(a_.space->NewViewPrimary(kShort).ok());
  EXPECT_EQ(a_.committer.confirms.load(), 1u);
}

// What was in flight when the lease ran out: another node may lead by now, and not have it.
TEST_F(PairTest, NothingIsAcknowledgedAloneWithoutALease) {
  Agree(a_, b_);
  a_.committer.lease_ran_out = true;
  EXPECT_EQ(Write(a_, "x", At(v1::DURABILITY_LOCAL))->Get().status().reason(),
            Reason::COMMIT_UNKNOWN);
  auto both = Write(a_, "y", At(v1::DURABILITY_REPLICATED));
  Agree(a_, b_);
  EXPECT_TRUE(both->Get().ok());
  a_.committer.lease_ran_out = false;
  EXPECT_TRUE(Write(a_, "z", At(v1::DURABILITY_LOCAL))->Get().ok());
}

}  // namespace
}  // namespace engram::space
