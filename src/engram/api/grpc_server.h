// The gRPC door: engram.v1.EngramService, grpc.health.v1.Health and reflection on one port. Calls
// are served by gRPC's own threads through its callback interface, so that a write that waits for
// the disk holds no thread. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "engram/api/service.h"

namespace engram::api {

struct GrpcOptions {
  std::string address = "127.0.0.1:50051";  // port 0: any
  size_t message_bytes = 16u << 20;
  env::Duration request_timeout = std::chrono::seconds(10);  // when the client sets none
  int streams_max = 1000;
  bool reflection = true;
};

class GrpcServer {
 public:
  // Listens on return. CONFIGURATION when the address is not valid or in use. Node and service
  // outlive the server.
  static Result<std::unique_ptr<GrpcServer>> Start(runtime::Node& node, Service& service,
                                                   const GrpcOptions& options);
  virtual ~GrpcServer() = default;  // as Shutdown(0)
  virtual int port() const = 0;
  // Takes no new calls and waits until those under way are answered; after `grace` cancels what is
  // left. Blocks.
  virtual void Shutdown(env::Duration grace) = 0;
};

}  // namespace engram::api
