// Keyed batches of which a crash, or a change of the primary, has left only the beginning in the
// log: their repeat writes the rest, once.
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "engram/space/pair_kit.h"

namespace engram::space {
namespace {

constexpr env::Duration kLong = std::chrono::seconds(30);

v1::RememberBatchRequest BatchOf(std::vector<v1::Episode> episodes, bool atomic = false) {
  v1::RememberBatchRequest request;
  for (v1::Episode& episode : episodes) *request.add_episodes() = std::move(episode);
  request.set_atomic(atomic);
  request.mutable_options()->set_durability(v1::DURABILITY_LOCAL);
  request.mutable_options()->set_idempotency_key("key");
  return request;
}

// "what" of the episodes in the log, in its order.
std::string InLog(Space& space) {
  std::string text;
  const auto cursor = space.log().NewCursor(Sequence(1), wal::ReadThrough::kAppended);
  for (;;) {
    auto entry = cursor->Next();
    EXPECT_TRUE(entry.ok()) << entry.status().ToString();
    if (!entry.ok() || !entry->has_value()) return text;
    auto decoded = DecodeEntry(**entry);
    EXPECT_TRUE(decoded.ok()) << decoded.status().ToString();
    const pb::StoreRecord* content = (*decoded)->content();
    if (content != nullptr) text += (text.empty() ? "" : " ") + content->episode().what();
  }
}

// Of each item: its outcome, and what lies where its answer says that it lies.
std::string Told(Space& space, const Result<v1::RememberBatchResponse>& reply) {
  if (!reply.ok()) return reply.status().ToString();
  std::string text;
  for (const v1::RememberResponse& result : reply->results()) {
    text += text.empty() ? "" : " ";
    const v1::WriteResult& write = result.write();
    if (result.has_error()) {
      text += result.error().reason();
      continue;
    }
    const std::string outcome = v1::WriteOutcome_Name(write.outcome());
    text += outcome.substr(std::string("WRITE_OUTCOME_").size());
    if (write.sequence() == 0) continue;
    auto entry = space.log().Read(Sequence(write.sequence()));
    EXPECT_TRUE(entry.ok()) << entry.status().ToString();
    if (!entry.ok()) continue;
    EXPECT_EQ(write.epoch(), entry->header.epoch.value());
    auto decoded = DecodeEntry(*entry);
    if (!decoded.ok() || (*decoded)->content() == nullptr) return text + " no episode";
    const pb::StoreRecord& record = *(*decoded)->content();
    EXPECT_EQ(result.memory_id(), record.episode().id());
    EXPECT_EQ(write.version(), record.version());
    text += ":" + record.episode().what();
  }
  return text;
}

// The disk as a crash leaves it that came while this text was written.
std::unique_ptr<env::FileSystem> CutAt(TestNode& node, const std::string& text) {
  auto left = node.memory().Clone();
  const std::string directory = "/data/spaces/notes/wal";
  auto names = left->List(directory);
  EXPECT_TRUE(names.ok()) << names.status().ToString();
  size_t cuts = 0;
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    const std::string path = env::JoinPath(directory, name);
    auto bytes = env::ReadWholeFile(*left, path);
    if (!name.ends_with(".log") || !bytes.ok() || bytes->find(text) == std::string::npos) continue;
    auto file = left->Open(path, env::OpenMode::kReadWrite);
    EXPECT_TRUE(file.ok() && (*file)->Truncate(bytes->find(text)).ok());
    ++cuts;
  }
  EXPECT_EQ(cuts, 1u) << text;
  return left;
}

// One node, and crashes.
class TornTest : public ::testing::TestWithParam<bool> {  // the catalog has the beginning
 protected:
  TornTest() { space_ = *Space::Create(node_->environment, "notes", SmallVectors()); }

  void Crash(const std::string& text) {
    auto left = CutAt(*node_, text);
    space_ = nullptr;
    node_ = std::make_unique<TestNode>(std::move(left));
    Open();
  }
  void Open() {
    auto opened = Space::Open(node_->environment, "notes");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString() << node_->observer.Events();
    space_ = *opened;
    if (!GetParam()) return;
    ASSERT_TRUE(space_->WaitIndexed(kLong));
  }
  void Reopen() {
    ASSERT_TRUE(space_->Close().ok());
    Open();
  }
  std::string Try(const v1::RememberBatchRequest& request) {
    return Told(*space_, RememberBatch(*space_, request));
  }

  std::unique_ptr<TestNode> node_ = std::make_unique<TestNode>();
  std::shared_ptr<Space> space_;
};
INSTANTIATE_TEST_SUITE_P(Catalog, TornTest, ::testing::Bool());

TEST_P(TornTest, TheRepeatWritesWhatTheCrashCutOff) {
  for (const bool atomic : {false, true}) {
    SCOPED_TRACE(atomic);
    const auto request = BatchOf({MakeEpisode("", "one1"), MakeEpisode("", "two2"),
                                  MakeEpisode("", "three3"), MakeEpisode("", "four4")},
                                 atomic);
    auto first = RememberBatch(*space_, request);
    ASSERT_EQ(Told(*space_, first), "CREATED:one1 CREATED:two2 CREATED:three3 CREATED:four4");
    Crash("three3");
    ASSERT_EQ(InLog(*space_), "one1 two2");
    auto reply = RememberBatch(*space_, request);
    EXPECT_EQ(Told(*space_, reply), "REPEATED:one1 REPEATED:two2 CREATED:three3 CREATED:four4");
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->results(1).write().token(), first->results(1).write().token());
    EXPECT_EQ(reply->write().token(), reply->results(3).write().token());
    EXPECT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_CREATED);
    // The rest of it is cut off in its turn.
    Crash("four4");
    reply = RememberBatch(*space_, request);
    EXPECT_EQ(Told(*space_, reply), "REPEATED:one1 REPEATED:two2 REPEATED:three3 CREATED:four4");
    for (int i = 0; i < 3; ++i) {
      auto again = RememberBatch(*space_, request);
      EXPECT_EQ(Told(*space_, again), "REPEATED:one1 REPEATED:two2 REPEATED:three3 REPEATED:four4");
      EXPECT_EQ(again->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
      for (int item = 0; item < 4; ++item) {
        EXPECT_EQ(again->results(item).memory_id(), reply->results(item).memory_id());
      }
      if (i == 0) Reopen();
    }
    EXPECT_EQ(InLog(*space_), "one1 two2 three3 four4");
    space_ = nullptr;
    node_ = std::make_unique<TestNode>();
    space_ = *Space::Create(node_->environment, "notes", SmallVectors());
  }
}

TEST_P(TornTest, WhatWasRefusedOrUnchangedIsNotWrittenLater) {
  ASSERT_TRUE(Remember(*space_, MakeEpisode("s", "same0")).ok());
  const auto request =
      BatchOf({MakeEpisode("a", "one1"), MakeEpisode("", ""), MakeEpisode("s", "same0"),
               MakeEpisode("b", "two2"), MakeEpisode("c", "three3"), MakeEpisode("", ""),
               MakeEpisode("s", "same0")});
  ASSERT_EQ(Try(request),
            "CREATED:one1 INVALID_EPISODE UNCHANGED:same0 CREATED:two2 CREATED:three3 "
            "INVALID_EPISODE UNCHANGED:same0");
  std::unique_ptr<env::FileSystem> whole = node_->memory().Clone();
  auto early = CutAt(*node_, "two2");
  Crash("three3");
  EXPECT_EQ(Try(request),
            "REPEATED:one1 INVALID_EPISODE REPEATED REPEATED:two2 CREATED:three3 "
            "INVALID_EPISODE UNCHANGED:same0");
  const std::string repeated =
      "REPEATED:one1 INVALID_EPISODE REPEATED REPEATED:two2 REPEATED:three3 INVALID_EPISODE "
      "REPEATED";
  const auto expect_no_more = [&] {
    EXPECT_EQ(Try(request), repeated);
    // Another has its turn, and the batch is not written over it: it had come to its end.
    ASSERT_TRUE(Remember(*space_, MakeEpisode("s", "other9")).ok());
    EXPECT_EQ(Try(request), repeated);
    Reopen();
    EXPECT_EQ(Try(request), repeated);
    EXPECT_EQ(InLog(*space_), "same0 one1 two2 three3 other9");
  };
  ASSERT_NO_FATAL_FAILURE(expect_no_more());
  for (auto* left : {&whole, &early}) {
    space_ = nullptr;
    node_ = std::make_unique<TestNode>(std::move(*left));
    Open();
    if (left == &early) {
      EXPECT_EQ(Try(request),
                "REPEATED:one1 INVALID_EPISODE UNCHANGED:same0 CREATED:two2 CREATED:three3 "
                "INVALID_EPISODE UNCHANGED:same0");
    }
    ASSERT_NO_FATAL_FAILURE(expect_no_more());
  }
}

TEST_P(TornTest, NothingIsWrittenWhenTheRestStandsAlready) {
  auto request = BatchOf({MakeEpisode("a", "one1"), MakeEpisode("b", "two2"), MakeEpisode("", "")});
  ASSERT_EQ(Try(request), "CREATED:one1 CREATED:two2 INVALID_EPISODE");
  Crash("two2");
  request.mutable_options()->set_validate_only(true);
  EXPECT_EQ(Try(request), "REPEATED:one1 CREATED INVALID_EPISODE");
  request.mutable_options()->set_validate_only(false);
  EXPECT_EQ(InLog(*space_), "one1");
  ASSERT_TRUE(Remember(*space_, MakeEpisode("b", "two2")).ok());
  for (int i = 0; i < 2; ++i) {
    auto reply = RememberBatch(*space_, request);
    EXPECT_EQ(Told(*space_, reply), "REPEATED:one1 UNCHANGED:two2 INVALID_EPISODE");
    EXPECT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
    EXPECT_EQ(reply->write().token(), reply->results(0).write().token());
  }
  EXPECT_EQ(InLog(*space_), "one1 two2");
  // The key is taken.
  *request.mutable_episodes(0) = MakeEpisode("a", "another");
  const Status reused = RememberBatch(*space_, request).status();
  EXPECT_EQ(reused.reason(), Reason::IDEMPOTENCY_KEY_REUSED);
  EXPECT_EQ(reused.metadata().at("memory_id"), "a");
}

TEST_P(TornTest, RepeatsAtOnceCompleteItOnce) {
  std::vector<v1::Episode> episodes;
  std::string all;
  for (int i = 100; i < 140; ++i) {
    episodes.push_back(MakeEpisode("", "item" + std::to_string(i)));
    all += (all.empty() ? "" : " ") + episodes.back().what();
  }
  const auto request = BatchOf(episodes);
  ASSERT_TRUE(RememberBatch(*space_, request).ok());
  Crash("item110");
  std::vector<std::string> ids(4);
  std::vector<std::thread> threads;
  for (std::string& told : ids) {
    threads.emplace_back([&] {
      auto reply = RememberBatch(*space_, request);
      ASSERT_TRUE(reply.ok()) << reply.status().ToString();
      for (const auto& result : reply->results()) {
        EXPECT_GT(result.write().sequence(), 0u);
        told += result.memory_id() + " ";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(InLog(*space_), all);
}

// Two copies: the one that leads next has only the beginning.
class TornPairTest : public ::testing::Test {
 protected:
  TornPairTest() {
    const Incarnation incarnation = env::MakeIncarnation(env::SystemEntropy());
    const auto& environment = a_.node->environment;
    a_.space = *Space::CreateFirst(environment, "notes", SmallVectors(), incarnation, Epoch(1),
                                   EpochStartPayload(environment, Epoch(1), {}));
    a_.committer.leads = true;
    b_.space = *Space::CreateCopy(b_.node->environment, "notes", incarnation);
    Commit(a_, b_, 2);
  }
  // Ships everything up to an entry, and commits it.
  void Commit(PairCopy& primary, PairCopy& replica, uint64_t through) {
    const auto end = env::SystemClock().Now() + kLong;
    while (primary.log().durable_end() < primary.log().end()) {
      ASSERT_LT(env::SystemClock().Now(), end);
      std::this_thread::yield();
    }
    Ship(primary, replica, through);
    for (PairCopy* copy : {&primary, &replica}) {
      copy->space->CommitThrough(Sequence(through), Sequence(through), 2);
    }
    ASSERT_TRUE(replica.Settle());
  }
  void Ship(PairCopy& from, PairCopy& to, uint64_t through) {
    const Status shipped = space::Ship(from.log(), to.log(), through - to.log().end().value());
    ASSERT_TRUE(shipped.ok()) << shipped.ToString();
    ASSERT_EQ(to.log().end(), Sequence(through));
  }
  std::string Try(PairCopy& copy) {
    return Told(*copy.space, RememberBatch(*copy.space, request_));
  }
  void Rewind(PairCopy& loser, PairCopy& winner) {
    loser.Follow();
    const Status cut = loser.space->Rewind(ForkPoint(loser.log(), winner.log()));
    ASSERT_TRUE(cut.ok()) << cut.ToString();
  }

  PairCopy a_, b_;
  v1::RememberBatchRequest request_ =
      BatchOf({MakeEpisode("", "one1"), MakeEpisode("", "two2"), MakeEpisode("", "three3"),
               MakeEpisode("", "four4")});
};

TEST_F(TornPairTest, TheNextPrimaryCompletesWhatItHasTheBeginningOf) {
  ASSERT_EQ(Try(a_), "CREATED:one1 CREATED:two2 CREATED:three3 CREATED:four4");
  Ship(a_, b_, 4);  // one1, two2
  b_.Lead(Epoch(2));
  // As any write: only when it may be written, and it waits for what was asked for.
  request_.mutable_options()->set_durability(v1::DURABILITY_REPLICATED);
  b_.committer.admits_replicated = false;
  EXPECT_EQ(RememberBatch(*b_.space, request_).status().reason(), Reason::NOT_ENOUGH_IN_SYNC);
  b_.committer.admits_replicated = true;
  ASSERT_EQ(InLog(*b_.space), "one1 two2");
  Waiting<v1::RememberBatchResponse> waiting, repeat;
  b_.space->RememberBatch(request_, waiting.done());
  b_.space->RememberBatch(request_, repeat.done());
  ASSERT_EQ(b_.log().end(), Sequence(7));  // and an EpochStart
  ASSERT_NO_FATAL_FAILURE(Rewind(a_, b_));
  ASSERT_NO_FATAL_FAILURE(Commit(b_, a_, 7));
  EXPECT_EQ(Told(*b_.space, waiting.Get()),
            "REPEATED:one1 REPEATED:two2 CREATED:three3 CREATED:four4");
  const std::string whole = "REPEATED:one1 REPEATED:two2 REPEATED:three3 REPEATED:four4";
  EXPECT_EQ(Told(*b_.space, repeat.Get()), whole);
  b_.Follow();
  a_.Lead(Epoch(3));
  request_.mutable_options()->set_durability(v1::DURABILITY_LOCAL);
  EXPECT_EQ(Try(a_), whole);
  EXPECT_EQ(InLog(*a_.space), "one1 two2 three3 four4");
}

TEST_F(TornPairTest, OneCompletionAfterTheOther) {
  ASSERT_EQ(Try(a_), "CREATED:one1 CREATED:two2 CREATED:three3 CREATED:four4");
  Ship(a_, b_, 3);  // one1
  b_.Lead(Epoch(2));
  EXPECT_EQ(Try(b_), "REPEATED:one1 CREATED:two2 CREATED:three3 CREATED:four4");
  ASSERT_NO_FATAL_FAILURE(Rewind(a_, b_));
  Ship(b_, a_, 6);  // EpochStart, two2, three3
  a_.Lead(Epoch(3));
  EXPECT_EQ(Try(a_), "REPEATED:one1 REPEATED:two2 REPEATED:three3 CREATED:four4");
  ASSERT_NO_FATAL_FAILURE(Rewind(b_, a_));
  ASSERT_NO_FATAL_FAILURE(Commit(a_, b_, a_.log().end().value()));
  EXPECT_EQ(InLog(*b_.space), "one1 two2 three3 four4");
  EXPECT_EQ(Try(a_), "REPEATED:one1 REPEATED:two2 REPEATED:three3 REPEATED:four4");
}

// The cut is above what is visible: the beginning is known from there, and not from the catalog.
TEST_F(TornPairTest, TheBeginningStaysKnownWhenTheRestIsCut) {
  ASSERT_EQ(Try(a_), "CREATED:one1 CREATED:two2 CREATED:three3 CREATED:four4");
  Ship(a_, b_, 6);
  b_.space->CommitThrough(Sequence(4), Sequence(4), 2);  // one1, two2
  ASSERT_TRUE(b_.Settle());
  b_.Lead(Epoch(2));
  b_.Follow();
  ASSERT_TRUE(b_.space->Rewind(Sequence(4)).ok());
  ASSERT_EQ(InLog(*b_.space), "one1 two2");
  b_.Lead(Epoch(3));
  EXPECT_EQ(Try(b_), "REPEATED:one1 REPEATED:two2 CREATED:three3 CREATED:four4");
  EXPECT_EQ(Try(b_), "REPEATED:one1 REPEATED:two2 REPEATED:three3 REPEATED:four4");
  EXPECT_EQ(InLog(*b_.space), "one1 two2 three3 four4");
}

}  // namespace
}  // namespace engram::space
