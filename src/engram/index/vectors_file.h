// vectors.bin: the codes of one space on disk. Little-endian.
//
//   0     slot A   each: magic "ENGRAMVX", format u32, dimension u32, incarnation 16, epoch u64,
//   4096  slot B   sequence u64, header_crc u32, zero u32, rows u64, generation u64, crc32c u32
//   8192  rows     each: content u64, scale f32, error f32, crc32c u32 of these and the codes,
//                  zero u32, then one int8 code for each dimension
//
// Rows are appended; a slot says how many of them count and through which entry of the log they
// go. Slots are written in turn and never before the rows, and the other slot, are synced: one of
// the two is always whole. Rows after the newest slot are ignored and overwritten. A VectorFile is
// used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engram/env/file_system.h"
#include "engram/index/identity.h"
#include "engram/index/vectors_codes.h"

namespace engram::index {

struct VectorRow {
  Sequence content;
  CodeScale scale;
  std::span<const int8_t> codes;
};

class VectorFile {
 public:
  using RowFunction = std::function<void(const VectorRow&)>;
  static constexpr uint64_t kRowsOffset = 8192;
  static uint64_t RowBytes(uint32_t dimension);

  // Opens the file, or makes it (synced). CORRUPTION_DETECTED, CHECKSUM_MISMATCH, TRUNCATED_ENTRY
  // for damage; UNSUPPORTED_VERSION; DIMENSION_MISMATCH.
  static Result<std::unique_ptr<VectorFile>> Open(env::FileSystem& fs, const std::string& path,
                                                  Incarnation incarnation, uint32_t dimension);
  // Gives every row that counts, in order; once, before the first Append.
  Status ReadAll(const RowFunction& row);

  const IndexIdentity& identity() const { return slot_.identity; }  // as in the newest slot
  // Rows in the file, those behind the newest slot included.
  uint64_t rows() const { return rows_; }
  bool poisoned() const { return poisoned_; }

  // Writes rows, not synced; nothing counts before a Checkpoint. After an error the rows are not
  // there, and the call may be repeated.
  Status Append(std::span<const VectorRow> added);
  // Syncs, then writes a slot: what was appended counts, through that entry. After a failed sync
  // the file refuses everything: what the disk holds is not known.
  Status Checkpoint(const IndexIdentity& through);

 private:
  struct Slot {
    IndexIdentity identity;
    uint64_t rows = 0;
    uint64_t generation = 0;
  };
  VectorFile(std::unique_ptr<env::File> file, uint32_t dimension)
      : file_(std::move(file)), dimension_(dimension) {}
  static std::string Encode(const Slot& slot, uint32_t dimension);
  static Result<Slot> Decode(ByteView bytes, uint32_t dimension);
  static Status Create(env::FileSystem& fs, const std::string& path, Incarnation incarnation,
                       uint32_t dimension);
  Status ReadSlots();
  size_t row_bytes() const { return RowBytes(dimension_); }
  uint64_t OffsetOf(uint64_t row) const { return kRowsOffset + row * row_bytes(); }

  std::unique_ptr<env::File> file_;
  uint32_t dimension_;
  Slot slot_;
  uint64_t rows_ = 0;
  bool poisoned_ = false;
};

}  // namespace engram::index
