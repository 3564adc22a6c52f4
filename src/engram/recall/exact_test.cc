// The ranker against the formula written down a second time.
#include <gtest/gtest.h>

#include "engram/recall/brute_force.h"
#include "engram/recall/corpus.h"

namespace engram::recall {
namespace {

void CompareOn(uint64_t seed, size_t episodes, int requests) {
  Corpus corpus(seed);
  OracleView view(SmallSettings());
  corpus.Fill(&view, episodes);
  for (int i = 0; i < requests; ++i) {
    const v1::RecallRequest request = corpus.Request();
    SCOPED_TRACE("seed " + std::to_string(seed) + " request " + request.ShortDebugString());
    const Result<v1::RecallResponse> reply = Recall(view, request, kTestNow);
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    ExpectEqualRanking(*reply, BruteForce(view.entries(), view.settings(), request, kTestNow));
    if (testing::Test::HasFailure()) return;
  }
}

TEST(ExactTest, SmallSpaces) {
  for (uint64_t seed = 1; seed <= 60; ++seed) CompareOn(seed, 1 + seed % 12, 20);
}

TEST(ExactTest, MiddleSpaces) {
  for (uint64_t seed = 100; seed < 120; ++seed) CompareOn(seed, 50 + seed * 3, 15);
}

TEST(ExactTest, FiveThousandEpisodes) {
  CompareOn(7, 5000, 4);
}

}  // namespace
}  // namespace engram::recall
