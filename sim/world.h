// A cluster in one process: real runtime::Nodes on simulated clock, network and disks. Starts,
// kills, wipes and heals them; what they do is theirs. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/env/faulty_file_system.h"
#include "engram/env/hook_file_system.h"
#include "engram/env/memory_file_system.h"
#include "engram/runtime/node.h"
#include "sim/network.h"
#include "sim/outer_store.h"
#include "sim/scheduler.h"

namespace engram::sim {

struct WorldOptions {
  size_t nodes = 2;
  bool outside = false;  // a store outside keeps who leads
  uint64_t seed = 1;
  uint64_t segment_bytes = 64u << 10;
  uint64_t tail_bytes_max = 64u << 20;
  v1::SpaceSettings space_defaults;  // of `default`
  runtime::ScrubOptions scrub;
  runtime::ReplicationOptions replication;  // nodes, me and make_transport are filled in
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();

  Scheduler& scheduler() { return scheduler_; }
  const Scheduler& scheduler() const { return scheduler_; }
  Network& network() { return network_; }
  OuterStore& store() { return store_; }
  Prng& prng() { return scheduler_.prng(); }
  size_t size() const { return nodes_.size(); }

  Status Start(size_t place);
  // Power cut: what was not synced is lost, kept or torn, by seed. `process_only`: kill -9, the
  // machine goes on.
  void Kill(size_t place, bool process_only);
  // The same, but inside of what the node does: before the `changes`-th change of a file from now
  // on. What it did and said after that never happened. `on_crash` is told when it has.
  void KillInside(size_t place, uint64_t changes, bool process_only);
  std::function<void(size_t place)> on_crash;
  // Orderly.
  Status StopNode(size_t place);
  // A new disk: comes back as another incarnation. Only when it is down.
  void Wipe(size_t place);
  // As an operator does it: the directory of a space is put aside and kept, where nobody but
  // checkers looks, and the copy begins again with nothing. Only when it is down.
  Status PutAside(size_t place, const std::string& space);
  struct Aside {
    size_t place;
    std::string space, directory;
  };
  const std::vector<Aside>& put_aside() const { return put_aside_; }
  bool up(size_t place) const { return nodes_[place]->node != nullptr; }
  bool nobody_paused() const {
    for (size_t place = 0; place < nodes_.size(); ++place) {
      if (scheduler_.Paused(static_cast<Owner>(place))) return false;
    }
    return true;
  }

  runtime::Node& node(size_t place) { return *nodes_[place]->node; }
  env::FaultyFileSystem& disk(size_t place) { return *nodes_[place]->faulty; }
  // As it stands now, for checkers: also of a node that is down.
  env::MemoryFileSystem& files(size_t place) { return *nodes_[place]->files; }
  SimClock& clock(size_t place) { return nodes_[place]->clock; }
  // Another number at each start and at each end: what belongs to an earlier one is void.
  uint64_t life(size_t place) const { return nodes_[place]->life; }
  // Another number for each new disk.
  uint64_t disk_life(size_t place) const { return nodes_[place]->disk_life; }
  // … and for each beginning of this copy on one.
  std::pair<uint64_t, size_t> copy_life(size_t place, const std::string& space) const;
  std::string NameOf(size_t place) const { return "n" + std::to_string(place + 1); }
  // How long a task of the pool that syncs, and of the others, may wait for its turn.
  void SlowDown(size_t place, Duration flush, Duration others);
  // Whose code runs now, also while it starts.
  Owner acting() const { return starting_.value_or(scheduler_.current()); }
  // Called before a node ends, while it can still be looked at.
  std::function<void(size_t place)> before_end;

  void RunFor(Duration duration) { scheduler_.RunUntil(scheduler_.now() + duration); }
  // Runs until `holds` or the time is over; says whether it holds.
  bool RunUntil(const std::function<bool()>& holds, Duration at_most);

 private:
  struct SimNode {
    explicit SimNode(const Scheduler& scheduler, uint64_t seed) : clock(scheduler), entropy(seed) {}
    SimClock clock;
    SimEntropy entropy;
    std::unique_ptr<env::MemoryFileSystem> files;
    std::unique_ptr<env::FaultyFileSystem> faulty;
    std::unique_ptr<env::HookFileSystem> hooked;  // what the node sees
    uint64_t crash_in = 0;                        // changes of a file; 0: none is meant
    bool crash_process_only = false;
    std::unique_ptr<env::MemoryFileSystem> left;  // what a crash left, until it is carried out
    std::unique_ptr<runtime::Node> node;
    uint64_t life = 0, disk_life = 0;
    Duration flush_delay = std::chrono::microseconds(50), delay = std::chrono::microseconds(50);
  };
  runtime::NodeOptions OptionsOf(size_t place);
  void End(size_t place);
  void SetDisk(size_t place, std::unique_ptr<env::MemoryFileSystem> files);
  void OnChange(size_t place);
  void Crash(size_t place);

  const WorldOptions options_;
  Scheduler scheduler_;
  Network network_;
  OuterStore store_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::optional<Owner> starting_;
  std::vector<Aside> put_aside_;
};

}  // namespace engram::sim
