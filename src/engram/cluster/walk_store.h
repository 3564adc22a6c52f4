// A configuration store outside of the cluster, for walks: one record, and a lease for each node;
// and a world with one. A call waits until it is served; it may come late, or its answer be lost.
// For tests; one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engram/cluster/outer_store.h"
#include "engram/cluster/walk_kit.h"

namespace engram::cluster::walk {

struct Config {
  StoredSpace space;
  std::vector<StoreAnswered::Lease> leases;  // by place
  int64_t numbers = 0;                       // of leases and of revisions

  // Carries out what the node at `by` asks, or asked under that lease.
  StoreAnswered Serve(const StoreCall& call, size_t by, int64_t lease,
                      const std::vector<std::string>& nodes) {
    StoreAnswered answered{.id = call.id};
    if (lease == 0 || leases[by].number != lease) return answered;  // it asks again
    answered.outcome = Outcome::kDone;
    if (call.write.has_value()) {
      answered.outcome = Fits(*call.write, nodes) ? Outcome::kDone : Outcome::kConflict;
      if (answered.outcome == Outcome::kDone) Write(*call.write, by, nodes);
    }
    answered.space = space;
    answered.leases = leases;
    return answered;
  }

  void Renew(size_t n, Incarnation incarnation) { leases[n] = {incarnation, ++numbers}; }

 private:
  bool Fits(const StoreCall::Write& write, const std::vector<std::string>& nodes) const {
    if (write.over != space.revision) return false;
    for (size_t place = 0; place < nodes.size(); ++place) {
      if (write.deposes == nodes[place] && leases[place].number == write.deposes_lease) {
        return false;
      }
    }
    return true;
  }

  void Write(const StoreCall::Write& write, size_t by, const std::vector<std::string>& nodes) {
    if (write.record.primary.node == nodes[by]) space.lease = leases[by].number;
    space.there = true;
    space.record = write.record;
    space.resigned = write.resigned;
    space.revision = ++numbers;
  }
};

class OuterWorld : public World {
 protected:
  OuterWorld(WorldOptions options, uint64_t seed) : World(options, seed) {
    for (size_t n = 0; n < count(); ++n) names_.push_back("n" + std::to_string(n + 1));
    config_.leases.resize(count());
  }

  // A space whose record the store has: led by n, which is its set.
  void CreateOutside(size_t n) {
    for (size_t node = 0; node < count(); ++node) config_.Renew(node, nodes_[node].disk.node);
    config_.space.there = true;
    config_.space.record.epoch = Epoch(257 + n);
    config_.space.record.primary = MemberOf(n);
    config_.space.record.in_sync = {MemberOf(n)};
    config_.space.lease = config_.leases[n].number;
    config_.space.revision = ++config_.numbers;
    Create(n);
  }
  std::unique_ptr<Store> MakeOuterStore(size_t n) {
    OuterStoreOptions options;
    options.nodes = names_;
    options.me = n;
    options.self = MemberOf(n);
    options.mutant = options_.mutant;
    options.gather_for = Duration(0);  // whoever has answered by then
    options.ask_again = std::chrono::milliseconds(100);
    return std::make_unique<OuterStore>(std::move(options));
  }
  void OnStoreCall(size_t n, const StoreCall& call) override {
    asked_.push_back({n, nodes_[n].process, config_.leases[n].number, call});
  }
  bool asked() const { return !asked_.empty(); }
  void ServeAny() {
    if (asked()) Serve(prng_.Below(asked_.size()), true);
  }
  void Serve(size_t which, bool may_lose);
  // A while in which everything works, the store too.
  void CalmStore(size_t rounds);
  // A lease runs out, while its node may believe in it; or that is noticed, and there is another.
  void MoveLease(size_t n);
  void Renew(size_t n);
  // An operator's word, most often when the lease of the primary is gone.
  void Promote(size_t n);
  void RenewAll();

  Config config_;

 private:
  struct Asked {
    size_t node;
    uint64_t process;  // 0: nobody waits for the answer
    int64_t lease;     // that it had then
    StoreCall call;
  };
  std::vector<std::string> names_;
  std::vector<Asked> asked_;
};

}  // namespace engram::cluster::walk
