// switchover: a primary hands its space over to another node while it is written to. The primary is
// asked, whichever server the command runs against.
#include <CLI/CLI.hpp>

#include "engram/cli/copies_text.h"
#include "engram/cli/nodes.h"

namespace engram::cli {
namespace {

constexpr int kRefusedForSafety = 4;

struct Flags {
  std::string space, to;
  bool dry_run = false;
  uint32_t within_ms = 0;
};

int Run(Context& context, const Flags& flags) {
  if (!flags.space.empty()) context.space = flags.space;
  Result<std::unique_ptr<Client>> primary = ClientOfPrimary(context);
  if (!primary.ok()) return PrintError(primary.status());
  admin::v1::SwitchoverRequest request;
  request.set_memory_space_id(SpaceOf(context));
  request.set_node(flags.to);
  request.set_dry_run(flags.dry_run);
  request.set_within_ms(flags.within_ms);
  const Result<admin::v1::SwitchoverResponse> report = (*primary)->Switchover(request);
  if (!report.ok()) return PrintError(report.status());
  const bool good = report->done() || (report->dry_run() && report->why().empty());
  if (context.json) {
    PrintJson(*report);
  } else {
    std::fprintf(good ? stdout : stderr, "%s", SwitchoverText(*report).c_str());
  }
  return good ? 0 : kRefusedForSafety;
}

}  // namespace

void AddSwitchover(CLI::App* app, Context* context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app->add_subcommand("switchover", "hand a space over to another node, losing no write");
  command->footer(
      "Example:\n  engram switchover --to n2 --dry-run\n  engram switchover notes --to n2");
  command->add_option("space_name", flags->space, "the space; or --space");
  command->add_option("--to", flags->to, "who shall lead: in the set, connected")->required();
  command->add_flag("--dry-run", flags->dry_run, "only say whether it could be done now");
  command->add_option("--within-ms", flags->within_ms,
                      "call it off when it takes longer (2000; at most 4000)");
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return Run(c, *flags); });
}

}  // namespace engram::cli
