// Breaks a simulated cluster, by seed: links, processes, power, disks, clocks; and mends all of it
// at the end. What it did stands in Facts. Not thread-safe.
#pragma once

#include "engram/base/probe.h"
#include "sim/facts.h"
#include "sim/plan.h"
#include "sim/world.h"

namespace engram::sim {

class Nemesis {
 public:
  Nemesis(World& world, const Plan& plan, Facts& facts);

  void Start();
  // No further trouble; nodes that are down stay so until Heal.
  void Stop() { stopped_ = true; }
  // A rare path is walked by the node: a good moment to strike.
  void OnProbe(Probe probe);
  // Everything works again, and every node is started.
  void Heal();

 private:
  void Next();
  void Strike(Trouble trouble);
  void Cut(bool one_way);
  void Isolate(size_t place, Duration at_most);
  void LosePrimary();
  void Kill(size_t place, bool process_only, bool wipe);
  void Crash(size_t place, uint64_t changes);
  void StartLater(size_t place, Duration delay);
  void HurtDisk(Trouble trouble, size_t place);
  void FillDisk(size_t place);
  void SlowDisk(size_t place);
  void Skew(size_t place);
  void BadNetwork();
  Duration UpTo(Duration most);
  Duration Lasting(Duration most) { return UpTo(most * plan_.lasting); }
  size_t AnyPlace() { return prng_.Below(world_.size()); }

  World& world_;
  const Plan& plan_;
  Facts& facts_;
  Prng prng_;
  bool stopped_ = false;
  std::vector<Duration> skews_;
};

}  // namespace engram::sim
