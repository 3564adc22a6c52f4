// Messages between copies as protobuf, and back. Decoding is total: whatever bytes come gives a
// message or a Status (INVALID_REQUEST, TOO_LARGE, UNSUPPORTED_VERSION), and what it gives keeps to
// the limits below. It checks form only: fences, chains and checksums are the receiver's.
// docs/replication-wire.md. Pure functions, thread-safe.
#pragma once

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/internal/v1/replication.pb.h"
#include "engram/runtime/replication_calls.h"
#include "engram/runtime/transport.h"

namespace engram::rpc {

namespace pb = engram::internal::v1;

inline constexpr size_t kNameBytesMax = 256;
inline constexpr int kHistoryRowsMax = 1000;
inline constexpr int kPageRowsMax = 1000;
inline constexpr size_t kBatchBytesMax = 24u << 20;
inline constexpr size_t kTextBytesMax = 4096;
inline constexpr size_t kRecordBytesMax = 256u << 10;  // of an EpochStart in an Answer

// Without the batch of Entries, which frame.h sends where it lies. Of a longer history or longer
// list of losses the newest rows are sent; longer texts are cut.
void Encode(const runtime::SpaceMessage& message, pb::SpaceMessage* out);
// A message of a kind that only newer versions know: to be passed over, as they expect.
bool OnlyNewerKnow(const pb::SpaceMessage& in);
// Takes the batch out of `in`.
Result<runtime::SpaceMessage> Decode(pb::SpaceMessage&& in);

void Encode(const runtime::CopyStatus& status, pb::CopyStatus* out);
Result<runtime::CopyStatus> Decode(const pb::CopyStatus& in);

void Encode(const replication::Floors& floors, pb::Floors* out);
replication::Floors Decode(const pb::Floors& in);

template <class Id>
std::string IdBytes(const Id& id) {
  if (id.is_zero()) return "";
  return std::string(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}

// 16 bytes, or none for zero; false otherwise.
template <class Id>
bool TakeId(const std::string& bytes, Id* id) {
  *id = Id();
  if (bytes.empty()) return true;
  if (bytes.size() != id->bytes.size()) return false;
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(id->bytes.data()));
  return true;
}

}  // namespace engram::rpc
