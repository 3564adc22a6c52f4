// The tail: the newest visible entries of a space, decoded, as far as some index has not reached
// them. What lies only here is found here, exactly. Contiguous in sequence up to the visible end.
//
// Owned by Core. Thread-safe. Entries are immutable. A slice keeps what it shows alive after
// trimming.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/model/change.h"

namespace engram::space {

namespace pb = engram::internal::v1;

// The content that an entry brings, if it brings one: of an EpisodeStore, or of a MemoryUpdate of
// the content family.
const pb::StoreRecord* ContentOf(const model::Change& change);
// The contents that the entry ends: of the version replaced, or of the memories deleted.
std::vector<Sequence> EndedBy(const model::Change& change);
const pb::IdempotencyKey* KeyOf(const model::Change& change);

class TailEntry {
 public:
  model::Change change;
  uint64_t bytes = 0;  // charged to the tail

  Sequence sequence() const { return change.sequence; }
  const pb::StoreRecord* content() const { return ContentOf(change); }
};
using TailEntryPtr = std::shared_ptr<const TailEntry>;

// Some of the tail, from an entry on.
class TailSlice {
 public:
  // Calls `visit(const TailEntryPtr&)` for the entries in (after, through]; stops at an error.
  template <class Visit>
  Status ForEach(Sequence after, Sequence through, const Visit& visit) const {
    for (const auto& block : blocks_) {
      const uint64_t from = std::max(block->first, after.value() + 1);
      const uint64_t to = std::min(block->first + Block::kSize - 1, through.value());
      for (uint64_t at = from; at <= to; ++at) {
        const TailEntryPtr& entry = block->entries[at - block->first];
        if (entry != nullptr) RETURN_IF_ERROR(visit(entry));
      }
    }
    return OkStatus();
  }
  // First sequence that the slice has; entries at or below it may have been trimmed before.
  Sequence first() const { return first_; }

 private:
  friend class Tail;
  struct Block {
    static constexpr uint64_t kSize = 256;
    uint64_t first = 0;
    std::array<TailEntryPtr, kSize> entries;
  };
  std::vector<std::shared_ptr<const Block>> blocks_;
  Sequence first_;
};

class Tail {
 public:
  // Sequences rise; a gap (a hole of the log) is fine.
  void Push(TailEntryPtr entry) EXCLUDES(mutex_);
  // Drops the entries at or below `through`; returns the bytes that these were charged.
  uint64_t TrimThrough(Sequence through) EXCLUDES(mutex_);
  TailEntryPtr Find(Sequence sequence) const EXCLUDES(mutex_);
  // What is above `after`, as far as it is still here.
  TailSlice After(Sequence after) const EXCLUDES(mutex_);
  // The entries at or below this are trimmed, or never were here.
  Sequence trimmed_through() const EXCLUDES(mutex_);
  uint64_t bytes() const EXCLUDES(mutex_);
  size_t entries() const EXCLUDES(mutex_);
  // For a new tail: entries begin above this.
  void Reset(Sequence begin_after) EXCLUDES(mutex_);

 private:
  using Block = TailSlice::Block;
  mutable Mutex mutex_;
  std::deque<std::shared_ptr<Block>> blocks_ GUARDED_BY(mutex_);
  Sequence trimmed_ GUARDED_BY(mutex_);
  Sequence end_ GUARDED_BY(mutex_);
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  size_t entries_ GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::space
