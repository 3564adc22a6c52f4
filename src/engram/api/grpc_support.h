// What the parts of the gRPC door share: contexts and errors in gRPC's form, messages parsed and
// bounded by hand, because gRPC answers a malformed one without a reason. Private to grpc_*.cc, the
// only files that see gRPC's headers.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/service_type.h>

#include "engram/api/errors.h"
#include "engram/api/grpc_server.h"
#include "engram/api/under_way.h"
#include "engram/api/watch.h"
#include "engram/base/thread_annotations.h"
#include "engram/runtime/node.h"

namespace engram::api {

// What all calls of the door share.
struct GrpcDoor {
  runtime::Node& node;
  Service& service;
  GrpcOptions options;
  std::atomic<int> streams{0};
  // Those that threads of ours still hand to gRPC. Its own shutdown waits for their calls, but
  // knows nothing of the thread that is on its way out of Finish or StartWrite.
  UnderWay answers = {};
  std::shared_ptr<Watches> watches = {};
};

grpc::Status ToGrpc(const Status& status);
// Also sends the request id in the trailing metadata.
CallContext MakeCallContext(GrpcDoor& door, grpc::CallbackServerContext& context);

Status MessageTooLarge(size_t bytes, size_t limit);
Status NotAMessage(const google::protobuf::Message& message);

template <class Request>
Status ParseMessage(const grpc::ByteBuffer& bytes, size_t limit, Request* request) {
  if (bytes.Length() > limit) return MessageTooLarge(bytes.Length(), limit);
  grpc::ByteBuffer shared = bytes;
  const bool parsed = grpc::SerializationTraits<Request>::Deserialize(&shared, request).ok();
  return parsed ? OkStatus() : NotAMessage(*request);
}

template <class Response>
Status SerializeMessage(const Response& response, size_t limit, grpc::ByteBuffer* bytes) {
  if (const size_t size = response.ByteSizeLong(); size > limit)
    return MessageTooLarge(size, limit);
  bool own = false;
  (void)grpc::SerializationTraits<Response>::Serialize(response, bytes, &own);
  return OkStatus();
}

// The services of the door.
std::unique_ptr<grpc::Service> MakeEngramService(GrpcDoor& door);
// Ends the streams of its Watch, and takes no more: a shutdown need not wait for them.
class HealthService {
 public:
  static std::unique_ptr<HealthService> Make(GrpcDoor& door);
  virtual ~HealthService() = default;
  virtual grpc::Service& service() = 0;
  virtual void EndWatches() = 0;
};
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* NewRememberStream(
    GrpcDoor& door, grpc::CallbackServerContext& context);
// Of Watch and of Stream. They end with their client, or with `door.watches`.
grpc::ServerWriteReactor<grpc::ByteBuffer>* NewWatchStream(GrpcDoor& door,
                                                           grpc::CallbackServerContext& context,
                                                           const grpc::ByteBuffer& in);
grpc::ServerWriteReactor<grpc::ByteBuffer>* NewEventStream(GrpcDoor& door,
                                                           grpc::CallbackServerContext& context,
                                                           const grpc::ByteBuffer& in);

}  // namespace engram::api
