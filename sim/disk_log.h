// The log of a space as it lies on a simulated disk, read with the log's own tools: for checkers.
// Values and pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engram/env/file_system.h"
#include "engram/record/entry.h"
#include "engram/replication/space_record.h"

namespace engram::sim {

struct DiskEntry {
  Sequence sequence;
  Epoch epoch;
  record::EntryType type{};
  uint32_t crc = 0;
  std::vector<std::string> ids;
  std::string text;  // of the write that made it; "" when it is no client's
  std::string key;
  uint32_t item = 0;
  uint64_t version = 0;
  std::optional<replication::SpaceRecord> start;  // of an EpochStart
};

struct DiskLog {
  bool there = false;
  std::string broken;              // where the numbers or the chain break: nothing behind it counts
  std::vector<DiskEntry> entries;  // in order
  // Which space it is: one of the same name would begin with another entry.
  uint32_t identity() const { return entries.empty() ? 0 : entries.front().crc; }
  Sequence end() const { return entries.empty() ? Sequence() : entries.back().sequence; }
  Epoch epoch() const { return entries.empty() ? Epoch() : entries.back().epoch; }
  const DiskEntry* At(Sequence sequence) const;
  // An EpochStart of a later epoch than `position` states that what stood there may be lost.
  bool StatesLossOf(Position position) const;
};

std::string SpaceDirectory(const std::string& space);
DiskEntry ToDiskEntry(const record::EntryHeader& header);  // without contents
DiskEntry ToDiskEntry(const record::EntryHeader& header, ByteView payload);
// `only`: contents (ids, text, key, start) of that entry alone, or of none; positions and checksums
// of all.
DiskLog ReadLogIn(env::FileSystem& fs, const std::string& directory,
                  std::optional<Sequence> only = std::nullopt);
DiskLog ReadDiskLog(env::FileSystem& fs, const std::string& space);
// Every entry in the quarantine files of a space.
std::vector<DiskEntry> ReadQuarantineIn(env::FileSystem& fs, const std::string& directory);

}  // namespace engram::sim
