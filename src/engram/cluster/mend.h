// Mending the log of one copy: which damaged range is asked of which other copy, when what was
// fetched is put in its place, when to try again and when to tell a person. Pure: Step(event)
// returns effects. Any copy answers, in any role; no primary is needed. Which answers may be taken
// is replication/mend.h; the runner is runtime/mending.h. docs/protocol.md, rules 51 to 54.
//
// Owned by its runner; not thread-safe.
//
// Invariants: one question at a time, to a node that is connected and not this one; no node is
// asked twice about one range before all others were, or the wait is over; the log is touched only
// when every range of the damage has been taken.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engram/base/instant.h"
#include "engram/replication/mend.h"

namespace engram::cluster {

struct MendOptions {
  size_t nodes = 1;  // of the configured list
  size_t me = 0;
  Duration first_wait = std::chrono::seconds(1);  // after nobody could help; then doubled
  Duration longest_wait = std::chrono::minutes(1);
  replication::Mutant mutant = replication::Mutant::kNone;
};

class Mender {
 public:
  // ---- events ----
  // What is bad now, as far as it has been looked at, in order; nothing: it is mended.
  struct Found {
    std::vector<replication::EntryRange> bad;
    Sequence tombstone_floor;
  };
  struct PeerUp {
    size_t peer;
  };
  struct PeerDown {
    size_t peer;
  };
  // To the question that is open. `why`: it could not give the range, or it may not be taken.
  struct Answered {
    size_t peer;
    bool taken = false;
    std::string why = {};
  };
  // What was taken could not be put in its place.
  struct NotReplaced {
    std::string why;
  };
  struct Tick {};
  using Event = std::variant<Found, PeerUp, PeerDown, Answered, NotReplaced, Tick>;

  // ---- effects, to be done in this order ----
  struct Ask {
    size_t peer;
    size_t index;  // of the range in Found
    replication::EntryRange range;
  };
  struct Effects {
    std::optional<Ask> ask;
    bool replace = false;  // every range was taken: put them in their places, look again (Found)
    bool look = false;     // what was taken before is stale: look again (Found)
    bool done = false;
    std::optional<std::string> alarm;  // nobody can help now: in words, once
  };

  explicit Mender(const MendOptions& options);
  Effects Step(Instant now, const Event& event);

  bool idle() const { return phase_ == Phase::kIdle; }
  // What it is at, or waits for: in words. "" when idle.
  std::string Describe() const;
  // Empty when all hold.
  std::string CheckInvariants() const;

 private:
  enum class Phase { kIdle, kAsking, kReplacing, kWaiting };
  struct Peer {
    bool connected = false;
    bool refused = false;  // the range that is asked for now
    std::string why = {};
  };

  void On(const Found& event, Effects* out);
  void On(const PeerUp& event, Effects* out);
  void On(const PeerDown& event, Effects* out);
  void On(const Answered& event, Effects* out);
  void On(const NotReplaced& event, Effects* out);
  void On(const Tick& event, Effects* out);
  void Next(Effects* out);
  void AskNext(Effects* out);
  void Wait(const std::string& why, Effects* out);
  bool lost_any() const { return at_ < ranges_.size(); }

  MendOptions options_;
  Instant now_;
  Phase phase_ = Phase::kIdle;
  std::vector<Peer> peers_;
  std::vector<replication::EntryRange> ranges_;  // to ask for; empty ones are not
  size_t at_ = 0;                                // the one that is asked for
  std::optional<size_t> asked_;                  // a question is open
  size_t last_asked_ = 0;
  std::string why_;  // of the wait
  Instant wait_until_;
  Duration wait_{};
  bool alarmed_ = false;
};

}  // namespace engram::cluster
