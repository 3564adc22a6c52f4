// promote: an operator makes a node the primary of a space. The node itself is asked, wherever the
// command runs against; a dry run only asks what would happen.
#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "engram/cli/copies_text.h"
#include "engram/cli/nodes.h"
#include "engram/cluster/static_store.h"

namespace engram::cli {
namespace {

constexpr int kRefusedForSafety = 4;

struct Flags {
  std::string node, stopped, yes_lose;
  bool dry_run = false, force = false;
};

admin::v1::PromoteRequest ToRequest(const Context& context, const Flags& flags) {
  admin::v1::PromoteRequest request;
  request.set_memory_space_id(SpaceOf(context));
  request.set_node(flags.node);
  request.set_dry_run(flags.dry_run);
  request.set_primary_is_stopped(flags.stopped);
  request.set_force(flags.force);
  return request;
}

bool Typed(const std::string& space) {
  if (isatty(0) == 0) return false;
  std::fprintf(stderr, "What is lost is lost. The space's name, to go on: ");
  std::string typed;
  std::getline(std::cin, typed);
  return typed == space;
}

// Shows what would be lost, and asks for the space's name.
Result<bool> ForceConfirmed(Client& client, const Flags& flags,
                            admin::v1::PromoteRequest* request) {
  admin::v1::PromoteRequest look = *request;
  look.set_dry_run(true);
  ASSIGN_OR_RETURN(const admin::v1::PromoteResponse report, client.Promote(look));
  std::fprintf(stderr, "%smay be lost: %s\n", PromotionTable(report).c_str(),
               LossText(report).c_str());
  const std::string& space = request->memory_space_id();
  if (flags.yes_lose != space && !Typed(space)) return false;
  request->set_confirm_space(space);
  return true;
}

int PrintDryRun(const admin::v1::PromoteResponse& report) {
  std::printf("%s\n", PromotionTable(report).c_str());
  if (report.why().empty()) {
    std::printf("it would lead in epoch %s · lost: %s\n",
                cluster::FormatEpoch(Epoch(report.epoch())).c_str(), LossText(report).c_str());
  } else {
    std::printf("%s", RefusedText(report).c_str());
  }
  std::printf("dry run: nothing was changed\n");
  return report.why().empty() ? 0 : kRefusedForSafety;
}

int PrintOutcome(const admin::v1::PromoteResponse& report) {
  if (!report.done()) {
    std::fprintf(stderr, "%s\n%s", PromotionTable(report).c_str(), RefusedText(report).c_str());
    return kRefusedForSafety;
  }
  std::printf("%s is primary of %s in epoch %s · first write accepted after %s · lost: %s\n",
              report.node().c_str(), report.memory_space_id().c_str(),
              cluster::FormatEpoch(Epoch(report.epoch())).c_str(), AgoText(report.took()).c_str(),
              LossText(report).c_str());
  return 0;
}

int Run(Context& context, const Flags& flags) {
  Result<std::unique_ptr<Client>> client = ClientOfNode(context, flags.node);
  if (!client.ok()) return PrintError(client.status());
  admin::v1::PromoteRequest request = ToRequest(context, flags);
  if (flags.force && !flags.dry_run) {
    const Result<bool> confirmed = ForceConfirmed(**client, flags, &request);
    if (!confirmed.ok()) return PrintError(confirmed.status());
    if (!*confirmed) {
      std::fprintf(stderr, "error: %s was not promoted: say --yes-lose %s\n", flags.node.c_str(),
                   request.memory_space_id().c_str());
      return kRefusedForSafety;
    }
  }
  const Result<admin::v1::PromoteResponse> report = (*client)->Promote(request);
  if (!report.ok()) return PrintError(report.status());
  if (context.json) {
    PrintJson(*report);
    return report->done() || (report->dry_run() && report->why().empty()) ? 0 : kRefusedForSafety;
  }
  return flags.dry_run ? PrintDryRun(*report) : PrintOutcome(*report);
}

}  // namespace

void AddPromote(CLI::App* app, Context* context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app->add_subcommand("promote", "make a node the primary of a space");
  command->footer(
      "Example:\n  engram promote n2 --space default --dry-run\n"
      "  engram promote n2 --space default --primary-is-stopped n1");
  command->add_option("node", flags->node, "who shall lead")->required();
  command->add_flag("--dry-run", flags->dry_run, "only say what would happen and be lost");
  command->add_option("--primary-is-stopped", flags->stopped,
                      "you state that this node is stopped and stays so until it is told");
  command->add_flag("--force", flags->force, "though the node is not fit, and something is lost");
  command->add_option("--yes-lose", flags->yes_lose, "with --force: the space's name; do not ask");
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return Run(c, *flags); });
}

}  // namespace engram::cli
