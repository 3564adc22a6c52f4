// The simulator alone, without the server: simulate FIRST [LAST [PROCESSES [MUTANT [CHECKER]]]],
// or simulate trace SEED.
#include <cstdlib>
#include <cstring>

#include "sim/command.h"

int main(int argc, char** argv) {
  engram::sim::CommandOptions options;
  const bool trace = argc > 1 && std::strcmp(argv[1], "trace") == 0;
  options.trace = trace;
  const int at = trace ? 2 : 1;
  if (argc <= at) return 2;
  options.first = options.last = std::strtoull(argv[at], nullptr, 10);
  if (argc > at + 1) options.last = std::strtoull(argv[at + 1], nullptr, 10);
  if (argc > at + 2) options.processes = std::atoi(argv[at + 2]);
  if (argc > at + 3) options.mutant = argv[at + 3];
  if (argc > at + 4) options.only = argv[at + 4];
  options.twice = std::getenv("SIM_TWICE") != nullptr;
  options.outside = std::getenv("SIM_OUTSIDE") != nullptr;
  if (const char* nodes = std::getenv("SIM_NODES"))
    options.nodes = std::strtoull(nodes, nullptr, 10);
  return engram::sim::RunCommand(options);
}
