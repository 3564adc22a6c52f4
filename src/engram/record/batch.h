// The replication batch: a 64-byte little-endian header, then whole entries and Holes, verbatim, as
// one blob (docs/wal-format.md has the offsets). Coding and checking only; what a receiver does
// with a batch is replication's. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engram/base/bytes.h"
#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/record/entry.h"
#include "engram/record/local.h"

namespace engram::record {

inline constexpr size_t kBatchHeaderSize = 64;
inline constexpr uint16_t kBatchVersion = 1;

enum class Compression : uint8_t { kNone = 0, kZstd = 1, kLz4 = 2 };

namespace batch_offset {
inline constexpr size_t kVersion = 0;
inline constexpr size_t kPrimary = 2;
inline constexpr size_t kSpace = 18;
inline constexpr size_t kStart = 34;
inline constexpr size_t kCount = 42;
inline constexpr size_t kSize = 46;
inline constexpr size_t kCompression = 54;
inline constexpr size_t kCrc = 55;
inline constexpr size_t kPadding = 59;
}  // namespace batch_offset

struct BatchHeader {
  NodeId primary;
  Incarnation space;
  Sequence start;      // first sequence covered by the first record
  uint32_t count = 0;  // of records, Holes counted
  uint64_t size = 0;   // of all records before compression
  Compression compression = Compression::kNone;
  bool operator==(const BatchHeader&) const = default;
};

// Header and records, ready to be sent. `sent` is what follows the header: the records, compressed
// as the header says.
std::string EncodeBatch(const BatchHeader& header, ByteView sent);
// Writes the CRC of a batch whose other bytes are in place.
void SealBatch(std::string* batch);

// Checks version, zero bytes, compression, count, size (at most `credit` bytes) and the CRC over
// header and records. Reasons: TRUNCATED_BATCH, UNSUPPORTED_VERSION, EMPTY_BATCH,
// INVALID_BATCH_SIZE, CHECKSUM_MISMATCH, CORRUPTION_DETECTED. `bytes` is the whole batch.
Result<BatchHeader> DecodeBatchHeader(ByteView bytes, uint64_t credit);
inline ByteView BatchRecords(ByteView bytes) {
  return bytes.substr(kBatchHeaderSize);
}

// One record of a batch, in place.
struct BatchRecord {
  EntryHeader header;
  ByteView bytes;  // header and payload
  ByteView payload;
};

// Takes the records of an uncompressed batch apart. Besides every checksum: count and size agree
// with the header, all are numbered entries or Holes, the first covers header.start, and they join
// without a gap, by sequence and by chain. SEQUENCE_GAP when they do not join.
Result<std::vector<BatchRecord>> SplitBatch(const BatchHeader& header, ByteView records);

}  // namespace engram::record
