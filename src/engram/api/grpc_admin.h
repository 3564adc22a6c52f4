// engram.admin.v1.AdminService as a service of the gRPC door. Private to grpc_*.cc.
#pragma once

#include <memory>

#include "engram/api/grpc_support.h"

namespace engram::api {

// Its calls are among the answers that the door waits for.
std::unique_ptr<grpc::Service> MakeAdminService(GrpcDoor& door);

}  // namespace engram::api
