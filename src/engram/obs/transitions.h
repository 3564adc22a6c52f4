// A ring of the last changes of state: what a person wants to see first when something is wrong
// (a space opened, poisoned, full; a node stopping). Small and bounded; the log has them all.
// Owned by runtime::Node, fed by whoever changes a state, read by status. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "engram/base/thread_annotations.h"

namespace engram::obs {

struct Transition {
  int64_t wall_ns = 0;
  std::string subject;  // "node", "space/default"
  std::string from, to;
  std::string why;
};

class Transitions {
 public:
  explicit Transitions(size_t kept = 128) : kept_(kept) {}

  void Add(Transition transition) {
    MutexLock lock(mutex_);
    last_.push_back(std::move(transition));
    if (last_.size() > kept_) last_.pop_front();
  }

  // Oldest first.
  std::vector<Transition> Last() const {
    MutexLock lock(mutex_);
    return {last_.begin(), last_.end()};
  }

 private:
  const size_t kept_;
  mutable Mutex mutex_;
  std::deque<Transition> last_ GUARDED_BY(mutex_);
};

}  // namespace engram::obs
