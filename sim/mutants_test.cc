// Each checker is seen to fail: a rule is broken, and within so many seeds the checker, alone,
// notices.
#include <ostream>

#include <gtest/gtest.h>

#include "sim/run.h"

namespace engram::sim {
namespace {

using replication::Mutant;

constexpr uint64_t kSeeds = 60;

struct Case {
  const char* checker;
  Mutant mutant;
  size_t nodes = 0;
  uint64_t first = 1;  // seed to begin with
  bool outside = false;
};
std::ostream& operator<<(std::ostream& out, const Case& what) {
  return out << what.checker;
}

class MutantsTest : public testing::TestWithParam<Case> {};

TEST_P(MutantsTest, IsCaught) {
  const Case& broken = GetParam();
  for (uint64_t seed = broken.first; seed < broken.first + kSeeds; ++seed) {
    const RunOptions options{.seed = seed,
                             .nodes = broken.nodes,
                             .outside = broken.outside,
                             .mutant = broken.mutant,
                             .only = broken.checker};
    if (sim::Run(options).checker == broken.checker) return;
  }
  FAIL() << broken.checker << " notices nothing in " << kSeeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(
    Checkers, MutantsTest,
    testing::Values(
        Case{"log-matching", Mutant::kPlainEpochs}, Case{"acked-durable", Mutant::kAckBeforeSync},
        Case{"promise-kept", Mutant::kAskWithoutPromise},
        Case{"ack-after-sync", Mutant::kAckBeforeSync}, Case{"commit", Mutant::kReplyBeforeCommit},
        Case{"one-primary-per-epoch", Mutant::kPlainEpochs},
        Case{"local-loss-accounted", Mutant::kLossNotCounted, 0, 50},
        Case{"rewind-not-below-commit", Mutant::kCutBelowCommit, 0, 590},
        Case{"index-equals-log", Mutant::kKeepIndex, 0, 50},
        Case{"linearizable", Mutant::kReplyBeforeCommit},
        Case{"spaces-apart", Mutant::kFailTogether}, Case{"lag-honest", Mutant::kLagZeroWhenCut},
        Case{"in-sync-true", Mutant::kAckBeforeSync}, Case{"primary-in-set", Mutant::kNoMajority},
        Case{"primary-in-set", Mutant::kLeadOutsideSet, 3, 1, true},
        Case{"stale-flush-ignored", Mutant::kStaleFlushCounts},
        Case{"poison-sticks", Mutant::kPoisonForgotten}, Case{"bounded", Mutant::kWindowIgnored},
        Case{"deleted-stays-deleted", Mutant::kReplyBeforeCommit, 0, 125},
        Case{"no-serve-after-deadline", Mutant::kServePastLease, 0, 1, true},
        Case{"converges", Mutant::kReconnectUnnoticed}),
    [](const auto& info) {
      std::string name = info.param.checker;
      std::erase(name, '-');
      return name + (info.param.outside ? "_outside" : "");
    });

}  // namespace
}  // namespace engram::sim
