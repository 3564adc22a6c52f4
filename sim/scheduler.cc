#include "sim/scheduler.h"

namespace engram::sim {

void Scheduler::At(Instant when, Owner owner, env::Task task) {
  const Order order{std::max(when, now_), prng_.Next(), next_id_++};
  queue_.emplace(order, Entry{owner, std::move(task)});
}

void Scheduler::RunUntil(Instant end) {
  while (!queue_.empty() && queue_.begin()->first.at <= end) {
    auto node = queue_.extract(queue_.begin());
    now_ = std::max(now_, node.key().at);
    const auto paused = paused_.find(node.mapped().owner);
    if (paused != paused_.end() && paused->second > now_) {
      node.key().at = paused->second;
      queue_.insert(std::move(node));
      continue;
    }
    ++steps_;
    node.mapped().task();
  }
  now_ = std::max(now_, end);
}

void Scheduler::Drain(Owner owner) {
  for (bool found = true; found;) {
    found = false;
    for (auto it = queue_.begin(); it != queue_.end(); ++it) {
      // Timers further off stand for waiting; they are not due.
      if (it->second.owner != owner || it->first.at > now_ + std::chrono::milliseconds(1)) continue;
      env::Task task = std::move(it->second.task);
      queue_.erase(it);
      ++steps_;
      task();
      found = true;
      break;
    }
  }
}

void Scheduler::Drop(Owner owner) {
  std::erase_if(queue_, [&](const auto& entry) { return entry.second.owner == owner; });
  paused_.erase(owner);
}

void Scheduler::Trace(std::string_view event) {
  for (const char c : event) hash_ = (hash_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  hash_ = (hash_ ^ static_cast<uint64_t>(now_.ns)) * 0x100000001b3;
}

void SimExecutor::Post(env::Task task) {
  PostAfter(Duration(static_cast<int64_t>(scheduler_.prng().Below(50'000))), std::move(task));
}

void SimExecutor::PostAfter(env::Duration delay, env::Task task) {
  scheduler_.After(delay, owner_, [alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

}  // namespace engram::sim
