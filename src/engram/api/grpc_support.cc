#include "engram/api/grpc_support.h"

#include "engram/env/entropy.h"

namespace engram::api {
namespace {

std::string MetadataOf(const grpc::CallbackServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  if (found == context.client_metadata().end()) return "";
  return std::string(found->second.data(), found->second.size());
}

bool IsLoopback(const std::string& peer) {
  return peer.starts_with("ipv4:127.") || peer.starts_with("ipv6:[::1]") ||
         peer.starts_with("ipv6:%5B::1%5D") || peer.starts_with("unix:");
}

}  // namespace

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), ErrorText(status),
                      EncodeErrorDetails(status));
}

CallContext MakeCallContext(GrpcDoor& door, grpc::CallbackServerContext& context) {
  CallContext call;
  env::Entropy& entropy = door.node.entropy();
  const auto wall_ms = static_cast<uint64_t>(door.node.clock().WallNs() / 1'000'000);
  call.request_id = MakeUlid(wall_ms, entropy.Next() >> 48, entropy.Next());
  call.principal.loopback = IsLoopback(context.peer());
  call.space_header = MetadataOf(context, "x-engram-memory-space");
  call.space_header_short = MetadataOf(context, "x-memory-space");
  env::Duration left = door.options.request_timeout;
  if (const auto deadline = context.deadline();
      deadline != std::chrono::system_clock::time_point::max()) {
    left = deadline - std::chrono::system_clock::now();
  }
  // A client's "for ever" must not overflow.
  call.deadline = door.node.clock().Now() + std::min<env::Duration>(left, std::chrono::hours(24));
  context.AddTrailingMetadata("engram-request-id", call.request_id);
  return call;
}

Status MessageTooLarge(size_t bytes, size_t limit) {
  return Status(Reason::TOO_LARGE, "The message has " + std::to_string(bytes) + " bytes.")
      .Expected("at most " + std::to_string(limit) + " bytes")
      .Suggest("send smaller batches, or read smaller pages")
      .With("field", "message")
      .With("limit", limit)
      .With("actual", bytes);
}

Status NotAMessage(const google::protobuf::Message& message) {
  const std::string name = message.GetDescriptor()->full_name();
  return Status(Reason::INVALID_REQUEST,
                "The bytes are not a " + name + ", or a text in it is not UTF-8.")
      .Expected("a serialised " + name)
      .Suggest("compare the client's .proto files with the server's (reflection shows them)");
}

}  // namespace engram::api
