// The configuration store outside of a simulated cluster: keys with revisions and leases, in
// simulated time, and the ways to it of each node. It carries out one call after another, exactly;
// what is between it and the nodes may be slow, lose calls or answers, or be cut, and leases may
// end early. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engram/runtime/config_store.h"
#include "sim/scheduler.h"

namespace engram::sim {

class OuterStore {
 public:
  OuterStore(Scheduler& scheduler, size_t nodes);

  // A node's way to it; one for each life of the node.
  std::unique_ptr<runtime::ConfigStore> Connect(size_t place);
  // Whether the key of that node is there now, and came to be at that revision.
  bool Alive(const std::string& node, int64_t created) const;
  // A lease ended before its time: what rests on leases alone is excused since.
  bool ended_early() const { return ended_early_; }

  // Called for every key that is written; `before` is empty for a new one.
  std::function<void(const std::string& key, const std::string& before, const std::string& after)>
      on_write;

  // One trouble after another, until Heal.
  void StartTrouble(Duration between);
  void Heal();

  // ---- of the ways to it ----
  struct Way {
    bool cut = false;
    Duration slow{};            // at most, each way
    uint64_t loses_one_in = 0;  // calls, and answers; 0: none
  };
  Way& way(size_t place) { return ways_[place]; }
  Scheduler& scheduler() { return scheduler_; }
  runtime::StoreResult Commit(const runtime::StoreTransaction& transaction);
  int64_t Grant(Duration ttl);
  Duration KeepAlive(int64_t lease);  // zero: it is gone
  void Revoke(int64_t lease);

 private:
  struct Lease {
    Duration ttl{};
    Instant ends;
  };
  bool Holds(const runtime::StoreCompare& compare) const;
  void Expire();
  void Trouble(Duration between);

  Scheduler& scheduler_;
  Prng prng_;
  std::vector<Way> ways_;
  std::map<std::string, runtime::StoredKey> keys_;
  std::map<int64_t, Lease> leases_;
  int64_t revision_ = 0, last_lease_ = 0;
  bool ended_early_ = false, troubled_ = false;
};

}  // namespace engram::sim
