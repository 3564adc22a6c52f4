// The clock: one of the four doors to the machine. Two times that are never mixed: wall time, for
// people and for what is stored, and monotonic time, for waiting and measuring. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "engram/base/instant.h"

namespace engram::env {

using engram::Duration;
using engram::Instant;

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since the Unix epoch. May step in either direction.
  virtual int64_t WallNs() = 0;
  virtual Instant Now() = 0;
};

// The machine's clocks.
Clock& SystemClock();

// A clock that stands still until it is told. For tests and simulation.
class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t wall_ns = 1'750'000'000'000'000'000) : wall_ns_(wall_ns) {}
  int64_t WallNs() override { return wall_ns_; }
  Instant Now() override { return {now_ns_}; }
  void Advance(Duration d) {
    now_ns_ += d.count();
    wall_ns_ += d.count();
  }
  void StepWall(Duration d) { wall_ns_ += d.count(); }

 private:
  std::atomic<int64_t> wall_ns_;
  std::atomic<int64_t> now_ns_ = 0;
};

}  // namespace engram::env
