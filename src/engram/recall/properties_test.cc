// What a user can count on (docs/recall.md), beyond the formula itself.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "engram/index/vectors.h"
#include "engram/recall/brute_force.h"
#include "engram/recall/corpus.h"
#include "engram/recall/vector_leg.h"

namespace engram::recall {
namespace {

v1::RecallResponse MustRecall(space::View& view, const v1::RecallRequest& request) {
  Result<v1::RecallResponse> reply = Recall(view, request, kTestNow);
  if (reply.ok()) return *std::move(reply);
  ADD_FAILURE() << reply.status().ToString();
  return {};
}

// ---- never short ----

TEST(NeverShortTest, AFilterDoesNotShortenTheList) {
  Corpus corpus(5);
  OracleView view(SmallSettings());
  for (int i = 0; i < 400; ++i) {
    v1::Episode episode = MakeEpisode("e" + std::to_string(i), "common " + corpus.Text(8));
    for (int wide = 1; wide <= 400; wide *= 2) {
      if (i % wide == 0) episode.add_tags("every" + std::to_string(wide));
    }
    if (i == 211) episode.add_tags("once");
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  for (int wide = 1; wide <= 400; wide *= 2) {
    v1::RecallRequest request = TextRequest("common", 30);
    request.mutable_filter()->mutable_tags()->add_any_of("every" + std::to_string(wide));
    EXPECT_EQ(MustRecall(view, request).memories_size(), std::min(30, (399 / wide) + 1)) << wide;
  }
  v1::RecallRequest request = TextRequest("common");
  request.mutable_filter()->mutable_tags()->add_any_of("once");
  EXPECT_EQ(IdsOf(MustRecall(view, request)), std::vector<std::string>{"e211"});
}

// Above kExactVectors the nearest are named by a scan and the rest is looked at when it can matter.
class LargeSpaceTest : public testing::Test {
 protected:
  static constexpr int kEpisodes = static_cast<int>(kExactVectors) + 600;
  static OracleView* view_;
  static void SetUpTestSuite() {
    Corpus corpus(17);
    view_ = new OracleView(SmallSettings());
    for (int i = 0; i < kEpisodes; ++i) {
      v1::Episode episode = MakeEpisode("e" + std::to_string(i), corpus.Text(4));
      corpus.AddVector(episode.mutable_embedding());
      if (i % 40 < 4) episode.set_session("s" + std::to_string(i / 40));
      if (i == 4321) episode.add_tags("once");
      ENGRAM_CHECK(view_->Remember(episode, kTestNow).ok());
    }
  }
  static void TearDownTestSuite() { delete view_; }
};
OracleView* LargeSpaceTest::view_ = nullptr;

// Random vectors with random texts are the worst case: nothing stands out. The head of the list has
// to be exact, its end may miss what only many middling neighbours carry.
TEST_F(LargeSpaceTest, FindsWhatScoringEverythingFinds) {
  Corpus corpus(18);
  for (int i = 0; i < 6; ++i) {
    v1::RecallRequest request;
    corpus.AddVector(request.mutable_query()->mutable_embedding());
    if (i % 2 == 1) request.mutable_query()->set_text(corpus.Text(3));
    const auto reply = MustRecall(*view_, request);
    const BruteAnswer all = BruteForce(view_->entries(), view_->settings(), request, kTestNow);
    ASSERT_EQ(reply.memories_size(), 10);
    std::set<std::string> best;
    for (const BruteResult& result : all.results) best.insert(result.id);
    int common = 0;
    for (int place = 0; place < 10; ++place) {
      const v1::Memory& memory = reply.memories(place);
      common += static_cast<int>(best.count(memory.id()));
      if (place >= 3) continue;
      EXPECT_EQ(memory.id(), all.results[place].id) << i << " at " << place;
      EXPECT_NEAR(memory.score(), all.results[place].score, 1e-5);
    }
    EXPECT_GE(common, i % 2 == 1 ? 5 : 10);
  }
}

TEST_F(LargeSpaceTest, OneMatchIsFoundThroughAFilter) {
  v1::RecallRequest request;
  *request.mutable_query()->mutable_embedding() =
      view_->entries()[4321].record.episode().embedding();
  request.mutable_filter()->mutable_tags()->add_any_of("once");
  EXPECT_EQ(IdsOf(MustRecall(*view_, request)), std::vector<std::string>{"e4321"});
}

// ---- no holes ----

using LegNumbers = std::map<std::string, std::map<std::string, std::pair<double, float>>>;

LegNumbers NumbersOf(const v1::RecallResponse& reply) {
  LegNumbers numbers;
  for (const v1::Memory& memory : reply.memories()) {
    for (const v1::LegScore& leg : memory.explanation().legs()) {
      numbers[memory.id()][leg.leg()] = {leg.raw(), leg.normalised()};
    }
  }
  return numbers;
}

TEST(NoHolesTest, RemovingALegChangesNoOther) {
  Corpus corpus(31);
  OracleView view(SmallSettings());
  corpus.Fill(&view, 300);
  v1::RecallRequest full = TextRequest(corpus.Text(5), 1000);
  corpus.AddVector(full.mutable_query()->mutable_embedding());
  full.mutable_query()->mutable_around()->set_text("2024-05");
  full.mutable_query()->add_who("person0");
  full.mutable_query()->set_where_location("city1/street1");
  full.set_explain(true);
  const LegNumbers all = NumbersOf(MustRecall(view, full));
  ASSERT_GT(all.size(), 100u);
  for (const char* removed : {"text", "embedding", "around", "who", "where_location"}) {
    v1::RecallRequest request = full;
    const auto* field = v1::Query::descriptor()->FindFieldByName(removed);
    request.mutable_query()->GetReflection()->ClearField(request.mutable_query(), field);
    for (const auto& [id, legs] : NumbersOf(MustRecall(view, request))) {
      for (const auto& [leg, numbers] : legs) {
        EXPECT_EQ(all.at(id).at(leg), numbers) << id << " " << leg << " without " << removed;
      }
    }
  }
}

// ---- bounded prior ----

TEST(BoundedPriorTest, NothingPassesWhatIsOnceAndAHalfAsStrong) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Corpus corpus(seed);
    OracleView view(SmallSettings());
    corpus.Fill(&view, 200);
    v1::RecallRequest request = TextRequest(corpus.Text(4), 1000);
    request.set_explain(true);
    const auto reply = MustRecall(view, request);
    float least = 1e9f;  // of all results so far
    for (const v1::Memory& memory : reply.memories()) {
      const float strength = memory.explanation().direct() + memory.explanation().context();
      EXPECT_LE(strength, least / 0.7f + 1e-5f) << memory.id();
      least = std::min(least, strength);
    }
  }
}

// ---- a bad leg is harmless ----

struct Asked {
  std::string answer;
  v1::Query query;
};

// Texts with known answers: a question holds some words of one episode, and some of none.
std::vector<Asked> MakeQuestions(Corpus* corpus, OracleView* view, int episodes, int questions) {
  for (int i = 0; i < episodes; ++i) {
    v1::Episode episode = MakeEpisode("e" + std::to_string(i), corpus->Text(24));
    for (uint32_t d = 0; d < view->settings().dimension(); ++d) {
      episode.add_embedding(static_cast<float>(corpus->random().Unit() - 0.5));
    }
    ENGRAM_CHECK(view->Remember(episode, kTestNow).ok());
  }
  std::vector<Asked> asked;
  while (static_cast<int>(asked.size()) < questions) {
    const auto& entry = view->entries()[corpus->random().Below(episodes)];
    if (entry.terms.size() < 10) continue;
    Asked one{entry.facets.id, {}};
    std::string text = corpus->Word();
    for (int i = 0; i < 4; ++i) {
      text += " " + entry.terms[corpus->random().Below(entry.terms.size() - 3)];
    }
    one.query.set_text(text);
    for (uint32_t d = 0; d < view->settings().dimension(); ++d) {
      one.query.add_embedding(static_cast<float>(corpus->random().Unit() - 0.5));
    }
    asked.push_back(one);
  }
  return asked;
}

std::vector<std::string> RankBy(OracleView& view, const v1::Query& query, bool text, bool vector,
                                int count) {
  v1::RecallRequest request;
  *request.mutable_query() = query;
  if (!text) request.mutable_query()->clear_text();
  if (!vector) request.mutable_query()->clear_embedding();
  request.set_max_results(count);
  return IdsOf(MustRecall(view, request));
}

// Reciprocal rank fusion with k = 60, which engram does not offer.
std::vector<std::string> RankByReciprocalRanks(OracleView& view, const v1::Query& query) {
  std::map<std::string, double> sums;
  for (const bool text : {true, false}) {
    const auto ids = RankBy(view, query, text, !text, 200);
    for (size_t rank = 0; rank < ids.size(); ++rank) sums[ids[rank]] += 1.0 / (61.0 + rank);
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [id, sum] : sums) order.emplace_back(-sum, id);
  std::sort(order.begin(), order.end());
  std::vector<std::string> ids;
  for (size_t i = 0; i < std::min<size_t>(10, order.size()); ++i) ids.push_back(order[i].second);
  return ids;
}

TEST(BadLegTest, RandomVectorsDoNotDrownTheText) {
  Corpus corpus(77);
  v1::SpaceSettings settings = SmallSettings();
  settings.set_dimension(128);
  OracleView view(settings);
  const std::vector<Asked> questions = MakeQuestions(&corpus, &view, 1000, 150);
  double text = 0, sum = 0, reciprocal = 0;
  for (const Asked& asked : questions) {
    const auto found = [&](const std::vector<std::string>& ids) {
      return std::count(ids.begin(), ids.end(), asked.answer) / 150.0;
    };
    text += found(RankBy(view, asked.query, true, false, 10));
    sum += found(RankBy(view, asked.query, true, true, 10));
    reciprocal += found(RankByReciprocalRanks(view, asked.query));
  }
  EXPECT_GT(text, 0.8);
  EXPECT_LT(std::abs(text - sum), 0.03) << text << " and " << sum;
  EXPECT_GT(std::abs(text - reciprocal), 0.03)
      << "ranks alone would do as well: then this test shows nothing (" << reciprocal << ")";
}

// ---- neighbours ----

TEST(NeighboursTest, ATurnWithoutTheWordsIsFoundBesideTheOneThatHasThem) {
  OracleView view(SmallSettings());
  const char* turns[] = {"Good morning, did you sleep well?", "Which train suits you best?",
                         "The 8:15 to Munich, as always",     "Fine, I shall pack tonight",
                         "Do not forget the umbrella",        "Never without it"};
  for (int i = 0; i < 6; ++i) {
    v1::Episode episode = MakeEpisode("t" + std::to_string(i), turns[i]);
    episode.set_session("chat");
    episode.set_turn(i);
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(
        view.Remember(MakeEpisode("x" + std::to_string(i), "weather report number"), kTestNow)
            .ok());
  }
  v1::RecallRequest request = TextRequest("train suits");
  request.set_explain(true);
  const auto reply = MustRecall(view, request);
  ASSERT_GE(reply.memories_size(), 2);
  EXPECT_EQ(reply.memories(0).id(), "t1");
  EXPECT_EQ(reply.memories(0).group(), v1::MEMORY_GROUP_VIVID);
  const auto answer = std::find_if(reply.memories().begin(), reply.memories().end(),
                                   [](const v1::Memory& memory) { return memory.id() == "t2"; });
  ASSERT_NE(answer, reply.memories().end());
  EXPECT_EQ(answer->group(), v1::MEMORY_GROUP_ASSOCIATED);
  EXPECT_EQ(answer->explanation().direct(), 0);
  ASSERT_GE(answer->explanation().context_from_size(), 1);
  EXPECT_EQ(answer->explanation().context_from(0).memory_id(), "t1");
  EXPECT_EQ(answer->explanation().context_from(0).offset(), -1);
  EXPECT_NE(answer->explanation().summary().find("t1"), std::string::npos);

  request.mutable_ranking()->set_context_step(0);
  request.mutable_ranking()->set_session_weight(0);
  EXPECT_EQ(IdsOf(MustRecall(view, request)), std::vector<std::string>{"t1"});
}

TEST(NeighboursTest, TheFilterSaysWhatComesBackNotWhatSpeaks) {
  OracleView view(SmallSettings());
  for (int i = 0; i < 2; ++i) {
    v1::Episode episode =
        MakeEpisode("t" + std::to_string(i), i == 0 ? "the zebra question" : "yes");
    episode.set_session("chat");
    episode.set_turn(i);
    episode.add_who(i == 0 ? "Anna" : "Ben");
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  v1::RecallRequest request = TextRequest("zebra");
  request.mutable_filter()->mutable_who()->add_any_of("ben");
  EXPECT_EQ(IdsOf(MustRecall(view, request)), std::vector<std::string>{"t1"});
  view.Suppress("t0");  // what is suppressed is silent
  EXPECT_TRUE(MustRecall(view, request).memories().empty());
}

TEST(NeighboursTest, SurroundingsComeOldestFirst) {
  OracleView view(SmallSettings());
  for (int i = 0; i < 7; ++i) {
    v1::Episode episode = MakeEpisode("t" + std::to_string(i), i == 3 ? "zebra" : "nothing");
    episode.set_session("chat");
    episode.set_turn(i);
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  v1::RecallRequest request = TextRequest("zebra", 1);
  request.set_context_before(2);
  request.set_context_after(1);
  const auto reply = MustRecall(view, request);
  ASSERT_EQ(reply.memories_size(), 1);
  ASSERT_EQ(reply.memories(0).before_size(), 2);
  EXPECT_EQ(reply.memories(0).before(0).id(), "t1");
  EXPECT_EQ(reply.memories(0).before(1).id(), "t2");
  ASSERT_EQ(reply.memories(0).after_size(), 1);
  EXPECT_EQ(reply.memories(0).after(0).id(), "t4");
}

// ---- small spaces ----

TEST(SmallSpacesTest, AnEmptySpaceSaysNoMatch) {
  OracleView view(SmallSettings());
  const auto reply = MustRecall(view, TextRequest("anything"));
  EXPECT_TRUE(reply.memories().empty());
  EXPECT_TRUE(reply.no_match());
  EXPECT_FALSE(reply.has_recall_confidence());
}

TEST(SmallSpacesTest, OneTwoAndThreeEpisodes) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("train", "Anna takes the early train"), kTestNow).ok());
  auto reply = MustRecall(view, TextRequest("the train of Anna"));
  ASSERT_EQ(reply.memories_size(), 1);
  EXPECT_GT(reply.memories(0).relevance(), 0.9f);
  EXPECT_FALSE(reply.no_match());
  EXPECT_TRUE(MustRecall(view, TextRequest("quarterly taxes")).no_match());

  ASSERT_TRUE(view.Remember(MakeEpisode("dog", "Ben walks his dog"), kTestNow).ok());
  reply = MustRecall(view, TextRequest("which train"));
  EXPECT_EQ(IdsOf(reply), std::vector<std::string>{"train"});

  ASSERT_TRUE(view.Remember(MakeEpisode("both", "Ben takes his dog on a train"), kTestNow).ok());
  reply = MustRecall(view, TextRequest("train dog"));
  ASSERT_EQ(reply.memories_size(), 3);
  EXPECT_EQ(reply.memories(0).id(), "both");
  EXPECT_GT(reply.memories(0).relevance(), 0.8f);
  EXPECT_LT(reply.memories(2).relevance(), 0.7f);
}

// ---- verdicts ----

TEST(VerdictTest, NoMatchBelowEmptiesTheReplyAndMinRelevanceCutsResults) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "red green blue yellow"), kTestNow).ok());
  ASSERT_TRUE(view.Remember(MakeEpisode("b", "black white"), kTestNow).ok());
  v1::RecallRequest request = TextRequest("red one two three four five");
  auto reply = MustRecall(view, request);
  EXPECT_TRUE(reply.no_match());
  ASSERT_EQ(reply.memories_size(), 1);
  EXPECT_TRUE(reply.memories(0).weak());
  EXPECT_EQ(reply.recall_confidence().value(), reply.memories(0).relevance());
  EXPECT_FALSE(reply.recall_confidence().reasoning().empty());
  request.set_no_match_below(0.3f);
  reply = MustRecall(view, request);
  EXPECT_TRUE(reply.memories().empty());
  EXPECT_TRUE(reply.no_match());
  EXPECT_FALSE(reply.has_recall_confidence());
  request = TextRequest("red black white");
  request.set_min_relevance(0.4f);
  EXPECT_EQ(IdsOf(MustRecall(view, request)), std::vector<std::string>{"b"});
}

TEST(VerdictTest, AQueryWithoutVectorSaysSo) {
  Corpus corpus(3);
  OracleView view(SmallSettings());
  v1::Episode episode = MakeEpisode("a", "zebra");
  EXPECT_TRUE(view.Remember(episode, kTestNow).ok());
  EXPECT_TRUE(MustRecall(view, TextRequest("zebra")).warnings().empty());
  corpus.AddVector(episode.mutable_embedding());
  EXPECT_TRUE(view.Remember(episode, kTestNow).ok());
  const auto reply = MustRecall(view, TextRequest("zebra"));
  ASSERT_EQ(reply.warnings_size(), 1);
  EXPECT_EQ(reply.warnings(0).reason(), "QUERY_NOT_EMBEDDED");
}

TEST(VerdictTest, AnUnreadableResultIsLeftOutAndNamed) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "zebra one"), kTestNow).ok());
  ASSERT_TRUE(view.Remember(MakeEpisode("b", "zebra two"), kTestNow).ok());
  view.Damage("a");
  const auto reply = MustRecall(view, TextRequest("zebra"));
  EXPECT_EQ(IdsOf(reply), std::vector<std::string>{"b"});
  ASSERT_EQ(reply.warnings_size(), 1);
  EXPECT_EQ(reply.warnings(0).reason(), "RESULT_UNREADABLE");
  EXPECT_NE(reply.warnings(0).message().find("'a'"), std::string::npos);
}

TEST(VerdictTest, AHashedSpaceEmbedsTheQueryItself) {
  v1::SpaceSettings settings;
  settings.set_embedder("hashed");
  OracleView view(settings);
  v1::Episode episode = MakeEpisode("a", "Anna missed the train to Hamburg");
  for (float value : index::HashedEmbedding(episode.what())) episode.add_embedding(value);
  ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  v1::RecallRequest request = TextRequest("ana mised the trein");
  request.set_explain(true);
  const auto reply = MustRecall(view, request);
  ASSERT_EQ(reply.memories_size(), 1);
  EXPECT_TRUE(reply.warnings().empty());
  ASSERT_EQ(reply.memories(0).explanation().legs_size(), 2);
  EXPECT_FLOAT_EQ(reply.memories(0).explanation().legs(1).weight(), 0.2f);
}

// ---- order ----

TEST(OrderTest, TiesGoToTheLaterEventThenToTheSmallerId) {
  v1::SpaceSettings settings = SmallSettings();
  settings.set_decay("none");
  OracleView view(settings);
  for (const char* id : {"c", "a", "b", "late", "undated"}) {
    v1::Episode episode = MakeEpisode(id, "zebra");
    episode.mutable_event_time()->set_text(std::string(id) == "late"      ? "2025"
                                           : std::string(id) == "undated" ? "unknown"
                                                                          : "2024");
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  // The year is searched too; a filter alone scores all alike.
  v1::RecallRequest request;
  EXPECT_EQ(IdsOf(MustRecall(view, request)),
            (std::vector<std::string>{"late", "a", "b", "c", "undated"}));
  request.set_max_results(2);
  EXPECT_EQ(IdsOf(MustRecall(view, request)), (std::vector<std::string>{"late", "a"}));
  EXPECT_FLOAT_EQ(MustRecall(view, request).memories(0).relevance(), 1);
}

}  // namespace
}  // namespace engram::recall
