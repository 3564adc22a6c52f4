// Get, Reminisce, and what Forget by filter or cue names.
#include <gtest/gtest.h>

#include "engram/recall/corpus.h"

namespace engram::recall {
namespace {

TEST(GetTest, NewestVersionHistoryAndMissing) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "one"), kTestNow).ok());
  ASSERT_TRUE(view.Remember(MakeEpisode("b", "other"), kTestNow).ok());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "two"), kTestNow).ok());
  view.Suppress("a");
  view.Delete("b");
  v1::GetRequest request;
  for (const char* id : {"a", "b", "c"}) request.add_ids(id);
  auto reply = Get(view, request);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  ASSERT_EQ(reply->episodes_size(), 1);
  EXPECT_EQ(reply->episodes(0).what(), "two");
  EXPECT_TRUE(reply->episodes(0).stored().suppressed());
  ASSERT_EQ(reply->missing_size(), 2);
  request.set_include_history(true);
  reply = Get(view, request);
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->episodes_size(), 2);
  EXPECT_EQ(reply->episodes(0).stored().version(), 2u);
  EXPECT_EQ(reply->episodes(1).what(), "one");
  EXPECT_LT(reply->episodes(1).stored().sequence(), reply->episodes(0).stored().sequence());
  request.set_include_history(false);
  request.set_version(1);
  reply = Get(view, request);
  ASSERT_TRUE(reply.ok());
  ASSERT_EQ(reply->episodes_size(), 1);
  EXPECT_EQ(reply->episodes(0).what(), "one");
  request.set_version(7);
  EXPECT_EQ(Get(view, request)->missing_size(), 3);
}

TEST(GetTest, Refusals) {
  OracleView view(SmallSettings());
  v1::GetRequest request;
  EXPECT_EQ(Get(view, request).status().reason(), Reason::INVALID_REQUEST);
  request.add_ids(std::string(10000, 'x'));
  EXPECT_EQ(Get(view, request).status().reason(), Reason::TOO_LARGE);
  request.mutable_as_of()->set_sequence(1);
  EXPECT_EQ(Get(view, request).status().reason(), Reason::UNIMPLEMENTED_FEATURE);
  request.Clear();
  for (int i = 0; i < 1001; ++i) request.add_ids("a");
  EXPECT_EQ(Get(view, request).status().reason(), Reason::TOO_LARGE);
}

class ReminisceTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* days[] = {"2024-05-03", "2024-05-01", "2024-05-09", "2024-05-02"};
    for (int i = 0; i < 4; ++i) {
      v1::Episode episode = MakeEpisode("d" + std::string(days[i] + 9),
                                        i < 2 ? "sailing on the lake" : "baking bread");
      episode.mutable_event_time()->set_text(days[i]);
      episode.add_who(i % 2 == 0 ? "Anna" : "Ben");
      episode.set_where_location(i < 2 ? "Konstanz/Harbour" : "Berlin");
      if (i == 3) episode.set_session("other");
      if (i < 2) episode.set_emotional_valence(i == 0 ? 0.5f : -0.1f);
      if (i == 3) episode.mutable_encoding_confidence()->set_value(0.7f);
      ASSERT_TRUE(view_.Remember(episode, kTestNow).ok());
    }
  }
  v1::ReminisceResponse Must(const v1::ReminisceRequest& request) {
    Result<v1::ReminisceResponse> reply = Reminisce(view_, request, kTestNow);
    EXPECT_TRUE(reply.ok()) << reply.status().ToString();
    return reply.ok() ? *std::move(reply) : v1::ReminisceResponse();
  }
  std::vector<std::string> Ids(const v1::ReminisceRequest& request) {
    std::vector<std::string> ids;
    const v1::ReminisceResponse reply = Must(request);
    for (const v1::Episode& episode : reply.episodes()) ids.push_back(episode.id());
    return ids;
  }
  using IdList = std::vector<std::string>;
  OracleView view_{SmallSettings()};
};

TEST_F(ReminisceTest, GoesAlongTheTimeLine) {
  v1::ReminisceRequest request;
  EXPECT_EQ(Ids(request), (IdList{"d1", "d2", "d3", "d9"}));
  request.set_order(v1::ReminisceRequest::ORDER_NEWEST_FIRST);
  EXPECT_EQ(Ids(request), (IdList{"d9", "d3", "d2", "d1"}));
}

TEST_F(ReminisceTest, EachCue) {
  v1::ReminisceRequest request;
  request.set_at_location("konstanz");
  EXPECT_EQ(Ids(request), (IdList{"d1", "d3"}));
  request.mutable_with_people()->add_people("ANNA");
  EXPECT_EQ(Ids(request), (IdList{"d3", "d9"}));
  request.set_in_session("other");
  EXPECT_EQ(Ids(request), (IdList{"d2"}));
  request.set_about_topic("baking");
  EXPECT_EQ(Ids(request), (IdList{"d2", "d9"}));
  request.clear_cue();
  request.mutable_time_window_start()->set_seconds(1714608000);  // 2 May 2024
  request.mutable_time_window_end()->set_seconds(1714780800);    // 4 May
  EXPECT_EQ(Ids(request), (IdList{"d2", "d3"}));
}

TEST_F(ReminisceTest, TheNearestInTimeComeInOrder) {
  v1::ReminisceRequest request;
  request.mutable_around_time()->set_seconds(1714867200);  // 5 May 2024
  request.set_page_size(2);
  const v1::ReminisceResponse first = Must(request);
  EXPECT_EQ(Ids(request), (IdList{"d2", "d3"}));
  request.set_page_token(first.next_page_token());
  EXPECT_EQ(Ids(request), (IdList{"d1", "d9"}));
  EXPECT_TRUE(Must(request).next_page_token().empty());
}

TEST_F(ReminisceTest, SaysOnlyWhatTheEpisodesSay) {
  v1::ReminisceRequest request;
  const v1::ReminisceResponse reply = Must(request);
  EXPECT_FLOAT_EQ(reply.recall_vividness().value(), 0.25f);
  EXPECT_NE(reply.recall_vividness().reasoning().find("1 of 4"), std::string::npos);
  EXPECT_FLOAT_EQ(reply.emotional_summary().at("count"), 2);
  EXPECT_FLOAT_EQ(reply.emotional_summary().at("mean"), 0.2f);
  EXPECT_FLOAT_EQ(reply.emotional_summary().at("min"), -0.1f);
  EXPECT_FLOAT_EQ(reply.emotional_summary().at("max"), 0.5f);
  ASSERT_GE(reply.memory_themes_size(), 4);
  request.set_in_session("other");
  EXPECT_TRUE(Must(request).emotional_summary().empty());
}

TEST_F(ReminisceTest, Refusals) {
  v1::ReminisceRequest request;
  request.set_about_topic("");
  EXPECT_EQ(Reminisce(view_, request, kTestNow).status().reason(), Reason::INVALID_CUE);
  request.clear_cue();
  request.set_page_size(-3);
  EXPECT_EQ(Reminisce(view_, request, kTestNow).status().reason(), Reason::INVALID_REQUEST);
  request.mutable_as_of()->set_sequence(1);
  EXPECT_EQ(Reminisce(view_, request, kTestNow).status().reason(), Reason::UNIMPLEMENTED_FEATURE);
}

TEST_F(ReminisceTest, PagesInTheOrderOfTime) {
  for (int i = 0; i < 40; ++i) {
    v1::Episode episode = MakeEpisode("t" + std::to_string(i), "talk");
    episode.mutable_event_time()->set_text(i % 7 == 0 ? "unknown" : "2024-06-01");
    episode.set_turn(i);
    ASSERT_TRUE(view_.Remember(episode, kTestNow).ok());
  }
  for (const auto order :
       {v1::ReminisceRequest::ORDER_OLDEST_FIRST, v1::ReminisceRequest::ORDER_NEWEST_FIRST}) {
    v1::ReminisceRequest request;
    request.set_order(order);
    request.set_page_size(1000);
    const IdList whole = Ids(request);
    request.set_page_size(6);
    IdList paged;
    do {
      const v1::ReminisceResponse page = Must(request);
      for (const v1::Episode& episode : page.episodes()) paged.push_back(episode.id());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(paged, whole);
  }
}

// ---- Forget ----

TEST(SelectForForgetTest, ByFilterAndByCue) {
  OracleView view(SmallSettings());
  for (int i = 0; i < 6; ++i) {
    v1::Episode episode = MakeEpisode("e" + std::to_string(i), i % 2 == 0 ? "a zebra" : "a horse");
    episode.add_who(i < 3 ? "Anna" : "Ben");
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  view.Suppress("e4");
  using IdList = std::vector<std::string>;
  v1::ForgetRequest request;
  request.mutable_filter()->mutable_who()->add_any_of("ben");
  EXPECT_EQ(*SelectForForget(view, request, kTestNow), (IdList{"e3", "e5"}));
  request.mutable_filter()->set_include_suppressed(true);
  EXPECT_EQ(*SelectForForget(view, request, kTestNow), (IdList{"e3", "e4", "e5"}));
  request.mutable_pattern()->mutable_semantic()->set_query("zebra");
  EXPECT_EQ(*SelectForForget(view, request, kTestNow), (IdList{"e0", "e2"}));
  request.mutable_pattern()->mutable_semantic()->set_query("zebra and much else unknown here");
  EXPECT_TRUE(SelectForForget(view, request, kTestNow)->empty());
}

TEST(SelectForForgetTest, NeverEverythingByMistake) {
  OracleView view(SmallSettings());
  ASSERT_TRUE(view.Remember(MakeEpisode("a", "zebra"), kTestNow).ok());
  v1::ForgetRequest request;
  request.mutable_filter();
  EXPECT_EQ(SelectForForget(view, request, kTestNow).status().reason(), Reason::EMPTY_FILTER);
  request.mutable_filter()->set_include_suppressed(true);
  EXPECT_EQ(SelectForForget(view, request, kTestNow).status().reason(), Reason::EMPTY_FILTER);
  request.mutable_pattern();
  EXPECT_EQ(SelectForForget(view, request, kTestNow).status().reason(), Reason::INVALID_CUE);
  request.set_memory_id("a");
  EXPECT_EQ(SelectForForget(view, request, kTestNow).status().reason(), Reason::INVALID_REQUEST);
}

}  // namespace
}  // namespace engram::recall
