// Appending: from drafts to entries in the group that collects. Everything here is memory, but for
// making room in the file now and then.
#include <algorithm>

#include "engram/base/hash.h"
#include "engram/record/local.h"
#include "engram/wal/core.h"
#include "engram/wal/names.h"

namespace engram::wal {
namespace {

using record::EntryType;
using record::kHeaderSize;

// More than a SyncMark or a Checkpoint takes.
constexpr uint64_t kLocalBytes = 256;
constexpr uint64_t kFirstAllocation = 64u << 10;
constexpr uint64_t kPage = 4096;

uint64_t RoundUp(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

}  // namespace

Result<Core::Prepared> Core::Prepare(std::vector<Draft> drafts) const {
  ENGRAM_CHECK(!drafts.empty());
  Prepared prepared;
  prepared.frees_space = true;
  prepared.crcs.reserve(drafts.size());
  for (const Draft& draft : drafts) {
    ENGRAM_CHECK(record::IsNumbered(draft.type));
    if (draft.payload.size() > record::kMaxPayloadSize) {
      return Status(Reason::TOO_LARGE,
                    "an entry of " + std::to_string(draft.payload.size()) + " bytes")
          .Expected("at most " + std::to_string(record::kMaxPayloadSize));
    }
    prepared.crcs.push_back(Crc32c(draft.payload));
    prepared.bytes += kHeaderSize + draft.payload.size();
    prepared.frees_space = prepared.frees_space && FreesSpace(draft);
  }
  prepared.drafts = std::move(drafts);
  return prepared;
}

Status Core::Broken() const {
  if (!poisoned_.ok()) return poisoned_;
  if (!damage_.ok()) {
    return Status(Reason::CORRUPTION_DETECTED, "the log is read-only: " + damage_.message())
        .Suggest("fetch the damaged range from another copy, or see engram wal repair --dry-run")
        .With("path", options_.directory);
  }
  if (closed_) return Status(Reason::SHUTTING_DOWN, "the log is closed");
  return OkStatus();
}

Status Core::Refusal() const {
  RETURN_IF_ERROR(Broken());
  if (cutting_) return Status(Reason::RECOVERING, "the log is being cut");
  return OkStatus();
}

// Why there are no appends now: nobody began an epoch here, or another one was promised since.
Status Core::NoEpoch() const {
  RETURN_IF_ERROR(Refusal());
  const Epoch promised = meta_->meta().promised;
  if (promised <= epoch_) {
    return Status(Reason::WAL_FAILED, "an append before an epoch was begun");
  }
  return Status(Reason::STALE_EPOCH, "epoch " + ToString(epoch_) + " is over: epoch " +
                                         ToString(promised) + " was promised")
      .With("epoch", epoch_.value())
      .With("promised", promised.value());
}

Result<Sequence> Core::Append(std::vector<Draft> drafts, DurableCallback done) {
  ASSIGN_OR_RETURN(Prepared prepared, Prepare(std::move(drafts)));
  MutexLock lock(mutex_);
  if (!may_append_) return NoEpoch();
  ASSIGN_OR_RETURN(const Stamped stamped, Stamp(std::move(prepared), std::move(done), false));
  if (!flushing_) PostLead();
  return stamped.first;
}

Result<Sequence> Core::AppendAndWait(std::vector<Draft> drafts, DurableCallback done) {
  CheckMayWait();
  ASSIGN_OR_RETURN(Prepared prepared, Prepare(std::move(drafts)));
  Stamped stamped;
  {
    MutexLock lock(mutex_);
    if (!may_append_) return NoEpoch();
    ASSIGN_OR_RETURN(stamped, Stamp(std::move(prepared), std::move(done), true));
  }
  if (stamped.lead) Lead(stamped.group);
  WaitFor(stamped.group);
  RETURN_IF_ERROR(stamped.group->status);
  return stamped.first;
}

// True when the caller is the leader now: nobody leads, or a task that has not begun.
bool Core::TakeLead() {
  if (flushing_ && !lead_posted_) return false;
  flushing_ = true;
  lead_posted_ = false;
  return true;
}

// The group that takes `bytes` more, with room for them in its file.
Result<GroupPtr> Core::Admit(uint64_t bytes, bool frees_space, int64_t now_ns) {
  RETURN_IF_ERROR(Refusal());
  if (unsynced_bytes_ > 0 && unsynced_bytes_ + bytes > options_.max_unsynced_bytes) {
    return Status(Reason::OVERLOADED, std::to_string(unsynced_bytes_) + " bytes wait for the disk")
        .Expected("at most " + std::to_string(options_.max_unsynced_bytes))
        .Suggest("try again in a moment, with fewer writes at once")
        .With("retry_after_ms", uint64_t{50});
  }
  RETURN_IF_ERROR(gate_.Admit(bytes, frees_space, now_ns));
  RETURN_IF_ERROR(MakeRoom(bytes, now_ns));
  return Collecting(now_ns);
}

// Counts what was stamped into `group`, and closes it when it is full.
void Core::TakeIn(Group* group, size_t bytes, DurableCallback done) {
  unsynced_bytes_ += bytes;
  ++appends_;
  if (done) group->callbacks.push_back(std::move(done));
  if (options_.fsync_mode == FsyncMode::kPerWrite ||
      group->bytes.size() >= options_.group_commit_bytes) {
    group->closed = true;
  }
}

Result<Core::Stamped> Core::Stamp(Prepared prepared, DurableCallback done, bool waiter) {
  const int64_t now = options_.clock->WallNs();
  Stamped stamped;
  ASSIGN_OR_RETURN(stamped.group, Admit(prepared.bytes, prepared.frees_space, now));
  stamped.first = end_.sequence.next();
  Group* group = stamped.group.get();
  const size_t before = group->bytes.size();
  for (size_t i = 0; i < prepared.drafts.size(); ++i) {
    const Draft& draft = prepared.drafts[i];
    StampEntry(draft.type, draft.payload, prepared.crcs[i], now, group);
  }
  if (checkpoints_.due()) StampCheckpoint(now, group);
  TakeIn(group, group->bytes.size() - before, std::move(done));
  if (waiter) {
    ++group->waiters;
    stamped.lead = TakeLead();
  }
  return stamped;
}

Status Core::MakeRoom(uint64_t bytes, int64_t now_ns) {
  bytes += 2 * kLocalBytes;
  const bool has_entries = end_.sequence >= segments_.back()->first();
  if (has_entries && stamp_offset_ + bytes > options_.segment_bytes) return Roll(bytes, now_ns);
  ASSIGN_OR_RETURN(const auto file, segments_.back()->file());
  const uint64_t needed = stamp_offset_ + bytes;
  return Allocate(*file, needed, GrowTo(needed), &allocated_);
}

// What the active segment is grown to: doubling, up to the size of a segment.
uint64_t Core::GrowTo(uint64_t needed) const {
  uint64_t target = std::max(allocated_, kFirstAllocation);
  while (target < needed) target *= 2;
  return std::min(target, options_.segment_bytes);
}

// Allocates `wish` bytes to the file, `needed` at least, unless it has what is needed.
Status Core::Allocate(env::File& file, uint64_t needed, uint64_t wish, uint64_t* allocated) {
  if (!options_.preallocate || needed <= *allocated) return OkStatus();
  const uint64_t least = RoundUp(needed);
  uint64_t target = std::max(wish, least);
  Status status = file.Preallocate(target);
  if (!status.ok() && status.reason() == Reason::DISK_FULL && target > least) {
    target = least;
    status = file.Preallocate(target);
  }
  if (status.ok()) {
    *allocated = target;
  } else if (status.reason() == Reason::DISK_FULL) {
    return gate_.Refused(status);
  }
  return status;
}

// Prepares the next segment under a temporary name. It gets its own when its first group is
// written, after the last sync of the segment before it.
Status Core::Roll(uint64_t needed, int64_t now_ns) {
  record::SegmentHeader header = segments_.back()->header();
  header.nonce = options_.entropy->Next();
  header.first = end_.sequence.next();
  header.previous = {end_.epoch, end_.sequence};
  header.previous_crc = end_.header_crc;
  std::string head = EncodeSegmentHead(header, static_cast<uint64_t>(now_ns));
  const std::string path =
      SegmentPath(options_.directory, header.first) + std::string(kTemporarySuffix);
  ASSIGN_OR_RETURN(std::shared_ptr<env::File> file,
                   options_.fs->Open(path, env::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  uint64_t allocated = 0;
  // A log that fills segments gets the next one whole.
  const Status status = Allocate(*file, head.size() + needed, options_.segment_bytes, &allocated);
  if (!status.ok()) {
    (void)options_.fs->Remove(path);  // recovery removes it as well
    return status;
  }
  auto segment = std::make_shared<Segment>(options_.fs, options_.directory,
                                           SegmentHead{header, head.size(), {}}, head.size());
  segment->SetFile(std::move(file));
  segment->set_written(0);
  segments_.push_back(std::move(segment));
  if (!pending_.empty()) pending_.back()->closed = true;
  stamp_offset_ = head.size();
  allocated_ = allocated;
  unstarted_head_ = std::move(head);
  return OkStatus();
}

// The group that collects; a new one, which begins with a SyncMark, when there is none.
GroupPtr Core::Collecting(int64_t now_ns) {
  if (!pending_.empty() && !pending_.back()->closed) return pending_.back();
  auto group = std::make_shared<Group>();
  group->segment = segments_.back();
  group->base = stamp_offset_;
  group->bytes = std::exchange(spare_, {});
  group->bytes.clear();
  if (!unstarted_head_.empty()) {
    group->starts_segment = true;
    group->head = std::exchange(unstarted_head_, {});
    group->former = segments_[segments_.size() - 2];
    group->former_end = end_;
  }
  // A group is written only after the sync of the one before it, so that what precedes it is
  // synced when its mark is written; without syncs, only what timers have synced is.
  uint64_t synced = group->base;
  if (group->starts_segment)
    synced = 0;
  else if (!SyncsGroups())
    synced = disk_segment_ == group->segment ? synced_offset_ : 0;
  StampMark(now_ns, synced, group.get());
  group->last = end_;
  pending_.push_back(group);
  tail_.Push(group);
  return group;
}

void Core::StampMark(int64_t now_ns, uint64_t synced, Group* group) {
  record::EntryHeader header;
  header.timestamp_ns = static_cast<uint64_t>(now_ns);
  header.type = EntryType::kSyncMark;
  const record::SyncMark mark{group->segment->header().nonce, synced,
                              std::min(committed_end(), durable_.sequence)};
  record::AppendEntry(&header, record::Encode(mark), &group->bytes);
  group->marked = synced;
  stamp_offset_ = group->end();
  unsynced_bytes_ += group->bytes.size();
}

void Core::StampEntry(EntryType type, ByteView payload, uint32_t payload_crc, int64_t now_ns,
                      Group* group) {
  record::EntryHeader header;
  header.sequence = end_.sequence.next();
  header.timestamp_ns = static_cast<uint64_t>(now_ns);
  header.type = type;
  header.payload_size = static_cast<uint32_t>(payload.size());
  header.payload_crc = payload_crc;
  header.epoch = epoch_;
  header.chain = end_.header_crc;
  char bytes[kHeaderSize];
  record::EncodeHeader(&header, bytes);
  group->segment->Note(header.sequence, stamp_offset_);
  group->bytes.append(bytes, kHeaderSize);
  group->bytes.append(payload);
  end_ = {epoch_, header.sequence, header.header_crc};
  NoteEntry(group, type);
  checkpoints_.Add(header.sequence, header.header_crc, kHeaderSize + payload.size());
}

// What `group` ends with now is the end of the log.
void Core::NoteEntry(Group* group, EntryType type) {
  stamp_offset_ = group->end();
  group->last = end_;
  ++group->entries;
  if (type != EntryType::kEpochStart) return;
  group->starts_epoch = true;
  history_.push_back({end_.epoch, end_.sequence});
  if (history_.size() > kHistoryMax) history_.erase(history_.begin());
}

void Core::StampCheckpoint(int64_t now_ns, Group* group) {
  if (!checkpoints_.known()) return PostCheckpointCatchUp();
  const std::string payload = record::Encode(checkpoints_.Take(end_.sequence));
  StampEntry(EntryType::kCheckpoint, payload, Crc32c(payload), now_ns, group);
}

}  // namespace engram::wal
