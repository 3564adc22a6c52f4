#include "sim/run.h"

#include "sim/simulation.h"

namespace engram::sim {

RunResult Run(const RunOptions& options) {
  Plan plan = MakePlan(options.seed, options.nodes, options.outside);
  plan.mutant = options.mutant;
  Simulation simulation(plan, options.only, options.print);
  if (simulation.Begin()) {
    simulation.LiveThroughTrouble();
    simulation.ComeToRest();
  }
  return simulation.Result();
}

std::string Report(const RunResult& result) {
  std::string text = "seed " + std::to_string(result.seed) + ": ";
  if (result.ok()) return text + "ok";
  text += result.checker + ": " + result.what + "\n  (" + result.plan + ")\n";
  for (const std::string& event : result.recent) text += "  " + event + "\n";
  return text;
}

}  // namespace engram::sim
