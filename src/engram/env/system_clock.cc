#include <ctime>

#include "engram/env/clock.h"

namespace engram::env {
namespace {

int64_t Read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

class MachineClock : public Clock {
 public:
  int64_t WallNs() override { return Read(CLOCK_REALTIME); }
  Instant Now() override { return {Read(CLOCK_BOOTTIME)}; }
};

}  // namespace

Clock& SystemClock() {
  static MachineClock clock;
  return clock;
}

}  // namespace engram::env
