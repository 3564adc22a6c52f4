#include "engram/space/core.h"

namespace engram::space {

bool MemoryBudget::TryTake(uint64_t bytes) {
  uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (used + bytes > limit_) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

void MemoryBudget::Take(uint64_t bytes) {
  used_.fetch_add(bytes, std::memory_order_relaxed);
}

void MemoryBudget::Give(uint64_t bytes) {
  const uint64_t before = used_.fetch_sub(bytes, std::memory_order_relaxed);
  ENGRAM_CHECK(before >= bytes);
}

Result<Gate::Pass> Gate::Enter() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [&]() REQUIRES(mutex_) { return !shut_ || closed_; });
  if (closed_) {
    return Status(Reason::SHUTTING_DOWN, "The space is closing.")
        .Suggest("try again: it is opened anew when it is needed");
  }
  ++inside_;
  return Pass(this);
}

std::optional<Gate::Pass> Gate::TryEnter() {
  MutexLock lock(mutex_);
  if (shut_ || closed_) return std::nullopt;
  ++inside_;
  return Pass(this);
}

void Gate::Shut() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [&]() REQUIRES(mutex_) { return !shut_; });
  shut_ = true;
  changed_.wait(lock, [&]() REQUIRES(mutex_) { return inside_ == 0; });
}

void Gate::Reopen() {
  MutexLock lock(mutex_);
  shut_ = false;
  changed_.notify_all();
}

void Gate::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool Gate::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

size_t Gate::inside() const {
  MutexLock lock(mutex_);
  return inside_;
}

void Gate::Leave() {
  MutexLock lock(mutex_);
  --inside_;
  if (inside_ == 0) changed_.notify_all();
}

Position VisibleEnd::Get() const {
  MutexLock lock(mutex_);
  return end_;
}

void VisibleEnd::Advance(Position to) {
  MutexLock lock(mutex_);
  ENGRAM_CHECK(to.sequence >= end_.sequence);
  end_ = to;
  changed_.notify_all();
}

void VisibleEnd::Reset(Position to) {
  MutexLock lock(mutex_);
  end_ = to;
  changed_.notify_all();
}

bool VisibleEnd::WaitFor(const std::function<bool(Position)>& holds, env::Duration at_most) {
  MutexLock lock(mutex_);
  return changed_.wait_for(lock, at_most, [&]() REQUIRES(mutex_) { return holds(end_); });
}

}  // namespace engram::space
