// For tests: a Space on a file system in memory whose indexing runs when the test says so, so that
// entries lie in the tail, in the indexes, or in both, as wanted.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engram/env/memory_file_system.h"
#include "engram/recall/corpus.h"
#include "engram/space/space.h"

namespace engram::recall {

// Keeps tasks back while it is held; otherwise a thread runs them. Thread-safe.
class HeldExecutor : public env::Executor {
 public:
  void Post(env::Task task) override {
    std::lock_guard lock(mutex_);
    if (held_) {
      waiting_.push_back(std::move(task));
    } else {
      pool_->Post(std::move(task));
    }
  }
  void PostAfter(env::Duration, env::Task task) override { Post(std::move(task)); }
  void Hold() {
    std::lock_guard lock(mutex_);
    held_ = true;
  }
  void Release() {
    std::lock_guard lock(mutex_);
    held_ = false;
    for (env::Task& task : waiting_) pool_->Post(std::move(task));
    waiting_.clear();
  }

 private:
  std::mutex mutex_;
  bool held_ = true;
  std::vector<env::Task> waiting_;
  std::unique_ptr<env::Executor> pool_ = env::MakeThreadPool("test", 1);
};

class RealSpace {
 public:
  explicit RealSpace(const v1::SpaceSettings& settings) : settings_(settings) {
    environment_.fs = &fs_;
    environment_.clock = &clock_;
    environment_.entropy = &entropy_;
    environment_.flushers = flushers_.get();
    environment_.background = background_.get();
    environment_.tails = std::make_shared<space::MemoryBudget>(uint64_t{1} << 30);
    environment_.spaces_directory = "/spaces";
    environment_.log.min_free_bytes = 0;
    ENGRAM_CHECK(fs_.CreateDirectory("/spaces").ok());
    space_ = Must(space::Space::Create(environment_, "test", settings));
  }
  ~RealSpace() { Close(); }

  Status Remember(v1::Episode episode, model::UtcTime at) {
    clock_.StepWall(env::Duration(at.seconds * 1'000'000'000 - clock_.WallNs()));
    Status status = Status(Reason::IO, "no answer");
    space_->Remember(std::move(episode), {},
                     [&](Result<v1::RememberResponse> reply) { status = reply.status(); });
    flushers_->RunAll();
    return status;
  }
  void Suppress(const std::string& id) { Forget(id, v1::FORGET_MODE_SUPPRESS); }
  void Delete(const std::string& id) { Forget(id, v1::FORGET_MODE_DELETE); }

  // Until every index has everything.
  void IndexAll() {
    background_->Release();
    ENGRAM_CHECK(space_->WaitIndexed(std::chrono::seconds(60)));
    background_->Hold();
  }
  bool Behind() {
    const auto view = View();
    for (const auto& [index, through] : view->IndexedThrough()) {
      if (through < view->visible_through().value()) return true;
    }
    return false;
  }
  void Rebuild() {
    background_->Release();
    ENGRAM_CHECK(space_->RebuildIndexes([](uint64_t, uint64_t) {}).ok());
    background_->Hold();
  }
  void Reopen() {
    Close();
    space_ = Must(space::Space::Open(environment_, "test"));
  }
  // Turns a bit of the log where it holds these bytes. Reopen first: then nothing is in memory.
  void DamageLog(std::string_view bytes) {
    const std::string directory = "/spaces/test/wal";
    for (const std::string& name : Must(fs_.List(directory))) {
      auto file = Must(fs_.Open(directory + "/" + name, env::OpenMode::kReadWrite));
      std::string content(Must(file->Size()), 0);
      ENGRAM_CHECK(Must(file->ReadAt(0, content.data(), content.size())) == content.size());
      const size_t at = content.find(bytes);
      if (at == std::string::npos) continue;
      content[at] ^= 1;
      ENGRAM_CHECK(file->WriteAt(at, {content.data() + at, 1}).ok());
    }
  }
  std::unique_ptr<space::View> View() { return Must(space_->NewView()); }

 private:
  template <class T>
  static T Must(Result<T> result) {
    if (!result.ok()) std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    ENGRAM_CHECK(result.ok());
    return std::move(result).value();
  }
  void Forget(const std::string& id, v1::ForgetMode mode) {
    space::ForgetCommand command;
    command.ids = {id};
    command.mode = mode;
    Status status = Status(Reason::IO, "no answer");
    space_->Forget(command, [&](Result<v1::ForgetResponse> reply) { status = reply.status(); });
    flushers_->RunAll();
    ENGRAM_CHECK(status.ok());
  }
  void Close() {
    if (space_ == nullptr) return;
    background_->Release();
    ENGRAM_CHECK(space_->Close().ok());
    space_.reset();
    flushers_->RunAll();
    background_->Hold();
  }

  class SeededEntropy : public env::Entropy {
   public:
    uint64_t Next() override { return random_.Next(); }

   private:
    Prng random_{1};
  };

  v1::SpaceSettings settings_;
  env::MemoryFileSystem fs_;
  env::ManualClock clock_;
  SeededEntropy entropy_;
  std::unique_ptr<env::ManualExecutor> flushers_ = std::make_unique<env::ManualExecutor>(clock_);
  std::unique_ptr<HeldExecutor> background_ = std::make_unique<HeldExecutor>();
  space::SpaceEnvironment environment_;
  std::shared_ptr<space::Space> space_;
};

// Writes to a space and to the oracle alike.
struct Both {
  RealSpace* space;
  OracleView* oracle;
  Status Remember(const v1::Episode& episode, model::UtcTime at) {
    RETURN_IF_ERROR(oracle->Remember(episode, at));
    return space->Remember(episode, at);
  }
  void Suppress(const std::string& id) { oracle->Suppress(id), space->Suppress(id); }
  void Delete(const std::string& id) { oracle->Delete(id), space->Delete(id); }
};

}  // namespace engram::recall
