// One memory space: its log, its tail, its row table and its indexes (the seed's
// MemorySpacePersistence). All writes of a space are decided here, under one short lock: version,
// condition, idempotency; then appended; then, once durable, made visible and acknowledged.
// Committed entries go to catalog, text and vectors in the background; what these have not reached
// is answered from the tail.
//
// Owned by Registry (shared with running requests). Thread-safe. Callbacks run on an executor
// thread, or on the caller's before the call returns when the answer needs no write; they must not
// block, and must not hold the last reference to the space.
//
// Invariants: visible <= acknowledged by the log <= its end; indexed_through(i) <= visible for each
// index i; whatever is acknowledged is visible to every view made afterwards; a version number is
// used once per id for ever.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"
#include "engram/env/file_system.h"
#include "engram/space/view.h"
#include "engram/v1/service.pb.h"
#include "engram/wal/log.h"

namespace engram::space {

// Bytes that all spaces of a node may hold in tails and caches together. Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit) : limit_(limit) {}
  bool TryTake(uint64_t bytes);
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

  // A view of everything acknowledged by now. With a token, one that holds that position: waits at
  // most `wait`, then TOO_STALE; TOKEN_FOREIGN, WRITE_LOST as the token says.
  virtual Result<std::unique_ptr<View>> NewView() = 0;
  virtual Result<std::unique_ptr<View>> NewViewAtLeast(std::string_view token,
                                                       env::Duration wait) = 0;
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
};

}  // namespace engram::space
