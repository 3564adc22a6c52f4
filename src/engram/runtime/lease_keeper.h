// This node's sign of life in the configuration store outside: a lease, and a key that goes with
// it. Whoever wants to take over from this node waits until the key is gone.
//
// The lease is good until the moment at which it was last asked to be kept, plus its time to live,
// minus a margin: counted from before the question left, by this machine's clock, so that it ends
// here before it ends there. Writes are safe without it; reads of the primary rest on it.
//
// Owned by OuterConfiguration; thread-safe. Calls of `changed` come on the executor.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "engram/base/thread_annotations.h"
#include "engram/env/clock.h"
#include "engram/env/executor.h"
#include "engram/replication/mutant.h"
#include "engram/runtime/config_store.h"

namespace engram::runtime {

struct LeaseOptions {
  std::string key, value;
  Duration ttl = std::chrono::seconds(2);
  Duration margin = std::chrono::milliseconds(200);  // at least; or a tenth of the ttl
  // Whether a value of the key is an earlier life of this process's own directory.
  std::function<bool(const std::string& value)> is_own;
  replication::Mutant mutant = replication::Mutant::kNone;
};

class LeaseKeeper : public std::enable_shared_from_this<LeaseKeeper> {
 public:
  LeaseKeeper(ConfigStore& store, env::Clock& clock, env::Executor& executor, LeaseOptions options,
              std::function<void()> changed);

  void Start();
  // Lets the lease go; `done` is called when the store has answered, or there is none.
  void Stop(std::function<void()> done);
  // Which lease: the revision at which the key came to be. 0: none.
  int64_t number() const { return number_; }
  // Until when it may be counted on.
  Instant deadline() const { return {deadline_ns_}; }
  Duration left() const;
  bool Holds() const { return number_ != 0 && clock_.Now() < deadline(); }
  uint64_t losses() const { return losses_; }
  std::string trouble() const EXCLUDES(mutex_);  // why there is none, in words

 private:
  void After(Duration delay, void (LeaseKeeper::*next)());
  void Grant();
  void Announce();
  void OnAnnounced(Result<StoreResult> result);
  void Keep();
  void Extend(Instant sent, Duration ttl);
  void Lose(const std::string& why);
  void Fail(const std::string& why);

  ConfigStore& store_;
  env::Clock& clock_;
  env::Executor& executor_;
  const LeaseOptions options_;
  const std::function<void()> changed_;
  std::atomic<int64_t> number_{0}, deadline_ns_{0};
  std::atomic<uint64_t> losses_{0};
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> lease_{0};  // also while the key is not there yet
  // ---- of one call at a time ----
  Instant asked_;  // when the lease that is not announced yet was asked for
  Duration granted_ = {};
  bool ran_out_ = false;  // and was counted
  mutable Mutex mutex_;
  std::string trouble_ GUARDED_BY(mutex_);
};

}  // namespace engram::runtime
