// Turns for catching up: so many batches of old log are read and sent at a time, on behalf of all
// spaces and replicas of a node, and no more than so many bytes a second; who asks first comes
// first. What is new never asks, so that live traffic comes first and a hundred spaces that catch
// up at once do not read a hundred batches at once.
//
// Owned by ReplicationImpl. Thread-safe; what was asked is dropped when the executor ends first.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "engram/base/instant.h"
#include "engram/base/thread_annotations.h"
#include "engram/env/clock.h"
#include "engram/env/executor.h"

namespace engram::runtime {

class BulkTurns : public std::enable_shared_from_this<BulkTurns> {
 public:
  // The turn is over: so many bytes were sent. Called once, on any thread.
  using Done = std::function<void(uint64_t bytes)>;
  using Turn = std::function<void(Done)>;

  // `bytes_per_second`: 0 is no limit.
  BulkTurns(env::Executor& executor, env::Clock& clock, uint64_t bytes_per_second,
            size_t at_once = 2)
      : executor_(executor), clock_(clock), rate_(bytes_per_second), at_once_(at_once) {}

  // `turn` is called on the executor when it is its turn.
  void Ask(Turn turn) EXCLUDES(mutex_);
  size_t waiting() const EXCLUDES(mutex_);

 private:
  void StartSome() EXCLUDES(mutex_);
  void End(uint64_t bytes) EXCLUDES(mutex_);

  env::Executor& executor_;
  env::Clock& clock_;
  const uint64_t rate_;
  const size_t at_once_;
  mutable Mutex mutex_;
  std::deque<Turn> waiting_ GUARDED_BY(mutex_);
  size_t running_ GUARDED_BY(mutex_) = 0;
  Instant next_ GUARDED_BY(mutex_);  // no turn begins before
  bool timer_ GUARDED_BY(mutex_) = false;
};

}  // namespace engram::runtime
