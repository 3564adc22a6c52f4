// What the connections of one database share in this process: the lock of its main file (NONE <
// SHARED < RESERVED < PENDING < EXCLUSIVE, sqlite.org/lockingv3.html) and the wal-index with its
// eight locks (sqlite.org/walformat.html). Levels are SQLite's own numbers. Thread-safe; nothing
// here waits: a lock that is taken is BUSY.
//
// Invariants: at most one writer (RESERVED and above); EXCLUSIVE only when nobody else is SHARED; a
// wal-index lock is free, or exclusive to one, or shared by some.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engram/base/thread_annotations.h"

namespace engram::index {

class SharedLocks {
 public:
  static constexpr int kNone = 0, kShared = 1, kReserved = 2, kPending = 3, kExclusive = 4;
  static constexpr int kShmLocks = 8;

  // What one connection holds. Owned by its file; used by one thread at a time.
  struct Held {
    int level = kNone;
    uint32_t shm_shared = 0;  // bit i: wal-index lock i
    uint32_t shm_exclusive = 0;
    bool mapped = false;
  };

  // Raises `held` to `level`; false when another connection is in the way (then `held` may stand
  // at PENDING, as SQLite expects).
  bool Lock(Held* held, int level);
  // Lowers `held` to kShared or kNone.
  void Unlock(Held* held, int level);
  bool IsReserved() const;

  // Locks `count` wal-index locks from `first`, all or none.
  bool ShmLock(Held* held, int first, int count, bool exclusive);
  void ShmUnlock(Held* held, int first, int count);
  // Memory of one region of `size` bytes, zeros at first; null when it does not exist and must not
  // be made.
  volatile void* ShmMap(Held* held, size_t region, size_t size, bool extend);
  // The last one who leaves takes the wal-index with it.
  void ShmUnmap(Held* held);
  void ShmBarrier();

 private:
  mutable Mutex mutex_;
  int readers_ GUARDED_BY(mutex_) = 0;  // connections at SHARED and above
  const Held* writer_ GUARDED_BY(mutex_) = nullptr;
  int writer_level_ GUARDED_BY(mutex_) = kNone;
  int mapped_ GUARDED_BY(mutex_) = 0;
  std::array<int, kShmLocks> shm_readers_ GUARDED_BY(mutex_){};
  uint32_t shm_exclusive_ GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<char[]>> regions_ GUARDED_BY(mutex_);
};

}  // namespace engram::index
