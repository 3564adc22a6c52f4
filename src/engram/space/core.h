// What the parts of one space share: its log, rows, tail and indexes, and the visible end. The
// writer adds to it, the indexer follows it, views read it. Owned by SpaceImpl.
//
// Thread-safe, except that `Apply` and the fields marked so belong to the writer's lock, and that
// indexes and rows are replaced only while the gate is shut.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/index/catalog.h"
#include "engram/index/text.h"
#include "engram/index/vectors.h"
#include "engram/space/documents.h"
#include "engram/space/rows.h"
#include "engram/space/space.h"
#include "engram/space/tail.h"
#include "engram/wal/log.h"

namespace engram::space {

// Lets requests in, and can be shut until those inside are out: for closing and for rebuilding.
class Gate {
 public:
  class Pass {
   public:
    Pass() = default;
    explicit Pass(Gate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave();
    }

   private:
    Gate* gate_ = nullptr;
  };
  // Waits while the gate is shut; SHUTTING_DOWN once it is closed for ever.
  Result<Pass> Enter() EXCLUDES(mutex_);
  // Fails at once when the gate is shut.
  std::optional<Pass> TryEnter() EXCLUDES(mutex_);
  // Waits until nobody is inside.
  void Shut() EXCLUDES(mutex_);
  void Reopen() EXCLUDES(mutex_);
  // Nobody will enter again, whoever waits is sent away; those inside may stay.
  void Close() EXCLUDES(mutex_);
  bool closed() const EXCLUDES(mutex_);
  size_t inside() const EXCLUDES(mutex_);

 private:
  void Leave() EXCLUDES(mutex_);
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  size_t inside_ GUARDED_BY(mutex_) = 0;
  bool shut_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
};

// The visible end: rises, but for a cut of the log; can be waited for.
class VisibleEnd {
 public:
  Position Get() const EXCLUDES(mutex_);
  void Advance(Position to) EXCLUDES(mutex_);
  // The log was cut: the one way back. With the gate shut.
  void Reset(Position to) EXCLUDES(mutex_);
  // Waits until `holds(visible end)` or the time is over; says whether it holds.
  bool WaitFor(const std::function<bool(Position)>& holds, env::Duration at_most) EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  Position end_ GUARDED_BY(mutex_);
};

struct Snapshots {
  std::unique_ptr<index::CatalogSnapshot> catalog;
  std::unique_ptr<index::TextSnapshot> text;
};

class Core {
 public:
  // ---- set when the space opens ----
  SpaceEnvironment environment;
  std::string id;
  std::string directory;
  v1::SpaceSettings settings;
  model::UtcTime created_at;
  Incarnation incarnation;
  std::unique_ptr<wal::Log> log;
  bool epoch_begun = false;        // by this process; under the writer's lock
  Committer* committer = nullptr;  // of a space with other copies
  // Settings, indexes and rows are there: always, but for a copy that nothing has arrived at.
  std::atomic<bool> ready{false};
  std::atomic<bool> gone{false};  // deleted, as readers see it

  // ---- replaced by a rebuild only ----
  std::unique_ptr<index::Catalog> catalog;
  std::unique_ptr<index::TextIndex> text;
  std::unique_ptr<index::VectorIndex> vectors;
  std::shared_ptr<RowTable> rows;

  // ---- moving ----
  Tail tail;
  VisibleEnd visible;
  mutable Gate gate;
  Documents documents;
  // Bytes of the tail and of what is on its way into it.
  std::atomic<uint64_t> charged{0};
  std::atomic<uint64_t> live{0}, suppressed{0}, deleted{0}, live_vectors{0};
  // The row table has no rows of what was deleted before it was made.
  std::atomic<bool> deleted_before_open{false};
  std::atomic<int64_t> last_used_ns{0};

  // Rows and tail take in an entry that became visible; the caller advances the visible end. Under
  // the writer's lock.
  void Apply(TailEntryPtr entry);

  // An entry at or below the visible end, from the tail or the log.
  Result<TailEntryPtr> EntryAt(Sequence sequence);
  // The record of a content entry.
  Result<std::shared_ptr<const pb::StoreRecord>> RecordAt(Sequence content);
  // Terms of the text of a content; kept for the next who asks.
  Result<std::shared_ptr<const DocumentTerms>> TermsOf(Sequence content);
  // Entries in (after, through], in order: from the log as far as the slice was trimmed, then from
  // the slice. Stops at an error.
  Status ForEachChange(Sequence after, Sequence through, const TailSlice& slice,
                       const std::function<Status(const TailEntryPtr&)>& visit);
  // Epoch of an entry of the log.
  Epoch EpochAt(Sequence sequence) const;

  // Under the shut gate, or at opening.
  void SetRows(std::shared_ptr<RowTable> table) EXCLUDES(sample_mutex_);
  // Up to `limit` rows with a vector that are live at `visible`, by id hash; kept while no vector
  // comes or goes.
  std::vector<RowIndex> VectorSample(const RowTable& table, size_t rows, Sequence visible,
                                     size_t limit) EXCLUDES(sample_mutex_);

  // Enters the gate of a space that can be used: SHUTTING_DOWN, RECOVERING, SPACE_NOT_FOUND.
  Result<Gate::Pass> Enter();

  // Takes from the space's and the node's bound; false when these are reached.
  bool TakeCharge(uint64_t bytes);
  // The same for what is there in any case.
  void MustCharge(uint64_t bytes);
  void GiveCharge(uint64_t bytes);
  // Trims what every index has reached, or, `pressed`, what the catalog has reached.
  void TrimTail(bool pressed);

  // Read transactions no newer than the visible end that a view takes afterwards.
  Result<Snapshots> TakeSnapshots() EXCLUDES(snapshots_mutex_);
  void ReturnSnapshots(Snapshots snapshots) EXCLUDES(snapshots_mutex_);
  // An index is about to move: spare snapshots would only hold it back.
  void DropSpareSnapshots() EXCLUDES(snapshots_mutex_);

  void Report(std::string_view event, std::string_view detail) const;
  void Touch() { last_used_ns.store(environment.clock->Now().ns, std::memory_order_relaxed); }

 private:
  void ApplyContent(const TailEntryPtr& entry, const pb::StoreRecord& record);
  void ApplyState(const TailEntryPtr& entry, const pb::UpdateRecord& record);
  void End(Sequence content, Sequence by);

  struct Sample {
    const RowTable* table = nullptr;
    uint64_t at = 0;  // last_vector_change_ when it was taken
    size_t limit = 0;
    std::vector<RowIndex> rows;
  };
  std::atomic<uint64_t> last_vector_change_{0};  // sequence
  Mutex sample_mutex_;
  Sample sample_ GUARDED_BY(sample_mutex_);

  Mutex snapshots_mutex_;
  std::vector<Snapshots> spare_ GUARDED_BY(snapshots_mutex_);
};

// Decodes a log entry.
Result<std::shared_ptr<TailEntry>> DecodeEntry(const record::Entry& entry);
// What an entry of this payload is charged to the tail: decoded it takes about as much again.
inline uint64_t ChargeFor(size_t payload_bytes) {
  return 2 * payload_bytes + 512;
}
Status SpaceIsDeleted(const std::string& id);

}  // namespace engram::space
