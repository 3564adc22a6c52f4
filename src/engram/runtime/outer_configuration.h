// The configuration store outside, as a node of a cluster uses it: this node's lease, the records
// of its spaces, and the calls of their protocol cores as transactions. Keys and values:
// proto/engram/internal/v1/store.proto. Owned by Replication; thread-safe; no call blocks. Answers
// come on the executor.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engram/cluster/store.h"
#include "engram/runtime/lease_keeper.h"

namespace engram::runtime {

struct OuterOptions {
  std::vector<std::string> nodes;  // configured names, by place
  size_t me = 0;
  replication::Member self;
  std::string replication;  // address of this node, for people
  Duration lease_ttl = std::chrono::seconds(2);
  Duration lease_margin = std::chrono::milliseconds(200);
  Duration call_timeout = std::chrono::seconds(1);
  bool may_wait = true;  // at the end, until the lease was let go; not in a simulation
  replication::Mutant mutant = replication::Mutant::kNone;
};

struct OuterCounts {
  std::atomic<uint64_t> done{0}, conflict{0}, unknown{0};
};

class OuterConfiguration {
 public:
  // `lease_changed`: this node has another lease, or a first one.
  OuterConfiguration(std::unique_ptr<ConfigStore> store, env::Clock& clock, env::Executor& executor,
                     OuterOptions options, std::function<void()> lease_changed);
  ~OuterConfiguration();

  void Start() { lease_->Start(); }
  void Stop();

  // What a core asks; it is always answered, and once.
  void Carry(const std::string& space, Incarnation incarnation, const cluster::StoreCall& call,
             std::function<void(cluster::StoreAnswered)> done);

  // The record of a space that this node makes; `done` gets the lease that it stands under.
  // `is_gone`: whether a space of that incarnation is known to be deleted, or is nowhere.
  // SPACE_EXISTS, STORE_UNAVAILABLE.
  void Create(const std::string& space, Incarnation incarnation,
              const replication::SpaceRecord& record, std::function<bool(Incarnation)> is_gone,
              std::function<void(Result<int64_t>)> done);
  // Its deletion was committed; tried until the store has it.
  void Delete(const std::string& space, Incarnation incarnation);

  const LeaseKeeper& lease() const { return *lease_; }
  const OuterCounts& counts() const { return counts_; }
  std::string Describe() const { return store_->Describe(); }

 private:
  StoreTransaction TransactionOf(const std::string& space, Incarnation incarnation,
                                 const cluster::StoreCall& call, int64_t lease) const;
  cluster::StoreAnswered AnswerOf(const std::string& space, Incarnation incarnation,
                                  const cluster::StoreCall& call, int64_t lease,
                                  const Result<StoreResult>& result) const;
  void Count(cluster::Outcome outcome);
  void Commit(StoreTransaction transaction, std::function<void(Result<StoreResult>)> done);
  void WriteNew(const std::string& space, const std::string& value, int64_t over, int64_t lease,
                std::function<bool(const StoredKey&)> is_free,
                std::function<void(Result<int64_t>)> done);

  const std::unique_ptr<ConfigStore> store_;
  env::Executor& executor_;
  const OuterOptions options_;
  OuterCounts counts_;
  std::shared_ptr<LeaseKeeper> lease_;
  std::atomic<bool> stopped_{false};
};

}  // namespace engram::runtime
