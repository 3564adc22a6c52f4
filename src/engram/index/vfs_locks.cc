#include "engram/index/vfs_locks.h"

#include <atomic>

namespace engram::index {
namespace {

uint32_t MaskOf(int first, int count) {
  return ((1u << count) - 1) << first;
}

}  // namespace

bool SharedLocks::Lock(Held* held, int level) {
  MutexLock lock(mutex_);
  if (held->level >= level) return true;
  if (level == kShared) {
    if (writer_level_ >= kPending) return false;
    ++readers_;
    held->level = kShared;
    return true;
  }
  if (writer_ != nullptr && writer_ != held) return false;
  writer_ = held;
  writer_level_ = held->level = level == kReserved ? kReserved : kPending;
  if (level == kReserved) return true;
  if (readers_ > 1) return false;
  writer_level_ = held->level = kExclusive;
  return true;
}

void SharedLocks::Unlock(Held* held, int level) {
  MutexLock lock(mutex_);
  if (held->level <= level) return;
  if (writer_ == held) {
    writer_ = nullptr;
    writer_level_ = kNone;
  }
  if (level == kNone) --readers_;
  held->level = level;
}

bool SharedLocks::IsReserved() const {
  MutexLock lock(mutex_);
  return writer_ != nullptr;
}

bool SharedLocks::ShmLock(Held* held, int first, int count, bool exclusive) {
  MutexLock lock(mutex_);
  const uint32_t mask = MaskOf(first, count);
  if ((shm_exclusive_ & ~held->shm_exclusive & mask) != 0) return false;
  if (!exclusive) {
    if ((held->shm_shared & mask) != 0) return true;
    for (int i = first; i < first + count; ++i) ++shm_readers_[i];
    held->shm_shared |= mask;
    return true;
  }
  for (int i = first; i < first + count; ++i) {
    if (shm_readers_[i] > ((held->shm_shared >> i) & 1 ? 1 : 0)) return false;
  }
  shm_exclusive_ |= mask;
  held->shm_exclusive |= mask;
  return true;
}

void SharedLocks::ShmUnlock(Held* held, int first, int count) {
  MutexLock lock(mutex_);
  const uint32_t mask = MaskOf(first, count);
  for (int i = first; i < first + count; ++i) {
    if ((held->shm_shared >> i) & 1) --shm_readers_[i];
  }
  shm_exclusive_ &= ~(held->shm_exclusive & mask);
  held->shm_shared &= ~mask;
  held->shm_exclusive &= ~mask;
}

volatile void* SharedLocks::ShmMap(Held* held, size_t region, size_t size, bool extend) {
  MutexLock lock(mutex_);
  if (!held->mapped) {
    held->mapped = true;
    ++mapped_;
  }
  if (region >= regions_.size() && !extend) return nullptr;
  while (regions_.size() <= region) regions_.push_back(std::make_unique<char[]>(size));
  return regions_[region].get();
}

void SharedLocks::ShmUnmap(Held* held) {
  ShmUnlock(held, 0, kShmLocks);
  MutexLock lock(mutex_);
  if (!held->mapped) return;
  held->mapped = false;
  if (--mapped_ == 0) regions_.clear();
}

void SharedLocks::ShmBarrier() {
#if !defined(__SANITIZE_THREAD__)  // which knows mutexes, but no fences
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  MutexLock lock(mutex_);
}

}  // namespace engram::index
