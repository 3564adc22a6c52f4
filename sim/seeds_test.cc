// Two hundred seeds, and one hundred with a store outside, each run twice: nothing that the
// checkers forbid happens, and the same seed is the same run.
#include <gtest/gtest.h>

#include "sim/run.h"

namespace engram::sim {
namespace {

constexpr uint64_t kSeeds = 200, kShard = 10;

class SeedsTest : public testing::TestWithParam<uint64_t> {};

TEST_P(SeedsTest, HoldAndRepeat) {
  const uint64_t first = GetParam() * kShard + 1;
  for (uint64_t seed = first; seed < first + kShard; ++seed) {
    const RunResult once = sim::Run({.seed = seed});
    EXPECT_TRUE(once.ok()) << Report(once);
    EXPECT_EQ(once.trace_hash, sim::Run({.seed = seed}).trace_hash) << "seed " << seed;
  }
}

class OutsideSeedsTest : public testing::TestWithParam<uint64_t> {};

TEST_P(OutsideSeedsTest, HoldAndRepeat) {
  const uint64_t first = GetParam() * kShard + 1;
  for (uint64_t seed = first; seed < first + kShard; ++seed) {
    const RunOptions options{.seed = seed, .outside = true};
    const RunResult once = sim::Run(options);
    EXPECT_TRUE(once.ok()) << Report(once);
    EXPECT_EQ(once.trace_hash, sim::Run(options).trace_hash) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, OutsideSeedsTest, testing::Range<uint64_t>(0, 100 / kShard));
INSTANTIATE_TEST_SUITE_P(Shards, SeedsTest, testing::Range<uint64_t>(0, kSeeds / kShard));

}  // namespace
}  // namespace engram::sim
