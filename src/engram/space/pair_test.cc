// Levels, visibility, following and cutting, one rule after the other, on two copies.
#include "engram/space/pair_fixture.h"

namespace engram::space {
namespace {

TEST_F(PairTest, NothingIsShownBeforeItIsCommitted) {
  EXPECT_EQ(a_.space->NewView().status().reason(), Reason::RECOVERING);
  EXPECT_EQ(b_.space->NewView().status().reason(), Reason::RECOVERING);
  EXPECT_EQ(b_.space->GetStatus()->state(), "recovering");
  Agree(a_, b_);
  EXPECT_EQ(b_.space->settings().dimension(), 4u);
  auto local = Write(a_, "x", At(v1::DURABILITY_LOCAL));
  auto reply = local->Get();
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_LOCAL);
  EXPECT_EQ(reply->write().durable_copies(), 1u);
  EXPECT_EQ(reply->write().wanted_copies(), 2u);
  EXPECT_FALSE(reply->write().degraded());
  EXPECT_FALSE(Shows(*a_.space, "x"));
  ShipAll(a_, b_);
  EXPECT_FALSE(Shows(*b_.space, "x"));
  EXPECT_EQ(b_.space->NewViewAtLeast(reply->write().token(), kShort).status().reason(),
            Reason::TOO_STALE);
  Agree(a_, b_);
  EXPECT_TRUE(Shows(*a_.space, "x"));
  EXPECT_TRUE(Shows(*b_.space, "x"));
  EXPECT_TRUE(b_.space->NewViewAtLeast(reply->write().token(), kShort).ok());
  while (b_.committer.shown.load() < reply->write().sequence()) std::this_thread::yield();
  EXPECT_GT(a_.committer.moves.load(), 0u);
}

TEST_F(PairTest, ReplicatedWaitsForTheSecondCopyAndAutoOnlyForAWhile) {
  Agree(a_, b_);
  auto replicated = Write(a_, "r", At(v1::DURABILITY_REPLICATED));
  auto best = Write(a_, "best", At(v1::DURABILITY_AUTO));
  AwaitDurable(a_);
  const Sequence end = a_.log().end();
  a_.space->CommitThrough(end, end.prev().prev(), 2);  // as in a space of durability local
  EXPECT_TRUE(Shows(*a_.space, "r"));
  auto later = Write(a_, "l", At(v1::DURABILITY_LOCAL));  // both wait still
  ASSERT_TRUE(later->Get().ok());
  Agree(a_, b_);
  auto reply = replicated->Get();
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_REPLICATED);
  EXPECT_EQ(reply->write().durable_copies(), 2u);
  EXPECT_EQ(best->Get()->write().durability(), v1::DURABILITY_REPLICATED);

  a_.committer.auto_wait_ns = 1'000'000;
  reply = Write(a_, "auto", At(v1::DURABILITY_AUTO))->Get();
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_LOCAL);
  EXPECT_TRUE(reply->write().degraded());
  EXPECT_FALSE(Shows(*a_.space, "auto"));
  // The set shrinks to this node: it commits, and is no replicated write for that.
  a_.committer.auto_wait_ns = 30'000'000'000;
  best = Write(a_, "alone", At(v1::DURABILITY_AUTO));
  AwaitDurable(a_);
  a_.space->CommitThrough(a_.log().end(), a_.log().end(), 1);
  EXPECT_EQ(best->Get()->write().durability(), v1::DURABILITY_LOCAL);
  EXPECT_TRUE(Shows(*a_.space, "alone"));
  a_.committer.admits_replicated = false;
  EXPECT_EQ(Write(a_, "no", At(v1::DURABILITY_REPLICATED))->Get().status().reason(),
            Reason::NOT_ENOUGH_IN_SYNC);
  EXPECT_EQ(Write(a_, "no", {})->Get().status().reason(), Reason::NOT_ENOUGH_IN_SYNC);
  reply = Write(a_, "one", At(v1::DURABILITY_LOCAL))->Get();
  EXPECT_TRUE(reply->write().degraded());
}

TEST_F(PairTest, WhatIsNotCommittedInTimeIsUnknownAndItsRepeatWaits) {
  Agree(a_, b_);
  a_.committer.commit_timeout_ns = 1'000'000;
  const v1::WriteOptions options = At(v1::DURABILITY_REPLICATED, "key");
  const Status unknown = Write(a_, "x", options)->Get().status();
  ASSERT_EQ(unknown.reason(), Reason::COMMIT_UNKNOWN);
  EXPECT_EQ(unknown.metadata().at("memory_id"), "x");
  EXPECT_EQ(unknown.metadata().at("sequence"), "3");
  EXPECT_EQ(unknown.metadata().at("token"), a_.space->TokenOf({Epoch(1), Sequence(3)}));
  EXPECT_EQ(a_.log().end(), Sequence(3));
  a_.committer.commit_timeout_ns = 30'000'000'000;
  auto repeat = Write(a_, "x", options);
  EXPECT_EQ(a_.log().end(), Sequence(3));
  EXPECT_FALSE(Shows(*a_.space, "x"));
  Agree(a_, b_);
  auto reply = repeat->Get();
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
  EXPECT_EQ(reply->write().sequence(), 3u);
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_REPLICATED);
}

TEST_F(PairTest, DecisionsGoByWhatIsAppended) {
  Agree(a_, b_);
  v1::WriteOptions options = At(v1::DURABILITY_LOCAL);
  ASSERT_TRUE(Write(a_, "x", options)->Get().ok());
  options.set_create_only(true);
  EXPECT_EQ(Write(a_, "x", options)->Get().status().reason(), Reason::ALREADY_EXISTS);
  options.set_if_version(1);
  v1::Episode second = MakeEpisode("x", "another");
  auto reply = Remember(*a_.space, second, options);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().version(), 2u);
  EXPECT_FALSE(Shows(*a_.space, "x"));
  // Unchanged, and as safe as it was asked to be.
  auto unchanged = std::make_shared<Waiting<v1::RememberResponse>>();
  a_.space->Remember(second, At(v1::DURABILITY_REPLICATED), unchanged->done());
  Agree(a_, b_);
  reply = unchanged->Get();
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_UNCHANGED);
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_REPLICATED);
}

TEST_F(PairTest, CutAboveWhatIsVisibleKeepsTheIndexes) {
  Agree(a_, b_);
  ASSERT_TRUE(Write(a_, "x", At(v1::DURABILITY_LOCAL))->Get().ok());
  a_.Follow();
  ASSERT_TRUE(a_.space->Rewind(Sequence(2)).ok());
  EXPECT_EQ(a_.log().end(), Sequence(2));
  EXPECT_EQ(a_.node->observer.Events(), "");
  a_.Lead(Epoch(2));
  auto reply = Write(a_, "x", At(v1::DURABILITY_LOCAL))->Get();
  EXPECT_EQ(reply->write().version(), 1u);
  EXPECT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_CREATED);
}

TEST_F(PairTest, CutBelowWhatIsVisibleTakesItBackAndTokensAreLost) {
  Agree(a_, b_);
  std::string token;
  for (const char* id : {"x", "y"}) {
    auto reply = Write(a_, id, At(v1::DURABILITY_LOCAL, std::string("key-") + id))->Get();
    ASSERT_TRUE(reply.ok());
    token = reply->write().token();
  }
  a_.space->CommitThrough(a_.log().end(), Sequence(2), 2);
  ASSERT_TRUE(Shows(*a_.space, "y"));
  ASSERT_TRUE(a_.space->WaitIndexed(kLong));
  b_.Lead(Epoch(2));
  auto other = Write(b_, "z", At(v1::DURABILITY_LOCAL));
  ASSERT_TRUE(other->Get().ok());
  a_.Follow();
  EXPECT_TRUE(a_.space->NewViewAtLeast(token, kShort).ok());
  ASSERT_TRUE(a_.space->Rewind(Sequence(2)).ok());
  EXPECT_FALSE(Shows(*a_.space, "x"));
  EXPECT_EQ(a_.space->NewViewAtLeast(token, kShort).status().reason(), Reason::TOO_STALE);
  ShipAll(b_, a_);  // a later epoch, not committed: not lost for certain
  EXPECT_EQ(a_.space->NewViewAtLeast(token, kShort).status().reason(), Reason::TOO_STALE);
  Agree(b_, a_);
  EXPECT_EQ(a_.space->NewViewAtLeast(token, kShort).status().reason(), Reason::WRITE_LOST);
  EXPECT_TRUE(Shows(*a_.space, "z"));
  a_.Lead(Epoch(3));
  auto repeat = Write(a_, "x", At(v1::DURABILITY_LOCAL, "key-x"))->Get();
  ASSERT_TRUE(repeat.ok());
  EXPECT_EQ(repeat->write().outcome(), v1::WRITE_OUTCOME_CREATED);
}

TEST_F(PairTest, ADeletedSpaceIsGoneOnTheReplicaToo) {
  Agree(a_, b_);
  a_.committer.commit_timeout_ns = 1'000'000;
  EXPECT_EQ(a_.space->MarkDeleted().reason(), Reason::COMMIT_UNKNOWN);
  EXPECT_EQ(Write(a_, "x", {})->Get().status().reason(), Reason::SPACE_NOT_FOUND);
  EXPECT_TRUE(a_.space->NewView().ok());
  Agree(a_, b_);
  EXPECT_EQ(a_.space->NewView().status().reason(), Reason::SPACE_NOT_FOUND);
  EXPECT_EQ(b_.space->NewView().status().reason(), Reason::SPACE_NOT_FOUND);
  EXPECT_TRUE(b_.space->Close().ok());  // its tasks are through
  EXPECT_NE(b_.node->observer.Events().find("space_deleted"), std::string::npos);
  b_.space = nullptr;
  EXPECT_EQ(Space::Open(b_.node->environment, "notes").status().reason(), Reason::SPACE_NOT_FOUND);
}

TEST_F(PairTest, ConfirmedReadsAskTheOthersAndWaitForTheEpoch) {
  Agree(a_, b_);
  EXPECT_TRUE(a_.space->NewViewConfirmed(kShort).ok());
  EXPECT_EQ(a_.committer.confirms.load(), 1u);
  EXPECT_EQ(b_.space->NewViewConfirmed(kShort).status().reason(), Reason::NOT_PRIMARY);
  a_.Follow();
  b_.Lead(Epoch(2));
  EXPECT_EQ(b_.space->NewViewConfirmed(kShort).status().reason(), Reason::TOO_STALE);
  Agree(b_, a_);
  EXPECT_TRUE(b_.space->NewViewConfirmed(kShort).ok());
}

TEST_F(PairTest, ACopyBelowItsCompactionFloorShowsNothing) {
  Agree(a_, b_);
  wal::Log::Floors floors;
  floors.compaction = {Epoch(1), Sequence(3)};
  ASSERT_TRUE(b_.log().SetFloors(floors).ok());
  EXPECT_EQ(b_.space->NewView().status().reason(), Reason::RECOVERING);
  auto reply = Write(a_, "x", At(v1::DURABILITY_LOCAL));
  ASSERT_TRUE(reply->Get().ok());
  Agree(a_, b_);
  EXPECT_TRUE(Shows(*b_.space, "x"));
}

TEST_F(PairTest, BeginsAnewFromNothing) {
  auto reply = Write(a_, "x", At(v1::DURABILITY_LOCAL));
  ASSERT_TRUE(reply->Get().ok());
  Agree(a_, b_);
  // A fresh copy opens its indexes with its first entries, in the background.
  while (!b_.space->NewView().ok()) std::this_thread::yield();
  ASSERT_TRUE(b_.space->WaitIndexed(kLong));
  const Epoch promised = b_.log().promised();
  ASSERT_TRUE(b_.space->Rewind(Sequence()).ok());
  EXPECT_EQ(b_.log().end(), Sequence());
  EXPECT_EQ(b_.log().promised(), promised);
  EXPECT_EQ(b_.space->NewView().status().reason(), Reason::RECOVERING);
  ASSERT_TRUE(b_.space->Rewind(Sequence()).ok());  // there is nothing left to cut
  Agree(a_, b_);
  EXPECT_TRUE(Shows(*b_.space, "x"));
  // A power cut right behind it.
  ASSERT_TRUE(b_.space->Rewind(Sequence()).ok());
  Prng prng(7);
  b_.Crash(prng, /*power_cut=*/true);
  EXPECT_EQ(b_.log().end(), Sequence());
  EXPECT_EQ(b_.log().promised(), promised);
  EXPECT_EQ(b_.space->incarnation(), a_.space->incarnation());
  EXPECT_EQ(b_.space->NewView().status().reason(), Reason::RECOVERING);
  Agree(a_, b_);
  EXPECT_TRUE(Shows(*b_.space, "x"));
  ASSERT_TRUE(b_.space->WaitIndexed(kLong));
  EXPECT_EQ(b_.space->GetStatus()->episodes(), 1u);
}

TEST_F(PairTest, CatchesUpThroughASmallTail) {
  Agree(a_, b_);
  b_.Stop();
  b_.Boot(nullptr);
  b_.node->environment.tail_bytes_max = 40'000;
  b_.space = *Space::CreateCopy(b_.node->environment, "notes", a_.space->incarnation());
  for (int i = 0; i < 300; ++i) {
    v1::Episode episode = MakeEpisode("id" + std::to_string(i), std::string(500, 'x'));
    auto waiting = std::make_shared<Waiting<v1::RememberResponse>>();
    a_.space->Remember(episode, At(v1::DURABILITY_LOCAL), waiting->done());
    ASSERT_TRUE(waiting->Get().ok());
  }
  Agree(a_, b_);
  EXPECT_TRUE(Shows(*b_.space, "id299"));
  EXPECT_LE(b_.node->environment.tails->used(), 40'000u);
  EXPECT_EQ(b_.space->GetStatus()->episodes(), 300u);
}

// On both, whoever shows an entry tells the indexes of it, which are being replaced meanwhile.
TEST_F(PairTest, IndexesAreRebuiltWhileEntriesArrive) {
  ASSERT_NO_FATAL_FAILURE(Agree(a_, b_));
  std::atomic<bool> done{false};
  std::thread rebuilds([&] {
    while (!done.load()) {
      for (PairCopy* copy : {&a_, &b_}) EXPECT_TRUE(copy->space->RebuildIndexes(nullptr).ok());
    }
  });
  for (int i = 0; i < 60 && !HasFatalFailure(); ++i) {
    Write(a_, "id" + std::to_string(i), At(v1::DURABILITY_LOCAL));
    AwaitDurable(a_);
    ShipAll(a_, b_);
    const Sequence end = a_.log().end();
    for (PairCopy* copy : {&a_, &b_}) copy->space->CommitThrough(end, end, 2);
  }
  done = true;
  rebuilds.join();
  ASSERT_TRUE(b_.Settle());
  for (PairCopy* copy : {&a_, &b_}) {
    EXPECT_TRUE(copy->space->WaitIndexed(kLong));
    EXPECT_TRUE(Shows(*copy->space, "id59"));
  }
}

TEST_F(PairTest, WhatIsNotCommittedIsBounded) {
  Agree(a_, b_);
  a_.Stop();
  a_.Boot(nullptr);
  a_.node->environment.tail_bytes_max = 20'000;
  a_.space = *Space::CreateFirst(a_.node->environment, "notes", SmallVectors(),
                                 env::MakeIncarnation(env::SystemEntropy()), Epoch(1),
                                 EpochStartPayload(a_.node->environment, Epoch(1), {}));
  Status status;
  for (int i = 0; i < 200 && status.ok(); ++i) {
    status = Write(a_, "id" + std::to_string(i), At(v1::DURABILITY_LOCAL))->Get().status();
  }
  EXPECT_EQ(status.reason(), Reason::OVERLOADED);
  EXPECT_NE(status.ToString().find("replicas remove"), std::string::npos) << status.ToString();
  a_.space->CommitThrough(a_.log().end(), a_.log().end(), 2);
  ASSERT_TRUE(a_.space->WaitIndexed(kLong));
  EXPECT_TRUE(Write(a_, "more", At(v1::DURABILITY_LOCAL))->Get().ok());
}

TEST_F(PairTest, OpensAsOneThatFollowsAtWhatWasCommitted) {
  Agree(a_, b_);
  ASSERT_TRUE(Write(a_, "x", At(v1::DURABILITY_LOCAL))->Get().ok());
  Agree(a_, b_);
  ASSERT_TRUE(Write(a_, "y", At(v1::DURABILITY_LOCAL))->Get().ok());
  ASSERT_TRUE(a_.space->Close().ok());
  a_.space = *Space::Open(a_.node->environment, "notes");
  EXPECT_EQ(Write(a_, "z", {})->Get().status().reason(), Reason::NOT_PRIMARY);
  EXPECT_TRUE(Shows(*a_.space, "x"));
  EXPECT_FALSE(Shows(*a_.space, "y"));
  EXPECT_EQ(a_.space->visible().sequence, Sequence(3));
  a_.Lead(Epoch(2));
  Agree(a_, b_);
  EXPECT_TRUE(Shows(*b_.space, "y"));
}

TEST(Copies, AreMadeMovedAndRemovedByTheRegistry) {
  PairCopy a;
  auto registry = *Registry::Start(a.node->environment, {});
  const Incarnation incarnation = env::MakeIncarnation(env::SystemEntropy());
  auto copy = registry->CreateCopy("notes", incarnation);
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  EXPECT_EQ((*copy)->incarnation(), incarnation);
  EXPECT_EQ(registry->CreateCopy("notes", incarnation).status().reason(), Reason::SPACE_EXISTS);
  auto away = registry->MoveAway("notes");
  ASSERT_TRUE(away.ok()) << away.status().ToString();
  EXPECT_EQ(*away, "/data/foreign/notes-" + FormatBase32(incarnation.bytes, false));
  EXPECT_TRUE(*a.node->fs->Exists(*away + "/space.meta"));
  EXPECT_FALSE(registry->Exists("notes"));
  EXPECT_EQ((*copy)->NewView().status().reason(), Reason::SHUTTING_DOWN);
  *copy = nullptr;
  ASSERT_TRUE(registry->CreateCopy("notes", incarnation).ok());
  away = registry->MoveAway("notes");
  ASSERT_TRUE(away.ok());
  EXPECT_TRUE(away->ends_with("-2")) << *away;
  ASSERT_TRUE(registry
                  ->CreateFirst("notes", SmallVectors(), incarnation, Epoch(256),
                                EpochStartPayload(a.node->environment, Epoch(256), {}))
                  .ok());
  EXPECT_EQ((*registry->Get("notes"))->log().epoch(), Epoch(256));
  EXPECT_TRUE(registry->Remove("notes").ok());
  EXPECT_EQ(registry->Get("notes").status().reason(), Reason::SPACE_NOT_FOUND);
  EXPECT_EQ(registry->Remove("notes").reason(), Reason::SPACE_NOT_FOUND);
  EXPECT_TRUE(registry->CloseAll().ok());
}

}  // namespace
}  // namespace engram::space
