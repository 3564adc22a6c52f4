// Finding the node that a command means: the servers of --server are asked for the configured
// nodes, and any of these can then be asked by its own address. Blocking; for operators' commands.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engram/cli/command.h"

namespace engram::cli {

// The cluster as the first server that answers sees it; `space` "" means all that are open there.
Result<admin::v1::GetClusterResponse> AnyView(Context& context, const std::string& space);
// A client of one node by its configured name. REPLICA_NOT_FOUND.
Result<std::unique_ptr<Client>> ClientOfNode(Context& context, const std::string& node);
// Of a node that follows in the context's space. REPLICA_NOT_FOUND when none answers.
Result<std::unique_ptr<Client>> ClientOfReplica(Context& context);
// Of the node that leads the context's space. NO_PRIMARY.
Result<std::unique_ptr<Client>> ClientOfPrimary(Context& context);

// What each node that answers says, in the configured order.
struct NodeSays {
  std::string node;
  std::unique_ptr<Client> client;
  admin::v1::GetClusterResponse view;
};
Result<std::vector<NodeSays>> AskAllNodes(Context& context, const std::string& space);
std::string SpaceOf(const Context& context);

}  // namespace engram::cli
