#include "sim/disk_log.h"

#include <algorithm>

#include "engram/internal/v1/log.pb.h"
#include "engram/wal/quarantine.h"
#include "engram/wal/tool.h"

namespace engram::sim {

namespace pb = internal::v1;

namespace {

void TakeContent(const pb::StoreRecord& record, DiskEntry* entry) {
  entry->ids = {record.episode().id()};
  entry->text = record.episode().what();
  entry->version = record.version();
  entry->key = record.key().key();
  entry->item = record.key().item();
}

template <class T>
bool Parse(ByteView payload, T* record) {
  return record->ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

// Why the entry does not continue the log; "" when it does.
std::string Misfit(const DiskLog& log, const record::EntryHeader& next) {
  const uint32_t crc = log.entries.empty() ? 0 : log.entries.back().crc;
  const std::string at = "entry " + ToString(next.sequence) + " after " + ToString(log.end());
  if (next.sequence != log.end().next()) return at;
  if (next.chain != crc) return at + ": the chain is broken";
  if (next.epoch < log.epoch()) return at + ": the epoch falls";
  return "";
}

}  // namespace

std::string SpaceDirectory(const std::string& space) {
  return "/data/spaces/" + space;
}

const DiskEntry* DiskLog::At(Sequence sequence) const {
  const auto it = std::lower_bound(
      entries.begin(), entries.end(), sequence,
      [](const DiskEntry& entry, Sequence wanted) { return entry.sequence < wanted; });
  return it == entries.end() || it->sequence != sequence ? nullptr : &*it;
}

bool DiskLog::StatesLossOf(Position position) const {
  return std::any_of(entries.begin(), entries.end(), [&](const DiskEntry& entry) {
    return entry.start.has_value() && entry.epoch > position.epoch &&
           entry.start->loss_after.has_value() &&
           entry.start->loss_after->sequence < position.sequence;
  });
}

DiskEntry ToDiskEntry(const record::EntryHeader& header) {
  DiskEntry entry;
  entry.sequence = header.sequence;
  entry.epoch = header.epoch;
  entry.type = header.type;
  entry.crc = header.header_crc;
  return entry;
}

DiskEntry ToDiskEntry(const record::EntryHeader& header, ByteView payload) {
  DiskEntry entry = ToDiskEntry(header);
  if (header.type == record::EntryType::kEpisodeStore) {
    pb::StoreRecord record;
    if (Parse(payload, &record)) TakeContent(record, &entry);
  } else if (header.type == record::EntryType::kMemoryUpdate) {
    pb::UpdateRecord record;
    if (Parse(payload, &record) && record.has_content()) TakeContent(record.content(), &entry);
    if (!record.key().key().empty()) entry.key = record.key().key();
  } else if (header.type == record::EntryType::kMemoryDelete) {
    pb::DeleteRecord record;
    if (!Parse(payload, &record)) return entry;
    entry.ids.assign(record.ids().begin(), record.ids().end());
    entry.text = record.reason();
    entry.key = record.key().key();
    entry.version = record.versions_size() > 0 ? record.versions(0) : 0;
  } else if (header.type == record::EntryType::kEpochStart) {
    auto record = replication::DecodeRecord(payload, header.sequence);
    if (record.ok()) entry.start = *std::move(record);
  }
  return entry;
}

DiskLog ReadDiskLog(env::FileSystem& fs, const std::string& space) {
  return ReadLogIn(fs, SpaceDirectory(space));
}

DiskLog ReadLogIn(env::FileSystem& fs, const std::string& directory, std::optional<Sequence> only) {
  DiskLog log;
  const Status status = wal::Dump(fs, directory, [&](const wal::DumpRecord& record) {
    if (!record::IsNumbered(record.header.type)) return true;
    log.broken = Misfit(log, record.header);
    if (!log.broken.empty()) return false;
    const bool whole = !only.has_value() || record.header.sequence == *only;
    log.entries.push_back(whole ? ToDiskEntry(record.header, record.payload)
                                : ToDiskEntry(record.header));
    return true;
  });
  log.there = status.ok();
  return log;
}

std::vector<DiskEntry> ReadQuarantineIn(env::FileSystem& fs, const std::string& directory) {
  std::vector<DiskEntry> entries;
  const auto files = wal::ListQuarantine(fs, directory);
  if (!files.ok()) return entries;
  for (const wal::QuarantineFile& file : *files) {
    (void)wal::ReadQuarantine(fs, directory, file, [&](const record::Entry& entry) {
      entries.push_back(ToDiskEntry(entry.header, entry.payload));
      return OkStatus();
    });
  }
  return entries;
}

}  // namespace engram::sim
