#include "engram/runtime/strand.h"

#include <utility>

namespace engram::runtime {
namespace {

constexpr int kTurns = 64;

}  // namespace

void Strand::Run(env::Task task) {
  if (Enqueue(std::move(task))) Drain(kTurns);
}

void Strand::RunAlone(env::Task task) {
  if (Enqueue(std::move(task))) Drain(1);
}

void Strand::Post(env::Task task) {
  if (Enqueue(std::move(task))) DrainLater();
}

// True when nobody runs tasks: the caller shall.
bool Strand::Enqueue(env::Task task) {
  MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  return !std::exchange(running_, true);
}

void Strand::Drain(int turns) {
  while (true) {
    env::Task task;
    {
      MutexLock lock(mutex_);
      if (tasks_.empty()) {
        running_ = false;
        return;
      }
      if (turns-- == 0) break;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
  DrainLater();
}

void Strand::DrainLater() {
  executor_.Post([self = shared_from_this()] { self->Drain(kTurns); });
}

}  // namespace engram::runtime
