// Floors of a log, and what becomes of them when it takes entries of another one. Compaction leaves
// Holes. A Hole may stand for a tombstone that went, so that whoever takes it, without having had
// the tombstone, must have nothing that it hid (the tombstone floor); and it is true only in a log
// that holds the position up to which compaction judged (the compaction floor). Pure functions.
// docs/protocol.md argues the rules.
#pragma once

#include <optional>

#include "engram/base/bytes.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/replication/mutant.h"

namespace engram::replication {

struct Floors {
  Sequence tombstone;   // entries at or below it may hide deletions that went
  Position compaction;  // the holes are true only in a log that holds this position
  bool operator==(const Floors&) const = default;
};

// What space.meta keeps.
struct LogFloors {
  Floors floors = {};
  // Of a log begun at 1: under which epoch and tombstone floor of its primary. Zero: not known, or
  // it took entries under others since.
  Epoch begun_epoch = {};
  Sequence begun_floor = {};
  bool operator==(const LogFloors&) const = default;
};

// Of a log that begins at 1 under a primary with these floors.
LogFloors BeginAtOne(Epoch epoch, const Floors& primary);

// Of a log that ends at `end` and takes a batch under a primary with these floors, as they are now;
// `holes`: there are Holes in it. nullopt: a tombstone that hid something of this log may be gone,
// so the catch-up verdict has to be asked again.
std::optional<LogFloors> TakeBatch(const LogFloors& own, Sequence end, Epoch epoch,
                                   const Floors& primary, bool holes,
                                   Mutant mutant = Mutant::kNone);

// The last entry that a Hole of this batch (record/batch.h) stands for; zero when it has none.
// Checksums are not looked at: who appends the batch does that.
Result<Sequence> HolesThrough(ByteView batch);

}  // namespace engram::replication
