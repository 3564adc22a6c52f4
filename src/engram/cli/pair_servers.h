// Two servers on loopback that replicate to each other, n1 and n2: configured, started, killed,
// promoted. For the demo and the benchmarks. Killed at the end, unless released. One thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "engram/admin/v1/admin.pb.h"
#include "engram/cli/child.h"
#include "engram/cli/client.h"

namespace engram::cli {

class PairServers {
 public:
  struct Node {
    std::string name, config, data, log;
    Addresses addresses;
    std::string replication;
    std::optional<ServerProcess> process;
    std::unique_ptr<Client> client;
  };

  // Writes n1.toml and n2.toml into the directory, whose data is in n1/ and n2/. `more` is added to
  // both files, and `of_node` to their section [node].
  static Result<std::unique_ptr<PairServers>> Make(const std::string& program,
                                                   const std::string& directory,
                                                   const std::string& more = "",
                                                   const std::string& of_node = "");

  Node& node(size_t place) { return nodes_[place]; }
  Status Start(size_t place);
  // Starts and waits until it answers.
  Status StartAndWait(size_t place);
  Status StartBoth();
  // Until every space that the node leads (one at least) takes replicated writes.
  Status WaitInSync(size_t primary);
  Status MakeSpace(const std::string& id, const v1::SpaceSettings& settings);
  // Hands the space over to the node; an error when that was not done.
  Result<admin::v1::SwitchoverResponse> Switchover(size_t to, const std::string& space);
  // Makes the node lead the space; the operator states that the other is stopped.
  Result<admin::v1::PromoteResponse> Promote(size_t place, const std::string& space, bool dry_run);

 private:
  Status WriteConfig(const Node& node, const std::string& more, const std::string& of_node) const;

  std::string program_;
  std::array<Node, 2> nodes_;
};

}  // namespace engram::cli
