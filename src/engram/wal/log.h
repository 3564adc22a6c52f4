// The log of one space: segments in a directory, written in groups, read by cursors, recovered at
// opening. The log is the database; whatever else the space keeps is derived from it.
//
// Owned by space::Space. Thread-safe. Appends are stamped in call order under the append lock and
// become durable in that order; callbacks run in that order too, on an executor thread or on the
// thread of a waiting caller. After a failed write or sync the log is poisoned: everything is
// refused until it is opened again, and nothing is synced twice.
//
// Invariants (checked in tests after every step):
//   sequences rise by one, but for Holes; epochs never fall; the chain joins every numbered entry;
//   durable_end <= end; what was reported durable is found by every later opening.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"
#include "engram/env/file_system.h"
#include "engram/record/batch.h"
#include "engram/record/entry.h"
#include "engram/wal/space_meta.h"

namespace engram::wal {

enum class FsyncMode { kPerWrite, kPerBatch, kTimer, kNone };

// What the log counts; read at any time. Histograms are fed through LogObserver.
struct LogObserver {
  virtual ~LogObserver() = default;
  virtual void OnGroup(size_t entries, size_t bytes, env::Duration write, env::Duration sync) {
    (void)entries, (void)bytes, (void)write, (void)sync;
  }
  virtual void OnPoisoned(const Status& why) { (void)why; }
  // Damage that was found by this log: at its opening, or by whoever read it. Once in its life, as
  // well as an event "corruption_found". Metadata `file`: the segment, where one is known.
  virtual void OnDamage(const Status& why) { (void)why; }
  // The primary's digest of these entries is another than this log's own, as well as an event
  // "digest_differs". Under the log's lock.
  virtual void OnDigestDiffers(Sequence first, Sequence last) { (void)first, (void)last; }
  // One line for the structured log: torn tails cut, corruption found.
  virtual void OnEvent(std::string_view event, std::string_view detail) {
    (void)event, (void)detail;
  }
};

struct LogOptions {
  env::FileSystem* fs = nullptr;
  env::Clock* clock = nullptr;
  env::Entropy* entropy = nullptr;
  env::Executor* executor = nullptr;  // runs flushes nobody waits on, and timers
  LogObserver* observer = nullptr;    // may be null
  std::string directory;              // <data_dir>/spaces/<space>: space.meta and wal/ are in it
  std::string cluster = "engram";
  std::string space;
  uint64_t segment_bytes = 64u << 20;
  uint64_t group_commit_bytes = 4u << 20;
  FsyncMode fsync_mode = FsyncMode::kPerBatch;
  env::Duration fsync_interval = std::chrono::milliseconds(100);
  bool preallocate = true;
  uint64_t min_free_bytes = 1u << 30;       // below it appends get DISK_FULL
  uint64_t reserve_bytes = 64u << 20;       // of which deletes may still take
  uint64_t max_unsynced_bytes = 64u << 20;  // appended and on its way: beyond it OVERLOADED
  uint64_t tail_bytes = 1u << 20;           // of what is written, kept in memory for followers
  env::Duration idle_mark_delay = std::chrono::milliseconds(100);
  uint64_t quarantine_bytes_max = 1u << 30;  // beyond it the observer is told; 0: never
  // True on a single node: what is durable is committed. False: SetCommit says what is.
  bool commit_is_durable = true;
};

struct Draft {
  record::EntryType type;
  std::string payload;
};

// Where an entry stands and what it is: enough to tell whether two logs agree there.
struct EntryIdentity {
  Epoch epoch;
  Sequence sequence;
  uint32_t header_crc = 0;
  bool operator==(const EntryIdentity&) const = default;
};

// The first call with an error says what the append met; OK means durable as the fsync mode has it.
// It must not wait for the log (BeginEpoch, AppendAndWait, TruncateAfter, Close): that waits for
// it.
using DurableCallback = std::function<void(const Status&)>;

// How far a cursor goes: to committed_end, or to end (what may not be durable yet).
enum class ReadThrough { kCommitted, kAppended };

class Cursor;

class Log {
 public:
  // Makes directory, space.meta and an empty log. ALREADY there: SPACE_EXISTS.
  static Result<std::unique_ptr<Log>> Create(const LogOptions& options, Incarnation incarnation);
  // Recovers: a torn tail is cut (and reported to the observer); damage elsewhere leaves the file
  // alone and opens read-only (state().read_only). Refuses foreign, newer and misplaced files.
  static Result<std::unique_ptr<Log>> Open(const LogOptions& options);
  // Syncs what is queued and, after Close, notes a clean end so that the next opening scans
  // nothing.
  virtual ~Log() = default;
  virtual Status Close() = 0;

  // Begins epoch `epoch` (above epoch(), and promised() at least; a restart takes the next above
  // promised()): its EpochStart payload is the first entry; blocks until
  // durable. Appends need an epoch begun by this process.
  virtual Status BeginEpoch(Epoch epoch, std::string epoch_start_payload) = 0;

  // Stamps the drafts with consecutive sequences as one group that is appended whole or not at
  // all, and returns the first sequence; does not wait. `done` is called once, also after an
  // error that comes later. When the result is an error nothing was appended and `done` is not
  // called. Reasons: WAL_POISONED, DISK_FULL, OVERLOADED (unsynced bytes at their bound),
  // TOO_LARGE.
  virtual Result<Sequence> Append(std::vector<Draft> drafts, DurableCallback done) = 0;
  // The same, and waits; the calling thread may do the write itself, which saves a change of
  // threads. `done`, when given, has been called in its turn before this returns.
  virtual Result<Sequence> AppendAndWait(std::vector<Draft> drafts, DurableCallback done) = 0;
  Result<Sequence> AppendAndWait(std::vector<Draft> drafts) {
    return AppendAndWait(std::move(drafts), nullptr);
  }

  // ---- replication ----
  // No epoch below `epoch` is begun from now on. Durable on return; nothing happens when it was
  // promised before. Appends as a primary get STALE_EPOCH until BeginEpoch; those on their way end
  // as they would have.
  virtual Status Promise(Epoch epoch) = 0;
  // Appends records of another copy's log as they are: numbered entries and Holes that continue
  // this log, as record::SplitBatch gives them. All or none; `done` as in Append. Epochs never fall
  // and are not above promised(). SEQUENCE_GAP when they do not join by sequence,
  // CORRUPTION_DETECTED when the chain does not; STALE_EPOCH, also in an epoch that this process
  // has begun and no other was promised since; and as Append. A Checkpoint among them is compared
  // with this log's own digest (observer event "digest_differs").
  virtual Status AppendReceived(std::span<const record::BatchRecord> records,
                                DurableCallback done) = 0;
  // Commit is known to have reached `commit` (at most end(); rises only, but for TruncateAfter).
  // Written into the next SyncMark, and into space.meta at a clean close.
  virtual void SetCommit(Sequence commit) = 0;
  struct Floors {
    Sequence tombstone;
    Position compaction;
    Epoch begun_epoch;  // of a log begun at 1: under which epoch and tombstone floor
    Sequence begun_floor;
  };
  virtual Floors floors() const = 0;
  // Durable on return.
  virtual Status SetFloors(const Floors& floors) = 0;

  // What is appended; what is synced (in modes timer and none: really synced, not merely written).
  virtual Sequence end() const = 0;
  virtual Sequence durable_end() const = 0;
  virtual EntryIdentity end_identity() const = 0;
  // What readers may see. With commit_is_durable: the last entry that callbacks have been (or are
  // about to be) told of. Else what SetCommit said; after opening the greatest of the commit hint
  // and the marks that were read, at most end().
  virtual Sequence committed_end() const = 0;
  virtual Sequence first() const = 0;  // 1, or what compaction left first
  virtual Epoch epoch() const = 0;     // newest in the log
  // The greatest epoch that was ever promised or begun, also by a crash between the two: a new
  // one is above it.
  virtual Epoch promised() const = 0;
  // Every EpochStart, further ones of the same epoch too; the newest 1,000.
  virtual History history() const = 0;
  virtual Incarnation incarnation() const = 0;
  virtual uint64_t bytes() const = 0;  // of all segments
  virtual size_t segments() const = 0;

  // Identity of the entry at `sequence`; nullopt when it is not in the log (hole, beyond end).
  virtual Result<std::optional<EntryIdentity>> IdentityAt(Sequence sequence) = 0;
  // One entry by sequence, through the sparse index. MEMORY_NOT_FOUND in a hole or beyond the end.
  virtual Result<record::Entry> Read(Sequence sequence) = 0;
  // Entries from `from` on, in order (live tail from memory).
  virtual std::unique_ptr<Cursor> NewCursor(Sequence from, ReadThrough through) = 0;
  std::unique_ptr<Cursor> NewCursor(Sequence from) {
    return NewCursor(from, ReadThrough::kCommitted);
  }

  // Cuts everything above `last` (see docs/wal-format.md, rewind). The cut suffix is saved to
  // quarantine first. Commit is lowered to `last` when it was above. SEQUENCE_GAP when `last` is
  // inside of a Hole.
  virtual Status TruncateAfter(Sequence last) = 0;

  struct State {
    bool poisoned = false;
    bool read_only = false;  // corruption found at opening, by a reader, or told of by NoteDamage
    bool full = false;
    bool end_known = true;  // nothing was damaged at opening: end() is where the log ends
    Status why;             // of the first of these that holds
  };
  virtual State state() const = 0;
  // Entries that the opening cut, to end a rewind that an earlier life had begun.
  virtual uint64_t cut_at_opening() const = 0;
  // Somebody who looked at the files knows of damage: from now on as if a reader had found it, but
  // that no observer is told.
  virtual void NoteDamage(const Status& why) = 0;
};

// Reads a log forward. Owned by one thread; the log must outlive it.
class Cursor {
 public:
  virtual ~Cursor() = default;
  // The next entry as far as ReadThrough allows; nullopt at the end for now. Holes are skipped.
  // CORRUPTION_DETECTED and CHECKSUM_MISMATCH name file, offset and sequence.
  virtual Result<std::optional<record::Entry>> Next() = 0;
  // The next numbered entry or Hole as it lies in the log, appended to `bytes`; false at the end
  // for now. Not to be mixed with Next on one cursor. A Hole that begins before the position is
  // trimmed to it.
  struct Shipped {
    Sequence first, last;  // equal for an entry
    uint32_t crc = 0;      // identity of `last`
    Epoch epoch;
  };
  virtual Result<bool> NextRecord(std::string* bytes, Shipped* what) = 0;
  // Sequence that Next would return at the earliest.
  virtual Sequence position() const = 0;
};

}  // namespace engram::wal
