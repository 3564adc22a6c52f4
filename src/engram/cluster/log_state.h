// What a protocol core knows of its own log: where it ends, what is synced, which epochs it has and
// what their EpochStarts say. A mirror in memory; the runner keeps it true. Value types.
#pragma once

#include <vector>

#include "engram/base/ids.h"
#include "engram/base/types.h"
#include "engram/record/history.h"
#include "engram/replication/message.h"
#include "engram/replication/space_record.h"
#include "engram/replication/verdict.h"

namespace engram::cluster {

using replication::Member;
using replication::Members;
using replication::SpaceRecord;

struct LogState {
  Incarnation space = {};
  Epoch promised = {};
  Position end = {};
  uint32_t end_crc = 0;
  Sequence durable = {};
  Sequence commit = {};                   // known at opening
  Sequence replicated_end = {};           // known at opening; matters in a `local` space
  std::vector<SpaceRecord> records = {};  // one for each EpochStart in the log, in order
  replication::LogFloors floors = {};
  bool fit = true;  // neither poisoned nor damaged, phase normal
};

// The newest record that stands at or below `through`; null when there is none.
const SpaceRecord* NewestRecord(const LogState& log, Sequence through);
record::History HistoryOf(const LogState& log);
std::vector<replication::StatedLoss> LossesOf(const LogState& log);
// The log now ends at `end`: what stood above it is gone.
void CutTo(Position end, uint32_t crc, LogState* log);

}  // namespace engram::cluster
