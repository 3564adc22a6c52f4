// Compression of replication batches: the header stays as it is but for `compression` and the CRC,
// what follows it is one zstd or lz4 block. Text shrinks to a third or a quarter, float32
// embeddings not at all, so a sample of each batch decides where the choice is automatic. Expanding
// trusts no length: nothing beyond the credit is allocated, and what comes out must have the size
// that the header states. docs/wal-format.md. Pure functions, thread-safe.
#pragma once

#include <optional>
#include <string>

#include "engram/record/batch.h"

namespace engram::record {

// A set of compressions: bit n stands for the value n of Compression. None is in every set.
using CompressionSet = uint32_t;
constexpr CompressionSet Only(Compression compression) {
  return 1u << static_cast<unsigned>(compression);
}
inline constexpr CompressionSet kEveryCompression =
    Only(Compression::kNone) | Only(Compression::kZstd) | Only(Compression::kLz4);

// What a node is to do with the batches that it sends: one of the three, or auto.
struct CompressionChoice {
  bool automatic = false;
  Compression fixed = Compression::kNone;
  bool operator==(const CompressionChoice&) const = default;
};
// "none", "lz4", "zstd", "auto"; nullopt otherwise.
std::optional<CompressionChoice> CompressionFrom(std::string_view word);

// The compression for a batch, of those that the receiver can read. Automatic: zstd (else lz4) when
// a sample of the records shrinks by an eighth at least.
Compression Choose(const CompressionChoice& choice, CompressionSet readable, ByteView batch);

// The same batch, compressed; nullopt when it would not be smaller. `batch` is an uncompressed one,
// as EncodeBatch made it.
std::optional<std::string> CompressBatch(ByteView batch, Compression compression);

// The same batch, uncompressed. At most `credit` bytes of records, which is checked before they are
// allocated. Reasons of DecodeBatchHeader; INVALID_BATCH_SIZE also when the records do not have the
// size that the header states.
Result<std::string> ExpandBatch(ByteView batch, uint64_t credit);

// What the header of a batch says, unchecked; kNone of what is too short to say it.
Compression CompressionOf(ByteView batch);

}  // namespace engram::record
