// What a step of the protocol wants done. The runner does it in the order of the fields: first what
// must be durable, then what is appended, then what is said. Nothing in `send` may leave before
// what stands above it is done; if that fails, nothing below is done and the runner says so with a
// Failed event. Value types.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engram/base/instant.h"
#include "engram/cluster/log_state.h"
#include "engram/replication/message.h"

namespace engram::cluster {

struct Rewind {
  Sequence to = {};
  bool lossy = false;  // inside a stated loss: indexes above `to` are wrong, too
};

// A record to be written as an EpochStart.
struct Begin {
  SpaceRecord record = {};
  bool new_epoch = true;  // false: a further one of the same epoch
};

struct CommitMove {
  Sequence commit = {};          // readers may see entries up to here
  Sequence replicated_end = {};  // durable on all of the set
  uint32_t copies = 1;           // nodes that have it
  bool operator==(const CommitMove&) const = default;
};

struct Outgoing {
  size_t peer;  // place
  replication::Message message = {};
};

// Read the log from `from` on and send it, at most `bytes`; the runner answers with Shipped.
struct ShipOrder {
  size_t peer;
  Sequence from = {};
  uint64_t bytes;
  bool catching_up;
};

enum class Role : uint8_t { kReplica, kCandidate, kPrimary };

struct Alarm {
  std::string event = {};  // a name for the log and a metric
  std::string detail = {};
};

// What a replica that came back with a log of its own had too much, and what it lacked.
struct CameBack {
  uint64_t rewound = 0, missing = 0;  // entries
  Instant at = {};
};

// What each configured node said when it was asked, for people.
struct NodeView {
  bool asked = false, answered = false, counted = false;  // counted: its vote is one
  bool has_space = false, fit = false, in_set = false;
  Epoch promised = {};
  Position end = {};
};

// Asked of the configuration store outside; the runner answers with StoreAnswered.
struct StoreCall {
  struct Write {
    SpaceRecord record = {};
    int64_t over = 0;  // revision of the record that it takes the place of
    // The primary before: its lease of that number must be gone. Nothing: that does not matter.
    std::optional<std::string> deposes = {};
    int64_t deposes_lease = 0;
    bool resigned = false;
  };
  uint64_t id = 0;
  std::optional<Write> write = {};  // nothing: the record is only read
};

struct PromotionReport {
  uint64_t id = 0;
  bool done = false;            // it leads now
  bool lossless = false;        // nothing acknowledged as replicated can be missing
  std::string why = {};         // not done: the reason, in words
  std::string what_helps = {};  // … and what would help
  Epoch epoch = {};             // proposed or begun
  size_t votes = 0, votes_needed = 0, voters = 0;
  std::vector<NodeView> nodes = {};  // by place
  std::optional<SpaceRecord> newest = {};
  Position own_end = {};
  std::optional<Position> loss_after = {};
};

// What became of a switchover, for people. Not done and without a reason: of a dry run, which found
// nothing in its way.
struct SwitchReport {
  uint64_t id = 0;
  size_t to = 0;      // place of the node that was to lead
  bool done = false;  // it leads now
  std::string why = {};
  std::string what_helps = {};
  Epoch before = {}, epoch = {};
  Duration held = {};  // for so long no write was taken
};

struct Effects {
  std::optional<Epoch> promise = {};
  std::optional<Rewind> rewind = {};
  // Nothing of the log can be kept: it is moved away, the indexes are dropped, and it begins at 1.
  // What is above this fork is in no other log; what is below it the leader has.
  std::optional<Sequence> restart = {};
  std::optional<replication::LogFloors> floors = {};  // to be kept, instead of those there are
  std::optional<Begin> begin = {};
  std::optional<replication::Entries> append = {};  // continues the log, as far as its numbers say
  std::optional<replication::Entries> compare =
      {};  // the log has these numbers: are the bytes equal?
  std::optional<CommitMove> commit = {};
  std::optional<Role> role = {};  // changed
  std::vector<Outgoing> send = {};
  std::vector<ShipOrder> ship = {};
  std::vector<StoreCall> store = {};
  // True: no write is appended any more; who wants to write waits. The runner answers with Held.
  // False: they go on.
  std::optional<bool> hold = {};
  std::vector<PromotionReport> reports = {};
  std::vector<SwitchReport> switched = {};
  std::vector<std::pair<uint64_t, bool>> confirmed = {};  // id of a Confirm round; whether it held
  std::vector<Alarm> alarms = {};

  void Say(size_t peer, replication::Stamp stamp, replication::Body body) {
    send.push_back({peer, {stamp, std::move(body)}});
  }
};

}  // namespace engram::cluster
