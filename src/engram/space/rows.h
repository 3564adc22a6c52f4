// One row per memory in memory: what ranking and filters look at, without a read from disk. Rows
// are appended in log order and never change, but for two facts that change once or rarely: when
// the row died (replaced or deleted) and when it was suppressed or restored. Both are stamped with
// the sequence that did it, so that a reader at sequence V sees the table as it was at V while
// writers go on. About 160 bytes a row; rebuilt from the catalog when a space opens.
//
// Shared by a space and its views. One writer at a time (the space, under its write lock); readers
// on any thread, beside it, without locks but for look-ups by id hash and by session. A reader
// must have learned of its V after the writer was through with V.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/base/types.h"
#include "engram/internal/v1/log.pb.h"
#include "engram/model/time.h"
#include "engram/space/sessions.h"

namespace engram::space {

inline constexpr RowIndex kNoRow = UINT32_MAX;

struct Row {
  Sequence content;  // entry of this version
  uint64_t version = 0;
  uint64_t id_hash = 0;       // Hash64 of the id
  uint64_t session_hash = 0;  // 0: no session
  uint64_t turn = 0;
  bool has_turn = false;
  bool has_vector = false;
  bool has_event_time = false;
  uint8_t memory_type = 0;
  float confidence = 1;
  float importance = 0.5f;
  float decay_rate = 1;
  model::TimeInterval event_time;
  model::UtcTime stored_at;
  model::UtcTime first_stored_at;
};

// The row of a content entry, as the catalog makes it too.
Row RowOf(const internal::v1::StoreRecord& record, Sequence content);

class RowTable {
 public:
  RowTable() = default;
  ~RowTable();
  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  // ---- the writer ----
  // The content must be above that of every row so far.
  RowIndex Append(const Row& row);
  void Kill(RowIndex row, Sequence at);
  void SetSuppressed(RowIndex row, bool suppressed, Sequence at);

  // ---- anyone ----
  size_t size() const { return size_.load(std::memory_order_acquire); }
  // Rows whose content is at or below `visible`: they come first.
  size_t CountThrough(Sequence visible) const;
  const Row& row(RowIndex row) const { return SlotAt(row).row; }
  // Neither replaced nor deleted at `visible`.
  bool LiveAt(RowIndex row, Sequence visible) const {
    const uint64_t dead = SlotAt(row).dead_at.load(std::memory_order_acquire);
    return dead == 0 || dead > visible.value();
  }
  bool SuppressedAt(RowIndex row, Sequence visible) const;
  // Row of a content entry among the first `rows`.
  std::optional<RowIndex> Find(Sequence content, size_t rows) const;
  // Newest row with this hash of its id, and the one before it; kNoRow at the end. Different ids
  // may share a hash: look at the record.
  RowIndex NewestWith(uint64_t id_hash) const EXCLUDES(ids_mutex_);
  RowIndex Before(RowIndex row) const { return SlotAt(row).previous; }
  // Up to `steps` rows of its session on each side, nearest first: of the first `rows`, those that
  // are live and not suppressed at `visible`.
  void Neighbours(RowIndex row, int steps, size_t rows, Sequence visible,
                  std::vector<RowIndex>* before, std::vector<RowIndex>* after) const;

 private:
  struct Suppression {
    uint64_t at;
    bool suppressed;
    const Suppression* before;
  };
  struct Slot {
    Row row;
    RowIndex previous = kNoRow;
    std::atomic<uint64_t> dead_at{0};
    std::atomic<const Suppression*> suppression{nullptr};
  };
  // Chunk 0 holds 64 rows, chunk c > 0 as many as all before it: 27 reach 2^32, small spaces stay
  // small, and a slot never moves. The contents stand apart as well, for searching.
  static constexpr int kFirstBits = 6;
  static constexpr size_t kChunks = 32 - kFirstBits + 1;
  struct Chunk {
    std::atomic<Slot*> slots{nullptr};
    std::atomic<uint64_t*> contents{nullptr};
  };
  struct Place {
    size_t chunk, offset;
  };
  static Place PlaceOf(size_t row);
  static size_t SizeOf(size_t chunk) {
    return size_t{1} << (chunk == 0 ? kFirstBits : kFirstBits + chunk - 1);
  }
  Slot& SlotAt(size_t row) const;
  uint64_t ContentAt(size_t row) const;
  void MakeChunk(size_t chunk);
  void Link(RowIndex row) EXCLUDES(ids_mutex_);
  // Where the hash is, or the free place for it.
  size_t Probe(uint64_t id_hash) const REQUIRES(ids_mutex_);
  void GrowIds() REQUIRES(ids_mutex_);

  std::array<Chunk, kChunks> chunks_;
  std::atomic<size_t> size_{0};
  std::deque<Suppression> suppressions_;  // writer only; nodes never move

  mutable Mutex ids_mutex_;
  std::vector<RowIndex> ids_ GUARDED_BY(ids_mutex_);  // open addressing; newest row of each hash
  size_t ids_used_ GUARDED_BY(ids_mutex_) = 0;
  SessionIndex sessions_;
};

}  // namespace engram::space
