#include "engram/replication/verdict.h"

namespace engram::replication {
namespace {

// True when the position is in the primary's log: its sequence is there, in that epoch.
bool Holds(const PrimaryLog& primary, Position position) {
  return position.sequence <= primary.end &&
         record::EpochAt(primary.history, position.sequence) == position.epoch;
}

bool MustRestart(const PrimaryLog& primary, const CopyLog& copy, Sequence fork, Mutant mutant) {
  // A tombstone that the primary no longer has could be missing below the fork. A log begun under
  // this very floor has been told everything, however long its catch-up takes.
  const LogFloors& own = copy.floors;
  const bool under_this =
      own.begun_epoch == primary.epoch && own.begun_floor == primary.floors.tombstone;
  const bool begun_here = !own.begun_epoch.is_zero() &&
                          (under_this || mutant == Mutant::kBegunInAnyEpoch) &&
                          mutant != Mutant::kAlwaysRestartBelowFloor;
  const Sequence known = mutant == Mutant::kFloorByLogEnd ? copy.end : fork;
  const bool below = known < primary.floors.tombstone && !begun_here;
  if (below && mutant != Mutant::kNoRestartBelowFloor) return true;
  if (copy.fork_in_hole) return true;
  const Position floor = own.floors.compaction;
  return !floor.sequence.is_zero() && !Holds(primary, floor) &&
         mutant != Mutant::kCompactionFloorIgnored;
}

}  // namespace

Sequence ForkOf(const PrimaryLog& primary, const CopyLog& copy) {
  return record::ForkOf(primary.history, primary.end, copy.history, copy.end).sequence;
}

Verdict DecideCatchUp(const PrimaryLog& primary, const CopyLog& copy, Mutant mutant) {
  if (primary.space != copy.space) return Foreign();
  if (copy.end.is_zero()) return Stream{Sequence(1)};
  if (!copy.history.empty() && copy.history.back().epoch > primary.epoch) return Ahead();
  const Sequence fork = ForkOf(primary, copy);
  if (MustRestart(primary, copy, fork, mutant)) return Restart();
  if (fork < copy.end) return Truncate{fork};
  return Stream{fork.next()};
}

}  // namespace engram::replication
