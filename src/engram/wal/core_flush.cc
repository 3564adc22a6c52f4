// Flushing: one leader at a time writes and syncs the oldest group, hands the lead on, and then
// completes what was flushed, in order.
#include "engram/base/probe.h"
#include "engram/wal/core.h"
#include "engram/wal/names.h"

namespace engram::wal {
namespace {

constexpr size_t kLargestSpare = 8u << 20;

// The log of which this thread runs callbacks.
thread_local const Core* completing_here = nullptr;

}  // namespace

void Core::PostLead() {
  flushing_ = lead_posted_ = true;
  options_.executor->Post([core = shared_from_this()] { core->LeadPosted(); });
}

void Core::LeadPosted() {
  {
    MutexLock lock(mutex_);
    if (!lead_posted_) return;  // somebody who waited took it over
    lead_posted_ = false;
  }
  Lead(nullptr);
}

// Flushes until `until` is flushed (one group, when null). The caller has taken the lead.
void Core::Lead(const GroupPtr& until) {
  while (!FlushFront(until)) {
  }
  HandOver();
  Complete(until);
}

// Flushes the oldest group. True when there is no reason to go on.
bool Core::FlushFront(const GroupPtr& until) {
  GroupPtr group;
  {
    MutexLock lock(mutex_);
    if (pending_.empty() || (until && until->flushed)) return true;
    group = pending_.front();
    pending_.pop_front();
    group->closed = true;
    in_flight_ = group;
  }
  env::Duration write{}, sync{};
  Status status = WriteGroup(*group, &write, &sync);
  MutexLock lock(mutex_);
  in_flight_ = nullptr;
  if (status.ok()) {
    NoteFlushed(group, Syncs(*group) || group->starts_segment);
    // Before a later segment can exist: an opening reads the last one only.
    if (group->starts_epoch) status = meta_->Write(MetaNow());
    Conclude(group, status);
    if (!status.ok()) {
      Poison(status);
    } else if (options_.observer) {
      options_.observer->OnGroup(group->entries, group->bytes.size(), write, sync);
    }
  } else {
    pending_.push_front(group);
    Poison(status);
  }
  return !until || until->flushed;
}

Status Core::WriteGroup(Group& group, env::Duration* write, env::Duration* sync) {
  env::Clock& clock = *options_.clock;
  const env::Instant start = clock.Now();
  if (group.starts_segment) {
    RETURN_IF_ERROR(StartSegment(group));
    *sync = clock.Now() - start;
    return OkStatus();
  }
  ASSIGN_OR_RETURN(const auto file, group.segment->file());
  RETURN_IF_ERROR(file->WriteAt(group.base, group.bytes));
  const env::Instant written = clock.Now();
  *write = written - start;
  if (!Syncs(group)) return OkStatus();
  RETURN_IF_ERROR(file->Sync());
  *sync = clock.Now() - written;
  return OkStatus();
}

// Seals the segment before, then gives the new one its name. Synced in every mode: a successor is
// the proof that all before it is on the disk.
Status Core::StartSegment(Group& group) {
  ASSIGN_OR_RETURN(const auto former, group.former->file());
  RETURN_IF_ERROR(former->Truncate(group.former->written()));
  RETURN_IF_ERROR(former->Sync());
  ASSIGN_OR_RETURN(const auto file, group.segment->file());
  RETURN_IF_ERROR(file->WriteAt(0, group.head));
  RETURN_IF_ERROR(file->WriteAt(group.base, group.bytes));
  RETURN_IF_ERROR(file->Sync());
  const std::string path = group.segment->path();
  RETURN_IF_ERROR(options_.fs->Rename(path + std::string(kTemporarySuffix), path));
  RETURN_IF_ERROR(options_.fs->SyncDirectory(SegmentDirectory(options_.directory)));
  group.former->set_sealed(true);
  WriteIndexLater(group.former, group.former_end);
  return OkStatus();
}

void Core::NoteFlushed(const GroupPtr& group, bool synced) {
  group->segment->set_written(group->end());
  disk_segment_ = group->segment;
  written_end_ = group->last;
  written_offset_ = group->end();
  marked_offset_ = group->marked;
  if (group->entries > 0 || group->starts_segment) entries_offset_ = group->end();
  if (group->starts_segment) synced_offset_ = 0;
  if (synced) {
    durable_ = group->last;
    synced_offset_ = group->end();
  } else if (options_.fsync_mode == FsyncMode::kTimer) {
    ArmSyncTimer();
  }
  if (options_.commit_is_durable) {
    committed_.store(group->last.sequence.value(), std::memory_order_release);
  }
  std::string spare = tail_.Trim(pending_.empty() ? nullptr : pending_.front().get());
  if (spare.capacity() > spare_.capacity() && spare.capacity() <= kLargestSpare) {
    spare_ = std::move(spare);
  }
}

void Core::Conclude(const GroupPtr& group, Status status) {
  group->closed = group->flushed = true;
  group->status = std::move(status);
  unsynced_bytes_ -= group->bytes.size();
  completed_.push_back(group);
}

// Passes the lead to a caller that waits on the next group, else to the executor.
void Core::HandOver() {
  GroupPtr next;
  {
    MutexLock lock(mutex_);
    if (pending_.empty()) {
      flushing_ = false;
      ArmIdleTimer();
      changed_.notify_all();
      return;
    }
    if (pending_.front()->waiters == 0) return PostLead();
    next = pending_.front();
    next->state.store(Group::kNeedsLeader, std::memory_order_release);
  }
  next->state.notify_one();
}

// Finishes flushed groups in order, until `until` is done (all that there are, when null). Only
// one thread does; another waits for it, or leaves the rest to it.
void Core::Complete(const GroupPtr& until) {
  {
    MutexLock lock(mutex_);
    if (completing_) return;
    completing_ = true;
    while (!completed_.empty()) {
      const GroupPtr group = completed_.front();
      completed_.pop_front();
      lock.unlock();
      Finish(group);
      lock.lock();
      if (group == until && !completed_.empty()) {
        // The rest is not this caller's business.
        options_.executor->Post([core = shared_from_this()] { core->Complete(nullptr); });
        break;
      }
    }
    completing_ = false;
    changed_.notify_all();
  }
}

// A callback that waits for its log waits for its own end.
void Core::CheckMayWait() const {
  ENGRAM_CHECK(completing_here != this);
}

void Core::Finish(const GroupPtr& group) {
  const Core* const before = std::exchange(completing_here, this);
  for (DurableCallback& done : group->callbacks) done(group->status);
  completing_here = before;
  group->callbacks.clear();
  group->state.store(Group::kDone, std::memory_order_release);
  group->state.notify_all();
}

void Core::WaitFor(const GroupPtr& group) {
  while (true) {
    int state = group->state.load(std::memory_order_acquire);
    if (state == Group::kDone) return;
    if (state != Group::kNeedsLeader) {
      group->state.wait(state, std::memory_order_acquire);
    } else if (group->state.compare_exchange_strong(state, Group::kLed)) {
      Lead(group);
    }
  }
}

// A write or sync failed: what is on its way fails, and everything after it. The kernel may have
// dropped the pages and called them clean, so nothing is tried again.
void Core::Poison(const Status& why) {
  if (poisoned_.ok()) {
    if (pending_.size() > 1 || (!pending_.empty() && pending_.front()->entries > 1)) {
      Visit(Probe::kGroupFailed);
    }
    poisoned_ = Status(Reason::WAL_POISONED, "the log failed: " + why.message())
                    .Expected("writes and syncs that succeed")
                    .Suggest("look at the disk, then restart; the log is recovered when opened")
                    .With("path", options_.directory)
                    .With("cause", std::string(InfoOf(why.reason()).name));
    if (options_.observer) options_.observer->OnPoisoned(poisoned_);
  }
  while (!pending_.empty()) {
    const GroupPtr group = pending_.front();
    pending_.pop_front();
    Conclude(group, poisoned_);
  }
}

}  // namespace engram::wal
