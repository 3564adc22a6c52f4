// The entry: unit of disk and wire. A 64-byte little-endian header and a payload (docs/wal-format.md
// has the offsets). Explicit coding; nothing here does I/O. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engram/base/bytes.h"
#include "engram/base/status.h"
#include "engram/base/types.h"

namespace engram::record {

inline constexpr size_t kHeaderSize = 64;
inline constexpr uint32_t kMagic = 0xDEADBEEF;
inline constexpr uint32_t kMaxPayloadSize = 16u << 20;

enum class EntryType : uint32_t {
  kEpisodeStore = 1,
  kMemoryUpdate = 2,
  kMemoryDelete = 3,
  kConsolidation = 4,
  kCheckpoint = 5,
  kCompactionMarker = 6,  // local
  kEpochStart = 7,
  kSegmentHeader = 8,     // local
  kHole = 9,              // shipped, not numbered
  kSyncMark = 10,         // local
  kSpaceSettings = 11,
};

bool IsKnown(EntryType type);
// Numbered entries have a sequence of their own and are replicated; the others carry sequence 0.
bool IsNumbered(EntryType type);
std::string_view Name(EntryType type);

struct EntryHeader {
  Sequence sequence;
  uint64_t timestamp_ns = 0;  // wall clock; information only
  EntryType type{};
  uint32_t payload_size = 0;
  uint32_t payload_crc = 0;
  uint32_t header_crc = 0;
  Epoch epoch;         // in which a primary first wrote the entry
  uint32_t chain = 0;  // header CRC of the numbered entry before it; 0 for the first
  bool operator==(const EntryHeader&) const = default;
};

struct Entry {
  EntryHeader header;
  std::string payload;
};

// Fills payload_size, payload_crc and header_crc of `header` and appends header and payload to
// `out`. Returns the header CRC (the next entry's chain).
uint32_t AppendEntry(EntryHeader* header, ByteView payload, std::string* out);

// Reads a header from at least 64 bytes: magic, header CRC, zero bytes, known type, size limit.
// Reasons: TRUNCATED_ENTRY, CORRUPTION_DETECTED (magic, zero bytes), CHECKSUM_MISMATCH,
// UNSUPPORTED_VERSION (unknown type), TOO_LARGE.
Result<EntryHeader> DecodeHeader(ByteView bytes);
// CHECKSUM_MISMATCH unless `payload` is what the header promises.
Status CheckPayload(const EntryHeader& header, ByteView payload);

}  // namespace engram::record
