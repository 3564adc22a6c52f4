// The newest groups of a log, kept in memory: what is not written yet, and a little of what is, so
// that followers of a live log need not read the file. Guarded by the lock of the log.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "engram/wal/group.h"

namespace engram::wal {

// Some bytes of a segment.
struct Chunk {
  std::shared_ptr<const std::string> bytes;
  uint64_t base = 0;  // offset of the first of them
  bool Covers(uint64_t offset, size_t size) const {
    return bytes && offset >= base && offset + size <= base + bytes->size();
  }
};

class Tail {
 public:
  explicit Tail(size_t keep_bytes) : keep_bytes_(keep_bytes) {}
  void Push(GroupPtr group) { groups_.push_back(std::move(group)); }
  // Drops the oldest groups that are written, down to the bytes to keep. Returns the buffer of one
  // that nobody reads any more, to be used again.
  std::string Trim(const Group* oldest_unwritten);
  // Bytes of `segment` at `offset`, from there to the end of a group; an empty chunk if not here.
  // Those of a group that still collects are copied.
  Chunk Find(const Segment* segment, uint64_t offset) const;
  void Clear() { groups_.clear(); }

 private:
  const size_t keep_bytes_;
  std::deque<GroupPtr> groups_;
};

}  // namespace engram::wal
