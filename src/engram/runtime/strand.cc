#include "engram/runtime/strand.h"

namespace engram::runtime {
namespace {

constexpr int kTurns = 64;

}  // namespace

void Strand::Run(env::Task task) {
  {
    MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
    if (running_) return;
    running_ = true;
  }
  Drain();
}

void Strand::Post(env::Task task) {
  {
    MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
    if (running_) return;
    running_ = true;
  }
  executor_.Post([self = shared_from_this()] { self->Drain(); });
}

void Strand::Drain() {
  for (int turn = 0; turn < kTurns; ++turn) {
    env::Task task;
    {
      MutexLock lock(mutex_);
      if (tasks_.empty()) {
        running_ = false;
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
  executor_.Post([self = shared_from_this()] { self->Drain(); });
}

}  // namespace engram::runtime
