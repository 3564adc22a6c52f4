// Payloads that the log itself reads and writes: heads of segments, sync marks, holes, compaction
// markers and checkpoints. Protobuf on disk (proto/engram/internal/v1/log.proto), plain structs
// here, so that nothing above needs the generated code. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "engram/base/bytes.h"
#include "engram/base/hash.h"
#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"

namespace engram::record {

// Of segments and of all that is in them.
inline constexpr uint32_t kFormatVersion = 1;

// First record of a segment. `previous` identifies the entry before its first; zeros at sequence 1.
struct SegmentHeader {
  uint32_t format_version = kFormatVersion;
  std::string cluster;
  std::string space;
  Incarnation incarnation;
  uint64_t nonce = 0;
  Sequence first;
  Position previous;
  uint32_t previous_crc = 0;
  bool operator==(const SegmentHeader&) const = default;
};

// First record of a write group: everything below `synced_offset` of this segment was durable
// before this record was written.
struct SyncMark {
  uint64_t nonce = 0;
  uint64_t synced_offset = 0;
  Sequence commit;
  bool operator==(const SyncMark&) const = default;
};

// Stands for the entries first..last that compaction removed.
struct Hole {
  Sequence first;
  Position last;
  uint32_t last_crc = 0;
  bool operator==(const Hole&) const = default;
};

// Second record of a compacted segment.
struct CompactionMarker {
  Sequence first;
  Sequence last;
  uint64_t entries_kept = 0;
  uint64_t bytes_reclaimed = 0;
  Digest128 digest;
  bool operator==(const CompactionMarker&) const = default;
};

// Digest of the header CRCs (4 little-endian bytes each) of the entries first..last.
struct Checkpoint {
  Sequence first;
  Sequence last;
  Digest128 digest;
  bool operator==(const Checkpoint&) const = default;
};

std::string Encode(const SegmentHeader& value);
std::string Encode(const SyncMark& value);
std::string Encode(const Hole& value);
std::string Encode(const CompactionMarker& value);
std::string Encode(const Checkpoint& value);

// CORRUPTION_DETECTED when the bytes are not such a message or its fields contradict each other;
// UNSUPPORTED_VERSION for a SegmentHeader of another format version.
Result<SegmentHeader> DecodeSegmentHeader(ByteView payload);
Result<SyncMark> DecodeSyncMark(ByteView payload);
Result<Hole> DecodeHole(ByteView payload);
Result<CompactionMarker> DecodeCompactionMarker(ByteView payload);
Result<Checkpoint> DecodeCheckpoint(ByteView payload);

}  // namespace engram::record
