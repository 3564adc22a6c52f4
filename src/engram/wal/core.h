// The state behind a Log: appending, flushing, reading, cutting. One lock, mutex_, guards all of
// it; no write and no sync of a group happens under it.
//
// The way of an entry: Stamp (under the lock: sequence, chain, checksums, into the group that
// collects) -> Flush (one leader at a time, outside of the lock: write, sync) -> Complete (in
// order: callbacks, then waiters). The leader is a caller that waits, or a task of the executor;
// who ends a flush hands the leadership on before it completes, so that the device is never idle
// meanwhile.
//
// Kept alive by shared_ptr while tasks and timers of the executor run; Shut waits for those that
// touch the file system. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/wal/checkpoint.h"
#include "engram/wal/disk_gate.h"
#include "engram/wal/group.h"
#include "engram/wal/log.h"
#include "engram/wal/recovery.h"
#include "engram/wal/tail.h"

namespace engram::wal {

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(const LogOptions& options, Recovered recovered);

  // Opening and closing (core_life.cc).
  Status Start();
  Status BeginEpoch(Epoch epoch, std::string payload);
  Status Close();
  void Shut();
  Status TruncateAfter(Sequence last);  // truncate.cc
  Status CheckCut(Sequence last) EXCLUDES(mutex_);
  void TellIfQuarantineIsFull() REQUIRES(mutex_);

  // Appending (core_append.cc).
  Result<Sequence> Append(std::vector<Draft> drafts, DurableCallback done);
  Result<Sequence> AppendAndWait(std::vector<Draft> drafts, DurableCallback done);

  // As a copy of another log (core_replica.cc).
  Status Promise(Epoch epoch);
  Status AppendReceived(std::span<const record::BatchRecord> records, DurableCallback done);
  void SetCommit(Sequence commit);
  Log::Floors floors();
  Status SetFloors(const Log::Floors& floors);

  // Reading (core_read.cc).
  Result<std::optional<EntryIdentity>> IdentityAt(Sequence sequence);
  std::shared_ptr<Segment> SegmentOf(Sequence sequence);
  std::shared_ptr<Segment> SegmentAfter(const Segment& segment);
  std::unique_ptr<Cursor> NewCursor(Sequence from, ReadThrough through);
  Result<record::Entry> Read(Sequence sequence);
  Chunk FindInTail(const Segment& segment, uint64_t offset);
  Sequence ReadableThrough(ReadThrough through);
  // Changes when the log is cut: what a cursor knows of places is void then.
  uint64_t cut_at_opening() const { return cut_at_opening_; }
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  Sequence first();
  // A reader found damage: from now on the log is read-only. Returns `status`.
  Status ReportDamage(Status status);
  // The same, and tells nobody. False: it was read-only before.
  bool NoteDamage(const Status& status);

  EntryIdentity end_identity();
  Sequence durable_end();
  Sequence committed_end();
  Epoch epoch();
  Epoch promised();
  History history();
  Incarnation incarnation() const { return incarnation_; }
  uint64_t bytes();
  size_t segments();
  Log::State state();
  const LogOptions& options() const { return options_; }

 private:
  struct Prepared {
    std::vector<Draft> drafts;
    std::vector<uint32_t> crcs;
    uint64_t bytes = 0;
    bool frees_space = false;
  };
  struct Stamped {
    Sequence first;
    GroupPtr group;
    bool lead = false;
  };

  // core_append.cc
  Result<Prepared> Prepare(std::vector<Draft> drafts) const;
  Status NoEpoch() const REQUIRES(mutex_);
  Result<Stamped> Stamp(Prepared prepared, DurableCallback done, bool waiter) REQUIRES(mutex_);
  Result<GroupPtr> Admit(uint64_t bytes, bool frees_space, int64_t now_ns) REQUIRES(mutex_);
  void TakeIn(Group* group, size_t bytes, DurableCallback done) REQUIRES(mutex_);
  Status Broken() const REQUIRES(mutex_);
  Status Refusal() const REQUIRES(mutex_);
  Status MakeRoom(uint64_t bytes, int64_t now_ns) REQUIRES(mutex_);
  uint64_t GrowTo(uint64_t needed) const REQUIRES(mutex_);
  Status Allocate(env::File& file, uint64_t needed, uint64_t wish, uint64_t* allocated)
      REQUIRES(mutex_);
  Status Roll(uint64_t needed, int64_t now_ns) REQUIRES(mutex_);
  GroupPtr Collecting(int64_t now_ns) REQUIRES(mutex_);
  void StampEntry(record::EntryType type, ByteView payload, uint32_t payload_crc, int64_t now_ns,
                  Group* group) REQUIRES(mutex_);
  void NoteEntry(Group* group, record::EntryType type) REQUIRES(mutex_);
  void StampMark(int64_t now_ns, uint64_t synced, Group* group) REQUIRES(mutex_);
  void StampCheckpoint(int64_t now_ns, Group* group) REQUIRES(mutex_);
  bool TakeLead() REQUIRES(mutex_);

  // core_replica.cc
  Status CheckReceived(std::span<const record::BatchRecord> records) REQUIRES(mutex_);
  Status RemoveCleanEnd() REQUIRES(mutex_);
  void StampReceived(const record::BatchRecord& record, Group* group) REQUIRES(mutex_);
  void CompareCheckpoint(Sequence at, ByteView payload) REQUIRES(mutex_);

  // core_flush.cc
  void PostLead() REQUIRES(mutex_);
  void LeadPosted() EXCLUDES(mutex_);
  void Lead(const GroupPtr& until) EXCLUDES(mutex_);
  bool FlushFront(const GroupPtr& until) EXCLUDES(mutex_);
  Status WriteGroup(Group& group, env::Duration* write, env::Duration* sync);
  Status StartSegment(Group& group);
  void NoteFlushed(const GroupPtr& group, bool synced) REQUIRES(mutex_);
  void Conclude(const GroupPtr& group, Status status) REQUIRES(mutex_);
  void HandOver() EXCLUDES(mutex_);
  void Complete(const GroupPtr& until) EXCLUDES(mutex_);
  void CheckMayWait() const;
  void Finish(const GroupPtr& group) EXCLUDES(mutex_);
  void WaitFor(const GroupPtr& group);
  void Poison(const Status& why) REQUIRES(mutex_);
  bool SyncsGroups() const {
    return options_.fsync_mode == FsyncMode::kPerBatch ||
           options_.fsync_mode == FsyncMode::kPerWrite;
  }
  bool Syncs(const Group& group) const { return SyncsGroups() || group.starts_epoch; }

  // core_timers.cc
  void ArmSyncTimer() REQUIRES(mutex_);
  void SyncNow() EXCLUDES(mutex_);
  void ArmIdleTimer() REQUIRES(mutex_);
  void MarkIdle() EXCLUDES(mutex_);
  void PostCheckpointCatchUp() REQUIRES(mutex_);
  void CheckpointCatchUp() EXCLUDES(mutex_);
  // Runs `work` on the executor if the core still lives and is open then.
  void Later(env::Duration delay, void (Core::*work)());
  void RunTask(void (Core::*work)()) EXCLUDES(mutex_);
  void WriteIndexLater(std::shared_ptr<Segment> segment, EntryIdentity last);

  // core_life.cc
  SpaceMeta MetaNow() REQUIRES(mutex_);
  Status WriteMeta(SpaceMeta meta) REQUIRES(mutex_);
  Status LeaveCleanEnd() REQUIRES(mutex_);
  void WaitIdle() REQUIRES(mutex_);
  bool Writable() const REQUIRES(mutex_) { return poisoned_.ok() && damage_.ok() && !closed_; }

  // truncate.cc
  Status Rewind(Sequence last) REQUIRES(mutex_);
  Status SaveSuffix(Sequence last) REQUIRES(mutex_);
  Status CutSegments(Sequence last) REQUIRES(mutex_);
  Status CutLast(Sequence last) REQUIRES(mutex_);
  Status CopyAfter(Segment& segment, Sequence last, Position until, const std::string& path)
      REQUIRES(mutex_);
  void ForgetAfter(const EntryIdentity& end, uint64_t offset) REQUIRES(mutex_);

  const LogOptions options_;
  const Incarnation incarnation_;

  Mutex mutex_;
  std::condition_variable_any changed_;  // leadership, completion and timers come to rest
  std::optional<SpaceMetaFile> meta_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Segment>> segments_ GUARDED_BY(mutex_);
  History history_ GUARDED_BY(mutex_);
  std::vector<Event> events_ GUARDED_BY(mutex_);  // of recovery, told by Start

  // Where the next entry goes.
  Epoch epoch_ GUARDED_BY(mutex_);
  EntryIdentity end_ GUARDED_BY(mutex_);
  uint64_t stamp_offset_ GUARDED_BY(mutex_) = 0;
  uint64_t allocated_ GUARDED_BY(mutex_) = 0;
  std::string unstarted_head_ GUARDED_BY(mutex_);  // of a segment that no group has started
  bool may_append_ GUARDED_BY(mutex_) = false;     // an epoch was begun by this process
  bool clean_on_disk_ GUARDED_BY(mutex_) = false;

  // Groups that are not written, oldest first; the last may still collect.
  std::deque<GroupPtr> pending_ GUARDED_BY(mutex_);
  GroupPtr in_flight_ GUARDED_BY(mutex_);
  bool flushing_ GUARDED_BY(mutex_) = false;     // somebody leads, or is about to
  bool lead_posted_ GUARDED_BY(mutex_) = false;  // namely a task that has not begun
  std::deque<GroupPtr> completed_ GUARDED_BY(mutex_);
  bool completing_ GUARDED_BY(mutex_) = false;
  uint64_t unsynced_bytes_ GUARDED_BY(mutex_) = 0;
  Tail tail_ GUARDED_BY(mutex_);
  std::string spare_ GUARDED_BY(mutex_);  // a buffer to be used again

  EntryIdentity written_end_ GUARDED_BY(mutex_);
  std::shared_ptr<Segment> disk_segment_ GUARDED_BY(mutex_);  // the one that is written to
  uint64_t written_offset_ GUARDED_BY(mutex_) = 0;            // in it
  EntryIdentity durable_ GUARDED_BY(mutex_);
  uint64_t synced_offset_ GUARDED_BY(mutex_) = 0;
  uint64_t marked_offset_ GUARDED_BY(mutex_) = 0;   // what its newest mark claims
  uint64_t entries_offset_ GUARDED_BY(mutex_) = 0;  // where its last entry ends
  std::atomic<uint64_t> committed_;                 // rises under mutex_, but for a cut
  std::atomic<uint64_t> generation_{0};
  uint64_t cut_at_opening_ = 0;  // set before anybody else knows of the log

  DiskGate gate_ GUARDED_BY(mutex_);
  CheckpointKeeper checkpoints_ GUARDED_BY(mutex_);
  Status poisoned_ GUARDED_BY(mutex_);
  Status damage_ GUARDED_BY(mutex_);
  const bool end_known_;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool cutting_ GUARDED_BY(mutex_) = false;
  bool sync_timer_ GUARDED_BY(mutex_) = false;
  bool idle_timer_ GUARDED_BY(mutex_) = false;
  bool catching_up_ GUARDED_BY(mutex_) = false;
  uint64_t appends_ GUARDED_BY(mutex_) = 0;
  uint64_t appends_at_idle_timer_ GUARDED_BY(mutex_) = 0;
  int tasks_ GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::wal
