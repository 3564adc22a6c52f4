// One run of the simulator: a cluster from a seed, clients, trouble, an operator, a healing phase,
// and every checker beside it. The same options give the same run, to the last event.
#pragma once

#include <array>
#include <deque>
#include <string>

#include "engram/base/probe.h"
#include "engram/replication/mutant.h"

namespace engram::sim {

struct RunOptions {
  uint64_t seed = 1;
  size_t nodes = 0;      // 0: as the seed says
  bool outside = false;  // a store outside of the cluster
  replication::Mutant mutant = replication::Mutant::kNone;
  std::string only;    // one checker, by name; "" = all
  bool print = false;  // every event, as it happens
};

struct RunResult {
  bool ok() const { return checker.empty(); }
  uint64_t seed = 0;
  std::string checker, what;  // of a failed one
  uint64_t trace_hash = 0;
  std::array<uint64_t, kProbes> visits{};  // of each probe
  uint64_t steps = 0, operations = 0, acknowledged = 0, reads = 0;
  double seconds = 0;              // simulated
  bool quiet = false;              // as the plan says
  std::string plan;                // in words
  std::deque<std::string> recent;  // the last events
};

RunResult Run(const RunOptions& options);
// "seed 17: commit: … " with the last events below it.
std::string Report(const RunResult& result);

}  // namespace engram::sim
