// Writing a damaged segment anew. Steps: the new file under a temporary name, synced; read again
// and checked; the index file of the old one removed; rename; the directory synced. Recovery
// removes a temporary file that a crash left.
#include "engram/wal/mend.h"

#include <algorithm>

#include "engram/record/local.h"
#include "engram/wal/names.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

using record::EntryType;

// A segment that is being put together: records in the order of the log.
class Rebuilt {
 public:
  Rebuilt(const record::SegmentHeader& header,
          const std::optional<record::CompactionMarker>& marker, const std::vector<Patch>& patches,
          uint64_t now_ns)
      : header_(header), patches_(patches), next_(header.first) {
    bytes_ = EncodeSegmentHead(header, now_ns);
    if (marker.has_value()) AppendLocal(EntryType::kCompactionMarker, record::Encode(*marker));
  }

  // A good record of the old file; what a patch covers, or what was taken before, is passed over.
  void Take(const Record& record) {
    const Sequence first = FirstSequence(record);
    if (first.is_zero()) return;
    TakePatches();
    if (first != next_) return;
    Sequence last = first;
    if (record.header.type == EntryType::kHole) {
      const auto hole = record::DecodeHole(record.payload);
      if (!hole.ok()) return;
      last = hole->last.sequence;
    }
    bytes_.append(RawBytes(record));
    next_ = last.next();
  }
  void TakePatches() {
    for (; at_ < patches_.size() && patches_[at_].first <= next_; ++at_) {
      if (patches_[at_].first != next_) continue;  // the check of the whole will tell
      bytes_.append(patches_[at_].records);
      next_ = patches_[at_].last.next();
    }
  }
  // All that is here is synced before anybody can see it.
  std::string Finish(Sequence commit) {
    TakePatches();
    const record::SyncMark mark{header_.nonce, bytes_.size(), commit};
    AppendLocal(EntryType::kSyncMark, record::Encode(mark));
    return std::move(bytes_);
  }

 private:
  void AppendLocal(EntryType type, const std::string& payload) {
    record::EntryHeader header;
    header.type = type;
    record::AppendEntry(&header, payload, &bytes_);
  }

  const record::SegmentHeader header_;
  const std::vector<Patch>& patches_;
  size_t at_ = 0;
  Sequence next_;
  std::string bytes_;
};

// What is known of the borders of a segment.
struct Borders {
  record::SegmentHeader header;
  std::optional<record::CompactionMarker> marker;
  std::optional<EntryIdentity> end;  // of the entry before the next segment
};

Result<SegmentHead> HeadOf(env::FileSystem& fs, const std::string& directory, Sequence segment) {
  ASSIGN_OR_RETURN(const auto file, fs.Open(SegmentPath(directory, segment), env::OpenMode::kRead));
  return ReadSegmentHead(*file);
}

// A head that cannot be read is known from the segment before it.
Result<record::SegmentHeader> LostHead(env::FileSystem& fs, const std::string& directory,
                                       const std::vector<Sequence>& all, Sequence segment) {
  record::SegmentHeader header;
  const auto at = std::find(all.begin(), all.end(), segment);
  if (at == all.begin()) {
    if (all.size() < 2) {
      return Status(Reason::CORRUPTION_DETECTED, "nothing says whose log this is")
          .Suggest("begin the copy again with an empty directory");
    }
    ASSIGN_OR_RETURN(const SegmentHead next, HeadOf(fs, directory, all[1]));
    header = next.header;
    header.previous = {};
    header.previous_crc = 0;
  } else {
    ASSIGN_OR_RETURN(const SegmentHead before, HeadOf(fs, directory, *std::prev(at)));
    ASSIGN_OR_RETURN(const auto file,
                     fs.Open(SegmentPath(directory, *std::prev(at)), env::OpenMode::kRead));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    FileSource source(*file, size);
    ASSIGN_OR_RETURN(const ScanEnd end, ScanSegment(source, before, nullptr));
    if (end.last.sequence.next() != segment) {
      return Status(Reason::CORRUPTION_DETECTED,
                    "the segment before " + SegmentName(segment) + " has to be mended first");
    }
    header = before.header;
    header.previous = {end.last.epoch, end.last.sequence};
    header.previous_crc = end.last.header_crc;
  }
  header.first = segment;
  return header;
}

Result<Borders> BordersOf(env::FileSystem& fs, const std::string& directory,
                          const MendRequest& request) {
  ASSIGN_OR_RETURN(const std::vector<Sequence> all, SegmentsOf(fs, directory));
  Borders borders;
  const Result<SegmentHead> head = HeadOf(fs, directory, request.segment);
  if (head.ok() && head->header.first == request.segment) {
    borders.header = head->header;
    borders.marker = head->marker;
  } else {
    ASSIGN_OR_RETURN(borders.header, LostHead(fs, directory, all, request.segment));
  }
  const auto above = std::upper_bound(all.begin(), all.end(), request.segment);
  if (above == all.end()) {
    borders.end = request.end;
    return borders;
  }
  // Of one whose head is lost, too, its first entry says what came before it.
  const Result<SegmentHead> next = HeadOf(fs, directory, *above);
  if (next.ok()) {
    const auto& header = next->header;
    borders.end = {header.previous.epoch, header.previous.sequence, header.previous_crc};
    return borders;
  }
  ASSIGN_OR_RETURN(const auto file, fs.Open(SegmentPath(directory, *above), env::OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  FileSource source(*file, size);
  RETURN_IF_ERROR(SearchRecords(source, 0, [&](const Record& record) {
    if (!record::IsNumbered(record.header.type)) return true;
    if (record.header.sequence == *above) {
      borders.end = {record.header.epoch, above->prev(), record.header.chain};
    }
    return false;
  }));
  if (borders.end.has_value()) return borders;
  return Status(Reason::CORRUPTION_DETECTED,
                SegmentName(*above) + " does not say what comes before it: mend it first");
}

Status EndIsLost(const Damage& damage) {
  return Status(Reason::CORRUPTION_DETECTED,
                "the end of the log is damaged, and nothing tells how many entries were there")
      .Expected("a good entry behind the damage, or a log that was closed in order")
      .Suggest("begin this copy again with an empty directory, or see engram wal repair --dry-run")
      .With("file", damage.file)
      .With("offset", damage.offset);
}

// That the new file is whole, as it lies on the disk.
Status CheckRebuilt(env::File& file, const Borders& borders, Sequence last) {
  ASSIGN_OR_RETURN(const SegmentHead head, ReadSegmentHead(file));
  ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  FileSource source(file, size);
  ASSIGN_OR_RETURN(const ScanEnd end, ScanSegment(source, head, nullptr));
  if (end.kind != ReadOutcome::Kind::kEnd) {
    return Status(Reason::CORRUPTION_DETECTED,
                  "what was fetched does not join the log behind sequence " +
                      ToString(end.last.sequence) + ": " + end.why.message())
        .With("sequence", end.join.next.value());
  }
  const Sequence needed = borders.end.has_value() ? borders.end->sequence : last;
  const bool joins = end.last.sequence == needed &&
                     (!borders.end.has_value() || end.last.header_crc == borders.end->header_crc);
  if (joins) return OkStatus();
  return Status(Reason::SEQUENCE_GAP, "the segment would end with " + ToString(end.last.sequence))
      .Expected("sequence " + ToString(needed) + ", in one chain with what follows")
      .With("sequence", needed.value());
}

}  // namespace

Status MendSegment(env::FileSystem& fs, env::Clock& clock, env::Entropy& entropy,
                   const std::string& directory, const MendRequest& request) {
  ASSIGN_OR_RETURN(const SegmentCheck check,
                   CheckSegment(fs, directory, request.segment, request.end, nullptr));
  if (check.damage.empty()) return OkStatus();
  for (const Damage& damage : check.damage) {
    if (damage.open_end) return EndIsLost(damage);
  }
  ASSIGN_OR_RETURN(Borders borders, BordersOf(fs, directory, request));
  borders.header.nonce = entropy.Next();
  const std::string path = SegmentPath(directory, request.segment);
  const std::string temporary = path + std::string(kTemporarySuffix);
  std::string bytes;
  {
    ASSIGN_OR_RETURN(const auto old, fs.Open(path, env::OpenMode::kRead));
    ASSIGN_OR_RETURN(const uint64_t size, old->Size());
    FileSource source(*old, size);
    Rebuilt rebuilt(borders.header, borders.marker, request.patches,
                    static_cast<uint64_t>(clock.WallNs()));
    RETURN_IF_ERROR(SearchRecords(source, 0, [&](const Record& record) {
      if (record.offset < check.bytes) rebuilt.Take(record);
      return record.offset < check.bytes;
    }));
    bytes = rebuilt.Finish(request.commit);
  }
  ASSIGN_OR_RETURN(const auto file, fs.Open(temporary, env::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  RETURN_IF_ERROR(file->WriteAt(0, bytes));
  RETURN_IF_ERROR(file->Sync());
  if (Status whole = CheckRebuilt(*file, borders, check.last); !whole.ok()) {
    (void)fs.Remove(temporary);  // recovery removes it as well
    return whole;
  }
  RETURN_IF_ERROR(fs.Remove(IndexPath(directory, request.segment)));
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(SegmentDirectory(directory));
}

std::optional<EntryIdentity> KnownEnd(env::FileSystem& fs, const std::string& directory) {
  const auto meta = SpaceMetaFile::Open(fs, MetaPath(directory), false);
  if (!meta.ok() || !meta->newest() || !meta->meta().clean_end) return std::nullopt;
  const CleanEnd& end = *meta->meta().clean_end;
  return EntryIdentity{end.last.epoch, end.last.sequence, end.last_crc};
}

Status RaiseFloors(env::FileSystem& fs, const std::string& directory, const Log::Floors& floors) {
  ASSIGN_OR_RETURN(auto file, SpaceMetaFile::Open(fs, MetaPath(directory), true));
  SpaceMeta meta = file.meta();
  meta.tombstone_floor = std::max(meta.tombstone_floor, floors.tombstone);
  meta.compaction_floor = std::max(meta.compaction_floor, floors.compaction);
  return meta == file.meta() ? OkStatus() : file.Write(std::move(meta));
}

}  // namespace engram::wal
