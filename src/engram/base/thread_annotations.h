// Clang's thread-safety analysis (clang.llvm.org/docs/ThreadSafetyAnalysis.html): a mutex that the
// compiler knows, and what it guards. Other compilers see nothing.
#pragma once

#include <mutex>

#if defined(__clang__)
#define ENGRAM_TSA(x) __attribute__((x))
#else
#define ENGRAM_TSA(x)
#endif

// gRPC brings these names too, with the same meaning.
#undef GUARDED_BY
#undef REQUIRES
#undef EXCLUDES
#define GUARDED_BY(mutex) ENGRAM_TSA(guarded_by(mutex))
#define REQUIRES(...) ENGRAM_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) ENGRAM_TSA(locks_excluded(__VA_ARGS__))

namespace engram {

class ENGRAM_TSA(capability("mutex")) Mutex {
 public:
  void lock() ENGRAM_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() ENGRAM_TSA(release_capability()) { mutex_.unlock(); }
  bool try_lock() ENGRAM_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class ENGRAM_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ENGRAM_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() ENGRAM_TSA(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  // For std::condition_variable_any, which unlocks while it waits.
  void lock() ENGRAM_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() ENGRAM_TSA(release_capability()) { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace engram
