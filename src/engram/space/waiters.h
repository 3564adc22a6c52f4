// Who waits for an entry to be durable, visible or replicated, in the order of the log. Part of
// Writer: guarded by its lock; what is taken out is answered after it.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/env/clock.h"
#include "engram/space/group.h"

namespace engram::space {

// How far a log has come, as its writer knows.
struct Progress {
  Sequence durable;     // on this node
  Sequence visible;     // committed, and taken in by rows and tail
  Sequence replicated;  // on two nodes at least
  uint32_t copies = 1;  // nodes of the in-sync set
};

enum class Need : uint8_t {
  kDurable,
  kVisible,
  kReplicated,  // and visible
  kBest,        // as replicated while there is a second node, else visible
};

struct Waiter {
  Sequence through;
  std::shared_ptr<const Group> group;  // what it waits for; null when that is published
  env::Instant deadline{INT64_MAX};
  std::function<void(const Status&)> then;
};

// What a wait has come to.
struct Answered {
  Waiter waiter;
  Status status;
};

class Waiters {
 public:
  void Add(Need need, Waiter waiter);
  // Moves those that have what they need to `out`.
  void TakeReached(const Progress& progress, std::vector<Answered>* out);
  // Those that wait for something in [first, last], which has failed.
  void TakeFailed(Sequence first, Sequence last, const Status& why, std::vector<Answered>* out);
  // Those whose time is over: kBest goes on as kDurable, the others come out.
  void TakeExpired(env::Instant now, std::vector<Waiter>* out);
  void TakeAll(std::vector<Waiter>* out);
  // Of all that wait; nullopt when nobody has one.
  std::optional<env::Instant> NextDeadline() const;

 private:
  using Queue = std::deque<Waiter>;  // by `through`
  Queue& Of(Need need) { return queues_[static_cast<size_t>(need)]; }
  std::array<Queue, 4> queues_;
};

}  // namespace engram::space
