// Random writes against an oracle: whatever is indexed, on its way or only in the tail, whichever
// view is asked and when, after kills and rebuilds, the answers are those of brute force.
#include <deque>

#include <gtest/gtest.h>

#include "engram/space/oracle.h"
#include "engram/space/test_kit.h"

namespace engram::space {
namespace {

// Tasks wait until the test runs them, one by one, or lets all go.
class HeldExecutor : public env::Executor {
 public:
  explicit HeldExecutor(env::Executor& below) : below_(below) {}
  void Post(env::Task task) override {
    MutexLock lock(mutex_);
    held_ ? tasks_.push_back(std::move(task)) : below_.Post(std::move(task));
  }
  void PostAfter(env::Duration delay, env::Task task) override {
    MutexLock lock(mutex_);
    held_ ? tasks_.push_back(std::move(task)) : below_.PostAfter(delay, std::move(task));
  }
  bool RunOne(Prng& prng) {
    env::Task task;
    {
      MutexLock lock(mutex_);
      if (tasks_.empty()) return false;
      const auto at = tasks_.begin() + static_cast<long>(prng.Below(tasks_.size()));
      task = std::move(*at);
      tasks_.erase(at);
    }
    task();
    return true;
  }
  void LetGo() {
    MutexLock lock(mutex_);
    held_ = false;
    for (env::Task& task : tasks_) below_.Post(std::move(task));
    tasks_.clear();
  }

 private:
  env::Executor& below_;
  Mutex mutex_;
  bool held_ = true;
  std::deque<env::Task> tasks_;
};

class Truth : public ::testing::TestWithParam<uint64_t> {
 protected:
  explicit Truth(uint64_t seed = 0) : prng_(seed) {}

  v1::Episode Stored(v1::Episode episode, const google::protobuf::Timestamp& stored_at,
                     const v1::EventTime* previous) {
    model::PrepareContext context;
    context.space = "notes";
    context.settings = &settings_;
    context.now = model::UtcTime::FromProto(stored_at);
    context.previous_time = previous;
    std::vector<v1::Warning> warnings;
    EXPECT_TRUE(model::PrepareEpisode(context, &episode, &warnings).ok());
    return episode;
  }

  void Note(const v1::Episode& episode, const v1::WriteResult& write, bool keep_state = false) {
    KnownMemory& memory = oracle_.live[episode.id()];
    const bool was_hidden = memory.suppressed;
    memory.stored_at = model::UtcTime::FromProto(write.stored_at());
    memory.episode = episode;
    memory.content = Sequence(write.sequence());
    memory.version = write.version();
    memory.suppressed = keep_state && was_hidden;
    EXPECT_EQ(write.version(), oracle_.newest[episode.id()] + 1) << episode.id();
    oracle_.newest[episode.id()] = write.version();
  }

  const v1::EventTime* TimeOf(const std::string& id) {
    const auto live = oracle_.live.find(id);
    return live == oracle_.live.end() ? nullptr : &live->second.episode.event_time();
  }

  void NoteRemembered(const v1::Episode& episode, const v1::RememberResponse& reply) {
    const std::string& id = reply.memory_id();
    if (reply.write().outcome() == v1::WRITE_OUTCOME_UNCHANGED) {
      EXPECT_EQ(reply.write().version(), oracle_.newest[id]);
      return;
    }
    EXPECT_EQ(reply.write().outcome() == v1::WRITE_OUTCOME_CREATED, !oracle_.live.contains(id));
    v1::Episode stored = Stored(episode, reply.write().stored_at(), TimeOf(id));
    stored.set_id(id);
    Note(stored, reply.write());
  }

  std::string AnyId() { return "id" + std::to_string(prng_.Below(20)); }

  void RememberOne() {
    const v1::Episode episode = RandomEpisode(prng_, AnyId());
    v1::WriteOptions options;
    if (prng_.OneIn(3)) options.set_idempotency_key("key" + std::to_string(++keys_));
    if (prng_.OneIn(6)) options.set_create_only(true);
    if (prng_.OneIn(6)) options.set_if_version(prng_.Below(4));
    auto reply = Remember(*space_, episode, options);
    const auto live = oracle_.live.find(episode.id());
    const uint64_t version = live == oracle_.live.end() ? 0 : live->second.version;
    if (options.condition_case() == v1::WriteOptions::kCreateOnly && version > 0) {
      ASSERT_EQ(reply.status().reason(), Reason::ALREADY_EXISTS);
    } else if (options.condition_case() == v1::WriteOptions::kIfVersion &&
               options.if_version() != version) {
      ASSERT_EQ(reply.status().reason(), Reason::VERSION_CONFLICT);
    } else {
      ASSERT_TRUE(reply.ok()) << reply.status().ToString();
      NoteRemembered(episode, *reply);
      const bool wrote = reply->write().outcome() != v1::WRITE_OUTCOME_UNCHANGED;
      if (wrote && !options.idempotency_key().empty()) sent_.push_back({episode, options, *reply});
    }
  }

  void RepeatOne() {
    if (sent_.empty()) return;
    const Sent& sent = sent_[prng_.Below(sent_.size())];
    auto reply = Remember(*space_, sent.episode, sent.options);
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    ASSERT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
    reply->mutable_write()->set_outcome(sent.reply.write().outcome());
    ASSERT_EQ(reply->SerializeAsString(), sent.reply.SerializeAsString());
  }

  void RememberSome() {
    v1::RememberBatchRequest request;
    request.set_atomic(prng_.OneIn(2));
    for (uint64_t i = 1 + prng_.Below(6); i > 0; --i) {
      *request.add_episodes() = RandomEpisode(prng_, AnyId());
    }
    auto reply = RememberBatch(*space_, request);
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    for (int i = 0; i < reply->results_size(); ++i) {
      NoteRemembered(request.episodes(i), reply->results(i));
    }
  }

  void UpdateOne() {
    v1::UpdateRequest request;
    *request.mutable_episode() = RandomEpisode(prng_, AnyId());
    for (const char* path : {"what", "tags", "who", "session", "metadata.k"}) {
      if (prng_.OneIn(2)) request.mutable_update_mask()->add_paths(path);
    }
    if (request.update_mask().paths().empty()) request.mutable_update_mask()->add_paths("tags");
    auto reply = Update(*space_, request);
    const auto live = oracle_.live.find(request.episode().id());
    if (live == oracle_.live.end()) {
      ASSERT_EQ(reply.status().reason(), Reason::MEMORY_NOT_FOUND);
      return;
    }
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    if (reply->write().outcome() == v1::WRITE_OUTCOME_UNCHANGED) return;
    v1::Episode changed = live->second.episode;
    const v1::EventTime time = changed.event_time();
    ASSERT_TRUE(model::ApplyMask(request.update_mask(), request.episode(), &changed).ok());
    changed.clear_event_time();
    Note(Stored(changed, reply->write().stored_at(), &time), reply->write(), true);
  }

  void ForgetSome() {
    ForgetCommand command;
    command.mode = prng_.OneIn(3) ? v1::FORGET_MODE_DELETE : v1::FORGET_MODE_SUPPRESS;
    command.allow_missing = true;
    for (uint64_t i = 1 + prng_.Below(3); i > 0; --i) command.ids.push_back(AnyId());
    auto reply = Forget(*space_, command);
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    for (const std::string& id : command.ids) {
      if (!oracle_.live.contains(id)) continue;
      oracle_.live[id].suppressed = true;
      if (command.mode == v1::FORGET_MODE_DELETE) oracle_.live.erase(id);
    }
  }

  void RestoreSome() {
    v1::RestoreRequest request;
    for (uint64_t i = 1 + prng_.Below(4); i > 0; --i) request.add_ids(AnyId());
    auto reply = Restore(*space_, request);
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    for (const std::string& id : request.ids()) {
      if (oracle_.live.contains(id)) oracle_.live[id].suppressed = false;
    }
  }

  void DoOne() {
    const uint64_t what = prng_.Below(12);
    if (what < 5)
      RememberOne();
    else if (what < 6)
      RepeatOne();
    else if (what < 8)
      RememberSome();
    else if (what < 9)
      UpdateOne();
    else if (what < 11)
      ForgetSome();
    else
      RestoreSome();
  }

  std::string Expected() { return Describe(oracle_, *analyzer_); }
  std::string Now() {
    auto view = space_->NewView();
    EXPECT_TRUE(view.ok()) << view.status().ToString();
    return Describe(**view);
  }

  struct Sent {
    v1::Episode episode;
    v1::WriteOptions options;
    v1::RememberResponse reply;
  };
  // Ends after the space and its views.
  std::unique_ptr<TestNode> node_ = std::make_unique<TestNode>();
  HeldExecutor held_{*node_->background};
  Prng prng_;
  v1::SpaceSettings settings_ = model::WithDefaults(SmallVectors());
  std::unique_ptr<index::Analyzer> analyzer_ = *index::Analyzer::Make("english");
  Oracle oracle_;
  std::vector<Sent> sent_;
  int keys_ = 0;
  std::shared_ptr<Space> space_;
};

class SplitBlind : public Truth {
 protected:
  SplitBlind() : Truth(GetParam() + 1000) {}
};

TEST_P(SplitBlind, AnswersDoNotDependOnWhereEntriesLie) {
  node_->environment.background = &held_;
  space_ = *Space::Create(node_->environment, "notes", SmallVectors());
  std::vector<std::pair<std::unique_ptr<View>, std::string>> kept;
  for (int step = 0; step < 120; ++step) {
    ASSERT_NO_FATAL_FAILURE(DoOne()) << "step " << step;
    if (prng_.OneIn(3)) held_.RunOne(prng_);
    if (prng_.OneIn(12)) {
      ASSERT_EQ(Now(), Expected()) << "step " << step;
      if (kept.size() < 4) kept.emplace_back(*space_->NewView(), Expected());
    }
  }
  for (auto& [view, expected] : kept) ASSERT_EQ(Describe(*view), expected) << "an old view";
  ASSERT_EQ(Now(), Expected()) << "partly indexed";
  while (held_.RunOne(prng_)) {
  }
  ASSERT_EQ(Now(), Expected()) << "indexed";
  for (auto& [view, expected] : kept)
    ASSERT_EQ(Describe(*view), expected) << "an old view, indexed";
  kept.clear();
  held_.LetGo();
  ASSERT_TRUE(space_->RebuildIndexes(nullptr).ok());
  ASSERT_EQ(Now(), Expected()) << "rebuilt";
  ASSERT_NO_FATAL_FAILURE(RepeatOne());
  ASSERT_TRUE(space_->Close().ok());
  space_ = *Space::Open(node_->environment, "notes");
  ASSERT_EQ(Now(), Expected()) << "opened again";
  ASSERT_NO_FATAL_FAILURE(RepeatOne());
  space_ = nullptr;
}
INSTANTIATE_TEST_SUITE_P(Seeds, SplitBlind, ::testing::Range<uint64_t>(0, 40));

class Crash : public Truth {
 protected:
  Crash() : Truth(GetParam()) {}
};

// A power cut at any point keeps any subset of what was not synced.
TEST_P(Crash, LosesNothingAcknowledgedAndNeedsNobody) {
  space_ = *Space::Create(node_->environment, "notes", SmallVectors());
  for (int life = 0; life < 4; ++life) {
    for (uint64_t i = 5 + prng_.Below(25); i > 0; --i) ASSERT_NO_FATAL_FAILURE(DoOne());
    if (prng_.OneIn(3)) {
      ASSERT_TRUE(space_->WaitIndexed(std::chrono::seconds(30)));
    }
    const bool power_cut = !prng_.OneIn(4);  // else: kill -9
    auto left = power_cut ? node_->memory().CrashClone(prng_) : node_->memory().Clone();
    space_ = nullptr;
    node_ = std::make_unique<TestNode>(std::move(left));
    auto opened = Space::Open(node_->environment, "notes");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString() << node_->observer.Events();
    space_ = *opened;
    ASSERT_EQ(Now(), Expected()) << "life " << life << "\n" << node_->observer.Events();
    ASSERT_NO_FATAL_FAILURE(RepeatOne());
  }
  ASSERT_TRUE(space_->WaitIndexed(std::chrono::seconds(30)));
  ASSERT_EQ(Now(), Expected());
  space_ = nullptr;
}
INSTANTIATE_TEST_SUITE_P(Seeds, Crash, ::testing::Range<uint64_t>(0, 120));

}  // namespace
}  // namespace engram::space
