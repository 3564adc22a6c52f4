// Scrubbing: reads the sealed segments of every log of the node, one after another, no faster than
// it is told, to find what rotted while nobody read it. Logs of spaces that are closed are read
// where they lie; nothing is opened for it. What is found goes to Mending. The same reading, at
// once and through the last segment, serves `engram wal verify` on a server that runs.
//
// Owned by Node. Thread-safe; reads on its executor, where it may wait for its rate.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/env/clock.h"
#include "engram/env/executor.h"
#include "engram/env/file_system.h"
#include "engram/runtime/mending.h"
#include "engram/space/registry.h"
#include "engram/wal/mend.h"

namespace engram::runtime {

struct ScrubOptions {
  uint64_t rate = 0;                        // bytes a second; 0: never by itself
  Duration every = std::chrono::hours(24);  // from the beginning of a pass to that of the next
};

// What one call of CheckPart has read.
struct CheckedPart {
  uint32_t segments = 0;
  uint64_t entries = 0;  // in them, lost ones counted
  uint64_t bytes = 0, bytes_total = 0;
  Sequence last;  // entry that they end with
  Sequence next;  // zero: that was the last segment
  std::vector<DamagedRange> damage;
};

class Scrub {
 public:
  // `may_wait`: a task may stand still to keep to the rate; a simulation's may not.
  Scrub(const ScrubOptions& options, const MendingContext& files, Mending& mending,
        space::Registry& registry, bool may_wait);
  ~Scrub();

  // The first pass begins a minute later, or after `every` when that is less.
  void Start() EXCLUDES(mutex_);
  void Stop() EXCLUDES(mutex_);
  // This space before all others, now.
  void Soon(const std::string& space) EXCLUDES(mutex_);
  uint64_t bytes() const { return bytes_; }

  // Segments from `from` on (0: the first), until some were read; blocks. What is damaged is told
  // to Mending. SPACE_NOT_FOUND, UNSUPPORTED_VERSION, IO.
  Result<CheckedPart> CheckPart(const std::string& space, Sequence from);

 private:
  void PostStep(Duration delay, bool resting) REQUIRES(mutex_);
  void Step(uint64_t turn);
  // Chooses what is read next. False: the pass is over.
  bool Choose() EXCLUDES(mutex_);
  void CheckSealed(Sequence segment);
  Result<wal::SegmentCheck> CheckTwice(const std::string& space, Sequence segment,
                                       const std::function<bool(uint64_t)>& pace);
  bool Pace(uint64_t bytes) EXCLUDES(mutex_);
  Duration TimeOf(uint64_t bytes) const;
  std::string DirectoryOf(const std::string& space) const {
    return env::JoinPath(spaces_directory_, space);
  }

  const ScrubOptions options_;
  env::FileSystem& fs_;
  env::Clock& clock_;
  env::Executor& executor_;
  const std::string spaces_directory_;
  Mending& mending_;
  space::Registry& registry_;
  const bool may_wait_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> stopped_{false};

  Mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t turn_ GUARDED_BY(mutex_) = 0;     // of the step that is to come; others are void
  bool resting_ GUARDED_BY(mutex_) = false;  // it comes with the next pass
  std::vector<std::string> soon_ GUARDED_BY(mutex_);

  // ---- of the step ----
  Instant pass_began_;
  std::string space_;           // that is read
  std::string after_;           // the pass has read all spaces up to this
  std::vector<Sequence> left_;  // sealed segments of the space, newest first
  uint64_t owed_ = 0;           // bytes read and not waited for
};

}  // namespace engram::runtime
