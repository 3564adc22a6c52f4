// What a log does by itself: syncs of the timer mode, the mark of an idle log, index files of
// sealed segments, and reading up for a Checkpoint after a restart.
#include "engram/wal/core.h"

namespace engram::wal {

void Core::Later(env::Duration delay, void (Core::*work)()) {
  auto task = [weak = weak_from_this(), work] {
    if (const auto core = weak.lock()) core->RunTask(work);
  };
  if (delay.count() == 0) {
    options_.executor->Post(std::move(task));
  } else {
    options_.executor->PostAfter(delay, std::move(task));
  }
}

void Core::RunTask(void (Core::*work)()) {
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    ++tasks_;
  }
  (this->*work)();
  MutexLock lock(mutex_);
  --tasks_;
  changed_.notify_all();
}

void Core::ArmSyncTimer() {
  if (sync_timer_ || closed_) return;
  sync_timer_ = true;
  Later(options_.fsync_interval, &Core::SyncNow);
}

void Core::SyncNow() {
  std::shared_ptr<Segment> segment;
  EntryIdentity through;
  uint64_t offset = 0;
  {
    MutexLock lock(mutex_);
    sync_timer_ = false;
    if (!Writable()) return;
    segment = disk_segment_;
    through = written_end_;
    offset = written_offset_;
  }
  const auto file = segment->file();
  const Status status = file.ok() ? (*file)->Sync() : file.status();
  MutexLock lock(mutex_);
  if (!status.ok()) return Poison(status);
  if (through.sequence > durable_.sequence) durable_ = through;
  if (segment == disk_segment_ && offset > synced_offset_) synced_offset_ = offset;
  if (segment == disk_segment_ && written_offset_ > offset) ArmSyncTimer();
}

void Core::ArmIdleTimer() {
  if (idle_timer_ || !Writable() || options_.fsync_mode == FsyncMode::kNone) return;
  if (entries_offset_ <= marked_offset_) return;
  idle_timer_ = true;
  appends_at_idle_timer_ = appends_;
  Later(options_.idle_mark_delay, &Core::MarkIdle);
}

// Without this, damage to the last group would look like a torn tail.
void Core::MarkIdle() {
  GroupPtr group;
  {
    MutexLock lock(mutex_);
    idle_timer_ = false;
    const bool busy = flushing_ || cutting_ || !pending_.empty();
    if (!Writable() || busy) return;  // the end of that flush arms the timer again
    const bool synced = synced_offset_ >= written_offset_;
    if (appends_ != appends_at_idle_timer_ || !synced) return ArmIdleTimer();
    if (entries_offset_ <= marked_offset_ || stamp_offset_ != written_offset_) return;
    if (!MakeRoom(0, options_.clock->WallNs()).ok()) return;
    group = Collecting(options_.clock->WallNs());
    group->closed = true;
    flushing_ = true;
  }
  Lead(group);
}

void Core::WriteIndexLater(std::shared_ptr<Segment> segment, EntryIdentity last) {
  auto task = [weak = weak_from_this(), segment, last] {
    const auto core = weak.lock();
    if (!core) return;
    {
      MutexLock lock(core->mutex_);
      if (core->closed_) return;
      ++core->tasks_;
    }
    // Derived: without it, the next reader builds it.
    const Status status = segment->WriteIndex({last.epoch, last.sequence}, last.header_crc);
    if (!status.ok() && core->options_.observer) {
      core->options_.observer->OnEvent("segment_index_not_written", status.message());
    }
    MutexLock lock(core->mutex_);
    --core->tasks_;
    core->changed_.notify_all();
  };
  options_.executor->Post(std::move(task));
}

void Core::PostCheckpointCatchUp() {
  if (catching_up_) return;
  catching_up_ = true;
  Later(env::Duration(0), &Core::CheckpointCatchUp);
}

// Reads the header CRCs since the last Checkpoint, segment by segment from the newest; then the
// next append that finds a Checkpoint due can make it.
void Core::CheckpointCatchUp() {
  Sequence through;
  {
    MutexLock lock(mutex_);
    through = checkpoints_.missing_through();
  }
  std::vector<uint32_t> crcs;
  Sequence first = through.next();
  for (auto segment = SegmentOf(through); segment; segment = SegmentOf(segment->first().prev())) {
    std::vector<uint32_t> here;
    Sequence begin = segment->first();
    bool found = false;
    const auto cursor = NewCursor(begin, ReadThrough::kAppended);
    while (true) {
      auto entry = cursor->Next();
      if (!entry.ok() || !*entry || (*entry)->header.sequence > through) break;
      const record::EntryHeader& header = (*entry)->header;
      const bool gap = header.sequence.value() != begin.value() + here.size();
      if (header.type == record::EntryType::kCheckpoint || gap) {
        // The range begins with the Checkpoint itself, or behind a Hole.
        here.clear();
        begin = header.sequence;
        found = true;
      }
      here.push_back(header.header_crc);
    }
    if (begin.value() + here.size() != first.value()) break;  // damage: no Checkpoint over it
    here.insert(here.end(), crcs.begin(), crcs.end());
    crcs = std::move(here);
    first = begin;
    if (found || first == Sequence(1)) break;
  }
  MutexLock lock(mutex_);
  catching_up_ = false;
  checkpoints_.Supply(first, crcs);
}

}  // namespace engram::wal
