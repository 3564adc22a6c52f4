// The catch-up verdict: what a copy must do before it may take entries of a primary. One pure
// function, asked at every connect and at every change of epoch (Kafka KIP-101, 279; PostgreSQL's
// timelines). docs/protocol.md argues each outcome.
#pragma once

#include <span>
#include <variant>

#include "engram/base/ids.h"
#include "engram/base/types.h"
#include "engram/record/history.h"
#include "engram/replication/floors.h"

namespace engram::replication {

struct PrimaryLog {
  Incarnation space;
  Epoch epoch;  // in which it leads
  std::span<const record::EpochBegin> history;
  Sequence end;
  Floors floors;
};

struct CopyLog {
  Incarnation space = {};
  std::span<const record::EpochBegin> history = {};
  Sequence end = {};
  LogFloors floors = {};
  bool fork_in_hole = false;  // the copy's log has a Hole where the fork is
};

struct Stream {
  Sequence from;
  bool operator==(const Stream&) const = default;
};
struct Truncate {
  Sequence to;
  bool operator==(const Truncate&) const = default;
};
// Nothing of the copy's log can be kept: it is moved away, and the copy begins at 1.
struct Restart {
  bool operator==(const Restart&) const = default;
};
// The copy knows a newer epoch than this primary.
struct Ahead {
  bool operator==(const Ahead&) const = default;
};
// Another space of the same name.
struct Foreign {
  bool operator==(const Foreign&) const = default;
};
using Verdict = std::variant<Stream, Truncate, Restart, Ahead, Foreign>;

// The greatest sequence that both logs share.
Sequence ForkOf(const PrimaryLog& primary, const CopyLog& copy);
Verdict DecideCatchUp(const PrimaryLog& primary, const CopyLog& copy,
                      Mutant mutant = Mutant::kNone);

}  // namespace engram::replication
