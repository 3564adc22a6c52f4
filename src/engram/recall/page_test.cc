// Pages: nothing twice, nothing skipped, also while others write.
#include <set>

#include <gtest/gtest.h>

#include "engram/recall/corpus.h"
#include "engram/recall/page_token.h"

namespace engram::recall {
namespace {

v1::RecallResponse NextPage(space::View& view, v1::RecallRequest* request,
                            model::UtcTime now = kTestNow) {
  Result<v1::RecallResponse> reply = Recall(view, *request, now);
  EXPECT_TRUE(reply.ok()) << reply.status().ToString();
  if (!reply.ok()) return {};
  request->set_page_token(reply->next_page_token());
  return *std::move(reply);
}

TEST(RecallPageTest, PagesTogetherAreTheWholeList) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Corpus corpus(seed);
    OracleView view(SmallSettings());
    corpus.Fill(&view, 300);
    v1::RecallRequest request = TextRequest(corpus.Text(4), 1000);
    const std::vector<std::string> whole = IdsOf(NextPage(view, &request));
    ASSERT_TRUE(request.page_token().empty());
    request.set_max_results(7);
    std::vector<std::string> paged;
    model::UtcTime now = kTestNow;
    do {
      for (std::string& id : IdsOf(NextPage(view, &request, now))) paged.push_back(std::move(id));
      now.seconds += 86400;  // the clock of the first page counts
    } while (!request.page_token().empty());
    EXPECT_EQ(paged, whole);
  }
}

TEST(RecallPageTest, WhatDidNotChangeIsShownOnceWhileOthersWrite) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Corpus corpus(seed);
    OracleView view(SmallSettings());
    corpus.Fill(&view, 200);
    v1::RecallRequest request = TextRequest(corpus.Text(4), 1000);
    const std::vector<std::string> whole = IdsOf(NextPage(view, &request));
    request.set_max_results(9);
    request.clear_page_token();
    std::set<std::string> changed;
    std::multiset<std::string> paged;
    int writes = 0;
    do {
      for (const std::string& id : IdsOf(NextPage(view, &request))) paged.insert(id);
      for (int i = 0; i < 20; ++i) {  // new ones make words common and shift every score
        v1::Episode episode = corpus.Episode("n" + std::to_string(writes++), 14);
        episode.set_what(request.query().text());
        ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
      }
      const std::string id = whole[corpus.random().Below(whole.size())];
      ASSERT_TRUE(view.Remember(corpus.Episode(id, 14), kTestNow).ok());
      changed.insert(id);
    } while (!request.page_token().empty());
    for (const std::string& id : whole) {
      EXPECT_LE(paged.count(id), 1u) << id;
      if (!changed.count(id)) {
        EXPECT_EQ(paged.count(id), 1u) << id;
      }
    }
    for (const std::string& id : paged) EXPECT_NE(id[0], 'n') << "stored after the first page";
  }
}

TEST(RecallPageTest, ATokenIsBoundToItsRequest) {
  Corpus corpus(1);
  OracleView view(SmallSettings());
  corpus.Fill(&view, 100);
  v1::RecallRequest request;
  NextPage(view, &request);
  ASSERT_FALSE(request.page_token().empty());
  v1::RecallRequest other = request;
  other.mutable_filter()->set_min_confidence(0.5f);
  EXPECT_EQ(Recall(view, other, kTestNow).status().reason(), Reason::PAGE_TOKEN_INVALID);
  other = request;
  other.mutable_read()->set_primary(true);  // how to read is no part of what is asked
  EXPECT_TRUE(Recall(view, other, kTestNow).ok());
  for (size_t i = 0; i < request.page_token().size(); ++i) {
    other = request;
    (*other.mutable_page_token())[i] = other.page_token()[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(Recall(view, other, kTestNow).status().reason(), Reason::PAGE_TOKEN_INVALID) << i;
  }
  other.set_page_token("?");
  EXPECT_EQ(Recall(view, other, kTestNow).status().reason(), Reason::PAGE_TOKEN_INVALID);
}

TEST(PageTokenTest, ComesBackAsItWas) {
  Prng random(4);
  for (int round = 0; round < 200; ++round) {
    PageToken token;
    token.request = random.Next();
    token.pinned = Sequence(random.Next() >> random.Below(64));
    token.now = {-static_cast<int64_t>(random.Below(1ull << 40)), 999999999};
    token.last_undated = random.OneIn(2);
    token.last_time = {static_cast<int64_t>(random.Below(1ull << 40)), 5};
    token.last_turn = random.Next();
    token.last = Sequence(random.Next());
    uint64_t at = 0;
    for (uint64_t i = random.Below(50); i-- > 0;) {
      at += random.Below(1000);
      token.shown.push_back(Sequence(at));
    }
    const Result<PageToken> back = ParsePageToken(Format(token), token.request);
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(back->pinned, token.pinned);
    EXPECT_EQ(back->now, token.now);
    EXPECT_EQ(back->last_undated, token.last_undated);
    EXPECT_EQ(back->last_time, token.last_time);
    EXPECT_EQ(back->last_turn, token.last_turn);
    EXPECT_EQ(back->last, token.last);
    EXPECT_EQ(back->shown, token.shown);
  }
}

// ---- List ----

v1::ListResponse MustList(space::View& view, const v1::ListRequest& request) {
  Result<v1::ListResponse> reply = List(view, request);
  EXPECT_TRUE(reply.ok()) << reply.status().ToString();
  return reply.ok() ? *std::move(reply) : v1::ListResponse();
}

TEST(ListTest, EveryOrderPagesThroughEverythingOnce) {
  Corpus corpus(11);
  OracleView view(SmallSettings());
  corpus.Fill(&view, 230);
  for (int order = 0; order < 4; ++order) {
    v1::ListRequest request;
    request.set_order(static_cast<v1::ListRequest::Order>(order));
    request.set_page_size(1000);
    const v1::ListResponse whole = MustList(view, request);
    EXPECT_EQ(whole.count(), static_cast<uint64_t>(whole.episodes_size()));
    request.set_page_size(13);
    std::vector<std::string> paged;
    do {
      const v1::ListResponse page = MustList(view, request);
      EXPECT_EQ(page.count(), whole.count());
      for (const v1::Episode& episode : page.episodes()) paged.push_back(episode.id());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    ASSERT_EQ(paged.size(), whole.count());
    for (size_t i = 0; i < paged.size(); ++i) {
      EXPECT_EQ(paged[i], whole.episodes(static_cast<int>(i)).id());
    }
  }
}

TEST(ListTest, OrdersAreWhatTheySay) {
  OracleView view(SmallSettings());
  for (const char* time : {"2024", "unknown", "2023", "2025"}) {
    v1::Episode episode = MakeEpisode(time, "text");
    episode.mutable_event_time()->set_text(time);
    ASSERT_TRUE(view.Remember(episode, kTestNow).ok());
  }
  const auto ids = [&](v1::ListRequest::Order order) {
    v1::ListRequest request;
    request.set_order(order);
    std::vector<std::string> list;
    const v1::ListResponse reply = MustList(view, request);
    for (const v1::Episode& episode : reply.episodes()) list.push_back(episode.id());
    return list;
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(ids(v1::ListRequest::ORDER_STORED_ASC), (Ids{"2024", "unknown", "2023", "2025"}));
  EXPECT_EQ(ids(v1::ListRequest::ORDER_STORED_DESC), (Ids{"2025", "2023", "unknown", "2024"}));
  EXPECT_EQ(ids(v1::ListRequest::ORDER_EVENT_ASC), (Ids{"2023", "2024", "2025", "unknown"}));
  EXPECT_EQ(ids(v1::ListRequest::ORDER_EVENT_DESC), (Ids{"2025", "2024", "2023", "unknown"}));
}

TEST(ListTest, LaterPagesShowTheSpaceOfTheFirst) {
  OracleView view(SmallSettings());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(view.Remember(MakeEpisode("e" + std::to_string(i), "first"), kTestNow).ok());
  }
  v1::ListRequest request;
  request.set_page_size(5);
  request.set_page_token(MustList(view, request).next_page_token());
  ASSERT_TRUE(view.Remember(MakeEpisode("e2", "second"), kTestNow).ok());   // shown already
  ASSERT_TRUE(view.Remember(MakeEpisode("e12", "second"), kTestNow).ok());  // still to come
  ASSERT_TRUE(view.Remember(MakeEpisode("new", "second"), kTestNow).ok());
  view.Delete("e13");
  std::vector<std::string> rest;
  do {
    const v1::ListResponse page = MustList(view, request);
    for (const v1::Episode& episode : page.episodes()) {
      rest.push_back(episode.id());
      EXPECT_EQ(episode.what(), "first") << episode.id();
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  std::vector<std::string> expected;
  for (int i = 5; i < 20; ++i) {
    if (i != 13) expected.push_back("e" + std::to_string(i));
  }
  EXPECT_EQ(rest, expected);
}

TEST(ListTest, CountsExactlyAndRefusesNonsense) {
  Corpus corpus(2);
  OracleView view(SmallSettings());
  corpus.Fill(&view, 120);
  v1::ListRequest request;
  request.set_count_only(true);
  uint64_t live = 0;
  for (const auto& entry : view.entries()) live += entry.live && !entry.suppressed;
  EXPECT_EQ(MustList(view, request).count(), live);
  EXPECT_EQ(MustList(view, request).episodes_size(), 0);
  request.set_page_size(-1);
  EXPECT_EQ(List(view, request).status().reason(), Reason::INVALID_REQUEST);
  request.set_page_size(1001);
  EXPECT_EQ(List(view, request).status().reason(), Reason::TOO_LARGE);
  request.set_page_size(0);
  request.set_order(static_cast<v1::ListRequest::Order>(9));
  EXPECT_EQ(List(view, request).status().reason(), Reason::INVALID_REQUEST);
}

}  // namespace
}  // namespace engram::recall
