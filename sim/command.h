// The simulator as a command: replays seeds, one after another or in parallel processes, and says
// which fail. Behind `engram sim` and `make sim`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engram/replication/mutant.h"

namespace engram::sim {

struct CommandOptions {
  uint64_t first = 1, last = 1;  // seeds, both included
  size_t nodes = 0;              // 0: as each seed says
  bool outside = false;          // a store outside of the cluster
  bool trace = false;            // every event
  bool twice = false;            // … and compare the trace hashes
  int processes = 1;
  std::string mutant;  // by name: break this rule
  std::string only;    // this checker alone
};

// The exit code: 0 when every seed is clean, 2 for a name that is not known.
int RunCommand(const CommandOptions& options);

// nullopt for a name that is not known; "" is none.
std::optional<replication::Mutant> MutantFromName(const std::string& name);

}  // namespace engram::sim
