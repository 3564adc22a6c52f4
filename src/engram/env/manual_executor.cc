#include <deque>
#include <map>
#include <utility>

#include "engram/env/executor.h"

namespace engram::env {

struct ManualExecutor::Impl {
  Clock& clock;
  std::deque<Task> queue;
  std::multimap<Instant, Task> delayed;

  void QueueWhatIsDue() {
    while (!delayed.empty() && delayed.begin()->first <= clock.Now()) {
      queue.push_back(std::move(delayed.begin()->second));
      delayed.erase(delayed.begin());
    }
  }
};

ManualExecutor::ManualExecutor(Clock& clock) : impl_(new Impl{clock, {}, {}}) {}
ManualExecutor::~ManualExecutor() {
  RunAll();
}

void ManualExecutor::Post(Task task) {
  impl_->queue.push_back(std::move(task));
}

void ManualExecutor::PostAfter(Duration delay, Task task) {
  impl_->delayed.emplace(impl_->clock.Now() + delay, std::move(task));
}

size_t ManualExecutor::RunAll() {
  size_t ran = 0;
  for (impl_->QueueWhatIsDue(); !impl_->queue.empty(); impl_->QueueWhatIsDue()) {
    Task task = std::move(impl_->queue.front());
    impl_->queue.pop_front();
    task();
    ++ran;
  }
  return ran;
}

}  // namespace engram::env
