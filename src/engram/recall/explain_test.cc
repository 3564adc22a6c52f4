// Parts add up, and every id has one reason.
#include <set>

#include <gtest/gtest.h>

#include "engram/recall/corpus.h"

namespace engram::recall {
namespace {

void ExpectAddsUp(const v1::Memory& memory, const v1::RecallExplanation& query) {
  const v1::Explanation& explanation = memory.explanation();
  float direct = 0, context = 0, prior = 0;
  for (const v1::LegScore& leg : explanation.legs()) {
    direct += leg.contribution();
    EXPECT_GE(leg.normalised(), 0);
    EXPECT_LE(leg.normalised(), 1);
    EXPECT_EQ(leg.rank() > 0, leg.normalised() > 0) << leg.leg();
    if (leg.leg() != "text") continue;
    float bm25 = 0;
    for (const v1::TermMatch& term : explanation.terms()) bm25 += term.contribution();
    EXPECT_NEAR(leg.raw(), bm25, 1e-4);
    EXPECT_NEAR(leg.normalised(), std::min(1.0f, bm25 / query.text_ideal()), 1e-5);
  }
  for (const v1::ContextShare& share : explanation.context_from()) {
    context += share.contribution();
    EXPECT_FALSE(share.memory_id().empty());
  }
  for (const v1::PriorPart& part : explanation.prior()) prior += part.value() * part.weight();
  const float strength = query.weights().at("prior_strength");
  if (!explanation.legs().empty()) {
    EXPECT_NEAR(explanation.direct(), direct, 1e-5);
  }
  EXPECT_NEAR(explanation.context(), context, 1e-5);
  EXPECT_NEAR(explanation.prior_factor(), 1 - strength + strength * prior, 1e-5);
  EXPECT_NEAR(memory.score(), (explanation.direct() + context) * explanation.prior_factor(), 1e-5);
  EXPECT_FALSE(explanation.summary().empty());
}

TEST(ExplainTest, PartsEqualTheScore) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    Corpus corpus(seed);
    OracleView view(SmallSettings());
    corpus.Fill(&view, 20 + seed * 7);
    for (int i = 0; i < 6; ++i) {
      v1::RecallRequest request = corpus.Request();
      request.set_explain(true);
      SCOPED_TRACE(request.ShortDebugString());
      const Result<v1::RecallResponse> reply = Recall(view, request, kTestNow);
      ASSERT_TRUE(reply.ok()) << reply.status().ToString();
      for (const v1::Memory& memory : reply->memories()) ExpectAddsUp(memory, reply->explanation());
      if (HasFailure()) return;
    }
  }
}

TEST(ExplainTest, EveryIdHasOneReason) {
  const std::set<std::string> reasons = {"RANKED",     "NOT_FOUND",     "FILTERED",
                                         "SUPPRESSED", "DELETED",       "BELOW_MIN_RELEVANCE",
                                         "NO_MATCH",   "NO_MATCH_BELOW"};
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    Corpus corpus(seed);
    OracleView view(SmallSettings());
    corpus.Fill(&view, 150);
    v1::RecallRequest request = corpus.Request();
    if (seed % 5 == 0) request.set_no_match_below(0.99f);
    for (int i = 0; i < 155; ++i) request.add_explain_ids("e" + std::to_string(i));
    SCOPED_TRACE(request.ShortDebugString());
    const Result<v1::RecallResponse> reply = Recall(view, request, kTestNow);
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    const std::vector<std::string> ids = IdsOf(*reply);
    ASSERT_EQ(reply->explanation().why_not_size(), 155);
    for (const v1::WhyNot& why : reply->explanation().why_not()) {
      seen.insert(why.reason());
      EXPECT_TRUE(reasons.count(why.reason())) << why.reason();
      EXPECT_FALSE(why.message().empty());
      const auto place = std::find(ids.begin(), ids.end(), why.memory_id());
      EXPECT_EQ(place != ids.end(), why.reason() == "RANKED" && why.rank() <= ids.size())
          << why.ShortDebugString();
      if (place != ids.end()) {
        EXPECT_EQ(why.rank(), place - ids.begin() + 1);
      }
    }
  }
  EXPECT_EQ(seen, reasons);  // the test reaches all of them
}

TEST(ExplainTest, TheFilterThatFailedIsNamed) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "zebra"), kTestNow).ok());
  v1::RecallRequest request = TextRequest("zebra");
  request.mutable_filter()->mutable_tags()->add_any_of("stripes");
  request.add_explain_ids("a");
  const auto reply = Recall(view, request, kTestNow);
  ASSERT_TRUE(reply.ok());
  const v1::WhyNot& why = reply->explanation().why_not(0);
  EXPECT_EQ(why.reason(), "FILTERED");
  EXPECT_NE(why.message().find("tags"), std::string::npos) << why.message();
}

TEST(ExplainTest, TheQueryIsExplained) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "Anna takes the train"), kTestNow).ok());
  v1::RecallRequest request = TextRequest("when does Anna take the zeppelin");
  request.set_explain(true);
  const auto reply = Recall(view, request, kTestNow);
  ASSERT_TRUE(reply.ok());
  const v1::RecallExplanation& query = reply->explanation();
  EXPECT_EQ(query.terms_unknown_size(), 1);
  EXPECT_GE(query.terms_dropped_size(), 2);
  EXPECT_EQ(query.terms_used_size(), 3);
  EXPECT_EQ(query.passed_filter(), 1u);
  EXPECT_EQ(query.candidates().at("text"), 1u);
  EXPECT_EQ(query.path().at("text"), "exact");
  EXPECT_FLOAT_EQ(query.weights().at("context_step"), 0.5f);
  EXPECT_GT(query.text_ideal(), 0);
}

TEST(ExplainTest, TracesNameTheWay) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "zebra"), kTestNow).ok());
  v1::RecallRequest request = TextRequest("zebra");
  request.set_trace_activation(true);
  const auto reply = Recall(view, request, kTestNow);
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->traces_size(), 1);
  EXPECT_EQ(reply->traces(0).memory_id(), "a");
  EXPECT_EQ(reply->traces(0).activation_path(0), "text 1.00");
  EXPECT_FLOAT_EQ(reply->traces(0).activation_level(), reply->memories(0).activation());
}

}  // namespace
}  // namespace engram::recall
