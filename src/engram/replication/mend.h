// Which entries of another copy may stand in for a damaged range of this one. A range without Holes
// is the same bytes in every log, so that the chain on both sides proves it. A Hole may stand for a
// tombstone that went, with what it hid: it is true only where nothing is left that the tombstone
// hid, and only in a log that holds the position up to which compaction judged. Pure functions.
// docs/protocol.md argues the rules (51 to 54).
#pragma once

#include <span>
#include <string>

#include "engram/record/history.h"
#include "engram/replication/floors.h"

namespace engram::replication {

// Entries, both ends included. `last` before `first`: none is lost, but bytes of the log's own.
struct EntryRange {
  Sequence first, last;
  bool empty() const { return last < first; }
  bool operator==(const EntryRange&) const = default;
};

// What the copy knows of its own log.
struct DamagedLog {
  std::span<const record::EpochBegin> history;
  Sequence commit;
  Floors floors;
};

// What to ask for instead of `bad`: as it is, or through this copy's own tombstone floor when it
// begins at or below it. Tombstones of that range may be gone here with what they hid; another copy
// may still have both, and a part of them would bring back what was deleted.
EntryRange RangeToAsk(EntryRange bad, Sequence tombstone_floor, Mutant mutant = Mutant::kNone);

// Empty when the records of an answer that covers `range` may be taken; else why not: ask another
// copy. `holes`: there are Holes among them; `theirs`: floors of whoever answered, read after its
// records. That the chain joins on both sides is checked where the bytes are.
std::string WhyNotTaken(const DamagedLog& own, const Floors& theirs, EntryRange range, bool holes,
                        Mutant mutant = Mutant::kNone);

// Floors of the log once it has taken such an answer; to be kept before the log is changed.
Floors FloorsAfter(const Floors& own, const Floors& theirs, bool holes);

}  // namespace engram::replication
