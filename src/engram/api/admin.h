// What operators ask, without a door: engram.admin.v1 over a node and its replication. A node
// without a configured list of nodes says how it stands and refuses the rest. Everything but the
// promotions runs on the node's readers; the callers are checked first (on a server without keys,
// those of the same machine alone). Thread-safe; calls are answered once, on any thread, before the
// node closes.
#pragma once

#include <memory>

#include "engram/admin/v1/admin.pb.h"
#include "engram/api/service.h"

namespace engram::runtime {
class Replication;
}

namespace engram::api {

class Admin {
 public:
  // `replication` is null on a single node. Both outlive it.
  static std::unique_ptr<Admin> Make(runtime::Node& node, runtime::Replication* replication);
  virtual ~Admin() = default;

#define ENGRAM_ADMIN_CALLS                                                               \
  ENGRAM_ADMIN_CALL(GetCluster, GetClusterRequest, GetClusterResponse)                   \
  ENGRAM_ADMIN_CALL(Promote, PromoteRequest, PromoteResponse)                            \
  ENGRAM_ADMIN_CALL(Switchover, SwitchoverRequest, SwitchoverResponse)                   \
  ENGRAM_ADMIN_CALL(RemoveReplica, RemoveReplicaRequest, PromoteResponse)                \
  ENGRAM_ADMIN_CALL(Explain, ExplainRequest, ExplainResponse)                            \
  ENGRAM_ADMIN_CALL(ListQuarantine, ListQuarantineRequest, ListQuarantineResponse)       \
  ENGRAM_ADMIN_CALL(ShowQuarantine, ShowQuarantineRequest, ShowQuarantineResponse)       \
  ENGRAM_ADMIN_CALL(ReplayQuarantine, ReplayQuarantineRequest, ReplayQuarantineResponse) \
  ENGRAM_ADMIN_CALL(VerifyLog, VerifyLogRequest, VerifyLogResponse)

#define ENGRAM_ADMIN_CALL(Name, Request, Response)                          \
  virtual void Name(const CallContext& context, admin::v1::Request request, \
                    Reply<admin::v1::Response> reply) = 0;
  ENGRAM_ADMIN_CALLS
#undef ENGRAM_ADMIN_CALL
};

// single, static, etcd.
const char* ModeOf(runtime::Replication* replication);

// The nodes and the spaces that are open, as `/cluster/health` and GetCluster show them; of one
// space only when it is named. SPACE_NOT_FOUND.
Result<admin::v1::GetClusterResponse> DescribeCluster(runtime::Node& node,
                                                      runtime::Replication* replication,
                                                      const std::string& space);
// A space in words, line by line.
std::vector<std::string> ExplainInWords(const admin::v1::SpaceState& state,
                                        const admin::v1::GetClusterResponse& cluster,
                                        int64_t wall_ns);

}  // namespace engram::api
