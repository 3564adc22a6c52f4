// The sparse index of a segment: where to begin to look for a sequence, one point per 4 KiB. Of a
// sealed segment it is kept in an .idx file beside it; derived, checksummed, safe to delete.
// docs/wal-format.md has the layout. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/bytes.h"
#include "engram/base/status.h"
#include "engram/base/types.h"

namespace engram::wal {

class SparseIndex {
 public:
  static constexpr uint64_t kStride = 4096;

  struct Point {
    Sequence sequence;  // of the entry, or first of the Hole, that begins at `offset`
    uint64_t offset = 0;
    bool operator==(const Point&) const = default;
  };

  // Notes a record; kept if it is a stride beyond the last point. Offsets rise.
  void Add(Sequence sequence, uint64_t offset);
  // Notes it in any case: the first good record behind damage.
  void AddAlways(Sequence sequence, uint64_t offset) { points_.push_back({sequence, offset}); }
  // The last point at or below `sequence`.
  std::optional<Point> Floor(Sequence sequence) const;
  // Puts the points of the front of a segment before those noted meanwhile.
  void Prepend(const SparseIndex& front);
  const std::vector<Point>& points() const { return points_; }

 private:
  std::vector<Point> points_;
};

// An .idx file: which segment it is of (nonce), how long that is, its last entry, its points.
struct IndexFile {
  uint64_t nonce = 0;
  uint64_t segment_size = 0;
  Position last;
  uint32_t last_crc = 0;
  SparseIndex index;
};

std::string EncodeIndexFile(const IndexFile& file);
// Any error means: rebuild it.
Result<IndexFile> DecodeIndexFile(ByteView bytes);

}  // namespace engram::wal
