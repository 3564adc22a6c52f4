// Reading: which segment, which bytes, how far.
#include <algorithm>

#include "engram/wal/core.h"
#include "engram/wal/cursor.h"

namespace engram::wal {
namespace {

bool Above(Sequence sequence, const std::shared_ptr<Segment>& segment) {
  return sequence < segment->first();
}

}  // namespace

// The segment whose range holds `sequence`; null below the first.
std::shared_ptr<Segment> Core::SegmentOf(Sequence sequence) {
  MutexLock lock(mutex_);
  const auto above = std::upper_bound(segments_.begin(), segments_.end(), sequence, Above);
  return above == segments_.begin() ? nullptr : *std::prev(above);
}

std::shared_ptr<Segment> Core::SegmentAfter(const Segment& segment) {
  MutexLock lock(mutex_);
  const auto above = std::upper_bound(segments_.begin(), segments_.end(), segment.first(), Above);
  return above == segments_.end() ? nullptr : *above;
}

Chunk Core::FindInTail(const Segment& segment, uint64_t offset) {
  MutexLock lock(mutex_);
  return tail_.Find(&segment, offset);
}

Sequence Core::ReadableThrough(ReadThrough through) {
  if (through == ReadThrough::kCommitted) return committed_end();
  MutexLock lock(mutex_);
  return end_.sequence;
}

std::unique_ptr<Cursor> Core::NewCursor(Sequence from, ReadThrough through) {
  return std::make_unique<LogCursor>(shared_from_this(), from, through);
}

Result<record::Entry> Core::Read(Sequence sequence) {
  const Status none = Status(Reason::MEMORY_NOT_FOUND,
                             "no entry with sequence " + ToString(sequence) + " in the log")
                          .With("sequence", sequence.value());
  if (sequence.is_zero()) return none;
  LogCursor cursor(shared_from_this(), sequence, ReadThrough::kAppended);
  ASSIGN_OR_RETURN(auto entry, cursor.Next());
  if (!entry || entry->header.sequence != sequence) return none;
  return std::move(*entry);
}

Result<std::optional<EntryIdentity>> Core::IdentityAt(Sequence sequence) {
  if (const EntryIdentity end = end_identity(); !sequence.is_zero() && end.sequence == sequence) {
    return std::optional<EntryIdentity>(end);
  }
  const auto entry = Read(sequence);
  if (!entry.ok()) {
    if (entry.status().reason() == Reason::MEMORY_NOT_FOUND) {
      return std::optional<EntryIdentity>();
    }
    return entry.status();
  }
  const record::EntryHeader& header = entry->header;
  return std::optional<EntryIdentity>({header.epoch, header.sequence, header.header_crc});
}

Sequence Core::first() {
  LogCursor cursor(shared_from_this(), Sequence(1), ReadThrough::kAppended);
  const auto entry = cursor.Next();
  return entry.ok() && *entry ? (*entry)->header.sequence : Sequence(1);
}

bool Core::NoteDamage(const Status& status) {
  MutexLock lock(mutex_);
  if (!damage_.ok()) return false;
  damage_ = status;
  return true;
}

Status Core::ReportDamage(Status status) {
  if (NoteDamage(status) && options_.observer) {
    options_.observer->OnEvent("corruption_found", status.message());
    options_.observer->OnDamage(status);
  }
  return status;
}

}  // namespace engram::wal
