// The explorer alone: explore STATES [NODES [SETTLED [APPENDS [STANDS [CRASHES [TICKS [any]]]]]]].
// Says a line a depth; ends with 1, and the shortest way, when a rule is broken.
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "engram/cluster/walk_explore.h"

int main(int argc, char** argv) {
  engram::cluster::walk::Bounds bounds;
  const auto number = [&](int i, uint64_t otherwise) -> uint64_t {
    return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
  };
  bounds.states = number(1, bounds.states);
  bounds.nodes = number(2, bounds.nodes);
  bounds.settled = number(3, bounds.nodes);
  bounds.appends = number(4, bounds.appends);
  bounds.stands = number(5, bounds.stands);
  bounds.crashes = number(6, bounds.crashes);
  bounds.ticks = number(7, bounds.ticks);
  bounds.ordered = argc <= 8 || std::strcmp(argv[8], "any") != 0;
  bounds.mutant = static_cast<engram::replication::Mutant>(number(9, 0));
  bounds.progress = &std::cout;
  if (bounds.nodes < 2 || bounds.nodes > 3 || bounds.settled < 1 || bounds.settled > bounds.nodes) {
    std::cerr << "explore: two or three nodes, one of them settled at least\n";
    return 2;
  }
  const engram::cluster::walk::Explored found = engram::cluster::walk::ExploreAll(bounds);
  std::cout << found.Text();
  return found.violation.empty() ? 0 : 1;
}
