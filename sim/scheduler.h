// Simulated time: one queue of tasks, run one after another on the calling thread, in the order of
// their time and, at the same time, of a seeded coin. Everything random in a simulation comes from
// here, so that one seed is one history; the trace hash is the proof. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "engram/base/instant.h"
#include "engram/base/prng.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"

namespace engram::sim {

// Whose task it is: a node, or the world.
using Owner = int;
inline constexpr Owner kWorld = -1;

class Scheduler {
 public:
  explicit Scheduler(uint64_t seed) : prng_(seed) {}

  Instant now() const { return now_; }
  Prng& prng() { return prng_; }

  void At(Instant when, Owner owner, env::Task task);
  void After(Duration delay, Owner owner, env::Task task) {
    At(now_ + delay, owner, std::move(task));
  }
  // Runs what is due, and moves the time on, until `end`.
  void RunUntil(Instant end);
  // Runs the tasks of one owner that are due at once, others stand still. For its end.
  void Drain(Owner owner);
  // Forgets all tasks of an owner.
  void Drop(Owner owner);
  // Its tasks wait until then, or for as long as an earlier pause says: what that one holds back
  // would else sleep on while new tasks run.
  void Pause(Owner owner, Instant until) { paused_[owner] = std::max(paused_[owner], until); }
  bool Paused(Owner owner) const {
    const auto it = paused_.find(owner);
    return it != paused_.end() && it->second > now_;
  }

  // Mixes an event into the trace, and keeps it among the newest for who asks what happened.
  void Trace(std::string event);
  // The same without the mixing: what is told for people.
  void Remark(std::string event);
  // Whose task runs now.
  Owner current() const { return current_; }
  const std::deque<std::string>& recent() const { return recent_; }
  void Print(bool print) { print_ = print; }
  uint64_t trace_hash() const { return hash_; }
  uint64_t steps() const { return steps_; }

 private:
  struct Order {
    Instant at;
    uint64_t coin, id;
    auto operator<=>(const Order&) const = default;
  };
  struct Entry {
    Owner owner;
    env::Task task;
  };
  Prng prng_;
  Instant now_{1'000'000'000};
  std::map<Order, Entry> queue_;
  std::map<Owner, Instant> paused_;
  uint64_t next_id_ = 0, steps_ = 0, held_back_ = 0;
  uint64_t hash_ = 0xcbf29ce484222325;
  std::deque<std::string> recent_;
  bool print_ = false;
  Owner current_ = kWorld;
};

// The pool of a node: tasks come back through the scheduler, a little later and in any order.
class SimExecutor : public env::Executor {
 public:
  // A task begins within `most`, read at each post: a slow disk is a slow pool.
  SimExecutor(Scheduler& scheduler, Owner owner, const Duration* most)
      : scheduler_(scheduler), owner_(owner), most_(most), alive_(std::make_shared<bool>(true)) {}
  ~SimExecutor() override { *alive_ = false; }
  void Post(env::Task task) override;
  void PostAfter(env::Duration delay, env::Task task) override;

 private:
  Scheduler& scheduler_;
  const Owner owner_;
  const Duration* const most_;
  std::shared_ptr<bool> alive_;
};

class SimClock : public env::Clock {
 public:
  explicit SimClock(const Scheduler& scheduler) : scheduler_(scheduler) {}
  int64_t WallNs() override { return kEpoch + scheduler_.now().ns + wall_skew_.count(); }
  env::Instant Now() override { return scheduler_.now() + skew_; }
  // Monotonic clocks of machines differ; a step of the wall clock is normal.
  void Skew(Duration monotonic, Duration wall) { skew_ = monotonic, wall_skew_ = wall; }

 private:
  static constexpr int64_t kEpoch = 1'750'000'000'000'000'000;
  const Scheduler& scheduler_;
  Duration skew_{}, wall_skew_{};
};

class SimEntropy : public env::Entropy {
 public:
  explicit SimEntropy(uint64_t seed) : prng_(seed) {}
  uint64_t Next() override { return prng_.Next(); }

 private:
  Prng prng_;
};

}  // namespace engram::sim
