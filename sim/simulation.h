// A simulated cluster with its clients, its troubles, its operator and its checkers: what a run
// from a seed (run.h) and a scenario (scenario.h) share. Not thread-safe; one at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/checkers/checker.h"
#include "sim/log_tap.h"
#include "sim/nemesis.h"
#include "sim/operator.h"
#include "sim/run.h"
#include "sim/workload.h"

namespace engram::sim {

class Simulation {
 public:
  // `only`: one checker, by name; "" = all. `print`: every event, as it happens.
  Simulation(const Plan& plan, const std::string& only, bool print);
  ~Simulation();

  // Everybody starts, and the spaces are made, before anything goes wrong. False: failed.
  bool Begin();
  // Clients, troubles and the operator, for as long as the plan says.
  void LiveThroughTrouble();
  // Mends everything, waits until the cluster is at rest, writes once more, and has it judged.
  void ComeToRest();
  // Lets time pass, with the checkers looking; true when `until` holds. Null: until the end.
  bool RunChecked(Duration at_most, const std::function<bool()>& until);
  // Says that something is wrong, as a checker does.
  void Fail(const std::string& checker, const std::string& what);
  bool failed() const { return scene_.failed(); }
  RunResult Result() const;

  World& world() { return world_; }
  Workload& workload() { return workload_; }
  Facts& facts() { return facts_; }

 private:
  void Listen();
  void PollNow(bool with_logs);
  bool WriteOnceMore(Rest* rest);
  std::string WhatIsMissing(Rest* rest);

  const Plan plan_;
  Facts facts_;
  History history_;
  World world_;
  LogTap tap_;
  Workload workload_;
  Nemesis nemesis_;
  Operator operator_;
  Scene scene_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  std::array<uint64_t, kProbes> visits_before_{};
  int polls_ = 0;
};

}  // namespace engram::sim
