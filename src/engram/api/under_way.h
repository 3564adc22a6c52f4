// Counts what is under way on other threads, for whoever has to wait for its end. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>

#include "engram/base/instant.h"
#include "engram/base/thread_annotations.h"

namespace engram::api {

class UnderWay {
 public:
  void Begin() {
    MutexLock lock(mutex_);
    ++count_;
  }
  void End() {
    MutexLock lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void WaitForNone() {
    MutexLock lock(mutex_);
    while (count_ > 0) none_.wait(lock);
  }
  void WaitForNone(Duration at_most) {
    MutexLock lock(mutex_);
    none_.wait_for(lock, at_most, [this]() REQUIRES(mutex_) { return count_ == 0; });
  }

 private:
  Mutex mutex_;
  std::condition_variable_any none_;
  int64_t count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::api
