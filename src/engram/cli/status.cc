#include <chrono>
#include <thread>

#include <CLI/CLI.hpp>

#include "engram/cli/command.h"
#include "engram/cli/copies_text.h"
#include "engram/cluster/static_store.h"
#include "engram/model/time.h"

namespace engram::cli {
namespace {

std::string UpTime(int64_t seconds) {
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
}

std::string ModeText(const v1::NodeInfo& node) {
  if (node.mode() == "single") return "single node";
  return node.mode() + ", " + std::to_string(node.nodes()) +
         (node.nodes() == 1 ? " node" : " nodes");
}

void PrintNode(const v1::NodeInfo& node) {
  const int64_t up = env::SystemClock().WallNs() / 1'000'000'000 - node.started_at().seconds();
  std::printf("%s (%s) · engram %s · up %s · fsync %s · %s\n", node.name().c_str(),
              node.id().substr(0, 8).c_str(), node.version().c_str(), UpTime(up).c_str(),
              node.fsync_mode().c_str(), ModeText(node).c_str());
  if (!node.replication().empty()) {
    std::printf("grpc %s · http %s · replication %s\n", node.grpc().c_str(), node.http().c_str(),
                node.replication().c_str());
  }
  std::printf("data %s · no keys: loopback only\n", node.data_dir().c_str());
  std::printf("memory %s of %s · disk %s free of %s\n\n", FormatBytes(node.memory_used()).c_str(),
              FormatBytes(node.memory_limit()).c_str(), FormatBytes(node.disk_free()).c_str(),
              FormatBytes(node.disk_total()).c_str());
}

std::string Right(const std::string& text, size_t columns) {
  return text.size() >= columns ? text : std::string(columns - text.size(), ' ') + text;
}

uint64_t Indexed(const v1::SpaceStatus& status) {
  uint64_t least = status.committed_through();
  for (const auto& [index, through] : status.indexed_through()) least = std::min(least, through);
  return least;
}

std::string StateText(const v1::SpaceStatus& status) {
  std::string text = status.state();
  if (!status.state_reason().empty()) text += ": " + status.state_reason();
  const uint64_t behind = status.committed_through() - Indexed(status);
  if (behind > 0) text += ", indexing " + Grouped(behind) + " behind";
  for (const v1::ReplicaStatus& replica : status.replicas()) {
    if (!replica.connected()) {
      text += ", " + replica.node() + " is away";
    } else if (!replica.in_sync()) {
      text += ", " + replica.node() + " is " + replica.mode();
    }
  }
  return text;
}

// A log that may only be read begins no epoch.
std::string EpochText(const v1::SpaceStatus& status) {
  return status.epoch() == 0 ? "-" : cluster::FormatEpoch(Epoch(status.epoch()));
}

// "2 of 2" in the set, as the primary knows it.
std::string CopiesText(const v1::SpaceStatus& status) {
  if (status.role() != "primary" || status.copies_wanted() == 0) return "-";
  return std::to_string(status.copies_in_sync()) + " of " + std::to_string(status.copies_wanted());
}

// Of a replica, how old what it shows may be; of a primary, its slowest replica.
std::string LagText(const v1::SpaceStatus& status) {
  if (status.role() == "replica") {
    return (status.connected() ? "" : "≥ ") + AgoText(status.behind());
  }
  const v1::ReplicaStatus* slowest = nullptr;
  for (const v1::ReplicaStatus& replica : status.replicas()) {
    const auto& lag = replica.lag();
    if (slowest == nullptr || std::pair(lag.seconds(), lag.nanos()) >
                                  std::pair(slowest->lag().seconds(), slowest->lag().nanos())) {
      slowest = &replica;
    }
  }
  if (slowest == nullptr) return "-";
  if (!slowest->connected()) return "≥ " + AgoText(slowest->lag());
  return slowest->lag_entries() == 0 ? "0" : AgoText(slowest->lag());
}

void PrintSpaces(const v1::IntrospectResponse& reply, size_t* good) {
  std::printf("%s %s %s %s %s %s %s   %s %s %s   %s\n", Pad("SPACE", 16).c_str(),
              Pad("ROLE", 8).c_str(), Right("EPOCH", 6).c_str(), Right("EPISODES", 10).c_str(),
              Right("LOG END", 10).c_str(), Right("COMMITTED", 10).c_str(),
              Right("INDEXED", 10).c_str(), Pad("COPIES", 8).c_str(), Pad("LAG", 9).c_str(),
              Right("LOG", 9).c_str(), "STATE");
  for (const v1::Space& space : reply.spaces()) {
    const v1::SpaceStatus& s = space.status();
    if (s.state() == "ok") ++*good;
    std::printf("%s %s %s %s %s %s %s   %s %s %s   %s\n", Pad(space.id(), 16).c_str(),
                Pad(s.role(), 8).c_str(), Right(EpochText(s), 6).c_str(),
                Right(Grouped(s.episodes()), 10).c_str(), Right(Grouped(s.log_end()), 10).c_str(),
                Right(Grouped(s.committed_through()), 10).c_str(),
                Right(Grouped(Indexed(s)), 10).c_str(), Pad(CopiesText(s), 8).c_str(),
                Pad(LagText(s), 9).c_str(), Right(FormatBytes(s.log_bytes()), 9).c_str(),
                StateText(s).c_str());
  }
}

int RunOnce(Context& context) {
  v1::IntrospectRequest request;
  request.set_include_health(true);
  request.set_memory_space_id(context.space);
  Result<v1::IntrospectResponse> reply = context.client().Introspect(request);
  if (!reply.ok()) return PrintError(reply.status());
  if (context.json) {
    PrintJson(*reply);
    return 0;
  }
  size_t good = 0;
  PrintNode(reply->node());
  PrintSpaces(*reply, &good);
  const auto all = static_cast<size_t>(reply->spaces_size());
  std::printf("\n%zu of %zu open spaces ok\n", good, all);
  return good == all ? 0 : 6;
}

int Run(Context& context, bool watch) {
  if (!watch) return RunOnce(context);
  while (true) {
    std::printf("\033[H\033[2J");
    if (const int code = RunOnce(context); code != 0 && code != 6) return code;
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

struct HealthFlags {
  bool live = false;
  std::string of;
};

int RunHealth(Context& context, const HealthFlags& flags) {
  const std::string service = flags.of.empty() ? "" : "engram.space/" + flags.of;
  Result<bool> serving = context.client().Serving(service);
  if (!serving.ok()) return PrintError(serving.status());
  const bool good = *serving || flags.live;  // an answer is a sign of life
  if (context.json) {
    std::printf("{\"serving\": %s}\n", *serving ? "true" : "false");
  } else {
    std::printf("%s\n", *serving ? "ready" : flags.live ? "alive, not ready" : "not ready");
  }
  return good ? 0 : 5;
}

}  // namespace

void AddStatus(CLI::App* app, Context* context) {
  auto watch = std::make_shared<bool>(false);
  CLI::App* command = app->add_subcommand("status", "the node and its open spaces");
  command->footer("Example:\n  engram status --watch");
  command->add_flag("--watch", *watch, "draw again each second");
  AddClientOptions(command, context);
  OnRun(command, context, [watch](Context& c) { return Run(c, *watch); });
}

void AddHealth(CLI::App* app, Context* context) {
  auto flags = std::make_shared<HealthFlags>();
  CLI::App* command = app->add_subcommand("health", "exit 0 when the server is ready, 5 when not");
  command->footer("Example:\n  engram health --of default");
  command->add_flag("--live", flags->live, "an answer is enough");
  command->add_option("--of", flags->of, "this space instead of the whole node");
  AddClientOptions(command, context);
  OnRun(command, context, [flags](Context& c) { return RunHealth(c, *flags); });
}

}  // namespace engram::cli
