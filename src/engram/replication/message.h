// What copies of one space say to each other. Every message carries the stamp that fences it: the
// incarnation of the space, the epoch it is said in, the sender's node incarnation. Plain values;
// engram/rpc writes them as protobuf. A message may be lost, delayed, doubled or overtaken; none of
// them may break a rule.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engram/base/ids.h"
#include "engram/base/types.h"
#include "engram/record/history.h"
#include "engram/replication/floors.h"
#include "engram/replication/space_record.h"
#include "engram/replication/verdict.h"

namespace engram::replication {

struct Stamp {
  Incarnation space;
  Epoch epoch;
  Incarnation sender;  // of the node
  bool operator==(const Stamp&) const = default;
};

// The EpochStart at `at` states that what lay above `after` may be lost.
struct StatedLoss {
  Sequence at;
  Position after;
  bool operator==(const StatedLoss&) const = default;
};

// ---- primary to copy ----

// "I lead this space; this is my log." At every connect and at the start of every epoch.
struct Open {
  uint64_t id = 0;  // of this telling; its Joined says it again
  record::History history;
  Position end;
  uint32_t end_crc = 0;
  Sequence commit;
  Sequence replicated_end;
  Floors floors;
  std::vector<StatedLoss> losses;
};

// A batch (record/batch.h), and how far everything is. Without a batch: news of the commit only.
struct Entries {
  std::shared_ptr<const std::string> batch;  // null: none
  Sequence first, last;
  uint32_t last_crc = 0;
  Sequence commit;
  Sequence replicated_end;
  Sequence end;  // of the primary's log
  Floors floors;
  // Last entry that a Hole of the batch stands for; zero: it has none. Not sent: whoever receives
  // the batch reads it there.
  Sequence holes_through = {};
};

// "Do you still follow me?" For reads that trust no clock.
struct Confirm {
  uint64_t id = 0;
};

// "Lead in my place." To one member of the set that has everything: the log ends here, all of it is
// committed, and nothing is appended any more. The epoch is good for a hand-over for so long.
struct HandOver {
  Position end;
  uint64_t within_ms = 0;
};

// ---- copy to primary ----

// The verdict was carried out; from here on acknowledgements count.
struct Joined {
  Position end;
  uint32_t end_crc = 0;
  Sequence durable;
  Sequence visible;
  uint64_t id = 0;       // of the Open that it answers
  uint64_t rewound = 0;  // entries that it cut to follow
};
// Everything through `durable` is synced here, in this epoch.
struct Ack {
  Sequence durable;
  Sequence visible;  // what readers of this copy see
};
// A batch did not begin where this log ends. Zero: the copy waits for an Open.
struct Gap {
  Sequence expected;
};
struct Refused {
  enum class Why : uint8_t {
    kStaleEpoch,   // `promised` is higher
    kBelowCommit,  // it would have to cut what it knows to be committed
    kForeign,      // another space of this name
    kBadBatch,     // damaged, or other bytes than this log has
    kBroken,       // its log is poisoned, damaged or full
    kBadEpoch,     // not this sender's, or absurdly high
  };
  Why why = Why::kStaleEpoch;
  Epoch promised;
  std::string text;
};
struct Confirmed {
  uint64_t id = 0;
  Epoch promised;
};

// ---- candidate to every configured node, and back (the static store) ----

// "Promise me this epoch." stamp.epoch is the one proposed.
struct Ask {
  uint64_t round = 0;
  bool dry_run = false;      // only tell how things stand
  bool handed_over = false;  // the primary hands its epoch over to the candidate
};
struct Answer {
  uint64_t round = 0;
  bool granted = false;
  bool has_space = false;
  bool fit = false;  // log neither poisoned nor damaged, phase normal
  Epoch promised;
  Position end;                       // durable
  Sequence floor;                     // commit; in a `local` space the replicated end
  std::optional<SpaceRecord> record;  // newest that is durable there
};

// ---- between nodes ----

// The incarnation stamp.space was deleted: whoever has a copy removes it.
struct Deleted {};

// Some of the spaces that a node has, in order of names: all of those above `after`, up to
// `through` (or to the end, on the last page). Said when a connection is made, so that copies which
// are equal on both sides can stay closed.
struct Summary {
  std::string space;
  Incarnation incarnation;
  Position end;
  uint32_t end_crc = 0;
  bool clean = false;  // closed in order: what is said here is all there is to know
  bool operator==(const Summary&) const = default;
};
struct Page {
  std::string after, through;
  bool last = false;
  std::vector<Summary> spaces;
};

using Body = std::variant<Open, Entries, Confirm, Joined, Ack, Gap, Refused, Confirmed, Ask, Answer,
                          Deleted, Page, HandOver>;

struct Message {
  Stamp stamp;
  Body body;
};

}  // namespace engram::replication
