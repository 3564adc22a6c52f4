// Threads: one of the four doors to the machine. An Executor runs short tasks on a fixed set of
// threads; tasks may block on disk (a sync), which is why it has enough threads for 32 syncs at
// once. Thread-safe. A simulation gives one that runs tasks on its own clock.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engram/env/clock.h"

namespace engram::env {

using Task = std::function<void()>;

class Executor {
 public:
  virtual ~Executor() = default;  // runs what is queued, then joins
  virtual void Post(Task task) = 0;
  // Runs `task` once, not before `delay` has passed. Dropped when the executor ends first.
  virtual void PostAfter(Duration delay, Task task) = 0;
};

std::unique_ptr<Executor> MakeThreadPool(const std::string& name, int threads);

// Runs everything inside of RunAll() on the calling thread; delayed tasks by ManualClock. For
// tests. Not thread-safe.
class ManualExecutor : public Executor {
 public:
  explicit ManualExecutor(Clock& clock);
  ~ManualExecutor() override;
  void Post(Task task) override;
  void PostAfter(Duration delay, Task task) override;
  // Runs tasks until none is due. Returns how many ran.
  size_t RunAll();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace engram::env
