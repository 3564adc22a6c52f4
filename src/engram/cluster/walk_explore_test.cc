// The explorer (walk_explore.h): the rules hold in every state within bounds, and each broken rule
// that can show there is found.
#include "engram/cluster/walk_explore.h"

#include <iostream>

#include <gtest/gtest.h>

namespace engram::cluster::walk {
namespace {

using replication::Mutant;

#ifdef ENGRAM_SANITIZED  // ten times as slow, and what they look for shows with fewer
constexpr uint64_t kScale = 20;
#else
constexpr uint64_t kScale = 1;
#endif

void ExpectNothingWrong(Bounds bounds) {
  bounds.states /= kScale;
  const Explored found = ExploreAll(bounds);
  std::cout << found.Text();
  EXPECT_EQ(found.violation, "") << found.Text();
  EXPECT_GE(found.states, found.whole ? 1 : bounds.states);
}

TEST(Explorer, KeepsAllRules) {
  ExpectNothingWrong({.states = 300'000});
}

// A third copy that is not in the set yet, and may grow into it at any moment.
TEST(Explorer, KeepsAllRulesWithANewcomer) {
  ExpectNothingWrong({.settled = 2, .states = 200'000});
}

TEST(Explorer, KeepsAllRulesOutOfOrder) {
  ExpectNothingWrong({.appends = 2, .ordered = false, .states = 200'000});
}

TEST(Explorer, KeepsAllRulesOfAPair) {
  ExpectNothingWrong({.nodes = 2, .settled = 2, .crashes = 2, .states = 200'000});
}

// Within small bounds there is an end to it, and the same number of states each time.
TEST(Explorer, ComesToAnEnd) {
  const Bounds bounds{.appends = 2, .stands = 0, .crashes = 0, .ticks = 0};
  const Explored first = ExploreAll(bounds), second = ExploreAll(bounds);
  EXPECT_TRUE(first.whole) << first.Text();
  EXPECT_EQ(first.frontier, 0u);
  EXPECT_GT(first.states, 100u);
  EXPECT_EQ(first.states, second.states);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_EQ(first.places, second.places);
}

struct Broken {
  Mutant mutant;
  Bounds bounds;
};

class ExplorerMutants : public testing::TestWithParam<Broken> {};

// Whoever breaks the rule is caught; the way there is told.
TEST_P(ExplorerMutants, AreCaught) {
  Bounds bounds = GetParam().bounds;
  bounds.mutant = GetParam().mutant;
  const Explored found = ExploreAll(bounds);
  std::cout << "mutant " << static_cast<int>(bounds.mutant) << ": " << found.Text();
  EXPECT_NE(found.violation, "");
  EXPECT_GE(found.way.size(), found.depth);
}
INSTANTIATE_TEST_SUITE_P(
    Rules, ExplorerMutants,
    testing::Values(Broken{Mutant::kAckBeforeSync, {}}, Broken{Mutant::kCommitByMajority, {}},
                    Broken{Mutant::kCommitCountsUnsynced, {.stands = 0}},
                    Broken{Mutant::kResumeEpoch, {.appends = 2, .stands = 0, .ticks = 0}},
                    Broken{Mutant::kPlainEpochs, {.appends = 0, .crashes = 0, .ticks = 2}},
                    Broken{Mutant::kNoMajority, {.appends = 0, .crashes = 0, .ticks = 2}},
                    Broken{Mutant::kRecordOnPrimaryOnly,
                           {.settled = 2, .appends = 0, .crashes = 0, .ticks = 2}}));

}  // namespace
}  // namespace engram::cluster::walk
