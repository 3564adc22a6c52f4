#include "engram/wal/recovery.h"

#include <algorithm>

#include "engram/base/probe.h"
#include "engram/record/local.h"
#include "engram/wal/names.h"

namespace engram::wal {
namespace {

constexpr size_t kWriteAgainBytes = 1u << 20;

using record::EntryType;

std::string At(const Segment& segment, uint64_t offset) {
  return segment.name() + " at " + std::to_string(offset);
}

// Damage in a file, with the facts that a person needs to find it.
Status Damage(const std::string& path, uint64_t offset, const Status& why) {
  return Status(why.reason() == Reason::CHECKSUM_MISMATCH ? Reason::CHECKSUM_MISMATCH
                                                          : Reason::CORRUPTION_DETECTED,
                "damage in " + path + " at " + std::to_string(offset) + ": " + why.message())
      .Expected("what was once synced there")
      .Suggest("fetch the range from another copy, or look with engram wal verify and repair")
      .With("file", path)
      .With("offset", offset);
}

Status Misplaced(const std::string& path, const std::string& what) {
  return Status(Reason::PERSISTENCE, path + " does not belong here: " + what)
      .Suggest("move it back to where it came from; nothing was changed")
      .With("file", path);
}

Status CheckPlace(const std::string& path, Sequence first, const record::SegmentHeader& header,
                  const LogOptions& options, const std::optional<SpaceMetaFile>& meta) {
  if (header.cluster != options.cluster) {
    return Misplaced(path, "it is of cluster '" + header.cluster + "'");
  }
  if (header.space != options.space) {
    return Misplaced(path, "it is of space '" + header.space + "'");
  }
  if (meta && header.incarnation != meta->meta().incarnation) {
    return Misplaced(path, "it is of another incarnation of space '" + header.space + "'");
  }
  if (header.first != first) {
    return Misplaced(path, "it begins at sequence " + ToString(header.first));
  }
  return OkStatus();
}

class Recovery {
 public:
  explicit Recovery(const LogOptions& options) : options_(options), fs_(*options.fs) {}

  Result<Recovered> Run() {
    RETURN_IF_ERROR(OpenMeta());
    RETURN_IF_ERROR(ListSegments());
    RETURN_IF_ERROR(OpenSegments());
    if (firsts_.empty()) return NoLog();
    RETURN_IF_ERROR(FindEnd());
    // A creation that was not finished: space.meta comes last.
    if (no_meta_ && out_.end.sequence.is_zero()) return NoLog();
    CheckKnownEnd();
    if (out_.meta && out_.damage.ok() && !out_.clean) RETURN_IF_ERROR(Prove());
    return std::move(out_);
  }

 private:
  Status OpenMeta();
  Status ListSegments();
  Status OpenSegments();
  Status OpenSegment(Sequence first);
  Status DropCompacted(const record::CompactionMarker& marker);
  Status FindEnd();
  bool TrustCleanEnd(const Segment& last);
  Status ScanLast(Segment& last);
  Status Judge(Segment& last, FileSource& source, const ScanEnd& end);
  Status ReadOnAfterDamage(Segment& last, FileSource& source, ScanEnd end, SparseIndex index);
  Status WriteAgain(env::File& file, const std::string& path);
  Status Prove();
  void CheckKnownEnd();
  void AddEpoch(Epoch epoch, Sequence first);
  void NoteDamage(Status status) {
    if (out_.damage.ok()) out_.damage = std::move(status);
  }
  Status NoLog() const {
    return Status(Reason::SPACE_NOT_FOUND, "no log in " + options_.directory)
        .With("path", options_.directory);
  }

  const LogOptions& options_;
  env::FileSystem& fs_;
  std::vector<Sequence> firsts_;
  bool no_meta_ = false;
  Recovered out_;
};

Status Recovery::OpenMeta() {
  const std::string path = MetaPath(options_.directory);
  ASSIGN_OR_RETURN(const bool exists, fs_.Exists(path));
  if (!exists) {
    no_meta_ = true;
    NoteDamage(Status(Reason::CORRUPTION_DETECTED, path + " is missing").With("file", path));
    return OkStatus();
  }
  auto meta = SpaceMetaFile::Open(fs_, path, true);
  if (!meta.ok() && meta.status().reason() != Reason::CORRUPTION_DETECTED) return meta.status();
  if (!meta.ok()) {
    NoteDamage(meta.status());
    return OkStatus();
  }
  out_.meta = std::move(*meta);
  out_.incarnation = out_.meta->meta().incarnation;
  out_.history = out_.meta->meta().history;
  out_.commit = out_.meta->meta().commit_hint.sequence;
  return OkStatus();
}

Status Recovery::ListSegments() {
  const std::string directory = SegmentDirectory(options_.directory);
  ASSIGN_OR_RETURN(const bool exists, fs_.Exists(directory));
  if (!exists) return NoLog();
  ASSIGN_OR_RETURN(const auto names, fs_.List(directory));
  for (const std::string& name : names) {
    if (const auto first = ParseSegmentName(name)) firsts_.push_back(*first);
    if (name.ends_with(kTemporarySuffix) && out_.damage.ok()) {
      RETURN_IF_ERROR(fs_.Remove(env::JoinPath(directory, name)));
    }
  }
  std::sort(firsts_.begin(), firsts_.end());
  return OkStatus();
}

Status Recovery::OpenSegments() {
  // A copy: opening one may remove others.
  for (const Sequence first : std::vector<Sequence>(firsts_)) {
    if (std::find(firsts_.begin(), firsts_.end(), first) == firsts_.end()) continue;
    RETURN_IF_ERROR(OpenSegment(first));
  }
  if (!out_.segments.empty() && out_.segments.front()->first() != Sequence(1)) {
    NoteDamage(
        Status(Reason::CORRUPTION_DETECTED,
               "the log in " + options_.directory + " begins with " + out_.segments.front()->name())
            .Expected(SegmentName(Sequence(1))));
  }
  return OkStatus();
}

Status Recovery::OpenSegment(Sequence first) {
  const std::string path = SegmentPath(options_.directory, first);
  ASSIGN_OR_RETURN(auto file, fs_.Open(path, env::OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  auto head = ReadSegmentHead(*file);
  if (!head.ok()) {
    const Reason reason = head.status().reason();
    if (reason == Reason::UNSUPPORTED_VERSION || reason == Reason::IO) {
      return head.status().Annotate(path);
    }
    NoteDamage(Damage(path, 0, head.status()));
    SegmentHead unknown;
    unknown.header.first = first;
    unknown.header.previous.sequence = first.prev();
    unknown.header.incarnation = out_.incarnation;
    head = unknown;
  } else {
    RETURN_IF_ERROR(CheckPlace(path, first, head->header, options_, out_.meta));
    if (!out_.meta) out_.incarnation = head->header.incarnation;
  }
  if (head->marker && out_.damage.ok()) RETURN_IF_ERROR(DropCompacted(*head->marker));
  auto segment = std::make_shared<Segment>(&fs_, options_.directory, *head, size);
  segment->SetFile(std::move(file));
  segment->set_sealed(true);
  out_.segments.push_back(std::move(segment));
  return OkStatus();
}

// Sources of a compaction that a crash kept from being removed.
Status Recovery::DropCompacted(const record::CompactionMarker& marker) {
  const auto inside = [&](Sequence s) { return s > marker.first && s <= marker.last; };
  for (const Sequence first : firsts_) {
    if (!inside(first)) continue;
    RETURN_IF_ERROR(fs_.Remove(IndexPath(options_.directory, first)));
    RETURN_IF_ERROR(fs_.Remove(SegmentPath(options_.directory, first)));
    out_.events.push_back({"compacted_segment_removed", SegmentName(first)});
  }
  std::erase_if(firsts_, inside);
  return OkStatus();
}

bool Recovery::TrustCleanEnd(const Segment& last) {
  if (!out_.meta || !out_.meta->newest() || !out_.damage.ok()) return false;
  const auto& end = out_.meta->meta().clean_end;
  return end && end->segment == last.first() && end->offset == last.written();
}

Status Recovery::FindEnd() {
  Segment& last = *out_.segments.back();
  last.set_sealed(false);
  out_.allocated = last.written();
  if (TrustCleanEnd(last)) {
    const CleanEnd& end = *out_.meta->meta().clean_end;
    out_.end = {end.last.epoch, end.last.sequence, end.last_crc};
    out_.offset = out_.marked = end.offset;
    out_.clean = true;
    return OkStatus();
  }
  return ScanLast(last);
}

Status Recovery::ScanLast(Segment& last) {
  ASSIGN_OR_RETURN(const auto file, last.file());
  FileSource source(*file, last.written());
  SegmentHead head{last.header(), last.head_size(), std::nullopt};
  SparseIndex index;
  ASSIGN_OR_RETURN(const ScanEnd end, ScanSegment(source, head, [&](const Record& record) {
                     if (const Sequence s = FirstSequence(record); !s.is_zero())
                       index.Add(s, record.offset);
                     if (record.header.type == EntryType::kEpochStart) {
                       AddEpoch(record.header.epoch, record.header.sequence);
                     }
                   }));
  out_.end = end.last;
  out_.offset = end.offset;
  out_.marked = end.marked;
  out_.commit = std::max(out_.commit, end.commit);
  RETURN_IF_ERROR(Judge(last, source, end));
  if (!out_.damage.ok()) return ReadOnAfterDamage(last, source, end, std::move(index));
  last.set_written(end.offset);
  last.SetIndex(std::move(index));
  return OkStatus();
}

// Torn tail, corruption, or simply the end.
Status Recovery::Judge(Segment& last, FileSource& source, const ScanEnd& end) {
  if (end.kind == ReadOutcome::Kind::kEnd) return OkStatus();
  if (end.kind == ReadOutcome::Kind::kBad && end.why.reason() == Reason::UNSUPPORTED_VERSION) {
    return end.why.Annotate(At(last, end.offset));
  }
  ASSIGN_OR_RETURN(const bool claimed, IsClaimedSynced(source, end.offset, last.header().nonce));
  if (claimed) {
    const Status why = end.why.ok() ? Status(Reason::CORRUPTION_DETECTED, "zeros") : end.why;
    NoteDamage(Damage(last.path(), end.offset, why).With("sequence", end.join.next.value()));
    return OkStatus();
  }
  ASSIGN_OR_RETURN(const bool zeros, OnlyZeros(source, end.offset));
  if (!zeros) {
    Visit(Probe::kTornTail);
    out_.events.push_back({"torn_tail_cut", At(last, end.offset) + ", behind sequence " +
                                                ToString(end.last.sequence)});
  }
  return OkStatus();
}

// The copy is read-only; it still serves what is good behind the damage.
Status Recovery::ReadOnAfterDamage(Segment& last, FileSource& source, ScanEnd end,
                                   SparseIndex index) {
  bool first = true;
  RETURN_IF_ERROR(SearchRecords(source, end.offset, [&](const Record& record) {
    const Sequence sequence = FirstSequence(record);
    if (sequence.is_zero() || sequence <= out_.end.sequence) return true;
    first ? index.AddAlways(sequence, record.offset) : index.Add(sequence, record.offset);
    first = false;
    out_.offset = record.end();
    if (record.header.type == EntryType::kHole) return true;
    out_.end = {record.header.epoch, sequence, record.header.header_crc};
    return true;
  }));
  last.SetIndex(std::move(index));
  last.set_written(out_.offset);
  return OkStatus();
}

// space.meta may know of more than there is: files that were cut or lost as a whole.
void Recovery::CheckKnownEnd() {
  if (!out_.meta || out_.meta->meta().phase == Phase::kRewinding) return;
  const SpaceMeta& meta = out_.meta->meta();
  Sequence known = meta.commit_hint.sequence;
  if (meta.clean_end) known = std::max(known, meta.clean_end->last.sequence);
  if (!meta.history.empty()) known = std::max(known, meta.history.back().first);
  if (out_.end.sequence >= known) return;
  NoteDamage(Status(Reason::CORRUPTION_DETECTED, "the log in " + options_.directory +
                                                     " ends with sequence " +
                                                     ToString(out_.end.sequence))
                 .Expected("at least sequence " + ToString(known) + ", which space.meta knows of")
                 .Suggest("fetch the rest from another copy, or restore the missing file")
                 .With("file", out_.segments.back()->path())
                 .With("offset", out_.offset)
                 .With("sequence", out_.end.sequence.next().value()));
}

void Recovery::AddEpoch(Epoch epoch, Sequence first) {
  if (!out_.history.empty() && out_.history.back().first >= first) return;
  out_.history.push_back({epoch, first});
}

// The records behind the last mark, as they are. Each is checked as it is read now: a bit that this
// reading turned would be written over the good one.
Status Recovery::WriteAgain(env::File& file, const std::string& path) {
  FileSource source(file, out_.offset);
  std::string bytes;
  uint64_t begin = out_.marked;
  const auto write = [&] {
    const uint64_t at = std::exchange(begin, begin + bytes.size());
    return file.WriteAt(at, std::exchange(bytes, ""));
  };
  while (begin + bytes.size() < out_.offset) {
    const uint64_t at = begin + bytes.size();
    ASSIGN_OR_RETURN(const ReadOutcome read, ReadRecord(source, at));
    const bool good =
        read.kind == ReadOutcome::Kind::kRecord && record::DecodeHeader(RawBytes(read.record)).ok();
    if (!good) {
      return Status(Reason::IO, path + " is read otherwise than a moment ago")
          .Expected("the record that was good when the log was looked through")
          .Suggest("open the space again; when it happens again, look at the disk and the memory")
          .With("file", path)
          .With("offset", at);
    }
    bytes += RawBytes(read.record);
    if (bytes.size() >= kWriteAgainBytes) RETURN_IF_ERROR(write());
  }
  return bytes.empty() ? OkStatus() : write();
}

// What no mark proves may be in the page cache only, also after a sync that failed and that the
// kernel has forgotten. It is written again and synced, before anybody is told of it. So may the
// names of the last segment and of space.meta be, and the removal of a segment.
Status Recovery::Prove() {
  RETURN_IF_ERROR(fs_.SyncDirectory(SegmentDirectory(options_.directory)));
  RETURN_IF_ERROR(fs_.SyncDirectory(options_.directory));
  Segment& last = *out_.segments.back();
  ASSIGN_OR_RETURN(std::shared_ptr<env::File> file,
                   fs_.Open(last.path(), env::OpenMode::kReadWrite));
  RETURN_IF_ERROR(WriteAgain(*file, last.path()));
  bool changed = out_.marked < out_.offset;
  FileSource rest(*file, out_.allocated);
  ASSIGN_OR_RETURN(const bool zeros, OnlyZeros(rest, out_.offset));
  if (!zeros) {
    RETURN_IF_ERROR(file->Truncate(out_.offset));
    out_.allocated = out_.offset;
    changed = true;
  }
  if (changed) RETURN_IF_ERROR(file->Sync());
  last.SetFile(std::move(file));
  return OkStatus();
}

}  // namespace

Result<Recovered> Recover(const LogOptions& options) {
  return Recovery(options).Run();
}

}  // namespace engram::wal
