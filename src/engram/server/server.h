// The composition root: from Options to a running server. Start opens the operators' door first
// (so that a probe sees "recovering"), then the node, then the clients' doors. Owned by `serve`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engram/base/status.h"
#include "engram/runtime/node.h"
#include "engram/server/options.h"

namespace engram::server {

// What a test changes of a node beyond what options can say (a rule that it breaks); null in
// service.
using Adjust = std::function<void(runtime::NodeOptions*)>;

// The node that the options describe, without doors.
Result<std::unique_ptr<runtime::Node>> StartNode(const Options& options,
                                                 const Adjust& adjust = nullptr);
// With other nodes: what its replication needs, carried by gRPC. nullopt on a single node.
std::optional<runtime::ReplicationOptions> ReplicationOptionsOf(const Options& options);
// The directory that `node.data_dir` means ("" has a default that depends on who runs it).
std::string DataDirectory(const Options& options);

class Server {
 public:
  static Result<std::unique_ptr<Server>> Start(const Options& options,
                                               const Adjust& adjust = nullptr);
  ~Server();

  // Three lines: version, node and directory; addresses and nodes; the default space (or for whom
  // it waits) and how long it took.
  std::string Banner() const;
  // Graceful: not ready from now on, open requests finished (10 s at most), every log synced and
  // closed cleanly.
  Status Shutdown();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace engram::server
