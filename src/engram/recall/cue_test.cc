// What each cue becomes, and what bad ones get.
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "engram/recall/corpus.h"
#include "engram/recall/question.h"

namespace engram::recall {
namespace {

Result<Question> Ask(const v1::RecallRequest& request) {
  return ResolveQuestion("test", model::WithDefaults(SmallSettings()), request, kTestNow);
}

v1::RecallRequest Parse(const std::string& text) {
  v1::RecallRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

void ExpectRefused(const std::string& text, Reason reason, const std::string& field) {
  const auto question = Ask(Parse(text));
  ASSERT_FALSE(question.ok()) << text;
  EXPECT_EQ(question.status().reason(), reason) << question.status().ToString();
  if (!field.empty()) {
    const auto& metadata = question.status().metadata();
    ASSERT_TRUE(metadata.count("field")) << question.status().ToString();
    EXPECT_EQ(metadata.at("field"), field);
  }
}

TEST(CueTest, Semantic) {
  const auto question = Ask(Parse(R"(cue { semantic { query: "train" fuzzy_threshold: 0.4
      required_tags: "Travel" excluded_tags: "work" } max_results: 3 })"));
  ASSERT_TRUE(question.ok()) << question.status().ToString();
  EXPECT_EQ(question->query.text(), "train");
  EXPECT_FLOAT_EQ(question->min_relevance, 0.4f);
  EXPECT_EQ(question->max_results, 3u);
  ASSERT_EQ(question->filters.size(), 2u);
  EXPECT_EQ(question->filters[1].tags.all_of, std::vector<std::string>{"travel"});
  EXPECT_EQ(question->filters[1].tags.none_of, std::vector<std::string>{"work"});
}

TEST(CueTest, EmbeddingWithALeastCosine) {
  Corpus corpus(1);
  OracleView view(SmallSettings());
  corpus.Fill(&view, 80);
  v1::RecallRequest request;
  corpus.AddVector(request.mutable_cue()->mutable_embedding()->mutable_vector());
  request.mutable_cue()->mutable_embedding()->set_similarity_threshold(0.5f);
  request.mutable_ranking()->set_prior_strength(0);
  request.set_max_results(100);
  request.set_explain(true);
  const auto reply = Recall(view, request, kTestNow);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  ASSERT_GT(reply->memories_size(), 0);
  for (const v1::Memory& memory : reply->memories()) {
    ASSERT_EQ(memory.explanation().legs_size(), 1);
    EXPECT_GE(memory.explanation().legs(0).raw(), 0.5);
  }
}

TEST(CueTest, Context) {
  const auto question = Ask(Parse(R"(cue { context { time_start { seconds: 100 }
      location: "Berlin" participants: "Anna" participants: "Ben" } threshold { value: 0.6 } })"));
  ASSERT_TRUE(question.ok()) << question.status().ToString();
  EXPECT_TRUE(question->FilterOnly());
  const model::ResolvedFilter& filter = question->filters.at(1);
  EXPECT_EQ(filter.event_time->range.start, (model::UtcTime{100, 0}));
  EXPECT_EQ(filter.event_time->range.end, model::kMaxTime);
  EXPECT_EQ(filter.places, std::vector<std::string>{"berlin"});
  EXPECT_EQ(filter.who.all_of, (std::vector<std::string>{"anna", "ben"}));
  EXPECT_FLOAT_EQ(*filter.min_confidence, 0.6f);
}

v1::RecallRequest RelativeCue(v1::RelativeDirection direction, int offset, v1::TimeUnit unit) {
  v1::RecallRequest request;
  v1::TemporalCue* cue = request.mutable_cue()->mutable_temporal();
  cue->mutable_reference_time()->set_seconds(1772323200);  // 2026-03-01
  v1::RelativeTime* relative = cue->mutable_pattern()->mutable_relative();
  relative->set_direction(direction);
  relative->set_offset(offset);
  relative->set_unit(unit);
  return request;
}

TEST(CueTest, RelativeTimes) {
  auto question = Ask(RelativeCue(v1::RELATIVE_DIRECTION_BEFORE, 0, v1::TIME_UNIT_UNSPECIFIED));
  ASSERT_TRUE(question.ok()) << question.status().ToString();
  EXPECT_EQ(question->filters.at(1).event_time->range,
            (model::TimeInterval{model::kMinTime, {1772323200, 0}}));
  question = Ask(RelativeCue(v1::RELATIVE_DIRECTION_AFTER, 2, v1::TIME_UNIT_WEEKS));
  ASSERT_TRUE(question.ok());
  EXPECT_EQ(question->filters.at(1).event_time->range,
            (model::TimeInterval{{1772323200, 0}, {1772323200 + 14 * 86400, 0}}));
  question = Ask(RelativeCue(v1::RELATIVE_DIRECTION_AROUND, 1, v1::TIME_UNIT_MONTHS));
  ASSERT_TRUE(question.ok());
  EXPECT_EQ(model::FormatUtc(question->around->start), "2026-02-01T00:00:00Z");
  EXPECT_EQ(model::FormatUtc(question->around->end), "2026-04-01T00:00:00Z");
  EXPECT_FALSE(question->FilterOnly());
  question = Ask(RelativeCue(v1::RELATIVE_DIRECTION_AROUND, 9000, v1::TIME_UNIT_YEARS));
  ASSERT_TRUE(question.ok());
  EXPECT_EQ(question->around->start, model::kMinTime);
}

TEST(CueTest, SpreadingIsTheContextStep) {
  auto question = Ask(Parse(R"(cue { semantic { query: "a" } activation_decay: 0.25 })"));
  ASSERT_TRUE(question.ok());
  EXPECT_FLOAT_EQ(question->weights.step, 0.25);
  question = Ask(Parse(R"(cue { semantic { query: "a" } spread_activation: false })"));
  ASSERT_TRUE(question.ok());
  EXPECT_EQ(question->weights.step, 0);
  EXPECT_EQ(question->weights.session, 0);
}

TEST(CueTest, WeightsOfTheRequestWinOverThoseOfTheSpace) {
  v1::SpaceSettings settings = model::WithDefaults(SmallSettings());
  settings.set_embedder("hashed");
  v1::RecallRequest request;
  EXPECT_FLOAT_EQ(ResolveWeights(settings, request)->of(Leg::kVector), 0.2);
  settings.mutable_ranking()->set_vector_weight(0.5f);
  settings.mutable_ranking()->set_prior_strength(0.1f);
  EXPECT_FLOAT_EQ(ResolveWeights(settings, request)->of(Leg::kVector), 0.5);
  request.mutable_ranking()->set_vector_weight(0.7f);
  EXPECT_FLOAT_EQ(ResolveWeights(settings, request)->of(Leg::kVector), 0.7f);
  EXPECT_FLOAT_EQ(ResolveWeights(settings, request)->prior, 0.1f);
}

TEST(CueTest, WhatIsRefused) {
  ExpectRefused("cue { }", Reason::INVALID_CUE, "cue");
  ExpectRefused("cue { semantic { } }", Reason::INVALID_CUE, "cue.semantic.query");
  ExpectRefused("cue { context { } }", Reason::INVALID_CUE, "cue.context");
  ExpectRefused("cue { embedding { } }", Reason::INVALID_CUE, "cue.embedding.vector");
  ExpectRefused("cue { temporal { } }", Reason::INVALID_CUE, "cue.temporal.pattern");
  ExpectRefused("cue { semantic { query: 'a' } } query { text: 'b' }", Reason::INVALID_CUE, "cue");
  ExpectRefused("cue { semantic { query: 'a' } threshold { value: 2 } }", Reason::INVALID_CUE,
                "cue.threshold");
  ExpectRefused("max_results: -1", Reason::INVALID_REQUEST, "max_results");
  ExpectRefused("max_results: 1001", Reason::TOO_LARGE, "max_results");
  ExpectRefused("context_before: 11", Reason::TOO_LARGE, "context_before");
  ExpectRefused("min_relevance: nan", Reason::INVALID_REQUEST, "min_relevance");
  ExpectRefused("no_match_below: 1.5", Reason::INVALID_REQUEST, "no_match_below");
  ExpectRefused("ranking { text_weight: -1 }", Reason::INVALID_REQUEST, "ranking.text_weight");
  ExpectRefused("ranking { prior_strength: 1.1 }", Reason::INVALID_REQUEST,
                "ranking.prior_strength");
  ExpectRefused("query { embedding: 1 }", Reason::DIMENSION_MISMATCH, "");
  ExpectRefused("query { around { text: 'last Tuesday' } }", Reason::INVALID_TIME, "");
  ExpectRefused("filter { min_confidence: 3 }", Reason::INVALID_FILTER, "");
  ExpectRefused("query { text: '" + std::string(kMaxQueryBytes + 1, 'x') + "' }", Reason::TOO_LARGE,
                "query.text");
}

TEST(CueTest, WhatIsNotBuiltYetSaysSo) {
  for (const char* text : {"as_of { sequence: 3 }", "reinforce: true", "cue { pattern { } }",
                           "cue { temporal { pattern { cron_expression: '* * * * *' } } }",
                           "cue { temporal { pattern { interval { value: 1 } } } }"}) {
    const auto question = Ask(Parse(text));
    ASSERT_FALSE(question.ok()) << text;
    EXPECT_EQ(question.status().reason(), Reason::UNIMPLEMENTED_FEATURE) << text;
    EXPECT_TRUE(question.status().metadata().count("field"));
    EXPECT_TRUE(question.status().metadata().count("hint"));
  }
}

TEST(CueTest, AnotherModelIsRefused) {
  v1::SpaceSettings settings = model::WithDefaults(SmallSettings());
  settings.set_embedding_model("small-3");
  v1::RecallRequest request;
  Corpus(1).AddVector(request.mutable_query()->mutable_embedding());
  request.mutable_query()->set_embedding_model("large-1");
  const auto question = ResolveQuestion("test", settings, request, kTestNow);
  ASSERT_FALSE(question.ok());
  EXPECT_EQ(question.status().reason(), Reason::MODEL_MISMATCH);
}

TEST(CueTest, AllWeightsZeroIsRefused) {
  OracleView view(SmallSettings());
  v1::RecallRequest request = TextRequest("a");
  request.mutable_ranking()->set_text_weight(0);
  const auto reply = Recall(view, request, kTestNow);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.status().reason(), Reason::INVALID_CUE);
}

TEST(LikeTest, FindsMoreLikeOnesButNotThese) {
  OracleView view(SmallSettings());
  const char* texts[] = {"the early train to Munich", "a train from Munich", "cake with cream",
                         "cream cake again", "nothing else"};
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(view.Remember(MakeEpisode("e" + std::to_string(i), texts[i]), kTestNow).ok());
  }
  v1::RecallRequest request;
  request.mutable_query()->add_like_ids("e0");
  request.add_explain_ids("e0");
  auto reply = Recall(view, request, kTestNow);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(IdsOf(*reply), std::vector<std::string>{"e1"});
  EXPECT_EQ(reply->explanation().why_not(0).reason(), "FILTERED");
  request.mutable_query()->add_like_ids("missing");
  reply = Recall(view, request, kTestNow);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.status().reason(), Reason::MEMORY_NOT_FOUND);
}

TEST(LikeTest, UsesTheStoredVector) {
  OracleView view(SmallSettings());
  for (int i = 0; i < 12; ++i) {
    v1::Episode episode;
    episode.set_id("e" + std::to_string(i));
    for (uint32_t d = 0; d < kTestDimension; ++d) episode.add_embedding(d == 0 ? 1 : 0.01f);
    episode.set_embedding(1 + i / 3, 1);
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  v1::RecallRequest request;
  request.mutable_query()->add_like_ids("e4");
  request.set_max_results(2);
  const auto reply = Recall(view, request, kTestNow);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(IdsOf(*reply), (std::vector<std::string>{"e3", "e5"}));
}

}  // namespace
}  // namespace engram::recall
