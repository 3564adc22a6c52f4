// A frame: one StreamMessage as it goes over the wire. Messages of many spaces share one, and a
// batch is sent from where it lies, without a copy; on the way in it is copied once, out of gRPC's
// buffers. Pure functions, thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include <grpcpp/support/byte_buffer.h>

#include "engram/internal/v1/replication.pb.h"
#include "engram/rpc/codec.h"

namespace engram::rpc {

// One message of a space, encoded: `head`, and behind it the bytes of the batch.
struct Parcel {
  std::string head;
  std::shared_ptr<const std::string> batch;
  size_t bytes() const { return head.size() + (batch == nullptr ? 0 : batch->size()); }
};

// The batch of Entries; null: none.
std::shared_ptr<const std::string> BatchOf(const runtime::SpaceMessage& message);
// With these bytes for the message's batch.
Parcel MakeParcel(const runtime::SpaceMessage& message, std::shared_ptr<const std::string> batch);
inline Parcel MakeParcel(const runtime::SpaceMessage& message) {
  return MakeParcel(message, BatchOf(message));
}
grpc::ByteBuffer FrameOf(std::span<const Parcel> parcels);
grpc::ByteBuffer FrameOf(const pb::StreamMessage& message);
// INVALID_REQUEST unless the bytes are a StreamMessage. Takes the buffer.
Status ParseFrame(grpc::ByteBuffer* frame, pb::StreamMessage* message);

}  // namespace engram::rpc
