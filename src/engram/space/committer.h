// What decides when entries of a space count, when the space has other copies: the replication of
// its node. A space without one (a single node) commits what is durable. Implemented by runtime;
// outlives the space. Thread-safe; called without any lock of the space.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engram/base/instant.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/v1/options.pb.h"

namespace engram::space {

// How a copy stands, for replies and status.
struct CopyState {
  bool primary = false;
  std::string primary_node;  // "" when there is none
  Epoch epoch;
  bool connected = true;           // a replica: to its primary
  uint64_t behind_entries = 0;     // a replica: entries of the primary that it does not show
  std::optional<Duration> behind;  // unset on the primary
  uint32_t copies_in_sync = 1, wanted_copies = 1;
};

class Committer {
 public:
  virtual ~Committer() = default;

  // Before a write is decided. `level` is LOCAL, REPLICATED or AUTO, what was asked with the
  // default filled in. Returns the level that it will get: AUTO stays AUTO while it can still
  // become REPLICATED, else LOCAL. NOT_PRIMARY, NO_PRIMARY, NOT_ENOUGH_IN_SYNC, RECOVERING: nothing
  // was written.
  virtual Result<v1::Durability> Admit(v1::Durability level) = 0;
  // The log's end or its durable end has moved.
  virtual void OnLogMoved() = 0;
  // What of the log readers see has moved (a replica tells its primary).
  virtual void OnVisible(Sequence visible) = 0;
  virtual CopyState State() = 0;
  // Every member of the set says that it still follows this primary; blocks at most `wait`.
  // NOT_PRIMARY, NO_PRIMARY, TOO_STALE.
  virtual Status Confirm(Duration wait) = 0;
  // Nobody else can lead at this moment, by a lease: reads of the primary need not ask the others.
  virtual bool HoldsLease() { return false; }
  // There is a lease, and it has run out: a `local` write must not be acknowledged.
  virtual bool LeaseRanOut() { return false; }
  // How long an AUTO write waits for the replicas, and a REPLICATED one before COMMIT_UNKNOWN.
  virtual Duration auto_wait() const = 0;
  virtual Duration commit_timeout() const = 0;
};

}  // namespace engram::space
