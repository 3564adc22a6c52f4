#include "sim/scheduler.h"

#include <cstdio>

namespace engram::sim {

namespace {

constexpr size_t kRecent = 200;
constexpr Duration kSlowest = std::chrono::seconds(5);
constexpr Duration kAtOnce = std::chrono::milliseconds(1);

}  // namespace

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
      // In the order in which they would have run: connections keep theirs.
      node.key().at = paused->second;
      node.key().coin = held_back_++;
      queue_.insert(std::move(node));
      continue;
    }
    ++steps_;
    current_ = node.mapped().owner;
    node.mapped().task();
    current_ = kWorld;
  }
  now_ = std::max(now_, end);
}

void Scheduler::Drain(Owner owner) {
  const uint64_t known = next_id_;
  const auto paused = paused_.find(owner);
  const Instant over = paused == paused_.end() ? now_ : paused->second;  // of a pause, of minutes
  for (bool found = true; found;) {
    found = false;
    for (auto it = queue_.begin(); it != queue_.end(); ++it) {
      // What a slow disk or a pause has kept waiting ends now. New timers stand for waiting; they
      // are not due.
      const Instant due = it->first.id < known ? std::max(now_ + kSlowest, over) : now_ + kAtOnce;
      if (it->second.owner != owner || it->first.at > due) continue;
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

void Scheduler::Trace(std::string event) {
  for (const char c : event) hash_ = (hash_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  hash_ = (hash_ ^ static_cast<uint64_t>(now_.ns)) * 0x100000001b3;
  Remark(std::move(event));
}

void Scheduler::Remark(std::string event) {
  char at[32];
  std::snprintf(at, sizeof at, "%11.6f  ", static_cast<double>(now_.ns) / 1e9 - 1);
  recent_.push_back(at + std::move(event));
  if (recent_.size() > kRecent) recent_.pop_front();
  if (print_) std::printf("%s\n", recent_.back().c_str());
}

void SimExecutor::Post(env::Task task) {
  const auto most = static_cast<uint64_t>(most_->count());
  PostAfter(Duration(static_cast<int64_t>(scheduler_.prng().Below(most))), std::move(task));
}

void SimExecutor::PostAfter(env::Duration delay, env::Task task) {
  scheduler_.After(delay, owner_, [alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

}  // namespace engram::sim
