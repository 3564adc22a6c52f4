// A write group: the entries that share one write and one sync. It collects while the device is
// busy with the group before it, and closes as soon as the device is free. Its fields belong to the
// lock of the log until it is closed; afterwards its bytes never change, so readers may share them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/wal/log.h"
#include "engram/wal/segment.h"

namespace engram::wal {

struct Group {
  // What callers that wait on a group see. A group on its way has no leader (kWaiting, kLed) or
  // asks one of its waiters to be it (kNeedsLeader).
  enum State : int { kWaiting, kNeedsLeader, kLed, kDone };

  std::shared_ptr<Segment> segment;
  bool starts_segment = false;  // the segment has to be made first, its former one sealed
  std::string head;             // then: its SegmentHeader
  std::shared_ptr<Segment> former;
  EntryIdentity former_end;  // the last entry there
  uint64_t base = 0;         // where its bytes begin in the segment
  std::string bytes;
  size_t entries = 0;         // 0: nothing but a SyncMark
  bool starts_epoch = false;  // holds an EpochStart: synced in every mode, and told to space.meta
  EntryIdentity last;         // of the log, with this group
  uint64_t marked = 0;        // what its SyncMark claims
  bool closed = false;
  bool flushed = false;  // or failed

  std::vector<DurableCallback> callbacks;
  int waiters = 0;
  std::atomic<int> state{kWaiting};
  Status status;  // set before kDone

  uint64_t end() const { return base + bytes.size(); }
};

using GroupPtr = std::shared_ptr<Group>;

}  // namespace engram::wal
