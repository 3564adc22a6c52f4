#include "engram/rpc/frame.h"

#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_utils.h>

namespace engram::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

// Of a length-delimited field: the tag and the length that stand before its bytes.
void AppendFieldHead(int field, size_t length, std::string* out) {
  uint8_t bytes[16];
  uint8_t* end = CodedOutputStream::WriteVarint32ToArray(
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), bytes);
  end = CodedOutputStream::WriteVarint64ToArray(length, end);
  out->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(end - bytes));
}

// A slice of bytes that live as long as `owner`.
grpc::Slice Borrow(const std::shared_ptr<const std::string>& owner) {
  auto* held = new std::shared_ptr<const std::string>(owner);
  return grpc::Slice(
      const_cast<char*>(owner->data()), owner->size(),
      [](void* user) { delete static_cast<std::shared_ptr<const std::string>*>(user); }, held);
}

}  // namespace

std::shared_ptr<const std::string> BatchOf(const runtime::SpaceMessage& message) {
  const auto* entries = std::get_if<replication::Entries>(&message.message.body);
  return entries == nullptr ? nullptr : entries->batch;
}

Parcel MakeParcel(const runtime::SpaceMessage& message, std::shared_ptr<const std::string> batch) {
  thread_local pb::SpaceMessage body;
  body.Clear();
  Encode(message, &body);
  Parcel parcel{{}, std::move(batch)};
  std::string batch_head;
  if (parcel.batch != nullptr)
    AppendFieldHead(pb::SpaceMessage::kBatchFieldNumber, parcel.batch->size(), &batch_head);
  const size_t batch_bytes = parcel.batch == nullptr ? 0 : parcel.batch->size();
  AppendFieldHead(pb::StreamMessage::kSpacesFieldNumber,
                  body.ByteSizeLong() + batch_head.size() + batch_bytes, &parcel.head);
  body.AppendToString(&parcel.head);
  parcel.head += batch_head;
  return parcel;
}

grpc::ByteBuffer FrameOf(std::span<const Parcel> parcels) {
  std::vector<grpc::Slice> slices;
  std::string heads;
  for (const Parcel& parcel : parcels) {
    heads += parcel.head;
    if (parcel.batch == nullptr || parcel.batch->empty()) continue;
    slices.emplace_back(heads);
    slices.push_back(Borrow(parcel.batch));
    heads.clear();
  }
  if (!heads.empty()) slices.emplace_back(heads);
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer FrameOf(const pb::StreamMessage& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

Status ParseFrame(grpc::ByteBuffer* frame, pb::StreamMessage* message) {
  if (grpc::SerializationTraits<pb::StreamMessage>::Deserialize(frame, message).ok())
    return OkStatus();
  return Status(Reason::INVALID_REQUEST, "The bytes on a replication stream are no message.")
      .Expected("messages of docs/replication-wire.md")
      .Suggest("let only engram nodes of this cluster reach the replication port");
}

}  // namespace engram::rpc
