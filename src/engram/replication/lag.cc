#include "engram/replication/lag.h"

#include <algorithm>

namespace engram::replication {

const char* NameOf(ReplicaStatus status) {
  switch (status) {
    case ReplicaStatus::kHealthy:
      return "healthy";
    case ReplicaStatus::kLagging:
      return "lagging";
    case ReplicaStatus::kDegraded:
      return "degraded";
    case ReplicaStatus::kFailed:
      break;
  }
  return "failed";
}

void DurableTimes::Note(Sequence sequence, uint64_t bytes, Instant now) {
  const Sequence before = end();
  if (sequence <= before) return;
  // Neighbours become one that is as old as the older: an age may be overstated, never understated.
  if (samples_.size() >= kSamples) {
    std::deque<Sample> merged;
    for (size_t i = 0; i < samples_.size(); i += 2) {
      const Sample& later = samples_[std::min(i + 1, samples_.size() - 1)];
      merged.push_back({samples_[i].first, later.through, later.bytes_through, samples_[i].at});
    }
    samples_ = std::move(merged);
  }
  samples_.push_back({before.next(), sequence, bytes, now});
}

std::optional<Instant> DurableTimes::FirstAbove(Sequence acked) const {
  const auto it = std::partition_point(samples_.begin(), samples_.end(),
                                       [&](const Sample& s) { return s.through <= acked; });
  if (it == samples_.end()) return std::nullopt;
  return it->at;
}

// Inside of a sample all entries count as equally long.
uint64_t DurableTimes::BytesAbove(Sequence acked) const {
  const auto it = std::partition_point(samples_.begin(), samples_.end(),
                                       [&](const Sample& s) { return s.through <= acked; });
  if (it == samples_.end()) return 0;
  const uint64_t before = it == samples_.begin() ? 0 : std::prev(it)->bytes_through;
  const uint64_t span = it->bytes_through - std::min(before, it->bytes_through);
  const double missing = static_cast<double>(it->through.value() - acked.value()) /
                         static_cast<double>(it->through.value() - it->first.value() + 1);
  const auto part = static_cast<uint64_t>(std::min(1.0, missing) * static_cast<double>(span));
  return samples_.back().bytes_through -
         std::min(it->bytes_through, samples_.back().bytes_through) + part;
}

void DurableTimes::Reset() {
  samples_.clear();
}

Lag LagMonitor::Measure(const DurableTimes& times, const LagInput& input, Instant now) {
  Lag lag;
  if (input.acked < times.end()) {
    lag.entries = times.end().value() - input.acked.value();
    lag.bytes = times.BytesAbove(input.acked);
    lag.time = std::max(Duration(0), now - times.FirstAbove(input.acked).value_or(now));
  }
  if (!input.connected) {
    // What it lagged when it last followed, and the time since: its node may answer all the while.
    const Instant last =
        followed_at_.ns == 0 ? input.last_contact : std::min(input.last_contact, followed_at_);
    const Duration since = std::max(Duration(0), now - last);
    lag.time = std::max(lag.time, heard_time_ + since);
    lag.at_least = true;
  } else {
    heard_time_ = lag.time;
    followed_at_ = now;
  }
  lag.status = Judge(lag, input);
  if (measured_ && lag.status < last_.status) ++alerts_;
  measured_ = true;
  last_ = lag;
  return lag;
}

void LagMonitor::Begin() {
  heard_time_ = Duration(0);
  followed_at_ = Instant();
  measured_ = false;
}

// Worse at once; better only when the lag has fallen below half of the threshold that it crossed.
ReplicaStatus LagMonitor::Judge(const Lag& lag, const LagInput& input) const {
  if (input.failures_in_a_row >= thresholds_.failures) return ReplicaStatus::kFailed;
  const bool contacted = input.last_contact.ns != 0;
  if (!input.connected && !contacted) return ReplicaStatus::kFailed;
  const ReplicaStatus before = measured_ ? last_.status : ReplicaStatus::kHealthy;
  const auto within = [&](Duration threshold, ReplicaStatus better) {
    return lag.time <= (before >= better ? threshold : threshold / 2);
  };
  if (!within(thresholds_.degraded, ReplicaStatus::kLagging)) return ReplicaStatus::kDegraded;
  if (!within(thresholds_.lagging, ReplicaStatus::kHealthy)) return ReplicaStatus::kLagging;
  return ReplicaStatus::kHealthy;
}

}  // namespace engram::replication
