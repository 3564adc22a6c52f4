#include "engram/replication/mend.h"

#include <algorithm>

namespace engram::replication {

EntryRange RangeToAsk(EntryRange bad, Sequence tombstone_floor, Mutant mutant) {
  const bool below = !bad.empty() && bad.first <= tombstone_floor;
  if (below && mutant != Mutant::kMendEndsBelowFloor)
    bad.last = std::max(bad.last, tombstone_floor);
  return bad;
}

std::string WhyNotTaken(const DamagedLog& own, const Floors& theirs, EntryRange range, bool holes,
                        Mutant mutant) {
  if (!holes || mutant == Mutant::kMendTakesHoles) return "";
  if (theirs.tombstone >= range.first) {
    return "it has Holes there, and its tombstone floor " + ToString(theirs.tombstone) +
           " is not below the range";
  }
  // By position: an entry of that sequence in another epoch is another entry.
  const Position floor = theirs.compaction;
  const bool held = floor.sequence.is_zero() || mutant == Mutant::kMendFloorWithoutEpoch ||
                    record::EpochAt(own.history, floor.sequence) == floor.epoch;
  if (floor.sequence <= own.commit && held) return "";
  return "it has Holes there, and its compaction floor " + ToString(floor.sequence) + " of epoch " +
         ToString(floor.epoch) + " is not committed in this copy";
}

Floors FloorsAfter(const Floors& own, const Floors& theirs, bool holes) {
  if (!holes) return own;
  return {std::max(own.tombstone, theirs.tombstone), std::max(own.compaction, theirs.compaction)};
}

}  // namespace engram::replication
