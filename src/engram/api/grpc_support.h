// What the parts of the gRPC door share: contexts and errors in gRPC's form, messages parsed and
// bounded by hand, because gRPC answers a malformed one without a reason. Private to grpc_*.cc, the
// only files that see gRPC's headers.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "engram/api/errors.h"
#include "engram/api/grpc_server.h"
#include "engram/runtime/node.h"

namespace engram::api {

// What all calls of the door share. Counts the calls that the door holds.
struct GrpcDoor {
  runtime::Node& node;
  Service& service;
  GrpcOptions options;
  std::atomic<int> streams{0};
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
std::unique_ptr<grpc::Service> MakeHealthService(GrpcDoor& door);
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* NewRememberStream(
    GrpcDoor& door, grpc::CallbackServerContext& context);

}  // namespace engram::api
