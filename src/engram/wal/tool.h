// Looking at a log from outside: verify, dump, digest and repair, for the command and for tests.
// They take a space's directory, stopped or running, and read it record by record; only Repair with
// `apply` changes anything, and wants the directory stopped. Blocking; thread-safe by having no
// state.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/hash.h"
#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/env/file_system.h"
#include "engram/record/entry.h"
#include "engram/wal/space_meta.h"

namespace engram::wal {

// One place where a log is not what it should be.
struct DamageReport {
  std::string file;  // path
  uint64_t offset = 0;
  Sequence sequence;             // what should have stood there
  std::string what;              // such as "payload checksum: expected 5d1c07a2, found 91e04b3f"
  std::string expected, actual;  // when there are two values to compare
  uint64_t good_before = 0;      // entries of the log before it
  std::optional<Sequence> next_sequence;  // the next good entry, and where
  uint64_t next_offset = 0;
  uint64_t good_after = 0;  // entries from there to the next damage or the end
  std::string verdict;      // what it is, and why nothing was cut
  // Entries that are not readable: from `sequence` to the one before the next good one.
  uint64_t lost() const { return next_sequence ? next_sequence->value() - sequence.value() : 0; }
};

struct SegmentReport {
  std::string name;
  Sequence first, last;
  uint64_t entries = 0, holes = 0, bytes = 0;
};

struct VerifyReport {
  std::string directory;
  std::string space, cluster;
  Incarnation incarnation;
  std::vector<SegmentReport> segments;
  std::vector<EpochBegin> epochs;
  Sequence first, last;  // 0, 0 of an empty log
  uint64_t entries = 0, holes = 0, bytes = 0;
  bool clean = false;       // closed in order
  uint64_t torn_bytes = 0;  // an unsynced end, which the next opening cuts; no damage
  std::vector<DamageReport> damage;
  bool good() const { return damage.empty(); }
};

// Reads the whole log. SPACE_NOT_FOUND, UNSUPPORTED_VERSION and IO are errors; everything else that
// is wrong stands in the report.
Result<VerifyReport> Verify(env::FileSystem& fs, const std::string& directory);

struct DumpRecord {
  std::string segment;  // file name
  uint64_t offset = 0;
  record::EntryHeader header;
  ByteView payload;  // valid during the call
};
// Calls `visit` for every good record (local ones too) until it returns false.
Status Dump(env::FileSystem& fs, const std::string& directory,
            const std::function<bool(const DumpRecord&)>& visit);
// One line about a record: type and the facts of its payload, never the text of an episode.
std::string Describe(const record::EntryHeader& header, ByteView payload);

// Digest of the header CRCs of the entries in a range. Two copies of a space that agree have equal
// digests over equal ranges, whatever their segments, marks and nonces.
struct DigestReport {
  Sequence first, last;
  uint64_t entries = 0, holes = 0;
  Digest128 digest;
};
// `last` 0: to the end. CORRUPTION_DETECTED when the range is damaged.
Result<DigestReport> DigestOf(env::FileSystem& fs, const std::string& directory, Sequence first,
                              Sequence last);

struct RepairReport {
  std::vector<std::string> steps;  // what is done, or would be
  uint64_t entries_lost = 0;       // known to have been there and given up
  bool end_lost = false;           // the log's end is damaged: how much was behind is not known
  uint64_t entries_kept = 0;
  bool applied = false;
};
// Gives up what is damaged, and nothing else: each damaged file goes to quarantine/, and a new one
// takes its place that has all good records, with a Hole for each run that is lost; at the very end
// of a log the damage is cut. Without `apply` it only says what it would do. Reasons: as Verify.
Result<RepairReport> Repair(env::FileSystem& fs, const std::string& directory, bool apply);

}  // namespace engram::wal
