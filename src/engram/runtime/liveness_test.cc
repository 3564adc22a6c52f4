#include "engram/runtime/liveness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::runtime {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(LivenessTest, APoolThatDoesNotTurnIsNamedUntilItTurnsAgain) {
  env::ManualClock clock;
  Liveness liveness(clock, seconds(10));
  env::ManualExecutor turning(clock), stuck(clock);
  liveness.Watch("turning", turning);
  liveness.Watch("stuck", stuck);
  for (int second = 0; second < 10; ++second) {
    EXPECT_THAT(liveness.Stuck(), IsEmpty()) << second;
    clock.Advance(seconds(1));
    turning.RunAll();
  }
  clock.Advance(seconds(1));
  turning.RunAll();
  EXPECT_THAT(liveness.Stuck(), ElementsAre("stuck"));
  stuck.RunAll();
  EXPECT_THAT(liveness.Stuck(), IsEmpty());
}

TEST(LivenessTest, GoesRoundForEver) {
  env::ManualClock clock;
  Liveness liveness(clock, seconds(10));
  env::ManualExecutor pool(clock);
  liveness.Watch("pool", pool);
  for (int second = 0; second < 100; ++second) {
    pool.RunAll();
    clock.Advance(seconds(1));
    EXPECT_THAT(liveness.Stuck(), IsEmpty()) << second;
  }
  clock.Advance(seconds(10));
  EXPECT_THAT(liveness.Stuck(), ElementsAre("pool"));
}

}  // namespace
}  // namespace engram::runtime
