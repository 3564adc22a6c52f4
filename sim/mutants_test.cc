// Each checker is seen to fail: a rule is broken, and within so many seeds the checker, alone,
// notices.
#include <gtest/gtest.h>

#include "sim/run.h"

namespace engram::sim {
namespace {

using replication::Mutant;

constexpr uint64_t kSeeds = 150;

struct Case {
  const char* checker;
  Mutant mutant;
};
std::ostream& operator<<(std::ostream& out, const Case& what) {
  return out << what.checker;
}

class MutantsTest : public testing::TestWithParam<Case> {};

TEST_P(MutantsTest, IsCaught) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const RunResult result =
        sim::Run({.seed = seed, .mutant = GetParam().mutant, .only = GetParam().checker});
    if (result.checker == GetParam().checker) return;
  }
  FAIL() << GetParam().checker << " notices nothing in " << kSeeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Checkers, MutantsTest,
                         testing::Values(Case{"acked-durable", Mutant::kAckBeforeSync},
                                         Case{"ack-after-sync", Mutant::kAckBeforeSync},
                                         Case{"spaces-apart", Mutant::kFailTogether},
                                         Case{"lag-honest", Mutant::kLagZeroWhenCut},
                                         Case{"converges", Mutant::kReconnectUnnoticed}),
                         [](const auto& info) {
                           std::string name = info.param.checker;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace engram::sim
