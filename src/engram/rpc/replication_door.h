// The replication service: streams become wires, the other calls go to the node's ReplicationCalls
// on threads that may block.
#pragma once

#include <functional>
#include <memory>

#include "engram/env/executor.h"
#include "engram/rpc/handshake.h"
#include "engram/rpc/wire.h"
#include "engram/runtime/replication_calls.h"

namespace engram::rpc {

// Outlived by all that it names.
struct DoorContext {
  const LocalNode& local;
  WireEvents& wires;
  runtime::ReplicationCalls* calls;  // null: refused
  env::Executor& executor;
  std::function<void(size_t place)> knocked;  // a configured node asks to be dialled
};

std::unique_ptr<grpc::Service> MakeReplicationDoor(DoorContext context);

}  // namespace engram::rpc
