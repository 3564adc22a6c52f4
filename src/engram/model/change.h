// One logged decision, decoded: what the indexes and the tail are built from. The number of a type
// is that of the log's entry (record::EntryType); this layer knows the payloads, not the framing.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "engram/base/bytes.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/internal/v1/log.pb.h"

namespace engram::model {

namespace pb = engram::internal::v1;

using Decision = std::variant<std::monostate, pb::StoreRecord, pb::UpdateRecord, pb::DeleteRecord,
                              pb::ConsolidationRecord, pb::CheckpointRecord, pb::EpochStartRecord,
                              pb::SettingsRecord>;

struct Change {
  Sequence sequence;
  Epoch epoch;
  uint32_t header_crc = 0;
  Decision decision;
};

// CORRUPTION_DETECTED when the payload does not parse; UNSUPPORTED_VERSION for a type that is none
// of the numbered ones. Unknown fields are kept.
Result<Decision> DecodeDecision(uint32_t entry_type, ByteView payload);

// Deterministic bytes: equal messages have equal bytes (maps in key order).
std::string Encode(const google::protobuf::MessageLite& message);
// XXH3-64 of the deterministic bytes: digest of a request for its idempotency key.
uint64_t RequestDigest(const google::protobuf::MessageLite& message);

}  // namespace engram::model
