// The entry: unit of disk and wire. A 64-byte little-endian header and a payload
// (docs/wal-format.md has the offsets). Explicit coding; nothing here does I/O. Pure functions,
// thread-safe.
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
  kSegmentHeader = 8,  // local
  kHole = 9,           // shipped, not numbered
  kSyncMark = 10,      // local
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

// Offsets of the header's fields; the format is frozen, so these never change.
namespace offset {
inline constexpr size_t kMagic = 0;
inline constexpr size_t kSequence = 4;
inline constexpr size_t kTimestamp = 12;
inline constexpr size_t kType = 20;
inline constexpr size_t kPayloadSize = 24;
inline constexpr size_t kPayloadCrc = 28;
inline constexpr size_t kHeaderCrc = 32;
inline constexpr size_t kEpoch = 36;
inline constexpr size_t kChain = 44;
inline constexpr size_t kReserved = 48;  // zero, guarded by the header CRC
inline constexpr size_t kPadding = 56;   // zero, checked to be zero
}  // namespace offset

// Writes the 64 bytes of `header` to `out`, with payload_size and payload_crc as they stand there;
// fills header->header_crc and returns it.
uint32_t EncodeHeader(EntryHeader* header, char* out);

// Fills payload_size, payload_crc and header_crc of `header` and appends header and payload to
// `out`. Returns the header CRC (the next entry's chain).
uint32_t AppendEntry(EntryHeader* header, ByteView payload, std::string* out);

// Reads a header from at least 64 bytes: magic, header CRC, zero bytes, known type, size limit, and
// that numbered entries have a sequence and others none. Reasons: TRUNCATED_ENTRY,
// CORRUPTION_DETECTED (magic, padding, numbering), CHECKSUM_MISMATCH, TOO_LARGE, and
// UNSUPPORTED_VERSION for what a good CRC shows to have been written on purpose: an unknown type,
// reserved bytes in use.
Result<EntryHeader> DecodeHeader(ByteView bytes);
// CHECKSUM_MISMATCH unless `payload` is what the header promises.
Status CheckPayload(const EntryHeader& header, ByteView payload);

}  // namespace engram::record
