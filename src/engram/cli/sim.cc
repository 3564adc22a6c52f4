// engram sim: replays a simulated cluster from its seed.
#include <CLI/CLI.hpp>

#include "engram/cli/command.h"
#include "sim/command.h"

namespace engram::cli {

namespace {

// "17" or "1..200".
bool ParseSeeds(const std::string& text, sim::CommandOptions* options) {
  const size_t dots = text.find("..");
  try {
    options->first = std::stoull(text.substr(0, dots));
    options->last = dots == std::string::npos ? options->first : std::stoull(text.substr(dots + 2));
  } catch (const std::exception&) {
    return false;
  }
  return options->first <= options->last;
}

}  // namespace

void AddSim(CLI::App* app, Context* context) {
  CLI::App* command = app->add_subcommand("sim", "Replay a simulated cluster from its seed");
  auto options = std::make_shared<sim::CommandOptions>();
  auto seeds = std::make_shared<std::string>("1");
  command->add_option("--seed,--seeds", *seeds, "a seed, or a range: 1..200")->required();
  command->add_option("--nodes", options->nodes, "2 to 9; else as the seed says");
  command->add_flag("--outside", options->outside, "a store outside keeps who leads, as an etcd");
  command->add_option("--jobs", options->processes, "processes at once");
  command->add_option("--mutant", options->mutant, "break this rule");
  command->add_option("--checker", options->only, "judge with this checker alone");
  command->add_flag("--trace", options->trace, "print every event");
  command->add_flag("--twice", options->twice, "run each seed twice and compare the traces");
  OnRun(command, context, [options, seeds](Context&) {
    if (ParseSeeds(*seeds, options.get())) return sim::RunCommand(*options);
    std::fprintf(stderr, "--seed wants a number or a range such as 1..200\n");
    return 2;
  });
}

}  // namespace engram::cli
