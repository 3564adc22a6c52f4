// How far a replica is behind its primary, measured at the primary, by its clock alone: entries,
// bytes, and the time since the oldest entry that is durable on the primary and not acknowledged by
// the replica. 0 only when caught up and connected. Pure; owned by the runner of a space; not
// thread-safe. docs/protocol.md, "Lag".
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "engram/base/instant.h"
#include "engram/base/types.h"

namespace engram::replication {

// healthy 3, lagging 2, degraded 1, failed 0: the numbers are those of the metric.
enum class ReplicaStatus : uint8_t { kFailed = 0, kDegraded = 1, kLagging = 2, kHealthy = 3 };

struct Lag {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  Duration time{};
  ReplicaStatus status = ReplicaStatus::kFailed;
  bool at_least = false;  // not connected: it may be more
};

// When what became durable on the primary: bounded, older samples are merged.
class DurableTimes {
 public:
  static constexpr size_t kSamples = 4096;
  // The log is durable through `sequence`, at `bytes` bytes since the start. Nothing happens when
  // it was noted before.
  void Note(Sequence sequence, uint64_t bytes, Instant now);
  // When the first entry above `acked` became durable (not later than it truly did); nullopt when
  // nothing is.
  std::optional<Instant> FirstAbove(Sequence acked) const;
  uint64_t BytesAbove(Sequence acked) const;
  Sequence end() const { return samples_.empty() ? Sequence() : samples_.back().through; }
  void Reset();

 private:
  struct Sample {
    Sequence first, through;
    uint64_t bytes_through;
    Instant at;
  };
  std::deque<Sample> samples_;
};

struct LagThresholds {
  Duration lagging = std::chrono::seconds(1);
  Duration degraded = std::chrono::seconds(5);
  int failures = 3;  // in a row
};

const char* NameOf(ReplicaStatus status);

struct LagInput {
  Sequence acked = {};
  bool connected = false;     // and it follows
  Instant last_contact = {};  // zero: never
  int failures_in_a_row = 0;
};

// One replica's lag over time: its status with hysteresis (worse at once, better only below half of
// the threshold; failed after `failures` in a row, or when it was never heard of).
class LagMonitor {
 public:
  explicit LagMonitor(LagThresholds thresholds) : thresholds_(thresholds) {}
  Lag Measure(const DurableTimes& times, const LagInput& input, Instant now);
  // A new epoch is led: what was measured in an earlier one says nothing of this one.
  void Begin();
  // Changes for the worse so far.
  uint64_t alerts() const { return alerts_; }

 private:
  ReplicaStatus Judge(const Lag& lag, const LagInput& input) const;

  LagThresholds thresholds_;
  Lag last_;
  Duration heard_time_{};  // the lag when it last followed
  Instant followed_at_{};  // … and when that was measured; zero: not yet
  bool measured_ = false;
  uint64_t alerts_ = 0;
};

}  // namespace engram::replication
