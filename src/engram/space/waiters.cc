#include "engram/space/waiters.h"

#include <algorithm>

namespace engram::space {
namespace {

Sequence ReachedFor(Need need, const Progress& progress) {
  const Sequence replicated = std::min(progress.replicated, progress.visible);
  switch (need) {
    case Need::kDurable:
      return std::max(progress.durable, progress.visible);
    case Need::kVisible:
      return progress.visible;
    case Need::kReplicated:
      return replicated;
    case Need::kBest:
      return progress.copies < 2 ? progress.visible : replicated;
  }
  return Sequence();
}

}  // namespace

void Waiters::Add(Need need, Waiter waiter) {
  Queue& queue = Of(need);
  // Nearly always the newest: only a repeat waits for something older.
  auto place = queue.end();
  while (place != queue.begin() && std::prev(place)->through > waiter.through) --place;
  queue.insert(place, std::move(waiter));
}

void Waiters::TakeReached(const Progress& progress, std::vector<Answered>* out) {
  for (size_t need = 0; need < queues_.size(); ++need) {
    Queue& queue = queues_[need];
    const Sequence reached = ReachedFor(static_cast<Need>(need), progress);
    while (!queue.empty() && queue.front().through <= reached) {
      out->push_back({std::move(queue.front()), OkStatus()});
      queue.pop_front();
    }
  }
}

void Waiters::TakeFailed(Sequence first, Sequence last, const Status& why,
                         std::vector<Answered>* out) {
  for (Queue& queue : queues_) {
    Queue rest;
    for (Waiter& waiter : queue) {
      const bool failed = waiter.through >= first && waiter.through <= last;
      failed ? out->push_back({std::move(waiter), why}) : rest.push_back(std::move(waiter));
    }
    queue.swap(rest);
  }
}

void Waiters::TakeExpired(env::Instant now, std::vector<Waiter>* out) {
  for (const Need need : {Need::kVisible, Need::kReplicated, Need::kBest}) {
    Queue rest;
    for (Waiter& waiter : Of(need)) {
      if (waiter.deadline > now) {
        rest.push_back(std::move(waiter));
      } else if (need == Need::kBest) {
        waiter.deadline = {INT64_MAX};
        Add(Need::kDurable, std::move(waiter));
      } else {
        out->push_back(std::move(waiter));
      }
    }
    Of(need).swap(rest);
  }
}

void Waiters::TakeAll(std::vector<Waiter>* out) {
  for (Queue& queue : queues_) {
    for (Waiter& waiter : queue) out->push_back(std::move(waiter));
    queue.clear();
  }
}

std::optional<env::Instant> Waiters::NextDeadline() const {
  std::optional<env::Instant> next;
  for (const Queue& queue : queues_) {
    for (const Waiter& waiter : queue) {
      if (waiter.deadline.ns == INT64_MAX) continue;
      if (!next.has_value() || waiter.deadline < *next) next = waiter.deadline;
    }
  }
  return next;
}

}  // namespace engram::space
