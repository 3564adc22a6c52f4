// Rewind: cutting the end of a log. Steps, each of which can be repeated after a crash: persist the
// phase with the commit hint lowered; save the suffix to quarantine and sync; remove segments,
// newest first, and sync the directory; truncate; clear the phase.
#include <algorithm>

#include "engram/record/local.h"
#include "engram/wal/core.h"
#include "engram/wal/cursor.h"
#include "engram/wal/names.h"
#include "engram/wal/quarantine.h"

namespace engram::wal {
namespace {

constexpr int kReadings = 3;  // of what is cut; a disk may read wrong once, and right again

// Of an entry, or of the last that a Hole stands for; none of local records.
std::optional<EntryIdentity> IdentityOf(const Record& record) {
  if (record::IsNumbered(record.header.type)) {
    return EntryIdentity{record.header.epoch, record.header.sequence, record.header.header_crc};
  }
  if (record.header.type != record::EntryType::kHole) return std::nullopt;
  const auto hole = record::DecodeHole(record.payload);
  if (!hole.ok()) return std::nullopt;  // a scan ends before such a one
  return EntryIdentity{hole->last.epoch, hole->last.sequence, hole->last_crc};
}

Status NothingToCutBehind(Sequence last, const std::string& path) {
  return Status(Reason::CORRUPTION_DETECTED, "no entry " + ToString(last) + " to cut behind")
      .With("file", path);
}

}  // namespace

// A Hole is not to be parted: what it says of its entries is said of all of them.
Status Core::CheckCut(Sequence last) {
  if (last.is_zero() || last >= end_identity().sequence) return OkStatus();
  LogCursor cursor(shared_from_this(), last, ReadThrough::kAppended);
  std::string bytes;
  Cursor::Shipped what;
  RETURN_IF_ERROR(cursor.NextRecord(&bytes, &what).status());
  if (what.last == last) return OkStatus();
  return Status(Reason::SEQUENCE_GAP, "sequence " + ToString(last) + " is inside of a Hole")
      .Expected("a cut behind " + ToString(what.last))
      .With("sequence", last.value());
}

Status Core::TruncateAfter(Sequence last) {
  RETURN_IF_ERROR(CheckCut(last));
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Refusal());
  if (last >= end_.sequence) return OkStatus();
  cutting_ = true;
  WaitIdle();
  Status status = Refusal().reason() == Reason::RECOVERING ? Rewind(last) : Refusal();
  cutting_ = false;
  if (!status.ok() && poisoned_.ok()) Poison(status);
  if (status.ok()) TellIfQuarantineIsFull();
  return status;
}

Status Core::Rewind(Sequence last) {
  SpaceMeta meta = meta_->meta();
  meta.phase = Phase::kRewinding;
  meta.rewinding_to = last;
  meta.clean_end.reset();
  if (meta.commit_hint.sequence > last) meta.commit_hint.sequence = last;
  std::erase_if(history_, [&](const EpochBegin& begin) { return begin.first > last; });
  meta.history = history_;
  if (!history_.empty() && meta.commit_hint.epoch > history_.back().epoch) {
    meta.commit_hint.epoch = history_.back().epoch;
  }
  RETURN_IF_ERROR(meta_->Write(meta));
  clean_on_disk_ = false;
  may_append_ = false;  // the next append belongs to a new epoch
  if (last < end_.sequence) {
    RETURN_IF_ERROR(SaveSuffix(last));
    RETURN_IF_ERROR(CutSegments(last));
    RETURN_IF_ERROR(CutLast(last));
  } else {
    // A process that died here may have cut all there was to cut, and synced none of it.
    RETURN_IF_ERROR(options_.fs->SyncDirectory(SegmentDirectory(options_.directory)));
    ASSIGN_OR_RETURN(const auto file, segments_.back()->file());
    RETURN_IF_ERROR(file->Sync());
  }
  meta.phase = Phase::kNormal;
  meta.rewinding_to = Sequence();
  return meta_->Write(std::move(meta));
}

// Nothing is deleted: what was cut may be all that is left of a write.
void Core::TellIfQuarantineIsFull() {
  const auto files = ListQuarantine(*options_.fs, options_.directory);
  if (!files.ok() || options_.quarantine_bytes_max == 0 || !options_.observer) return;
  uint64_t bytes = 0;
  for (const QuarantineFile& file : *files) bytes += file.bytes;
  if (bytes <= options_.quarantine_bytes_max) return;
  options_.observer->OnEvent("quarantine_full", std::to_string(bytes) + " bytes in " +
                                                    QuarantineDirectory(options_.directory) +
                                                    ", more than " +
                                                    std::to_string(options_.quarantine_bytes_max));
}

// Epoch and sequence of the last entry tell what comes before it, so that no two different suffixes
// have one name. Whole segments are linked; the part of one is copied, behind a head of its own. So
// is the whole of the first one: it stays in the log and is cut in place.
Status Core::SaveSuffix(Sequence last) {
  env::FileSystem& fs = *options_.fs;
  RETURN_IF_ERROR(fs.CreateDirectories(QuarantineDirectory(options_.directory)));
  for (size_t i = segments_.size(); i-- > 0;) {
    const auto& segment = segments_[i];
    const bool newest = i + 1 == segments_.size();
    const Position until =
        newest ? Position{end_.epoch, end_.sequence} : segments_[i + 1]->header().previous;
    if (until.sequence <= last) break;
    const Sequence from = std::max(segment->first(), last.next());
    const std::string path = QuarantinePath(options_.directory, until.epoch, from, until.sequence);
    ASSIGN_OR_RETURN(const bool saved, fs.Exists(path));
    if (saved) continue;
    if (from == segment->first() && i > 0) {
      ASSIGN_OR_RETURN(const auto file, segment->file());
      if (newest) RETURN_IF_ERROR(file->Truncate(segment->written()));  // what is preallocated
      RETURN_IF_ERROR(file->Sync());
      RETURN_IF_ERROR(fs.HardLink(segment->path(), path));
    } else {
      RETURN_IF_ERROR(CopyAfter(*segment, last, until, path));
    }
  }
  return fs.SyncDirectory(QuarantineDirectory(options_.directory));
}

// What is read is checked before the only other copy of it is cut: a reading that ends early is
// done again, and what cannot be read is kept as it stands.
Status Core::CopyAfter(Segment& segment, Sequence last, Position until, const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, segment.file());
  record::SegmentHeader header = segment.header();
  EntryIdentity before;
  std::string copy;
  ScanEnd scanned;
  for (int reading = 0; reading < kReadings && scanned.last.sequence != until.sequence; ++reading) {
    before = {header.previous.epoch, header.previous.sequence, header.previous_crc};
    copy.clear();
    FileSource source(*file, segment.written());
    const SegmentHead head{segment.header(), segment.head_size(), {}};
    ASSIGN_OR_RETURN(scanned, ScanSegment(source, head, [&](const Record& record) {
                       const auto identity = IdentityOf(record);
                       if (!identity) return;
                       if (identity->sequence <= last) {
                         before = *identity;
                       } else {
                         copy.append(RawBytes(record));
                       }
                     }));
  }
  if (before.sequence != last) return NothingToCutBehind(last, segment.path());
  if (scanned.last.sequence != until.sequence) {
    FileSource source(*file, segment.written());
    const size_t rest = segment.written() - scanned.offset;
    ASSIGN_OR_RETURN(const ByteView bytes, source.View(scanned.offset, rest));
    copy.append(bytes);
    if (options_.observer) options_.observer->OnEvent("quarantine_damaged", path);
  }
  header.first = last.next();
  header.previous = {before.epoch, last};
  header.previous_crc = before.header_crc;
  const auto now = static_cast<uint64_t>(options_.clock->WallNs());
  return env::ReplaceFile(*options_.fs, path, EncodeSegmentHead(header, now) + copy);
}

Status Core::CutSegments(Sequence last) {
  env::FileSystem& fs = *options_.fs;
  while (segments_.size() > 1 && segments_.back()->first() > last) {
    const auto segment = segments_.back();
    RETURN_IF_ERROR(fs.Remove(IndexPath(options_.directory, segment->first())));
    RETURN_IF_ERROR(fs.Remove(segment->path()));
    segments_.pop_back();
    const record::SegmentHeader& header = segment->header();
    ForgetAfter({header.previous.epoch, header.previous.sequence, header.previous_crc},
                segments_.back()->written());
  }
  return fs.SyncDirectory(SegmentDirectory(options_.directory));
}

// Cuts what is the last segment now, and goes on from there.
Status Core::CutLast(Sequence last) {
  const auto segment = segments_.back();
  RETURN_IF_ERROR(options_.fs->Remove(IndexPath(options_.directory, segment->first())));
  ASSIGN_OR_RETURN(std::shared_ptr<env::File> file,
                   options_.fs->Open(segment->path(), env::OpenMode::kReadWrite));
  const auto& previous = segment->header().previous;
  EntryIdentity end{previous.epoch, previous.sequence, segment->header().previous_crc};
  uint64_t offset = segment->head_size();
  FileSource source(*file, segment->written());
  SegmentHead head{segment->header(), segment->head_size(), {}};
  ASSIGN_OR_RETURN(const ScanEnd scanned, ScanSegment(source, head, [&](const Record& record) {
                     const auto identity = IdentityOf(record);
                     if (!identity || identity->sequence > last) return;
                     end = *identity;
                     offset = record.end();
                   }));
  (void)scanned;
  if (end.sequence != last) {
    return NothingToCutBehind(last, segment->path());
  }
  RETURN_IF_ERROR(file->Truncate(offset));
  segment->SetFile(file);
  segment->CutIndex(offset);
  segment->set_written(offset);
  segment->set_sealed(false);
  ForgetAfter(end, offset);
  return file->Sync();
}

// At once, so that a cut which fails in the middle ends where its files end.
void Core::ForgetAfter(const EntryIdentity& end, uint64_t offset) {
  tail_.Clear();
  disk_segment_ = segments_.back();
  end_ = written_end_ = durable_ = end;
  stamp_offset_ = written_offset_ = synced_offset_ = entries_offset_ = allocated_ = offset;
  marked_offset_ = 0;
  epoch_ = std::max(end.epoch, history_.empty() ? Epoch() : history_.back().epoch);
  checkpoints_.Reset(end.sequence);
  const Sequence commit =
      options_.commit_is_durable ? end.sequence : std::min(committed_end(), end.sequence);
  committed_.store(commit.value(), std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

}  // namespace engram::wal
