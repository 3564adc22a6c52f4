#include "engram/wal/walk.h"

#include "engram/wal/mend.h"
#include "engram/wal/names.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

using record::EntryType;

class Walker {
 public:
  Walker(env::FileSystem& fs, WalkVisitor* visitor) : fs_(fs), visitor_(*visitor) {}

  Status Segment(const WalkSegment& segment);
  bool stopped() const { return stopped_; }
  WalkSegment Open(const std::string& directory, Sequence first, Status* error);

 private:
  Status CheckHead(const WalkSegment& segment);
  Status Records(const WalkSegment& segment, FileSource& source, uint64_t from);
  // False: the segment has no more good records.
  Result<bool> Resume(const WalkSegment& segment, FileSource& source, uint64_t bad, Status why,
                      uint64_t* offset);
  Result<bool> IsTorn(const WalkSegment& segment, FileSource& source, uint64_t at);
  bool Give(const WalkSegment& segment, const Record& record, const JoinState& before) {
    stopped_ = !visitor_.OnRecord(segment, record, before);
    return !stopped_;
  }

  env::FileSystem& fs_;
  WalkVisitor& visitor_;
  std::unique_ptr<env::File> file_;
  JoinState join_;
  bool cut_short_ = false;  // the segment before ended with damage, which was told of
  bool stopped_ = false;
};

WalkSegment Walker::Open(const std::string& directory, Sequence first, Status* error) {
  WalkSegment segment{SegmentPath(directory, first), SegmentName(first), first, {}, false};
  auto file = fs_.Open(segment.path, env::OpenMode::kRead);
  if (!file.ok()) {
    *error = file.status();
    return segment;
  }
  file_ = std::move(*file);
  auto head = ReadSegmentHead(*file_);
  if (head.ok()) {
    segment.head = std::move(*head);
  } else if (head.status().reason() == Reason::UNSUPPORTED_VERSION ||
             head.status().reason() == Reason::IO) {
    *error = head.status().Annotate(segment.path);
  } else {
    visitor_.OnDamage(segment, 0, head.status(), join_);
  }
  return segment;
}

// The head has to continue what was read before it.
Status Walker::CheckHead(const WalkSegment& segment) {
  if (!segment.head) return OkStatus();
  const record::SegmentHeader& header = segment.head->header;
  Status why;
  if (header.first != segment.first) {
    why = Status(Reason::CORRUPTION_DETECTED, "the file's name and its head differ");
  } else if (header.first != join_.next && !cut_short_) {
    why = Status(Reason::SEQUENCE_GAP, "the segment begins at " + ToString(header.first))
              .Expected("sequence " + ToString(join_.next));
  } else if (join_.chain_known && header.previous_crc != join_.chain) {
    why = Status(Reason::CORRUPTION_DETECTED, "the segment does not chain to the one before it");
  }
  if (!why.ok()) visitor_.OnDamage(segment, 0, why, join_);
  cut_short_ = false;
  join_ = {header.first, true, header.previous_crc, header.previous.epoch};
  return OkStatus();
}

Status Walker::Segment(const WalkSegment& segment) {
  RETURN_IF_ERROR(CheckHead(segment));
  RETURN_IF_ERROR(visitor_.OnSegment(segment));
  ASSIGN_OR_RETURN(const uint64_t size, file_->Size());
  FileSource source(*file_, size);
  uint64_t from = segment.head ? segment.head->size : 0;
  if (!segment.head) {
    ASSIGN_OR_RETURN(const bool more, Resume(segment, source, 0, OkStatus(), &from));
    if (!more || stopped_) return visitor_.OnSegmentEnd(segment, from, join_);
  }
  return Records(segment, source, from);
}

Status Walker::Records(const WalkSegment& segment, FileSource& source, uint64_t offset) {
  while (!stopped_) {
    ASSIGN_OR_RETURN(ReadOutcome outcome, ReadRecord(source, offset));
    const JoinState before = join_;
    Status why = outcome.why;
    if (outcome.kind == ReadOutcome::Kind::kRecord) why = Join(outcome.record, &join_);
    if (outcome.kind == ReadOutcome::Kind::kRecord && why.ok()) {
      offset = outcome.record.end();
      if (!Give(segment, outcome.record, before)) break;
      continue;
    }
    if (outcome.kind == ReadOutcome::Kind::kEnd) break;
    if (!why.ok() && why.reason() == Reason::UNSUPPORTED_VERSION) return why.Annotate(segment.path);
    const uint64_t bad = offset;
    ASSIGN_OR_RETURN(const bool more, Resume(segment, source, bad, why, &offset));
    if (!more) break;
  }
  return visitor_.OnSegmentEnd(segment, offset, join_);
}

// In the last segment, what no mark claims may be missing; elsewhere only zeros, preallocated and
// never given back, may follow.
Result<bool> Walker::IsTorn(const WalkSegment& segment, FileSource& source, uint64_t at) {
  ASSIGN_OR_RETURN(const bool zeros, OnlyZeros(source, at));
  if (!segment.last) return zeros;
  if (!segment.head) return false;
  ASSIGN_OR_RETURN(const bool claimed, IsClaimedSynced(source, at, segment.head->header.nonce));
  if (!claimed && !zeros) visitor_.OnTorn(segment, at, source.size() - at);
  return !claimed;
}

Result<bool> Walker::Resume(const WalkSegment& segment, FileSource& source, uint64_t bad,
                            Status why, uint64_t* offset) {
  if (segment.head) {
    ASSIGN_OR_RETURN(const bool torn, IsTorn(segment, source, bad));
    if (torn) return false;
    if (why.ok()) why = Status(Reason::CORRUPTION_DETECTED, "zeros where entries were synced");
    visitor_.OnDamage(segment, bad, why, join_);
  }
  bool found = false;
  RETURN_IF_ERROR(SearchRecords(source, bad, [&](const Record& record) {
    const Sequence first = FirstSequence(record);
    if (first.is_zero() || first < join_.next) return true;
    JoinState behind{first, false, 0, join_.epoch};
    if (!Join(record, &behind).ok()) return true;
    const JoinState before{first, false, record.header.chain, join_.epoch};
    join_ = behind;
    *offset = record.end();
    found = true;
    Give(segment, record, before);
    return false;
  }));
  cut_short_ = !found;
  return found;
}

}  // namespace

Status Walk(env::FileSystem& fs, const std::string& directory, WalkVisitor* visitor) {
  ASSIGN_OR_RETURN(const auto firsts, SegmentsOf(fs, directory));
  Walker walker(fs, visitor);
  for (size_t i = 0; i < firsts.size() && !walker.stopped(); ++i) {
    Status error;
    WalkSegment segment = walker.Open(directory, firsts[i], &error);
    RETURN_IF_ERROR(error);
    segment.last = i + 1 == firsts.size();
    RETURN_IF_ERROR(walker.Segment(segment));
  }
  return OkStatus();
}

}  // namespace engram::wal
