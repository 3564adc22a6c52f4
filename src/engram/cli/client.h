// The command's connection to a server: one blocking call after another, over gRPC. Not
// thread-safe. Errors come back as the server's own Status (reason and text of four parts); a
// server that cannot be reached is CONNECTION_TIMEOUT with what to try.
//
// A refusal that was decided before anything was written is dealt with here: NOT_PRIMARY, and
// TOO_STALE of a read, are followed once to the address that they name; NO_PRIMARY and
// SHUTTING_DOWN are taken to the next server of the list, for two seconds in all;
// NOT_ENOUGH_IN_SYNC is asked again for two seconds, RECOVERING until the timeout. A write with a
// key whose outcome is not known is repeated once, with its key.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engram/admin/v1/admin.pb.h"
#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/v1/service.pb.h"

namespace engram::cli {

struct ClientOptions {
  std::string servers = "127.0.0.1:50051";  // host:port[,host:port …], tried in order
  env::Duration timeout = std::chrono::seconds(10);
  std::function<void(const std::string&)> said = {};  // gets what was done about a refusal
};

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();

#define ENGRAM_CALL(Name, Request, Response) Result<v1::Response> Name(const v1::Request& request);
#define ENGRAM_CLIENT_CALLS                                               \
  ENGRAM_CALL(Remember, RememberRequest, RememberResponse)                \
  ENGRAM_CALL(RememberBatch, RememberBatchRequest, RememberBatchResponse) \
  ENGRAM_CALL(Update, UpdateRequest, UpdateResponse)                      \
  ENGRAM_CALL(Forget, ForgetRequest, ForgetResponse)                      \
  ENGRAM_CALL(Restore, RestoreRequest, RestoreResponse)                   \
  ENGRAM_CALL(Recall, RecallRequest, RecallResponse)                      \
  ENGRAM_CALL(Reminisce, ReminisceRequest, ReminisceResponse)             \
  ENGRAM_CALL(Get, GetRequest, GetResponse)                               \
  ENGRAM_CALL(List, ListRequest, ListResponse)                            \
  ENGRAM_CALL(CreateSpace, CreateSpaceRequest, Space)                     \
  ENGRAM_CALL(GetSpace, GetSpaceRequest, Space)                           \
  ENGRAM_CALL(ListSpaces, ListSpacesRequest, ListSpacesResponse)          \
  ENGRAM_CALL(DeleteSpace, DeleteSpaceRequest, DeleteSpaceResponse)       \
  ENGRAM_CALL(Introspect, IntrospectRequest, IntrospectResponse)
  ENGRAM_CLIENT_CALLS
#undef ENGRAM_CALL

#define ENGRAM_CALL(Name, Request, Response) \
  Result<admin::v1::Response> Name(const admin::v1::Request& request);
#define ENGRAM_ADMIN_CLIENT_CALLS                                                  \
  ENGRAM_CALL(GetCluster, GetClusterRequest, GetClusterResponse)                   \
  ENGRAM_CALL(Promote, PromoteRequest, PromoteResponse)                            \
  ENGRAM_CALL(Switchover, SwitchoverRequest, SwitchoverResponse)                   \
  ENGRAM_CALL(RemoveReplica, RemoveReplicaRequest, PromoteResponse)                \
  ENGRAM_CALL(Explain, ExplainRequest, ExplainResponse)                            \
  ENGRAM_CALL(ListQuarantine, ListQuarantineRequest, ListQuarantineResponse)       \
  ENGRAM_CALL(ShowQuarantine, ShowQuarantineRequest, ShowQuarantineResponse)       \
  ENGRAM_CALL(ReplayQuarantine, ReplayQuarantineRequest, ReplayQuarantineResponse) \
  ENGRAM_CALL(VerifyLog, VerifyLogRequest, VerifyLogResponse)
  ENGRAM_ADMIN_CLIENT_CALLS
#undef ENGRAM_CALL

  // Hands each change of a space to `on_change`, until it says false; heartbeats are dealt with
  // here. When the server goes away, or is silent for longer than its heartbeats allow, it goes on
  // at the next of the list, after the last change that was handed over, so that each comes once.
  // Gives up when no server has answered for the timeout. Otherwise ends with what the server says:
  // WRITE_LOST, SPACE_NOT_FOUND, TOKEN_FOREIGN and others.
  using OnChange = std::function<bool(const v1::WatchResponse& change)>;
  Status Watch(v1::WatchRequest request, const OnChange& on_change);

  // grpc.health.v1: true when the service is SERVING; `service` "" is readiness.
  Result<bool> Serving(const std::string& service);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace engram::cli
