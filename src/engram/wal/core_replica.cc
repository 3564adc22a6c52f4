// A log that follows another one: promises, what is received, what is known of commit and floors.
#include <algorithm>

#include "engram/record/local.h"
#include "engram/wal/core.h"

namespace engram::wal {

using record::EntryType;

Status Core::Promise(Epoch epoch) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Broken());
  if (epoch <= std::max(epoch_, meta_->meta().promised)) return OkStatus();
  SpaceMeta meta = MetaNow();
  meta.promised = epoch;
  RETURN_IF_ERROR(WriteMeta(std::move(meta)));
  may_append_ = false;
  return OkStatus();
}

Status Core::AppendReceived(std::span<const record::BatchRecord> records, DurableCallback done) {
  size_t bytes = 0;
  for (const record::BatchRecord& record : records) bytes += record.bytes.size();
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Refusal());
  if (may_append_) {
    return Status(Reason::STALE_EPOCH,
                  "this log writes epoch " + ToString(epoch_) + " itself and receives nothing")
        .With("epoch", epoch_.value());
  }
  RETURN_IF_ERROR(CheckReceived(records));
  RETURN_IF_ERROR(RemoveCleanEnd());
  // Only its primary decides what may go into the reserve of the disk.
  ASSIGN_OR_RETURN(const GroupPtr group, Admit(bytes, false, options_.clock->WallNs()));
  for (const record::BatchRecord& record : records) StampReceived(record, group.get());
  TakeIn(group.get(), bytes, std::move(done));
  if (!flushing_) PostLead();
  return OkStatus();
}

// That all of them continue this log, one after another.
Status Core::CheckReceived(std::span<const record::BatchRecord> records) {
  if (records.empty()) return Status(Reason::EMPTY_BATCH, "nothing was received");
  const Epoch promised = std::max(epoch_, meta_->meta().promised);
  JoinState join{end_.sequence.next(), true, end_.header_crc, end_.epoch};
  for (const record::BatchRecord& record : records) {
    const bool hole = record.header.type == EntryType::kHole;
    if (!hole && !record::IsNumbered(record.header.type)) {
      return Status(Reason::CORRUPTION_DETECTED,
                    std::string(record::Name(record.header.type)) + " is never shipped");
    }
    Epoch epoch = record.header.epoch;
    if (hole) {
      ASSIGN_OR_RETURN(const record::Hole h, record::DecodeHole(record.payload));
      epoch = h.last.epoch;
    }
    if (epoch < join.epoch || epoch > promised) {
      return Status(Reason::STALE_EPOCH, "a record of epoch " + ToString(epoch) + " behind " +
                                             ToString(join.next.prev()))
          .Expected("epoch " + ToString(join.epoch) + " to " + ToString(promised) +
                    ", which was promised")
          .With("epoch", epoch.value())
          .With("promised", promised.value());
    }
    RETURN_IF_ERROR(Join(Record{0, record.header, record.payload}, &join));
  }
  return OkStatus();
}

Status Core::RemoveCleanEnd() {
  if (!clean_on_disk_ && !meta_->meta().clean_end) return OkStatus();
  SpaceMeta meta = MetaNow();
  meta.clean_end.reset();
  RETURN_IF_ERROR(WriteMeta(std::move(meta)));
  clean_on_disk_ = false;
  return OkStatus();
}

// Takes over what CheckReceived has found to be good, byte for byte.
void Core::StampReceived(const record::BatchRecord& record, Group* group) {
  const record::EntryHeader& header = record.header;
  const Sequence first = FirstSequence(Record{0, header, record.payload});
  if (header.type == EntryType::kHole) {
    const auto hole = record::DecodeHole(record.payload);
    ENGRAM_CHECK(hole.ok());
    end_ = {hole->last.epoch, hole->last.sequence, hole->last_crc};
    checkpoints_.Begin(end_.sequence.next());
  } else {
    if (header.type == EntryType::kCheckpoint) CompareCheckpoint(header.sequence, record.payload);
    end_ = {header.epoch, header.sequence, header.header_crc};
    checkpoints_.Add(header.sequence, header.header_crc, record.bytes.size());
  }
  epoch_ = std::max(epoch_, end_.epoch);
  group->segment->Note(first, stamp_offset_);
  group->bytes.append(record.bytes);
  NoteEntry(group, header.type);
}

// The primary's digest against this log's own, when that is of the same range. The next range
// begins with the Checkpoint at `at`.
void Core::CompareCheckpoint(Sequence at, ByteView payload) {
  const auto theirs = record::DecodeCheckpoint(payload);
  if (theirs.ok() && checkpoints_.known() && checkpoints_.first() == theirs->first) {
    const record::Checkpoint own = checkpoints_.Take(at.prev());
    if (own != *theirs && options_.observer) {
      options_.observer->OnEvent("digest_differs", "entries " + ToString(own.first) + " to " +
                                                       ToString(own.last) +
                                                       " are not those of the primary");
      options_.observer->OnDigestDiffers(own.first, own.last);
    }
  }
  checkpoints_.Begin(at);
}

void Core::SetCommit(Sequence commit) {
  if (options_.commit_is_durable) return;
  MutexLock lock(mutex_);
  commit = std::min(commit, end_.sequence);
  if (commit > committed_end()) committed_.store(commit.value(), std::memory_order_release);
}

Log::Floors Core::floors() {
  MutexLock lock(mutex_);
  if (!meta_) return {};
  const SpaceMeta& meta = meta_->meta();
  return {meta.tombstone_floor, meta.compaction_floor, meta.begun_epoch, meta.begun_floor};
}

Status Core::SetFloors(const Log::Floors& floors) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Broken());
  SpaceMeta meta = MetaNow();
  meta.tombstone_floor = floors.tombstone;
  meta.compaction_floor = floors.compaction;
  meta.begun_epoch = floors.begun_epoch;
  meta.begun_floor = floors.begun_floor;
  if (meta == meta_->meta()) return OkStatus();
  return WriteMeta(std::move(meta));
}

}  // namespace engram::wal
