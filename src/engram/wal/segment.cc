#include "engram/wal/segment.h"

#include <utility>

#include "engram/record/entry.h"
#include "engram/wal/names.h"

namespace engram::wal {

using record::EntryType;

std::string EncodeSegmentHead(const record::SegmentHeader& header, uint64_t timestamp_ns) {
  record::EntryHeader entry;
  entry.timestamp_ns = timestamp_ns;
  entry.type = EntryType::kSegmentHeader;
  std::string out;
  record::AppendEntry(&entry, record::Encode(header), &out);
  return out;
}

Result<SegmentHead> ReadSegmentHead(env::File& file) {
  ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  FileSource source(file, size, 4096);
  ASSIGN_OR_RETURN(ReadOutcome outcome, ReadRecord(source, 0));
  if (outcome.kind == ReadOutcome::Kind::kBad) return outcome.why;
  if (outcome.kind != ReadOutcome::Kind::kRecord ||
      outcome.record.header.type != EntryType::kSegmentHeader) {
    return Status(Reason::CORRUPTION_DETECTED, "no SegmentHeader");
  }
  SegmentHead head;
  ASSIGN_OR_RETURN(head.header, record::DecodeSegmentHeader(outcome.record.payload));
  head.size = outcome.record.end();
  ASSIGN_OR_RETURN(outcome, ReadRecord(source, head.size));
  if (outcome.kind == ReadOutcome::Kind::kRecord &&
      outcome.record.header.type == EntryType::kCompactionMarker) {
    ASSIGN_OR_RETURN(head.marker, record::DecodeCompactionMarker(outcome.record.payload));
  }
  return head;
}

Segment::Segment(env::FileSystem* fs, std::string directory, SegmentHead head, uint64_t size)
    : fs_(fs),
      directory_(std::move(directory)),
      head_(std::move(head)),
      written_(size),
      index_whole_(size <= head_.size),
      noted_from_(size) {}

std::string Segment::path() const {
  return SegmentPath(directory_, first());
}
std::string Segment::name() const {
  return SegmentName(first());
}

Result<std::shared_ptr<env::File>> Segment::file() {
  MutexLock lock(mutex_);
  if (!file_) {
    ASSIGN_OR_RETURN(auto file, fs_->Open(path(), env::OpenMode::kRead));
    file_ = std::move(file);
  }
  return file_;
}

void Segment::SetFile(std::shared_ptr<env::File> file) {
  MutexLock lock(mutex_);
  file_ = std::move(file);
}

void Segment::Note(Sequence sequence, uint64_t offset) {
  MutexLock lock(index_mutex_);
  index_.Add(sequence, offset);
}

void Segment::SetIndex(SparseIndex index) {
  MutexLock lock(index_mutex_);
  index_ = std::move(index);
  index_whole_ = true;
}

Result<std::optional<SparseIndex::Point>> Segment::Floor(Sequence sequence) {
  MutexLock lock(index_mutex_);
  if (!index_whole_) {
    // What was appended since opening is noted; only older entries need the rest.
    const auto point = index_.Floor(sequence);
    if (point) return point;
    if (!LoadIndex()) RETURN_IF_ERROR(BuildIndex());
    index_whole_ = true;
  }
  return index_.Floor(sequence);
}

bool Segment::LoadIndex() {
  const auto bytes = env::ReadWholeFile(*fs_, IndexPath(directory_, first()));
  if (!bytes.ok()) return false;
  auto file = DecodeIndexFile(*bytes);
  if (!file.ok() || file->nonce != header().nonce || file->segment_size != noted_from_) {
    return false;
  }
  index_.Prepend(file->index);
  return true;
}

Status Segment::BuildIndex() {
  ASSIGN_OR_RETURN(const auto file, this->file());
  FileSource source(*file, noted_from_);
  SparseIndex front;
  uint64_t expected = head_.size;
  bool behind_damage = false;
  RETURN_IF_ERROR(SearchRecords(source, head_.size, [&](const Record& record) {
    behind_damage = behind_damage || record.offset != expected;
    expected = record.end();
    const Sequence sequence = FirstSequence(record);
    if (sequence.is_zero()) return true;
    // Whoever looks for an entry behind damage must not have to read through it.
    behind_damage ? front.AddAlways(sequence, record.offset) : front.Add(sequence, record.offset);
    behind_damage = false;
    return true;
  }));
  index_.Prepend(front);
  return OkStatus();
}

bool Segment::IndexIsWhole() {
  MutexLock lock(index_mutex_);
  return index_whole_;
}

Status Segment::WriteIndex(Position last, uint32_t last_crc) {
  IndexFile file;
  {
    MutexLock lock(index_mutex_);
    if (!index_whole_) {
      RETURN_IF_ERROR(BuildIndex());
      index_whole_ = true;
    }
    file.index = index_;
  }
  file.nonce = header().nonce;
  file.segment_size = written();
  file.last = last;
  file.last_crc = last_crc;
  const std::string path = IndexPath(directory_, first());
  const std::string temporary = path + std::string(kTemporarySuffix);
  ASSIGN_OR_RETURN(auto out, fs_->Open(temporary, env::OpenMode::kCreate));
  RETURN_IF_ERROR(out->Truncate(0));
  RETURN_IF_ERROR(out->WriteAt(0, EncodeIndexFile(file)));
  return fs_->Rename(temporary, path);
}

void Segment::CutIndex(uint64_t offset) {
  MutexLock lock(index_mutex_);
  SparseIndex kept;
  for (const auto& point : index_.points()) {
    if (point.offset < offset) kept.AddAlways(point.sequence, point.offset);
  }
  index_ = std::move(kept);
  if (noted_from_ > offset) noted_from_ = offset;
}

}  // namespace engram::wal
