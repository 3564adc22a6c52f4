#include "engram/wal/cursor.h"

#include <algorithm>

#include "engram/record/local.h"

namespace engram::wal {
namespace {

// Room for one stride of the sparse index and an entry; a cursor that goes on reads more at once.
constexpr size_t kFirstRead = 8u << 10;
constexpr size_t kLargestRead = 256u << 10;

}  // namespace

LogCursor::LogCursor(std::shared_ptr<Core> core, Sequence from, ReadThrough through)
    : core_(std::move(core)),
      through_(through),
      position_(std::max(from, Sequence(1))),
      read_ahead_(kFirstRead) {}

Result<std::optional<record::Entry>> LogCursor::Next() {
  std::optional<record::Entry> entry;
  RETURN_IF_ERROR(Advance({.entry = &entry}).status());
  return entry;
}

Result<bool> LogCursor::NextRecord(std::string* bytes, Shipped* what) {
  return Advance({.bytes = bytes, .what = what});
}

Result<bool> LogCursor::Advance(const Wanted& wanted) {
  while (true) {
    const uint64_t generation = core_->generation();
    if (generation != generation_) {
      segment_ = nullptr;
      limit_ = Sequence();
    }
    generation_ = generation;
    if (position_ > limit_) limit_ = core_->ReadableThrough(through_);
    if (position_ > limit_) return false;
    Result<Found> found = Found::kNotYet;
    if (Status status = segment_ ? OkStatus() : Seek(); !status.ok()) {
      found = status;
    } else {
      found = Step(wanted);
    }
    if (!found.ok() && core_->generation() == generation) return found.status();
    if (!found.ok()) continue;  // the log was cut meanwhile
    if (*found != Found::kNotYet) return *found == Found::kYes;
  }
}

Status LogCursor::Seek() {
  chunk_ = {};
  segment_ = core_->SegmentOf(position_);
  if (!segment_) return Status(Reason::SEQUENCE_GAP, "no segment for " + ToString(position_));
  const auto point = segment_->Floor(position_);
  if (!point.ok()) {
    segment_ = nullptr;
    return point.status();
  }
  const auto& header = segment_->header();
  if (*point) {
    offset_ = (*point)->offset;
    join_ = {(*point)->sequence, false, 0, Epoch()};
  } else {
    offset_ = segment_->head_size();
    join_ = {header.first, true, header.previous_crc, header.previous.epoch};
  }
  return OkStatus();
}

Result<LogCursor::Found> LogCursor::Step(const Wanted& wanted) {
  ASSIGN_OR_RETURN(const ReadOutcome outcome, ReadRecord(*this, offset_));
  switch (outcome.kind) {
    case ReadOutcome::Kind::kRecord:
      return Take(outcome.record, wanted);
    case ReadOutcome::Kind::kBad:
      if (PassOver(outcome)) return Found::kNotYet;
      return Damage(outcome.why);
    case ReadOutcome::Kind::kEnd:
    case ReadOutcome::Kind::kZeros:
      break;
  }
  RETURN_IF_ERROR(NextSegment());
  return Found::kNotYet;
}

// On the way to an entry, one before it whose payload alone is damaged does not stand in the way:
// the damage is reported, and the header says where to go on.
bool LogCursor::PassOver(const ReadOutcome& bad) {
  const record::EntryHeader& header = bad.record.header;
  const bool on_the_way = record::IsNumbered(header.type) && header.sequence < position_;
  if (!on_the_way || !Join(bad.record, &join_).ok()) return false;
  (void)Damage(bad.why);
  offset_ = bad.record.end();
  return true;
}

Result<LogCursor::Found> LogCursor::Take(const Record& record, const Wanted& wanted) {
  if (Status status = Join(record, &join_); !status.ok()) return Damage(status);
  offset_ = record.end();
  const record::EntryHeader& header = record.header;
  if (header.type == record::EntryType::kHole) return TakeHole(record, wanted);
  if (!record::IsNumbered(header.type) || header.sequence < position_) return Found::kNotYet;
  if (header.sequence > limit_ && header.sequence > core_->ReadableThrough(through_)) {
    return Damage(Status(Reason::SEQUENCE_GAP, "an entry beyond the end of the log"));
  }
  if (wanted.entry) {
    *wanted.entry = record::Entry{header, std::string(record.payload)};
  } else {
    wanted.bytes->append(RawBytes(record));
    *wanted.what = {header.sequence, header.sequence, header.header_crc, header.epoch};
  }
  position_ = header.sequence.next();
  return Found::kYes;
}

// A Hole is stepped over or, when records are wanted, given: from the position on.
Result<LogCursor::Found> LogCursor::TakeHole(const Record& record, const Wanted& wanted) {
  if (wanted.entry) position_ = std::max(position_, join_.next);
  if (wanted.entry || join_.next <= position_) return Found::kNotYet;
  ASSIGN_OR_RETURN(record::Hole hole, record::DecodeHole(record.payload));
  if (hole.last.sequence > core_->ReadableThrough(through_)) {
    segment_ = nullptr;  // not to be parted; looked for again
    return Found::kEnd;
  }
  if (hole.first < position_) {
    hole.first = position_;
    record::EntryHeader header = record.header;
    record::AppendEntry(&header, record::Encode(hole), wanted.bytes);
  } else {
    wanted.bytes->append(RawBytes(record));
  }
  *wanted.what = {hole.first, hole.last.sequence, hole.last_crc, hole.last.epoch};
  position_ = join_.next;
  return Found::kYes;
}

// The end of a segment, which is damage unless the next one continues it.
Status LogCursor::NextSegment() {
  const auto next = core_->SegmentAfter(*segment_);
  if (!next || offset_ < segment_->head_size()) {
    return Damage(Status(Reason::CORRUPTION_DETECTED, "the segment ends early"));
  }
  const auto& header = next->header();
  const bool joins =
      header.first == join_.next && (!join_.chain_known || header.previous_crc == join_.chain);
  if (!joins) {
    return Damage(Status(Reason::CORRUPTION_DETECTED,
                         "the segment ends before sequence " + ToString(header.first)));
  }
  segment_ = next;
  offset_ = header.first == next->first() ? next->head_size() : offset_;
  join_ = {header.first, true, header.previous_crc, header.previous.epoch};
  chunk_ = {};
  return OkStatus();
}

Status LogCursor::Damage(const Status& why) {
  Status status(why.reason() == Reason::CHECKSUM_MISMATCH ? Reason::CHECKSUM_MISMATCH
                                                          : Reason::CORRUPTION_DETECTED,
                segment_->name() + " at " + std::to_string(offset_) + ", sequence " +
                    ToString(join_.next) + ": " + why.message());
  status = std::move(status)
               .Expected(why.expected())
               .Suggest("fetch the range from another copy, or see engram wal verify and repair")
               .With("file", segment_->path())
               .With("offset", offset_)
               .With("sequence", join_.next.value());
  for (const auto& [key, value] : why.metadata()) status = std::move(status).With(key, value);
  if (core_->generation() != generation_) return status;
  return core_->ReportDamage(std::move(status));
}

Result<ByteView> LogCursor::View(uint64_t offset, size_t size) {
  const bool inside =
      chunk_.bytes && offset >= chunk_.base && offset < chunk_.base + chunk_.bytes->size();
  if (!inside) {
    chunk_ = core_->FindInTail(*segment_, offset);
    if (!chunk_.bytes) return ViewFile(offset, size);
  } else if (!chunk_.Covers(offset, size)) {
    // A buffer of the file that ends inside of a record; records never span groups of the tail.
    return ViewFile(offset, size);
  }
  return ByteView(*chunk_.bytes).substr(static_cast<size_t>(offset - chunk_.base), size);
}

Result<ByteView> LogCursor::ViewFile(uint64_t offset, size_t size) {
  const uint64_t written = segment_->written();
  if (offset >= written) return ByteView();
  const auto want =
      static_cast<size_t>(std::min<uint64_t>(std::max(size, read_ahead_), written - offset));
  read_ahead_ = std::min(kLargestRead, read_ahead_ * 2);
  ASSIGN_OR_RETURN(const auto file, segment_->file());
  auto bytes = std::make_shared<std::string>(want, '\0');
  ASSIGN_OR_RETURN(const size_t got, file->ReadAt(offset, bytes->data(), want));
  bytes->resize(got);
  chunk_ = {bytes, offset};
  return ByteView(*bytes).substr(0, size);
}

}  // namespace engram::wal
