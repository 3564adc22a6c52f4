// One memory space: its log, its tail, its row table and its indexes (the seed's
// MemorySpacePersistence). All writes of a space are decided here, under one short lock: version,
// condition, idempotency; then appended; then, once committed, made visible. A single node commits
// what is durable, and acknowledges it then; with other copies a Committer says what is committed,
// and each write is acknowledged at the level that it asked for.
// Committed entries go to catalog, text and vectors in the background; what these have not reached
// is answered from the tail.
//
// Owned by Registry (shared with running requests). Thread-safe. Callbacks run on an executor
// thread, or on the caller's before the call returns when the answer needs no write; they must not
// block, and must not hold the last reference to the space.
//
// Invariants: visible <= committed <= the log's end; indexed_through(i) <= visible for each index
// i; what is acknowledged is visible to every view made afterwards, but for local writes to a space
// that commits on several copies; a version number is used once per id in one history.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"
#include "engram/env/file_system.h"
#include "engram/space/committer.h"
#include "engram/space/view.h"
#include "engram/v1/service.pb.h"
#include "engram/wal/log.h"

namespace engram::space {

// Bytes that all spaces of a node may hold in tails and caches together. Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit) : limit_(limit) {}
  bool TryTake(uint64_t bytes);
  // Beyond the limit, too: for what is there already.
  void Take(uint64_t bytes);
  void Give(uint64_t bytes);
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit() const { return limit_; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

// What spaces count, besides their logs. Calls are cheap and thread-safe.
class SpaceObserver {
 public:
  virtual ~SpaceObserver() = default;
  virtual void OnWrite(const std::string& space, uint64_t episodes, uint64_t bytes) = 0;
  virtual void OnIndexed(const std::string& space, const char* index, uint64_t behind) = 0;
  // A write was acknowledged with fewer copies than the space wants.
  virtual void OnDegraded(const std::string& space) { (void)space; }
  virtual void OnEvent(const std::string& space, std::string_view event,
                       std::string_view detail) = 0;
  // A space was asked for; `open` when it was open already.
  virtual void OnUse(bool open) { (void)open; }
  // A space was opened, recovery of its log included, or could not be.
  virtual void OnOpened(const std::string& space, const Status& status, env::Duration took) {
    (void)space, (void)status, (void)took;
  }
  // A space is gone for good; one of the same name would be another.
  virtual void OnDeleted(const std::string& space) { (void)space; }
  virtual wal::LogObserver* LogObserverFor(const std::string& space) = 0;  // may be null
};

// What every space of a node shares. All pointers outlive the spaces.
struct SpaceEnvironment {
  env::FileSystem* fs = nullptr;
  env::Clock* clock = nullptr;
  env::Entropy* entropy = nullptr;
  env::Executor* flushers = nullptr;    // log flushes: may block on a sync
  env::Executor* background = nullptr;  // indexing
  SpaceObserver* observer = nullptr;    // may be null
  std::shared_ptr<MemoryBudget> tails;  // 512 MiB a node
  uint64_t tail_bytes_max = 64u << 20;  // a space
  std::string spaces_directory;         // <data_dir>/spaces
  std::string cluster = "engram";
  NodeId node_id;
  Incarnation node_incarnation;
  std::string node_name;
  // Gives the committer of a space with other copies; null, or returning null: this node alone.
  std::function<Committer*(const std::string& space, wal::Log& log)> committer_for;
  // Damage of a log that is known before it is opened: it opens read-only then. May be null.
  std::function<std::optional<Status>(const std::string& space)> known_damage;
  wal::LogOptions log;  // fsync mode, sizes; the rest is filled by Space
};

template <class T>
using Done = std::function<void(Result<T>)>;

struct ForgetCommand {
  std::vector<std::string> ids;
  engram::v1::ForgetMode mode = engram::v1::FORGET_MODE_SUPPRESS;  // or DELETE
  bool allow_missing = false;
  std::string reason;
  engram::v1::WriteOptions options;
  uint64_t request_digest = 0;  // of the request that named them
};

class Space {
 public:
  // Both block. Create refuses a name that exists (SPACE_EXISTS); it begins epoch 1 and logs the
  // settings. Open recovers the log, begins a new epoch lazily at the first write, and opens the
  // catalog (rebuilding whatever does not match the log).
  static Result<std::shared_ptr<Space>> Create(const SpaceEnvironment& environment,
                                               const std::string& id,
                                               const engram::v1::SpaceSettings& settings);
  static Result<std::shared_ptr<Space>> Open(const SpaceEnvironment& environment,
                                             const std::string& id);
  // An empty copy of a space that another node leads: a log of this incarnation without an entry.
  // It shows nothing until its settings are committed.
  static Result<std::shared_ptr<Space>> CreateCopy(const SpaceEnvironment& environment,
                                                   const std::string& id, Incarnation incarnation);
  // The first copy of a space with other copies: as Create, in `epoch` with this EpochStart.
  static Result<std::shared_ptr<Space>> CreateFirst(const SpaceEnvironment& environment,
                                                    const std::string& id,
                                                    const engram::v1::SpaceSettings& settings,
                                                    Incarnation incarnation, Epoch epoch,
                                                    std::string epoch_start_payload);
  virtual ~Space() = default;
  // Waits for what is running (calls, views), indexes what is committed, closes the log cleanly.
  // Later calls get SHUTTING_DOWN. Never from a thread that holds a view of it, nor from a
  // callback.
  virtual Status Close() = 0;

  virtual const std::string& id() const = 0;
  virtual Incarnation incarnation() const = 0;
  virtual engram::v1::SpaceSettings settings() const = 0;
  virtual model::UtcTime created_at() const = 0;

  // Writes. Requests are those of the API with the space resolved; ids, times and versions are
  // decided inside. validate_only checks everything and writes nothing. Reasons: as docs/errors.md.
  virtual void Remember(engram::v1::Episode episode, engram::v1::WriteOptions options,
                        Done<engram::v1::RememberResponse> done) = 0;
  virtual void RememberBatch(engram::v1::RememberBatchRequest request,
                             Done<engram::v1::RememberBatchResponse> done) = 0;
  virtual void Update(engram::v1::UpdateRequest request, Done<engram::v1::UpdateResponse> done) = 0;
  virtual void Forget(ForgetCommand command, Done<engram::v1::ForgetResponse> done) = 0;
  virtual void Restore(engram::v1::RestoreRequest request,
                       Done<engram::v1::RestoreResponse> done) = 0;
  // The last write of a space: afterwards everything is refused.
  virtual Status MarkDeleted() = 0;

  // ---- with other copies (a Committer in the environment's committers) ----
  // The log, for those who ship it. Lives as long as the space.
  virtual wal::Log& log() = 0;
  // Begins the epoch (EpochStart `payload`), takes over what the log holds above the visible end
  // as not committed yet, and takes writes from now on. Blocks until the EpochStart is durable.
  virtual Status Lead(Epoch epoch, std::string epoch_start_payload) = 0;
  // A further EpochStart of the epoch that it leads; does not wait for the disk.
  virtual Result<Sequence> AppendEpochStart(std::string epoch_start_payload) = 0;
  // Takes no writes any more: what is not committed is answered COMMIT_UNKNOWN and forgotten (the
  // log keeps it). At opening a space with a committer begins like this.
  virtual void Follow() = 0;
  // True: the log ends where it is, until Follow, or until false; writes that come wait, without a
  // thread. False: they go on, to be taken or refused as the copy stands then.
  virtual void HoldWrites(bool held) = 0;
  // Entries through `commit` are committed, and through `replicated_end` on all of the in-sync set
  // (`copies` nodes). On the primary answers what waited for it; on a replica reads them from the
  // log in the background, as fast as the catalog takes them.
  virtual void CommitThrough(Sequence commit, Sequence replicated_end, uint32_t copies) = 0;
  // Cuts the log above `to`. When `to` is below what is visible (inside a stated loss), the indexes
  // are built again. Blocks. Requires Follow.
  virtual Status Rewind(Sequence to) = 0;
  // What readers of this copy see.
  virtual Position visible() const = 0;
  // How this copy stands: its role, and how far behind its primary it is. Without a committer it
  // is its own primary.
  virtual CopyState copy_state() {
    CopyState state;
    state.primary = true;
    return state;
  }

  // A view of everything acknowledged by now. With a token, one that holds that position: waits at
  // most `wait`, then TOO_STALE; TOKEN_FOREIGN, WRITE_LOST as the token says.
  virtual Result<std::unique_ptr<View>> NewView() = 0;
  virtual Result<std::unique_ptr<View>> NewViewAtLeast(std::string_view token,
                                                       env::Duration wait) = 0;
  // A view that shows everything that any primary has committed by now: every member of the set is
  // asked (ReadOptions.confirmed). NOT_PRIMARY, NO_PRIMARY, TOO_STALE.
  virtual Result<std::unique_ptr<View>> NewViewConfirmed(env::Duration wait) = 0;
  // The same by the lease of this primary, where it has one (ReadOptions.primary).
  virtual Result<std::unique_ptr<View>> NewViewPrimary(env::Duration wait) = 0;
  // "1.<incarnation>.<epoch>.<sequence>"
  virtual std::string TokenOf(Position position) const = 0;

  // Blocks until every index has reached what is visible now, or the deadline passes (false).
  virtual bool WaitIndexed(env::Duration at_most) = 0;
  // Throws the indexes away and builds them again from the log; `progress` gets entries done,
  // total.
  virtual Status RebuildIndexes(const std::function<void(uint64_t, uint64_t)>& progress) = 0;

  virtual Result<engram::v1::SpaceStatus> GetStatus() = 0;
  virtual std::map<std::string, int64_t> CountsByType() = 0;
  // True when nothing runs and nothing is unindexed: may be closed to make room.
  virtual bool Idle() const = 0;
  // When it was last used.
  virtual env::Instant last_used() const = 0;
  // Its log is poisoned, or it is closed: nothing but opening it again will help.
  virtual bool NeedsReopening() const = 0;
  // What was appended here is still on its way to the disk: Close would wait for it.
  virtual bool Appending() const = 0;
};

}  // namespace engram::space
