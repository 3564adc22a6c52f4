// Scenarios: a simulated cluster that is led step by step into a corner, by a script that names the
// fault it pins. Where a seed finds a fault, a scenario keeps it found. sim/scenarios/*.txt;
// docs/simulation.md has the words. Pure but for the simulation that it runs.
#pragma once

#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/replication/mutant.h"
#include "sim/plan.h"
#include "sim/run.h"

namespace engram::sim {

struct Line {
  int number = 0;
  std::vector<std::string> words;
};
struct Scenario {
  std::string pins;  // the first comment: what must not come back
  Plan plan;         // as its head says; no troubles of its own
  std::vector<Line> steps;
};

// CONFIGURATION with the number of the line that cannot be read.
Result<Scenario> ParseScenario(const std::string& text);

// Plays it, then mends everything and waits for rest, with every checker beside it. A step that
// does not come out as the script says is a failure of the checker "scenario".
RunResult Play(const Scenario& scenario, replication::Mutant mutant, bool print);

}  // namespace engram::sim
