// Records that another copy gave for a damaged range, before anybody takes them: that each is good
// and that they cover the range in one chain. Whether Holes among them may be taken is
// replication/mend.h; that they join what is on both sides is found where they are put in. Pure.
#pragma once

#include <string>

#include "engram/base/status.h"
#include "engram/replication/mend.h"

namespace engram::runtime {

struct Fetched {
  bool holes = false;
  Sequence last;  // that they cover; above the range's when its end lies in a Hole
};

// CHECKSUM_MISMATCH, CORRUPTION_DETECTED, SEQUENCE_GAP, UNSUPPORTED_VERSION.
Result<Fetched> CheckFetched(const std::string& records, replication::EntryRange range);

}  // namespace engram::runtime
