// Scripts and times: what is written one way is found another way.
#include <gtest/gtest.h>

#include "engram/recall/corpus.h"

namespace engram::recall {
namespace {

struct Script {
  const char* name;
  const char* analyzer;
  const char* text;
  const char* query;
};

void PrintTo(const Script& script, std::ostream* out) {
  *out << script.name;
}

class ScriptTest : public testing::TestWithParam<Script> {};

TEST_P(ScriptTest, IsFoundAmongOthers) {
  const Script& script = GetParam();
  OracleView view(SmallSettings(script.analyzer));
  for (const char* other : {"the quick brown fox", "Das Wetter bleibt trüb", "вчера был дождь",
                            "今天天气很好", "昨日は雨でした", "เมื่อวานฝนตก", "אתמול ירד גשם"}) {
    ASSERT_TRUE(view.Remember(MakeEpisode(std::string("other ") + other, other), kTestNow).ok());
  }
  ASSERT_TRUE(view.Remember(MakeEpisode("it", script.text), kTestNow).ok());
  const auto reply = Recall(view, TextRequest(script.query), kTestNow);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  ASSERT_GE(reply->memories_size(), 1);
  EXPECT_EQ(reply->memories(0).id(), "it");
  EXPECT_GE(reply->memories(0).relevance(), 0.3f);
}

INSTANTIATE_TEST_SUITE_P(
    Scripts, ScriptTest,
    testing::Values(
        Script{"English", "english", "Anna prefers early trains", "train that Anna preferred"},
        Script{"German", "german", "Die Züge nach Köln fahren früh", "Zug nach KÖLN"},
        Script{"Russian", "russian", "Анна любит утренние поезда", "утренний поезд"},
        Script{"Chinese", "english", "安娜喜欢早上去慕尼黑的火车", "慕尼黑火车"},
        Script{"Japanese", "english", "アンナはミュンヘン行きの電車が好きです", "ミュンヘンの電車"},
        Script{"Thai", "english", "แอนนาชอบรถไฟไปมิวนิก", "รถไฟมิวนิก"},
        Script{"Hebrew", "simple", "אנה אוהבת רכבת מוקדמת", "רכבת מוקדמת"},
        Script{"Arabic", "simple", "تحب آنا القطار المبكر", "القطار المبكر"},
        Script{"Mixed", "english", "Anna bought 新幹線 tickets для Бориса", "新幹線 tickets"},
        Script{"Emoji", "english", "Surprise party 🎉 for Anna", "🎉 party"},
        Script{"Decomposed", "simple", "cafe\xCC\x81 in Zu\xCC\x88rich", "Café Zürich"},
        Script{"Composed", "simple", "Café in Zürich", "cafe\xCC\x81 zu\xCC\x88rich"},
        Script{"FullWidth", "simple", "ＡＢＣ１２３ was the code", "abc123"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(StopWordTest, AloneTheyAreKept) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("who", "to be or not to be"), kTestNow).ok());
  ASSERT_TRUE(view.Remember(MakeEpisode("cat", "the cat is not here"), kTestNow).ok());
  const auto reply = Recall(view, TextRequest("to be or not to be"), kTestNow);
  ASSERT_TRUE(reply.ok());
  ASSERT_GE(reply->memories_size(), 1);
  EXPECT_EQ(reply->memories(0).id(), "who");
}

TEST(QueryTest, OverLongQueriesAreCutWithAWarning) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "zebra1x"), kTestNow).ok());
  std::string text;
  for (int i = 0; i < 400; ++i) text += "zebra" + std::to_string(i) + "x ";
  const auto reply = Recall(view, TextRequest(text), kTestNow);
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->warnings_size(), 1);
  EXPECT_EQ(reply->warnings(0).reason(), "QUERY_CUT");
}

// ---- time ----

class TimeTest : public testing::Test {
 protected:
  void Add(const std::string& id, const std::string& text, const std::string& zone = "") {
    v1::Episode episode = MakeEpisode(id, "meeting");
    episode.mutable_event_time()->set_text(text);
    episode.mutable_event_time()->set_zone(zone);
    ASSERT_TRUE(view_.Remember(episode, kTestNow).ok()) << text;
  }
  std::vector<std::string> Within(
      const std::string& range, const std::string& zone = "",
      v1::TimeRange::Relation relation = v1::TimeRange::RELATION_OVERLAPS) {
    v1::ListRequest request;
    request.set_order(v1::ListRequest::ORDER_STORED_ASC);
    request.mutable_filter()->mutable_event_time()->set_text(range);
    request.mutable_filter()->mutable_event_time()->set_zone(zone);
    request.mutable_filter()->mutable_event_time()->set_relation(relation);
    const auto reply = List(view_, request);
    EXPECT_TRUE(reply.ok()) << reply.status().ToString();
    std::vector<std::string> ids;
    for (const v1::Episode& episode : reply->episodes()) ids.push_back(episode.id());
    return ids;
  }
  std::vector<std::string> Around(const std::string& text) {
    v1::RecallRequest request;
    request.mutable_query()->mutable_around()->set_text(text);
    request.mutable_ranking()->set_prior_strength(0);
    const auto reply = Recall(view_, request, kTestNow);
    EXPECT_TRUE(reply.ok()) << reply.status().ToString();
    return IdsOf(*reply);
  }
  using IdList = std::vector<std::string>;
  OracleView view_{SmallSettings()};
};

TEST_F(TimeTest, PartialDatesAndOpenRanges) {
  Add("year", "2023");
  Add("month", "2023-05");
  Add("day", "2023-05-07");
  Add("later", "2024-01-01");
  Add("span", "2023-12-20/2024-01-05");
  Add("never", "unknown");
  EXPECT_EQ(Within("2023-05"), (IdList{"year", "month", "day"}));
  EXPECT_EQ(Within("2023-05", "", v1::TimeRange::RELATION_WITHIN), (IdList{"month", "day"}));
  EXPECT_EQ(Within("2023", "", v1::TimeRange::RELATION_STARTS_IN),
            (IdList{"year", "month", "day", "span"}));
  EXPECT_EQ(Within("2024/.."), (IdList{"later", "span"}));
  EXPECT_EQ(Within("../2023-04"), (IdList{"year"}));
  EXPECT_EQ(Around("2023-05-07").front(), "day");  // an equal gap: the later event comes first
  EXPECT_EQ(Around("2024-01-03").front(), "span");
  EXPECT_EQ(Around("2023-05-07").size(), 5u);  // the one without a time cannot be near
}

TEST_F(TimeTest, ZonesAndChangesOfOffset) {
  Add("berlin", "2024-03-31T03:30", "Europe/Berlin");  // 01:30 UTC, after the clocks went on
  Add("utc", "2024-03-31T01:30Z");
  Add("before", "2024-03-31T01:30", "Europe/Berlin");  // 00:30 UTC
  EXPECT_EQ(Within("2024-03-31T01:00Z/2024-03-31T02:00Z"), (IdList{"berlin", "utc"}));
  EXPECT_EQ(Within("2024-03-31T01:30", "Europe/Berlin"), (IdList{"before"}));
}

TEST_F(TimeTest, NearerIsBetter) {
  Add("a", "2020");
  Add("b", "2023-01");
  Add("c", "2023-06-01");
  EXPECT_EQ(Around("2023-06"), (IdList{"c", "b", "a"}));
  v1::RecallRequest request;
  request.mutable_query()->mutable_around()->set_text("2023-06-02");
  request.set_explain(true);
  const auto reply = Recall(view_, request, kTestNow);
  ASSERT_TRUE(reply.ok());
  EXPECT_FLOAT_EQ(reply->memories(0).explanation().legs(0).normalised(), 1);  // they touch
}

TEST(ActivationTest, FollowsItsTable) {
  const auto days_ago = [](double days) {
    OracleView view(SmallSettings());
    v1::Episode episode = MakeEpisode("a", "zebra");
    const auto seconds = kTestNow.seconds - static_cast<int64_t>(days * 86400);
    episode.mutable_when()->set_seconds(seconds);
    EXPECT_TRUE(view.Remember(episode, kTestNow).ok());
    return Recall(view, TextRequest("zebra"), kTestNow)->memories(0).activation();
  };
  EXPECT_NEAR(days_ago(1.0 / 24), 0.96f, 0.005f);
  EXPECT_NEAR(days_ago(1), 0.83f, 0.005f);
  EXPECT_NEAR(days_ago(30), 0.48f, 0.005f);
  EXPECT_NEAR(days_ago(365), 0.21f, 0.005f);
  EXPECT_NEAR(days_ago(-10), days_ago(0), 1e-6f);  // still to come: as fresh as now
}

}  // namespace
}  // namespace engram::recall
