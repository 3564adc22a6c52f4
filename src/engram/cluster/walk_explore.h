// The explorer: all that a little cluster can come to within bounds, where walks play a little of
// it at random. Breadth first, so that what it finds wrong it finds by a shortest way. The static
// store; two or three nodes with a copy of one space.
//
// What may happen next, in every state: the next message of any link arrives (or, out of order, any
// message), a node syncs, a primary appends, an operator has a node stand (in a pair, when the
// other is stopped, with the statement), a node crashes and loses what it has not synced, one that
// is down starts again, 600 ms go by everywhere. A message that never arrives is a lost one. That a
// node is down, or back, its peers know at once.
//
// Checked in every state, beside the core's own invariants: equal epochs at equal places mean equal
// histories; no epoch begins twice; what a primary has committed is durable on as many disks as it
// counted, for ever, and in the log of every primary of a later epoch; all that is known as
// committed is of one history; no epoch begins below a promise; nothing is cut below a copy's own
// commit; no alarm without a statement. After a statement the rules go by what more than one
// copy has committed. For tests; one thread.
#pragma once

#include <ostream>

#include "engram/cluster/walk_histories.h"

namespace engram::cluster::walk {

// How much of each may happen.
struct Bounds {
  size_t nodes = 3;
  size_t settled = 3;  // members of the set at the beginning; the others connect then
  size_t appends = 4, stands = 2, crashes = 1, ticks = 3;
  bool ordered = true;          // each link keeps its order
  uint64_t states = 1'000'000;  // then it ends
  replication::Mutant mutant = replication::Mutant::kNone;
  std::ostream* progress = nullptr;  // a line a depth
};

struct Explored {
  uint64_t states = 0;    // different ones
  uint64_t steps = 0;     // from one to another, those to known ones too
  uint64_t places = 0;    // different histories of single nodes
  size_t depth = 0;       // every way of so many steps was taken
  uint64_t frontier = 0;  // states at the end of them that were not gone on from
  bool whole = false;     // there is nothing else within the bounds
  std::string violation;
  std::vector<std::string> way;  // to it, in words

  // In words, for people.
  std::string Text() const;
};

Explored ExploreAll(const Bounds& bounds);

}  // namespace engram::cluster::walk
