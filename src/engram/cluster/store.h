// The configuration store of one space: who leads in which epoch, and who is in its set. Requests
// are asynchronous and end in one of three ways: done, conflict (the record is another), unknown
// (the answer was lost; ask again). Behind it stands the log itself (StaticStore), or an engine
// outside. Pure: what it wants said or kept goes into Effects. Owned by one Copy; not thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/instant.h"
#include "engram/cluster/effects.h"

namespace engram::cluster {

enum class Outcome { kDone, kConflict, kUnknown };

struct StoreRequest {
  enum class Kind { kLead, kGrow, kShrink, kResign, kRead };
  Kind kind = Kind::kRead;
  Member member = {};  // kGrow, kShrink
  // ---- kLead ----
  uint64_t id = 0;                         // of an operator's request; 0: the copy's own
  std::optional<size_t> stopped = {};      // the operator states that this node is stopped
  std::optional<std::string> remove = {};  // a node that leaves the set with it
  bool force = false;
  bool dry_run = false;
  // The primary before hands its epoch over: it has to promise, with the log end of the candidate.
  std::optional<Member> handed_by = {};
  Duration within = {};  // … in this time
};

// What a store outside has of one space.
struct StoredSpace {
  bool there = false;  // a record of this space, and not of one that was deleted
  SpaceRecord record = {};
  int64_t lease = 0;      // of its primary, when it became that
  bool resigned = false;  // … and gave it up
  int64_t revision = 0;
};
// What became of a StoreCall. Read at the moment at which it was carried out.
struct StoreAnswered {
  struct Lease {
    Incarnation incarnation = {};
    int64_t number = 0;  // 0: that node has none
  };
  uint64_t id = 0;
  Outcome outcome = Outcome::kUnknown;  // kUnknown: nothing below is known
  StoredSpace space = {};
  std::vector<Lease> leases = {};  // by place
};

struct StoreReply {
  StoreRequest request = {};
  Outcome outcome = Outcome::kUnknown;
  std::optional<SpaceRecord> record = {};  // kDone; kConflict and kRead: as it is
  int64_t lease = 0;                       // kLead, of a store outside: under which it was won
  // The record is to be appended to the log (kLead: always). Each of `holders` must hold it
  // durably, by majority, before it counts.
  bool append = false;
  std::vector<Members> holders = {};
  bool retry_at_once = false;  // kConflict: somebody promised more; ask again above it
  bool two_histories =
      false;  // kConflict: what was answered can only be true of two; no retry helps
  std::optional<PromotionReport> report = {};
};

// What the copy knows when it asks.
struct StoreContext {
  Instant now = {};
  const LogState* log = nullptr;
  Sequence commit = {};
  Sequence floor = {};               // commit; in a `local` space the replicated end
  SpaceRecord current = {};          // the primary's view; else the newest in the log
  std::vector<bool> connected = {};  // by place
  bool local_space = false;          // its durability is `local`
};

class Store {
 public:
  virtual ~Store() = default;
  // Takes the request up; the reply comes at once or from one of the calls below. A new kLead
  // request takes the place of one under way.
  virtual std::optional<StoreReply> Start(const StoreRequest& request, const StoreContext& context,
                                          Effects* effects) = 0;
  virtual std::optional<StoreReply> OnAnswer(size_t peer, const replication::Stamp& stamp,
                                             const replication::Answer& answer,
                                             const StoreContext& context, Effects* effects) = 0;
  virtual std::optional<StoreReply> OnPeerUp(size_t peer, const StoreContext& context,
                                             Effects* effects) = 0;
  // Of a store outside.
  virtual std::optional<StoreReply> OnStore(const StoreAnswered&, const StoreContext&, Effects*) {
    return std::nullopt;
  }
  virtual std::optional<StoreReply> OnTick(const StoreContext& context, Effects* effects) = 0;
  // The copy follows somebody, or promised a higher epoch: what is under way ends.
  virtual void Drop() = 0;
  // Something is under way that a tick may move on.
  virtual bool busy() const = 0;
  // The record is kept outside of the log, and the set may shrink by itself.
  virtual bool outside() const = 0;
  // Whether `epoch` can have been made by the node at `place`.
  virtual bool MadeBy(Epoch epoch, size_t place) const = 0;
};

}  // namespace engram::cluster
