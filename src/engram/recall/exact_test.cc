// The ranker against the formula written down a second time.
#include <gtest/gtest.h>

#include "engram/recall/brute_force.h"
#include "engram/recall/corpus.h"

namespace engram::recall {
namespace {

// Equal scores may stand in either order when they differ by less than rounding; so compare the
// scores place by place, and each id with its own score.
void ExpectEqualRanking(const v1::RecallResponse& reply, const BruteAnswer& expected) {
  ASSERT_EQ(reply.memories_size(), static_cast<int>(expected.results.size()));
  std::map<std::string, double> scores;
  for (const BruteResult& result : expected.results) scores[result.id] = result.score;
  const double last = expected.results.empty() ? 0 : expected.results.back().score;
  for (int i = 0; i < reply.memories_size(); ++i) {
    const v1::Memory& memory = reply.memories(i);
    const BruteResult& same_place = expected.results[i];
    EXPECT_NEAR(memory.score(), same_place.score, 1e-5) << "place " << i;
    if (std::abs(memory.score() - last) > 1e-5) {
      ASSERT_TRUE(scores.count(memory.id())) << memory.id();
    }
    if (scores.count(memory.id())) {
      EXPECT_NEAR(memory.score(), scores[memory.id()], 1e-5);
    }
    if (memory.id() == same_place.id) {
      EXPECT_NEAR(memory.relevance(), same_place.relevance, 1e-5) << memory.id();
    }
  }
  EXPECT_EQ(reply.metadata().total_activated(), static_cast<int>(expected.matching));
  EXPECT_EQ(reply.no_match(), expected.best_relevance < 0.3);
}

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

TEST(ExactTest, FiveThousandEpisodes) { CompareOn(7, 5000, 4); }

}  // namespace
}  // namespace engram::recall
