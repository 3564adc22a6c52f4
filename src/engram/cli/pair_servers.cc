#include "engram/cli/pair_servers.h"

#include <filesystem>
#include <fstream>
#include <thread>

namespace engram::cli {
namespace {

namespace admin = engram::admin::v1;

constexpr env::Duration kReadyLimit = std::chrono::seconds(30);

env::Instant Now() {
  return env::SystemClock().Now();
}

}  // namespace

Result<std::unique_ptr<PairServers>> PairServers::Make(const std::string& program,
                                                       const std::string& directory,
                                                       const std::string& more,
                                                       const std::string& of_node) {
  std::filesystem::create_directories(directory);
  auto pair = std::make_unique<PairServers>();
  pair->program_ = program;
  const std::vector<std::string> ports = FreePorts(8);
  for (size_t i = 0; i < 2; ++i) {
    Node& node = pair->nodes_[i];
    node.name = "n" + std::to_string(i + 1);
    node.config = directory + "/" + node.name + ".toml";
    node.data = directory + "/" + node.name;
    node.log = directory + "/" + node.name + ".log";
    node.addresses = {ports[4 * i], ports[4 * i + 1], ports[4 * i + 2]};
    node.replication = ports[4 * i + 3];
    node.client = std::make_unique<Client>(
        ClientOptions{.servers = node.addresses.grpc, .timeout = std::chrono::seconds(30)});
  }
  for (const Node& node : pair->nodes_) RETURN_IF_ERROR(pair->WriteConfig(node, more, of_node));
  return pair;
}

Status PairServers::WriteConfig(const Node& node, const std::string& more,
                                const std::string& of_node) const {
  std::ofstream out(node.config);
  out << "[node]\nname = \"" << node.name << "\"\ndata_dir = \"" << node.data << "\"\n"
      << of_node << "\n[cluster]\nmode = \"static\"\nfirst_primary = \"n1\"\nnodes = [\n";
  for (const Node& each : nodes_) {
    out << "  { name = \"" << each.name << "\", grpc = \"" << each.addresses.grpc << "\", http = \""
        << each.addresses.http << "\", ops = \"" << each.addresses.ops << "\", replication = \""
        << each.replication << "\" },\n";
  }
  out << "]\n" << more;
  out.close();
  if (out) return OkStatus();
  return Status(Reason::IO, "The configuration " + node.config + " could not be written.");
}

Status PairServers::Start(size_t place) {
  Node& node = nodes_[place];
  ASSIGN_OR_RETURN(ServerProcess process,
                   ServerProcess::StartWithConfig(program_, node.config, node.addresses, node.log));
  node.process.emplace(std::move(process));
  return OkStatus();
}

Status PairServers::StartAndWait(size_t place) {
  RETURN_IF_ERROR(Start(place));
  return nodes_[place].process->WaitReady(kReadyLimit);
}

Status PairServers::StartBoth() {
  for (size_t place : {0, 1}) RETURN_IF_ERROR(Start(place));
  for (Node& node : nodes_) RETURN_IF_ERROR(node.process->WaitReady(kReadyLimit));
  return WaitInSync(0);
}

Status PairServers::WaitInSync(size_t primary) {
  Node& node = nodes_[primary];
  const env::Instant until = Now() + kReadyLimit;
  std::string why;
  while (Now() < until) {
    const auto cluster = node.client->GetCluster(admin::GetClusterRequest());
    if (cluster.ok()) {
      why = cluster->spaces_size() == 0 ? "it has no space yet" : "";
      for (const admin::SpaceState& space : cluster->spaces()) {
        if (!space.writes_replicated()) why = space.memory_space_id() + ": " + space.why_not();
      }
      if (why.empty()) return OkStatus();
    } else {
      why = cluster.status().message();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Status(Reason::CONNECTION_TIMEOUT, node.name + " takes no replicated writes: " + why)
      .Suggest("see " + node.log);
}

Status PairServers::MakeSpace(const std::string& id, const v1::SpaceSettings& settings) {
  v1::CreateSpaceRequest request;
  request.mutable_space()->set_id(id);
  *request.mutable_space()->mutable_settings() = settings;
  return nodes_[0].client->CreateSpace(request).status();
}

Result<admin::PromoteResponse> PairServers::Promote(size_t place, const std::string& space,
                                                    bool dry_run) {
  admin::PromoteRequest request;
  request.set_memory_space_id(space);
  request.set_node(nodes_[place].name);
  request.set_dry_run(dry_run);
  request.set_primary_is_stopped(nodes_[1 - place].name);
  ASSIGN_OR_RETURN(admin::PromoteResponse reply, nodes_[place].client->Promote(request));
  if (reply.why().empty() && (dry_run || reply.done())) return reply;
  return Status(Reason::NO_PRIMARY,
                nodes_[place].name + " was not promoted for " + space + ": " + reply.why());
}

Result<admin::SwitchoverResponse> PairServers::Switchover(size_t to, const std::string& space) {
  admin::SwitchoverRequest request;
  request.set_memory_space_id(space);
  request.set_node(nodes_[to].name);
  ASSIGN_OR_RETURN(admin::SwitchoverResponse reply, nodes_[1 - to].client->Switchover(request));
  if (reply.done()) return reply;
  return Status(Reason::NO_PRIMARY,
                space + " was not handed over to " + nodes_[to].name + ": " + reply.why());
}

}  // namespace engram::cli
