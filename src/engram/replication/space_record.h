// The configuration of one space, as an EpochStart entry carries it: whose epoch it is, who must
// have an entry before it is committed, who votes on the next epoch, and what may have been lost.
// Pure functions.
#pragma once

#include <optional>
#include <string>

#include "engram/base/bytes.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/replication/member.h"

namespace engram::replication {

struct SpaceRecord {
  Epoch epoch;
  Sequence at;  // of the EpochStart in the log; zero until it is appended
  Member primary;
  Position fork;  // log end that the epoch (or this change of it) continues from
  Members in_sync;
  Members voters;
  std::optional<Position> loss_after;  // what lies above it and is not in this log is lost
  std::string loss_why;
  std::optional<Member> handed_by;  // the primary that gave up the epoch before for this one
  int64_t wall_ns = 0;
  bool operator==(const SpaceRecord&) const = default;
};

// By (epoch, sequence): what makes one record newer than another.
inline bool Newer(const SpaceRecord& a, const SpaceRecord& b) {
  return Position{a.epoch, a.at} > Position{b.epoch, b.at};
}

// Payload of an EpochStart entry; `at` is not in it.
std::string EncodeRecord(const SpaceRecord& record);
// CORRUPTION_DETECTED when it is no such payload.
Result<SpaceRecord> DecodeRecord(ByteView payload, Sequence at);

}  // namespace engram::replication
