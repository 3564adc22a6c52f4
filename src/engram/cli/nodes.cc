#include "engram/cli/nodes.h"

#include "engram/server/options.h"

namespace engram::cli {
namespace {

constexpr env::Duration kAskAround = std::chrono::seconds(2);  // a node that may be down

std::unique_ptr<Client> ClientAt(const Context& context, const std::string& address) {
  ClientOptions options;
  options.servers = address;
  if (Result<env::Duration> limit = server::ParseDuration(context.timeout); limit.ok()) {
    options.timeout = *limit;
  }
  return std::make_unique<Client>(std::move(options));
}

std::string NamesOf(const admin::v1::GetClusterResponse& view) {
  std::string names;
  for (const auto& node : view.nodes()) names += (names.empty() ? "" : ", ") + node.name();
  return names;
}

}  // namespace

std::string SpaceOf(const Context& context) {
  return context.space.empty() ? "default" : context.space;
}

Result<admin::v1::GetClusterResponse> AnyView(Context& context, const std::string& space) {
  admin::v1::GetClusterRequest request;
  request.set_memory_space_id(space);
  return context.client().GetCluster(request);
}

Result<std::unique_ptr<Client>> ClientOfNode(Context& context, const std::string& name) {
  ASSIGN_OR_RETURN(const admin::v1::GetClusterResponse view, AnyView(context, ""));
  for (const admin::v1::NodeState& node : view.nodes()) {
    if (node.name() == name && !node.grpc().empty()) return ClientAt(context, node.grpc());
  }
  return Status(Reason::REPLICA_NOT_FOUND, "There is no node '" + name + "'.")
      .Expected("one of " + NamesOf(view))
      .With("field", "node");
}

Result<std::vector<NodeSays>> AskAllNodes(Context& context, const std::string& space) {
  ASSIGN_OR_RETURN(admin::v1::GetClusterResponse first, AnyView(context, ""));
  admin::v1::GetClusterRequest request;
  request.set_memory_space_id(space);
  std::vector<NodeSays> all;
  for (const admin::v1::NodeState& node : first.nodes()) {
    if (node.grpc().empty()) {  // a single node knows no address of its own
      all.push_back({node.name(), nullptr, std::move(first)});
      break;
    }
    Client quick({.servers = node.grpc(), .timeout = kAskAround, .said = {}});
    Result<admin::v1::GetClusterResponse> view = quick.GetCluster(request);
    if (!view.ok()) continue;
    all.push_back({node.name(), ClientAt(context, node.grpc()), std::move(*view)});
  }
  return all;
}

namespace {

Result<std::unique_ptr<Client>> ClientInRole(Context& context, std::string_view role,
                                             const Status& none) {
  ASSIGN_OR_RETURN(std::vector<NodeSays> nodes, AskAllNodes(context, SpaceOf(context)));
  for (NodeSays& node : nodes) {
    for (const admin::v1::SpaceState& space : node.view.spaces()) {
      if (space.role() == role && node.client != nullptr) return std::move(node.client);
    }
  }
  return none;
}

}  // namespace

Result<std::unique_ptr<Client>> ClientOfReplica(Context& context) {
  return ClientInRole(
      context, "replica",
      Status(Reason::REPLICA_NOT_FOUND, "No replica of space '" + SpaceOf(context) + "' answers.")
          .Expected("a second node that follows")
          .Suggest("see who is there with engram replicas"));
}

Result<std::unique_ptr<Client>> ClientOfPrimary(Context& context) {
  return ClientInRole(
      context, "primary",
      Status(Reason::NO_PRIMARY, "No node leads the space '" + SpaceOf(context) + "'.")
          .Expected("a primary that answers")
          .Suggest("see who could lead")
          .Example("engram cluster explain --space " + SpaceOf(context)));
}

}  // namespace engram::cli
