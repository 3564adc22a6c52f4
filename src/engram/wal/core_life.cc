// The life of a log in this process: opening, epochs, closing.
#include <algorithm>

#include "engram/base/probe.h"
#include "engram/record/local.h"
#include "engram/wal/core.h"
#include "engram/wal/names.h"

namespace engram::wal {

using record::EntryType;

namespace {

// A segment shorter than this is read faster than another file is opened.
constexpr uint64_t kIndexedAtClose = 256u << 10;

}  // namespace

Core::Core(const LogOptions& options, Recovered recovered)
    : options_(options),
      incarnation_(recovered.incarnation),
      meta_(std::move(recovered.meta)),
      segments_(std::move(recovered.segments)),
      history_(std::move(recovered.history)),
      events_(std::move(recovered.events)),
      end_(recovered.end),
      stamp_offset_(recovered.offset),
      allocated_(recovered.allocated),
      clean_on_disk_(recovered.clean),
      tail_(options.tail_bytes),
      written_end_(recovered.end),
      disk_segment_(segments_.back()),
      written_offset_(recovered.offset),
      durable_(recovered.end),
      synced_offset_(recovered.offset),
      marked_offset_(recovered.marked),
      entries_offset_(recovered.offset),
      committed_((options.commit_is_durable ? recovered.end.sequence
                                            : std::min(recovered.commit, recovered.end.sequence))
                     .value()),
      gate_(options_),
      checkpoints_(recovered.end.sequence),
      damage_(std::move(recovered.damage)),
      end_known_(damage_.ok()) {}

// What has to be done before the log is used: tell what recovery did, finish a rewind, prove the
// end by a mark.
Status Core::Start() {
  MutexLock lock(mutex_);
  for (const Event& event : std::exchange(events_, {})) {
    if (options_.observer) options_.observer->OnEvent(event.name, event.detail);
  }
  if (!damage_.ok()) {
    Visit(Probe::kDamageAtOpening);
    if (options_.observer) {
      options_.observer->OnEvent("corruption_found", damage_.message());
      options_.observer->OnDamage(damage_);
    }
    return OkStatus();
  }
  RETURN_IF_ERROR(meta_->Prove());
  ASSIGN_OR_RETURN(std::shared_ptr<env::File> file,
                   options_.fs->Open(segments_.back()->path(), env::OpenMode::kReadWrite));
  segments_.back()->SetFile(std::move(file));
  if (meta_->meta().phase == Phase::kRewinding) {
    Visit(Probe::kRewindResumed);
    const Sequence before = end_.sequence;
    RETURN_IF_ERROR(Rewind(meta_->meta().rewinding_to));
    cut_at_opening_ = before.value() - end_.sequence.value();
  }
  epoch_ = std::max(end_.epoch, history_.empty() ? Epoch() : history_.back().epoch);
  // Epochs that only the last segment tells of: it will not be the last for ever.
  SpaceMeta meta = MetaNow();
  return meta.history == meta_->meta().history ? OkStatus() : WriteMeta(std::move(meta));
}

// space.meta as it stands, with the history and the commit as far as they are on the disk: an
// opening takes it for damage when the log ends before what space.meta knows of.
SpaceMeta Core::MetaNow() {
  SpaceMeta meta = meta_->meta();
  meta.history = history_;
  while (!meta.history.empty() && meta.history.back().first > durable_.sequence) {
    meta.history.pop_back();
  }
  const Sequence commit = std::min(committed_end(), durable_.sequence);
  if (commit > meta.commit_hint.sequence) {
    const bool at_end = commit == durable_.sequence;
    meta.commit_hint = {at_end ? durable_.epoch : record::EpochAt(history_, commit), commit};
  }
  return meta;
}

Status Core::WriteMeta(SpaceMeta meta) {
  Status status = meta_->Write(std::move(meta));
  if (!status.ok()) Poison(status);
  return status;
}

Status Core::BeginEpoch(Epoch epoch, std::string payload) {
  CheckMayWait();
  std::vector<Draft> drafts;
  drafts.push_back({EntryType::kEpochStart, std::move(payload)});
  ASSIGN_OR_RETURN(Prepared prepared, Prepare(std::move(drafts)));
  Stamped stamped;
  {
    MutexLock lock(mutex_);
    RETURN_IF_ERROR(Refusal());
    if (epoch <= epoch_ || epoch < meta_->meta().promised) {
      return Status(Reason::STALE_EPOCH, "epoch " + ToString(epoch) + " is not new")
          .Expected("above " + ToString(epoch_) + ", at least the promised " +
                    ToString(meta_->meta().promised));
    }
    // The mark of cleanliness goes before the first append, the promise before its epoch.
    SpaceMeta meta = MetaNow();
    meta.promised = epoch;
    meta.clean_end.reset();
    RETURN_IF_ERROR(WriteMeta(std::move(meta)));
    clean_on_disk_ = false;
    may_append_ = false;
    const Epoch before = std::exchange(epoch_, epoch);
    auto result = Stamp(std::move(prepared), nullptr, true);
    if (!result.ok()) {
      epoch_ = before;
      return result.status();
    }
    stamped = std::move(*result);
  }
  if (stamped.lead) Lead(stamped.group);
  WaitFor(stamped.group);
  RETURN_IF_ERROR(stamped.group->status);
  MutexLock lock(mutex_);
  may_append_ = epoch_ == epoch && meta_->meta().promised == epoch;
  return may_append_ ? OkStatus() : NoEpoch();
}

// Until nobody flushes, completes or runs a task. What was posted and has not begun is done here:
// its executor may be gone or, in a test, stand still.
void Core::WaitIdle() {
  CheckMayWait();
  while (true) {
    if (lead_posted_) {
      lead_posted_ = false;
      mutex_.unlock();
      Lead(nullptr);
      mutex_.lock();
    } else if (!completed_.empty() && !completing_) {
      mutex_.unlock();
      Complete(nullptr);
      mutex_.lock();
    } else if (flushing_ || completing_ || tasks_ > 0 || !pending_.empty()) {
      changed_.wait(mutex_);
    } else {
      return;
    }
  }
}

// Truncates what was preallocated, marks and syncs the end, and notes it as clean.
Status Core::LeaveCleanEnd() {
  ASSIGN_OR_RETURN(const auto file, disk_segment_->file());
  if (written_offset_ < disk_segment_->written()) return OkStatus();
  if (entries_offset_ > marked_offset_) {
    RETURN_IF_ERROR(file->Sync());
    Group mark;
    mark.segment = disk_segment_;
    mark.base = written_offset_;
    StampMark(options_.clock->WallNs(), written_offset_, &mark);
    RETURN_IF_ERROR(file->WriteAt(mark.base, mark.bytes));
    written_offset_ = mark.end();
    disk_segment_->set_written(mark.end());
  }
  RETURN_IF_ERROR(file->Truncate(written_offset_));
  RETURN_IF_ERROR(file->Sync());
  durable_ = written_end_;
  SpaceMeta meta = MetaNow();
  meta.clean_end = CleanEnd{
      disk_segment_->first(), written_offset_, {end_.epoch, end_.sequence}, end_.header_crc};
  RETURN_IF_ERROR(meta_->Write(std::move(meta)));
  clean_on_disk_ = true;
  // So that the first read after the next opening need not go through the segment. Derived: a
  // failure costs time only.
  if (written_offset_ >= kIndexedAtClose && disk_segment_->IndexIsWhole()) {
    (void)disk_segment_->WriteIndex({end_.epoch, end_.sequence}, end_.header_crc);
  }
  return OkStatus();
}

Status Core::Close() {
  MutexLock lock(mutex_);
  if (closed_) return poisoned_;
  closed_ = true;
  WaitIdle();
  if (!poisoned_.ok()) return poisoned_;
  if (!damage_.ok()) return OkStatus();
  if (!clean_on_disk_) return LeaveCleanEnd();
  // Nothing was appended, but commit may have risen.
  SpaceMeta meta = MetaNow();
  return meta == meta_->meta() ? OkStatus() : meta_->Write(std::move(meta));
}

// The end of this object without a clean end: what is queued is flushed, then nothing is touched.
void Core::Shut() {
  MutexLock lock(mutex_);
  closed_ = true;
  WaitIdle();
}

EntryIdentity Core::end_identity() {
  MutexLock lock(mutex_);
  return end_;
}
Sequence Core::durable_end() {
  MutexLock lock(mutex_);
  return durable_.sequence;
}
Sequence Core::committed_end() {
  return Sequence(committed_.load(std::memory_order_acquire));
}
Epoch Core::epoch() {
  MutexLock lock(mutex_);
  return epoch_;
}
Epoch Core::promised() {
  MutexLock lock(mutex_);
  return std::max(epoch_, meta_ ? meta_->meta().promised : Epoch());
}
History Core::history() {
  MutexLock lock(mutex_);
  return history_;
}

uint64_t Core::bytes() {
  MutexLock lock(mutex_);
  uint64_t total = 0;
  for (const auto& segment : segments_) {
    total += segment == segments_.back() ? stamp_offset_ : segment->written();
  }
  return total;
}

size_t Core::segments() {
  MutexLock lock(mutex_);
  return segments_.size();
}

Log::State Core::state() {
  MutexLock lock(mutex_);
  Log::State state;
  state.poisoned = !poisoned_.ok();
  state.read_only = !damage_.ok();
  state.full = gate_.full();
  state.end_known = end_known_;
  if (state.poisoned) {
    state.why = poisoned_;
  } else if (state.read_only) {
    state.why = damage_;
  } else if (state.full) {
    state.why = Status(Reason::DISK_FULL, "the disk of the log is full");
  }
  return state;
}

}  // namespace engram::wal
