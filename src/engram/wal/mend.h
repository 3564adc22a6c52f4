// Mending a log: finding the damaged places of its segments, and writing a damaged segment anew
// with what another copy gave for them. Nothing is given up: a segment is replaced only by one that
// has every entry, each with its checksums, in one chain from the segment before it to the one
// behind it. Functions over the files of one log; blocking. FindDamage may run beside an open log;
// while MendSegment runs nobody else may have the log open.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/env/clock.h"
#include "engram/env/entropy.h"
#include "engram/env/file_system.h"
#include "engram/wal/log.h"

namespace engram::wal {

// One place that is not what was written there.
struct Damage {
  Sequence segment;
  std::string file;  // path
  uint64_t offset = 0;
  Sequence first, last;  // entries that cannot be read; `last` before `first`: none
  Status why;
  bool open_end = false;  // at the end of the log: how many entries are lost is not known
};

struct SegmentCheck {
  Sequence first;
  Sequence next;       // first of the segment behind it; zero: it was the last one
  uint64_t bytes = 0;  // where its records end
  Sequence last;       // entry that it ends with, lost ones counted
  std::vector<Damage> damage;
};

// The segments of a log, by their names, oldest first. SPACE_NOT_FOUND.
Result<std::vector<Sequence>> SegmentsOf(env::FileSystem& fs, const std::string& directory);

// Reads the segment `segment` and says what is bad in it. `end`: where the log is known to end, for
// its last segment; without it, damage at its very end cannot be mended (open_end). Calls
// `pace` with the bytes read since the call before; false ends the check with SHUTTING_DOWN.
Result<SegmentCheck> CheckSegment(env::FileSystem& fs, const std::string& directory,
                                  Sequence segment, const std::optional<EntryIdentity>& end,
                                  const std::function<bool(uint64_t bytes)>& pace);

// What stands in for a damaged place: whole records that cover `first` to `last`.
struct Patch {
  Sequence first, last;
  std::string records;
};

struct MendRequest {
  Sequence segment = {};
  std::vector<Patch> patches = {};
  std::optional<EntryIdentity> end = {};  // as for CheckSegment
  Sequence commit = {};                   // as it is known: said in the segment's last mark
};

// Writes the segment anew: its good records, the patches between them, a mark. The new file is
// synced, read again and checked before it takes the place of the old one; a crash at any step
// leaves one of the two. A good segment is left alone. CORRUPTION_DETECTED and SEQUENCE_GAP: the
// patches do not make it whole, or nothing tells where the log ended; nothing was changed.
Status MendSegment(env::FileSystem& fs, env::Clock& clock, env::Entropy& entropy,
                   const std::string& directory, const MendRequest& request);

// Where a log ends that was closed in order; nullopt when that is not known.
std::optional<EntryIdentity> KnownEnd(env::FileSystem& fs, const std::string& directory);

// Floors that space.meta holds from now on; while nobody has the log open. Durable on return.
Status RaiseFloors(env::FileSystem& fs, const std::string& directory, const Log::Floors& floors);

}  // namespace engram::wal
