// An error between nodes as gRPC carries it: the code, the text of four parts, and
// google.rpc.ErrorInfo with reason and facts. Bounded, since gRPC puts it into headers of 8 KiB.
// Pure functions.
#pragma once

#include <string>

#include <grpcpp/support/status.h>

#include "engram/base/status.h"

namespace engram::rpc {

grpc::Status ToGrpc(const Status& status);
// The error that another node sent, or gRPC itself made: then with the reason that fits its code.
// An OK that ends a stream is an error too: the other node closed it.
Status FromGrpc(const grpc::Status& status);

}  // namespace engram::rpc
