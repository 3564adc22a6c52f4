// Randomness of the machine, for identities: one of the four doors. Thread-safe.
#pragma once

#include <cstdint>

#include "engram/base/ids.h"

namespace engram::env {

class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual uint64_t Next() = 0;
};

// getrandom(2), a block at a time.
Entropy& SystemEntropy();

NodeId MakeNodeId(Entropy& entropy);
Incarnation MakeIncarnation(Entropy& entropy);

}  // namespace engram::env
