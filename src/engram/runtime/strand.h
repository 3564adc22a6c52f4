// Runs tasks one after another, on whichever thread brings one while nobody runs them: a task costs
// no change of threads when the strand is idle, and waits its turn when it is not. A thread that
// has run many hands the rest to the executor, so that nobody works for others for ever; one that
// must not wait (RunAlone) hands it over after its own.
// Thread-safe. Tasks must not wait for other tasks of the same strand.
#pragma once

#include <deque>
#include <memory>

#include "engram/base/thread_annotations.h"
#include "engram/env/executor.h"

namespace engram::runtime {

class Strand : public std::enable_shared_from_this<Strand> {
 public:
  // The executor outlives the strand's tasks.
  explicit Strand(env::Executor& executor) : executor_(executor) {}

  // Runs `task` on this thread if the strand is idle, else after those before it.
  void Run(env::Task task) EXCLUDES(mutex_);
  // As Run, but no other task runs on this thread: it is in the middle of something for which one
  // may wait.
  void RunAlone(env::Task task) EXCLUDES(mutex_);
  // Never on this thread.
  void Post(env::Task task) EXCLUDES(mutex_);

 private:
  bool Enqueue(env::Task task) EXCLUDES(mutex_);
  void Drain(int turns) EXCLUDES(mutex_);
  void DrainLater();

  env::Executor& executor_;
  Mutex mutex_;
  std::deque<env::Task> tasks_ GUARDED_BY(mutex_);
  bool running_ GUARDED_BY(mutex_) = false;
};

}  // namespace engram::runtime
