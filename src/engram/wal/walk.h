// A walk over all records of a log, from the outside: what Verify, Dump, Digest and Repair share.
// Goes on behind damage with the next good entry that is newer than all before it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/wal/records.h"
#include "engram/wal/segment.h"
#include "engram/wal/tool.h"

namespace engram::wal {

struct WalkSegment {
  std::string path, name;
  Sequence first;                   // by its name
  std::optional<SegmentHead> head;  // none when it cannot be read
  bool last = false;
};

class WalkVisitor {
 public:
  virtual ~WalkVisitor() = default;
  virtual Status OnSegment(const WalkSegment&) { return OkStatus(); }
  // A good record that joins what was before it, or the first behind damage. False: stop.
  virtual bool OnRecord(const WalkSegment&, const Record&, const JoinState& before) = 0;
  // What is there can not be read or does not join. `join` says what was expected.
  virtual void OnDamage(const WalkSegment&, uint64_t offset, const Status&, const JoinState&) {
    (void)offset;
  }
  // The last segment ends with bytes that were never known to be synced.
  virtual void OnTorn(const WalkSegment&, uint64_t offset, uint64_t bytes) {
    (void)offset, (void)bytes;
  }
  // Where the good records of a segment end.
  virtual Status OnSegmentEnd(const WalkSegment&, uint64_t end, const JoinState&) {
    (void)end;
    return OkStatus();
  }
};

Status Walk(env::FileSystem& fs, const std::string& directory, WalkVisitor* visitor);

}  // namespace engram::wal
