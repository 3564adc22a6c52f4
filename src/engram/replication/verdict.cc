#include "engram/replication/verdict.h"

namespace engram::replication {
namespace {

// True when the position is in the primary's log: its sequence is there, in that epoch.
bool Holds(const PrimaryLog& primary, Position position) {
  return position.sequence <= primary.end &&
         record::EpochAt(primary.history, position.sequence) == position.epoch;
}

bool MustRestart(const PrimaryLog& primary, const CopyLog& copy, Sequence fork) {
  // A tombstone that the primary no longer has could be missing below the fork. A log begun under
  // this very floor has been told everything, however long its catch-up takes.
  const bool begun_here = copy.begun_epoch == primary.epoch &&
                          copy.begun_floor == primary.floors.tombstone &&
                          !copy.begun_epoch.is_zero();
  if (fork < primary.floors.tombstone && !begun_here) return true;
  if (copy.fork_in_hole) return true;
  const Position floor = copy.floors.compaction;
  return !floor.sequence.is_zero() && !Holds(primary, floor);
}

}  // namespace

Sequence ForkOf(const PrimaryLog& primary, const CopyLog& copy) {
  return record::ForkOf(primary.history, primary.end, copy.history, copy.end).sequence;
}

Verdict DecideCatchUp(const PrimaryLog& primary, const CopyLog& copy) {
  if (primary.space != copy.space) return Foreign();
  if (copy.end.is_zero()) return Stream{Sequence(1)};
  if (!copy.history.empty() && copy.history.back().epoch > primary.epoch) return Ahead();
  const Sequence fork = ForkOf(primary, copy);
  if (MustRestart(primary, copy, fork)) return Restart();
  if (fork < copy.end) return Truncate{fork};
  return Stream{fork.next()};
}

}  // namespace engram::replication
