#include "engram/runtime/bulk_turns.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace engram::runtime {

void BulkTurns::Ask(Turn turn) {
  {
    MutexLock lock(mutex_);
    waiting_.push_back(std::move(turn));
  }
  StartSome();
}

size_t BulkTurns::waiting() const {
  MutexLock lock(mutex_);
  return waiting_.size();
}

void BulkTurns::StartSome() {
  std::vector<Turn> turns;
  Duration wait{};
  {
    const Instant now = clock_.Now();
    MutexLock lock(mutex_);
    if (rate_ != 0 && now < next_) {
      if (waiting_.empty() || std::exchange(timer_, true)) return;
      wait = next_ - now;
    }
    while (wait == Duration(0) && running_ < at_once_ && !waiting_.empty()) {
      ++running_;
      turns.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      if (rate_ != 0) break;  // what it sends decides when the next may begin
    }
  }
  if (wait > Duration(0)) {
    executor_.PostAfter(wait, [self = shared_from_this()] {
      {
        MutexLock lock(self->mutex_);
        self->timer_ = false;
      }
      self->StartSome();
    });
  }
  for (Turn& turn : turns) {
    executor_.Post([self = shared_from_this(), turn = std::move(turn)] {
      turn([self](uint64_t bytes) { self->End(bytes); });
    });
  }
}

void BulkTurns::End(uint64_t bytes) {
  {
    const Instant now = clock_.Now();
    MutexLock lock(mutex_);
    --running_;
    if (rate_ != 0) {
      const double seconds = static_cast<double>(bytes) / static_cast<double>(rate_);
      next_ = std::max(now, next_) + Duration(static_cast<int64_t>(seconds * 1e9));
    }
  }
  StartSome();
}

}  // namespace engram::runtime
