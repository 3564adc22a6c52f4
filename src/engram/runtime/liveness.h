// Whether the node's loops still turn: a small task goes round in each pool, and notes when it ran.
// A pool whose task has not run for `limit` is stuck: every thread of it waits for something that
// does not come. That is what a probe for restarts asks; it depends on no disk, peer or space.
// Owned by the node; pools end before it. Thread-safe.
#pragma once

#include <atomic>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/env/clock.h"
#include "engram/env/executor.h"

namespace engram::runtime {

class Liveness {
 public:
  explicit Liveness(env::Clock& clock, env::Duration limit = std::chrono::seconds(10))
      : clock_(clock), limit_(limit) {}

  // From now on, until the pool ends.
  void Watch(std::string name, env::Executor& pool) EXCLUDES(mutex_);
  // Names of the pools that are stuck.
  std::vector<std::string> Stuck() const EXCLUDES(mutex_);

 private:
  struct Loop {
    Loop(std::string name, env::Executor& pool, env::Instant now)
        : name(std::move(name)), pool(pool), turned_ns(now.ns) {}
    const std::string name;
    env::Executor& pool;
    std::atomic<int64_t> turned_ns;
  };
  void Turn(Loop* loop);

  env::Clock& clock_;
  const env::Duration limit_;
  mutable Mutex mutex_;
  std::deque<Loop> loops_ GUARDED_BY(mutex_);  // they never move
};

}  // namespace engram::runtime
