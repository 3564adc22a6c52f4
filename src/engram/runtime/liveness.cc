#include "engram/runtime/liveness.h"

namespace engram::runtime {
namespace {

constexpr int kTurnsPerLimit = 5;

}  // namespace

void Liveness::Watch(std::string name, env::Executor& pool) {
  Loop* loop = nullptr;
  {
    MutexLock lock(mutex_);
    loop = &loops_.emplace_back(std::move(name), pool, clock_.Now());
  }
  pool.Post([this, loop] { Turn(loop); });
}

void Liveness::Turn(Loop* loop) {
  loop->turned_ns.store(clock_.Now().ns, std::memory_order_relaxed);
  loop->pool.PostAfter(limit_ / kTurnsPerLimit, [this, loop] { Turn(loop); });
}

std::vector<std::string> Liveness::Stuck() const {
  std::vector<std::string> stuck;
  const env::Instant now = clock_.Now();
  MutexLock lock(mutex_);
  for (const Loop& loop : loops_) {
    const env::Instant turned{loop.turned_ns.load(std::memory_order_relaxed)};
    if (now - turned > limit_) stuck.push_back(loop.name);
  }
  return stuck;
}

}  // namespace engram::runtime
