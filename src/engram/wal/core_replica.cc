// A log that follows another one: promises, what is received, what is known of commit and floors.
#include <algorithm>

#include "engram/wal/core.h"

namespace engram::wal {

Status Core::Promise(Epoch epoch) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Refusal());
  if (epoch <= std::max(epoch_, meta_->meta().promised)) return OkStatus();
  SpaceMeta meta = meta_->meta();
  meta.promised = epoch;
  RETURN_IF_ERROR(WriteMeta(std::move(meta)));
  may_append_ = false;
  return OkStatus();
}

Status Core::AppendReceived(std::span<const record::BatchRecord>, DurableCallback) {
  return Status(Reason::UNSUPPORTED_VERSION, "receiving");
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
  RETURN_IF_ERROR(Refusal());
  SpaceMeta meta = meta_->meta();
  meta.tombstone_floor = floors.tombstone;
  meta.compaction_floor = floors.compaction;
  meta.begun_epoch = floors.begun_epoch;
  meta.begun_floor = floors.begun_floor;
  if (meta == meta_->meta()) return OkStatus();
  return WriteMeta(std::move(meta));
}

}  // namespace engram::wal
