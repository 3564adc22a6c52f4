// Mending the logs of a node: whoever finds damage tells it here, by space; what is damaged is
// fetched from another copy and put in its place, by itself, one space beside the others. Until
// then the copy is unfit: it is read as far as it can be, and neither leads, follows nor is
// promoted. What decides is cluster/mend.h; what writes is wal/mend.h. docs/protocol.md, rules 51
// to 56.
//
// Owned by Node. Thread-safe; nothing here waits but the tasks of its executor.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/executor.h"
#include "engram/env/file_system.h"
#include "engram/replication/mutant.h"
#include "engram/runtime/replication_calls.h"
#include "engram/space/registry.h"

namespace engram::runtime {

// One place of a log that cannot be read, for people.
struct DamagedRange {
  std::string file;  // name of the segment
  uint64_t offset = 0;
  Sequence first, last;  // entries lost here; `last` before `first`: none
  std::string why;
  int64_t since_wall_ns = 0;
  std::string state;  // what is done about it, or what would help
};

// All pointers outlive the mending.
struct MendingContext {
  env::FileSystem* fs = nullptr;
  env::Clock* clock = nullptr;
  env::Entropy* entropy = nullptr;
  env::Executor* executor = nullptr;  // reads and writes segments
  std::string spaces_directory;
  std::vector<std::string> nodes;  // configured names; one or none on a single node
  size_t me = 0;
  replication::Mutant mutant = replication::Mutant::kNone;
  std::function<bool(size_t peer)> connected;
  // Transport::Fetch.
  std::function<void(size_t peer, FetchCall call, uint64_t bytes_max,
                     std::function<void(Result<FetchAnswer>)> done)>
      fetch;
  std::function<void(const std::string& space, std::string_view event, std::string_view detail)>
      report;
  // The space's log is unfit from now on: whoever runs its protocol looks at once.
  std::function<void(const std::string& space)> unfit;
  // A log was mended: the rest of it is to be looked at soon.
  std::function<void(const std::string& space)> mended;
};

class MendingCase;

class Mending {
 public:
  explicit Mending(MendingContext context);
  ~Mending();

  // What was told before is looked at from now on.
  void Start(space::Registry& registry) EXCLUDES(mutex_);
  // Nothing is begun after this. Before the executor ends.
  void Stop() EXCLUDES(mutex_);

  // Damage was found, or is feared. Metadata `file` of `why` names the segment; without it all are
  // looked at. From any thread, also under locks of a log.
  void Tell(const std::string& space, const Status& why) EXCLUDES(mutex_);
  // The copies of a range have different digests: both are read through.
  void TellDigestDiffers(const std::string& space, Sequence first, Sequence last) EXCLUDES(mutex_);
  void OnPeerUp(size_t peer) EXCLUDES(mutex_);
  void OnPeerDown(size_t peer) EXCLUDES(mutex_);
  // The space is gone.
  void Forget(const std::string& space) EXCLUDES(mutex_);

  // Something is under way, or waits for a copy that can help.
  bool Busy(const std::string& space) const EXCLUDES(mutex_);
  // Why a log that is opened now must not be trusted; nullopt: nothing is known against it.
  std::optional<Status> KnownDamage(const std::string& space) const EXCLUDES(mutex_);
  std::vector<DamagedRange> DamageOf(const std::string& space) const EXCLUDES(mutex_);
  uint64_t mended_entries(const std::string& space) const EXCLUDES(mutex_);
  // Those of which damage was ever told.
  std::vector<std::string> Spaces() const EXCLUDES(mutex_);

 private:
  std::shared_ptr<MendingCase> Find(const std::string& space) const EXCLUDES(mutex_);
  std::shared_ptr<MendingCase> CaseOf(const std::string& space) REQUIRES(mutex_);
  std::vector<std::shared_ptr<MendingCase>> Cases() const EXCLUDES(mutex_);

  const MendingContext context_;
  mutable Mutex mutex_;
  space::Registry* registry_ GUARDED_BY(mutex_) = nullptr;  // from Start on
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::vector<std::pair<std::string, Status>> early_ GUARDED_BY(mutex_);  // told before Start
  std::map<std::string, std::shared_ptr<MendingCase>> cases_ GUARDED_BY(mutex_);
};

}  // namespace engram::runtime
