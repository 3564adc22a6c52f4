// What really happened to the cluster in a run, for checkers that must know what is excused: disks
// that were lost, statements of the operator that were false, promotions by force, faults put into
// disks. Filled by nemesis and operator. A value.
#pragma once

#include <map>
#include <set>
#include <string>

#include "engram/base/instant.h"

namespace engram::sim {

struct Facts {
  size_t wipes = 0;
  std::set<size_t> wiped;                  // places that lost their disk, once or twice
  std::set<std::string> false_statements;  // spaces of which one was made
  std::map<std::string, Instant> forced;   // by space: newest
  std::set<size_t> hurt_disks;             // places with a disk that failed, was full or lied
  std::set<std::pair<size_t, std::string>> hurt_spaces;  // … a fault that named one space
  std::set<size_t> crashed;  // … that went in the middle of what they did, with what they counted
  std::set<size_t> held_down;  // stay down: the operator has said so of them

  // Two disks lost, or somebody forced: what was acknowledged before may be gone, with a statement.
  bool Doubt(const std::string& space) const { return wipes > 1 || forced.contains(space); }
  // What one copy committed alone may be gone; what two have committed may not.
  bool MayPart(const std::string& space) const { return false_statements.contains(space); }
};

}  // namespace engram::sim
