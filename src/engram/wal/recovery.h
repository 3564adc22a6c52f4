// What a log finds when it is opened: which segments there are, where the log ends, and what of
// that is proven to be on the disk. docs/wal-format.md has the table of verdicts. Blocking; one
// caller.
//
// Invariant: nothing that was ever reported durable is cut. A bad place is a torn tail only in the
// last segment, and only if no SyncMark of this segment claims that more than that was synced.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/wal/log.h"
#include "engram/wal/segment.h"
#include "engram/wal/space_meta.h"

namespace engram::wal {

struct Event {
  std::string name;
  std::string detail;
};

struct Recovered {
  std::optional<SpaceMetaFile> meta;  // none when unreadable
  Incarnation incarnation;
  std::vector<std::shared_ptr<Segment>> segments;  // at least one
  EntryIdentity end;                               // zero for an empty log
  uint64_t offset = 0;                             // where the last segment ends
  uint64_t marked = 0;                             // how far its marks prove it to be synced
  uint64_t allocated = 0;                          // size of its file
  History history;
  Sequence commit;            // as space.meta and the marks that were read know it
  bool clean = false;         // it was closed in order; nothing was scanned
  Status damage;              // not OK: open read-only
  std::vector<Event> events;  // for LogObserver::OnEvent
};

// Reasons: SPACE_NOT_FOUND, PERSISTENCE (a misplaced segment), UNSUPPORTED_VERSION, IO.
Result<Recovered> Recover(const LogOptions& options);

// Makes an empty log; durable on return.
Result<Recovered> MakeLog(const LogOptions& options, Incarnation incarnation);

// Of the last segment (or any): what a reader finds from `start` on.
struct ScanEnd {
  JoinState join;
  EntryIdentity last;   // of the last good entry
  uint64_t offset = 0;  // behind the last good record
  uint64_t marked = 0;  // the greatest offset claimed by marks before that
  Sequence commit;      // the greatest that these marks know
  ReadOutcome::Kind kind = ReadOutcome::Kind::kEnd;  // why it ended: kEnd, kZeros or kBad
  Status why;
};
// Reads records while they continue the log; `visit` may be empty.
Result<ScanEnd> ScanSegment(FileSource& source, const SegmentHead& head,
                            const std::function<void(const Record&)>& visit);

// True when a mark of this segment, at or behind `from`, claims that more than `from` was synced.
Result<bool> IsClaimedSynced(FileSource& source, uint64_t from, uint64_t nonce);

}  // namespace engram::wal
