#include "engram/cli/bench.h"

#include <CLI/CLI.hpp>

#include "engram/cli/command.h"

namespace engram::cli {
namespace {

struct Bench {
  const char* name;
  const char* help;
  Status (*run)(const BenchOptions&);
};

constexpr Bench kBenches[] = {
    {"wal", "group commit against a bare write and fdatasync", BenchWal},
    {"remember", "writes through gRPC against an empty RPC", BenchRemember},
    {"recall", "exact scan against memory bandwidth; recall through gRPC", BenchRecall},
    {"index", "the catalog against bare SQLite", BenchIndex},
    {"restart", "kill -9 with many entries, until ready again", BenchRestart},
    {"replicate", "a pair: replicated writes, lag, catch-up, promotion", BenchReplicate},
    {"spaces", "many spaces on disk: start and memory", BenchSpaces},
    {"spread", "many spaces of a pair: writes to all, lag, memory, what quiet ones cost",
     BenchSpread},
    {"peers", "PostgreSQL and Redis of this machine beside our own writes", BenchPeers},
};

void AddOptions(CLI::App* command, BenchOptions* options) {
  command->add_option("--data-dir", options->data_dir, "on the disk to measure; emptied")
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "a figure")->capture_default_str();
  command->add_option("--scale", options->scale, "per cent of the full sizes")
      ->capture_default_str();
}

}  // namespace

void AddBench(CLI::App* app, Context* context) {
  CLI::App* group =
      app->add_subcommand("bench", "measure, as JSON lines, beside the limit of the same run");
  group->require_subcommand(1);
  auto options = std::make_shared<BenchOptions>();
  options->data_dir = "build/bench";
  for (const Bench& bench : kBenches) {
    CLI::App* command = group->add_subcommand(bench.name, bench.help);
    command->footer(std::string("Example:\n  engram bench ") + bench.name +
                    " --data-dir /mnt/disk/bench");
    AddOptions(command, options.get());
    OnRun(command, context, [options, &bench](Context& c) {
      options->program = c.program;
      const Status status = bench.run(*options);
      return status.ok() ? 0 : PrintError(status);
    });
  }
  CLI::App* all = group->add_subcommand("all", "all of them");
  AddOptions(all, options.get());
  OnRun(all, context, [options](Context& c) {
    options->program = c.program;
    for (const Bench& bench : kBenches) {
      if (const Status status = bench.run(*options); !status.ok()) return PrintError(status);
    }
    return 0;
  });
}

}  // namespace engram::cli
