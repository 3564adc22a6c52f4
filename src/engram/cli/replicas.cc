// replicas, replicas remove, cluster explain: how the copies of the spaces stand, and why.
#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include <CLI/CLI.hpp>

#include "engram/cli/copies_text.h"
#include "engram/cli/nodes.h"
#include "engram/cluster/static_store.h"

namespace engram::cli {
namespace {

constexpr int kUnavailable = 5;

// Each space as its primary says; as any node says when none leads.
std::map<std::string, admin::v1::SpaceState> BestStates(std::vector<NodeSays>& nodes) {
  std::map<std::string, admin::v1::SpaceState> best;
  for (NodeSays& node : nodes) {
    for (admin::v1::SpaceState& space : *node.view.mutable_spaces()) {
      admin::v1::SpaceState& known = best[space.memory_space_id()];
      const bool newer =
          space.role() == "primary" && (known.role() != "primary" || space.epoch() > known.epoch());
      if (known.memory_space_id().empty() || newer) known = std::move(space);
    }
  }
  return best;
}

int ShowOnce(Context& context) {
  Result<std::vector<NodeSays>> nodes = AskAllNodes(context, context.space);
  if (!nodes.ok()) return PrintError(nodes.status());
  int code = 0;
  std::vector<admin::v1::SpaceState> spaces;
  for (auto& [name, state] : BestStates(*nodes)) {
    if (state.role() != "primary") code = kUnavailable;
    spaces.push_back(std::move(state));
  }
  if (!context.json) {
    std::printf("%s", ReplicasTable(spaces).c_str());
    return code;
  }
  admin::v1::GetClusterResponse all;
  if (!nodes->empty()) all = nodes->front().view;
  all.clear_spaces();
  for (admin::v1::SpaceState& state : spaces) *all.add_spaces() = std::move(state);
  PrintJson(all);
  return code;
}

int Show(Context& context, bool watch) {
  while (true) {
    if (watch) std::printf("\033[H\033[2J");
    const int code = ShowOnce(context);
    if (!watch) return code;
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

int Remove(Context& context, const std::string& node, bool dry_run) {
  Result<std::unique_ptr<Client>> primary = ClientOfPrimary(context);
  if (!primary.ok()) return PrintError(primary.status());
  admin::v1::RemoveReplicaRequest request;
  request.set_memory_space_id(SpaceOf(context));
  request.set_node(node);
  request.set_dry_run(dry_run);
  const Result<admin::v1::PromoteResponse> report = (*primary)->RemoveReplica(request);
  if (!report.ok()) return PrintError(report.status());
  if (context.json) PrintJson(*report);
  const bool good = report->done() || (dry_run && report->why().empty());
  if (context.json) return good ? 0 : 4;
  if (!good) {
    std::fprintf(stderr, "%s\n%s", PromotionTable(*report).c_str(), RefusedText(*report).c_str());
    return 4;
  }
  std::printf("%s%s the set of %s: %s %s in epoch %s\n", node.c_str(),
              dry_run ? " would leave" : " left", SpaceOf(context).c_str(), report->node().c_str(),
              dry_run ? "would lead on" : "leads on",
              cluster::FormatEpoch(Epoch(report->epoch())).c_str());
  return 0;
}

// Each node knows its own log; the one that explained has said what it knows.
void PrintDamageElsewhere(Context& context, const admin::v1::SpaceState& told) {
  const Result<std::vector<NodeSays>> nodes = AskAllNodes(context, SpaceOf(context));
  if (!nodes.ok()) return;
  for (const NodeSays& node : *nodes) {
    if (node.view.spaces().empty()) continue;
    for (const admin::v1::DamagedRange& range : node.view.spaces(0).damage()) {
      const auto& known = told.damage();
      if (std::any_of(known.begin(), known.end(), [&](const auto& other) {
            return other.file() == range.file() && other.since().nanos() == range.since().nanos();
          })) {
        continue;
      }
      std::printf("  %s%s %s\n", Pad("damaged on " + node.node, 18).c_str(), range.file().c_str(),
                  (range.why() + "; " + range.state()).c_str());
    }
  }
}

// The primary knows most; without one, whoever has a copy; else whoever answers.
int Explain(Context& context) {
  Result<std::unique_ptr<Client>> holder = ClientOfPrimary(context);
  if (!holder.ok()) holder = ClientOfReplica(context);
  Client& client = holder.ok() ? **holder : context.client();
  admin::v1::ExplainRequest request;
  request.set_memory_space_id(SpaceOf(context));
  const Result<admin::v1::ExplainResponse> reply = client.Explain(request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) PrintJson(*reply);
  for (const std::string& line : reply->words()) {
    if (!context.json) std::printf("%s\n", line.c_str());
  }
  if (!context.json) PrintDamageElsewhere(context, reply->space());
  return 0;
}

}  // namespace

void AddReplicas(CLI::App* app, Context* context) {
  auto watch = std::make_shared<bool>(false);
  CLI::App* command = app->add_subcommand("replicas", "how far the replicas are; remove one");
  command->footer("Example:\n  engram replicas --watch\n  engram replicas remove n2 --space notes");
  command->add_flag("--watch", *watch, "draw again each second");
  AddClientOptions(command, context);
  auto removed = std::make_shared<bool>(false);
  OnRun(command, context,
        [watch, removed](Context& c) { return *removed ? c.exit_code : Show(c, *watch); });

  auto node = std::make_shared<std::string>();
  auto dry_run = std::make_shared<bool>(false);
  CLI::App* remove =
      command->add_subcommand("remove", "the primary leads on without this node in the set");
  remove->footer("Example:\n  engram replicas remove n2 --space default");
  remove->add_option("node", *node, "who leaves the set")->required();
  remove->add_flag("--dry-run", *dry_run, "only say what would happen");
  AddClientOptions(remove, context);
  OnRun(remove, context, [node, dry_run, removed](Context& c) {
    *removed = true;  // a command's parent runs after it
    return Remove(c, *node, *dry_run);
  });
}

void AddCluster(CLI::App* app, Context* context) {
  CLI::App* group = app->add_subcommand("cluster", "who leads, and why");
  group->require_subcommand(1);
  CLI::App* explain = group->add_subcommand("explain", "a space in words, and what would happen");
  explain->footer("Example:\n  engram cluster explain --space default");
  AddClientOptions(explain, context);
  OnRun(explain, context, [](Context& c) { return Explain(c); });
}

}  // namespace engram::cli
