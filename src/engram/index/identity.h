// Where an index stands: the entry of the log that it has followed through. Stored in the
// transaction that moves it; compared with the log at opening, and anything but equality throws the
// index away and rebuilds it.
#pragma once

#include "engram/base/ids.h"
#include "engram/base/types.h"

namespace engram::index {

struct IndexIdentity {
  Incarnation incarnation;  // of the space
  Epoch epoch;
  Sequence sequence;        // 0: nothing indexed yet
  uint32_t header_crc = 0;  // of that entry
  bool operator==(const IndexIdentity&) const = default;
};

}  // namespace engram::index
