// For tests: a node's worth of parts for spaces, over a file system in memory, and calls that wait.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "engram/env/executor.h"
#include "engram/env/memory_file_system.h"
#include "engram/space/registry.h"
#include "engram/space/space.h"

namespace engram::space {

struct TestObserver : SpaceObserver {
  void OnWrite(const std::string&, uint64_t, uint64_t) override {}
  void OnIndexed(const std::string&, const char*, uint64_t) override {}
  void OnEvent(const std::string&, std::string_view event, std::string_view detail) override {
    MutexLock lock(mutex);
    events += std::string(event) + ": " + std::string(detail) + "\n";
  }
  wal::LogObserver* LogObserverFor(const std::string&) override { return nullptr; }
  std::string Events() {
    MutexLock lock(mutex);
    return events;
  }
  Mutex mutex;
  std::string events GUARDED_BY(mutex);
};

// The threads end before the file system does.
struct TestNode {
  explicit TestNode(std::unique_ptr<env::FileSystem> given = nullptr) {
    fs = given != nullptr ? std::move(given) : std::make_unique<env::MemoryFileSystem>();
    flushers = env::MakeThreadPool("flush", 2);
    background = env::MakeThreadPool("index", 2);
    environment.fs = fs.get();
    environment.clock = &env::SystemClock();
    environment.entropy = &env::SystemEntropy();
    environment.flushers = flushers.get();
    environment.background = background.get();
    environment.observer = &observer;
    environment.tails = std::make_shared<MemoryBudget>(512u << 20);
    environment.spaces_directory = "/data/spaces";
    environment.node_name = "n1";
    environment.node_id = env::MakeNodeId(env::SystemEntropy());
    environment.node_incarnation = env::MakeIncarnation(env::SystemEntropy());
    environment.log.segment_bytes = 1u << 20;
    EXPECT_TRUE(fs->CreateDirectories(environment.spaces_directory).ok());
  }
  env::MemoryFileSystem& memory() { return static_cast<env::MemoryFileSystem&>(*fs); }

  std::unique_ptr<env::FileSystem> fs;
  TestObserver observer;
  std::unique_ptr<env::Executor> flushers, background;
  SpaceEnvironment environment;
};

template <class T>
class Waiting {
 public:
  Done<T> done() {
    return [promise = promise_](Result<T> result) { promise->set_value(std::move(result)); };
  }
  Result<T> Get() { return promise_->get_future().get(); }

 private:
  std::shared_ptr<std::promise<Result<T>>> promise_ = std::make_shared<std::promise<Result<T>>>();
};

inline Result<v1::RememberResponse> Remember(Space& space, v1::Episode episode,
                                             v1::WriteOptions options = {}) {
  Waiting<v1::RememberResponse> waiting;
  space.Remember(std::move(episode), std::move(options), waiting.done());
  return waiting.Get();
}
inline Result<v1::RememberBatchResponse> RememberBatch(Space& space,
                                                       v1::RememberBatchRequest request) {
  Waiting<v1::RememberBatchResponse> waiting;
  space.RememberBatch(std::move(request), waiting.done());
  return waiting.Get();
}
inline Result<v1::UpdateResponse> Update(Space& space, v1::UpdateRequest request) {
  Waiting<v1::UpdateResponse> waiting;
  space.Update(std::move(request), waiting.done());
  return waiting.Get();
}
inline Result<v1::ForgetResponse> Forget(Space& space, ForgetCommand command) {
  Waiting<v1::ForgetResponse> waiting;
  space.Forget(std::move(command), waiting.done());
  return waiting.Get();
}
inline Result<v1::RestoreResponse> Restore(Space& space, v1::RestoreRequest request) {
  Waiting<v1::RestoreResponse> waiting;
  space.Restore(std::move(request), waiting.done());
  return waiting.Get();
}

inline v1::Episode MakeEpisode(const std::string& id, const std::string& what) {
  v1::Episode episode;
  episode.set_id(id);
  episode.set_what(what);
  return episode;
}
inline ForgetCommand MakeForgetCommand(const std::string& id, v1::ForgetMode mode) {
  ForgetCommand command;
  command.ids = {id};
  command.mode = mode;
  return command;
}
inline v1::SpaceSettings SmallVectors() {
  v1::SpaceSettings settings;
  settings.set_dimension(4);
  return settings;
}

}  // namespace engram::space
