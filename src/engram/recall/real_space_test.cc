// Recall over a real space: equal to the formula, and equal bytes wherever the entries lie.
#include "engram/recall/real_space.h"

#include <gtest/gtest.h>

#include "engram/recall/brute_force.h"

namespace engram::recall {
namespace {

std::vector<v1::RecallRequest> MakeRequests(Corpus* corpus, int count) {
  std::vector<v1::RecallRequest> requests;
  for (int i = 0; i < count; ++i) {
    v1::RecallRequest request = corpus->Request();
    request.set_explain(i % 2 == 0);
    request.set_context_before(i % 3);
    for (int id = 0; id < 5; ++id) {
      request.add_explain_ids("e" + std::to_string(corpus->random().Below(120)));
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

// The replies as text, but for how far the indexes are, and what the calls that list say.
std::string Replies(RealSpace* space, const std::vector<v1::RecallRequest>& requests) {
  const auto view = space->View();
  std::string text;
  const auto add = [&](const google::protobuf::Message& message) { text += message.DebugString(); };
  for (const v1::RecallRequest& request : requests) {
    Result<v1::RecallResponse> reply = Recall(*view, request, kTestNow);
    EXPECT_TRUE(reply.ok()) << reply.status().ToString();
    if (!reply.ok()) return "";
    reply->mutable_explanation()->clear_indexed_through();
    add(*reply);
    v1::ListRequest list;
    *list.mutable_filter() = request.filter();
    list.set_order(v1::ListRequest::ORDER_EVENT_DESC);
    list.set_page_size(20);
    add(List(*view, list).value());
    v1::ReminisceRequest reminisce;
    reminisce.set_about_topic("w1x w2x");
    *reminisce.mutable_filter() = request.filter();
    add(Reminisce(*view, reminisce, kTestNow).value());
  }
  v1::GetRequest get;
  get.set_include_history(true);
  for (int id = 0; id < 120; ++id) get.add_ids("e" + std::to_string(id));
  add(Get(*view, get).value());
  return text;
}

TEST(RealSpaceTest, RanksAsTheFormulaSays) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Corpus corpus(seed);
    RealSpace space(SmallSettings());
    OracleView oracle(SmallSettings());
    Both both{&space, &oracle};
    corpus.Fill(&both, 10 + seed * 20);
    if (seed % 3 == 1) space.IndexAll();
    if (seed % 3 == 2) {
      space.IndexAll();
      corpus.Fill(&both, 60);
    }
    const auto view = space.View();
    for (int i = 0; i < 12; ++i) {
      const v1::RecallRequest request = corpus.Request();
      SCOPED_TRACE("seed " + std::to_string(seed) + " " + request.ShortDebugString());
      const auto reply = Recall(*view, request, kTestNow);
      ASSERT_TRUE(reply.ok()) << reply.status().ToString();
      ExpectEqualRanking(*reply,
                         BruteForce(oracle.entries(), oracle.settings(), request, kTestNow));
      if (HasFailure()) return;
    }
  }
}

TEST(SplitBlindTest, EqualBytesWhereverTheEntriesLie) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RealSpace space(SmallSettings());
    RealSpace late(SmallSettings());
    Corpus corpus(seed), same(seed);
    corpus.Fill(&space, 70);
    space.IndexAll();
    corpus.Fill(&space, 50);
    same.Fill(&late, 70);
    same.Fill(&late, 50);
    const std::vector<v1::RecallRequest> requests = MakeRequests(&corpus, 12);
    const std::string in_tail = Replies(&late, requests);
    ASSERT_TRUE(late.Behind());
    ASSERT_TRUE(space.Behind());
    EXPECT_EQ(Replies(&space, requests), in_tail) << "half of it indexed";
    space.IndexAll();
    EXPECT_EQ(Replies(&space, requests), in_tail) << "indexed";
    space.Rebuild();
    EXPECT_EQ(Replies(&space, requests), in_tail) << "rebuilt";
    space.Reopen();
    EXPECT_EQ(Replies(&space, requests), in_tail) << "opened again";
    if (HasFailure()) return;
  }
}

TEST(SplitBlindTest, AViewStaysAsItWas) {
  RealSpace space(SmallSettings());
  Corpus corpus(3);
  corpus.Fill(&space, 60);
  const auto view = space.View();
  v1::RecallRequest request = TextRequest("w0x w1x w2x w3x", 100);
  request.set_explain(true);
  const auto ask = [&] {
    Result<v1::RecallResponse> reply = Recall(*view, request, kTestNow);
    EXPECT_TRUE(reply.ok()) << reply.status().ToString();
    reply->mutable_explanation()->clear_indexed_through();
    return reply->DebugString();
  };
  const std::string before = ask();
  corpus.Fill(&space, 60);
  EXPECT_EQ(ask(), before);
}

TEST(RealSpaceTest, AnEntryThatCannotBeReadHidesNoOther) {
  RealSpace space(SmallSettings());
  Corpus corpus(9);
  for (int i = 0; i < 20; ++i) {
    v1::Episode episode = MakeEpisode("e" + std::to_string(i), "zebra number" + std::to_string(i));
    corpus.AddVector(episode.mutable_embedding());
    ASSERT_TRUE(space.Remember(episode, kTestNow).ok());
  }
  space.IndexAll();
  space.Reopen();
  space.DamageLog("zebra number7");
  v1::RecallRequest request = TextRequest("zebra", 100);
  corpus.AddVector(request.mutable_query()->mutable_embedding());
  const auto reply = Recall(*space.View(), request, kTestNow);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_GE(reply->warnings_size(), 1);
  for (const v1::Warning& warning : reply->warnings()) {
    EXPECT_EQ(warning.reason(), "RESULT_UNREADABLE");
  }
  EXPECT_EQ(reply->memories_size() + reply->warnings_size(), 20) << "none is lost in silence";
  const std::vector<std::string> ids = IdsOf(*reply);
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(std::count(ids.begin(), ids.end(), "e" + std::to_string(i)), 1) << i;
  }
}

TEST(RealSpaceTest, AListLeavesOutWhatCannotBeReadAndNamesIt) {
  RealSpace space(SmallSettings());
  for (int i = 0; i < 20; ++i) {
    v1::Episode episode = MakeEpisode("e" + std::to_string(i), "zebra number" + std::to_string(i));
    ASSERT_TRUE(space.Remember(episode, kTestNow).ok());
  }
  v1::ListRequest list;
  list.set_page_size(5);
  const auto first = List(*space.View(), list);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(space.Remember(MakeEpisode("e8", "a horse"), kTestNow).ok());
  space.IndexAll();
  space.Reopen();
  space.DamageLog("zebra number8");  // as a later page of the list shows it
  space.DamageLog("zebra number17");
  const auto whole = [](const auto& reply) {
    ASSERT_TRUE(reply.ok()) << reply.status().ToString();
    EXPECT_EQ(reply->episodes_size() + reply->warnings_size(), 20) << "none is lost in silence";
    ASSERT_GE(reply->warnings_size(), 1);
    EXPECT_LE(reply->warnings_size(), 3) << "what lies beside it is good";
    for (const v1::Warning& warning : reply->warnings()) {
      EXPECT_EQ(warning.reason(), "RESULT_UNREADABLE");
    }
    std::string said;
    for (const v1::Warning& warning : reply->warnings()) said += warning.message() + "; ";
    EXPECT_NE(said.find("sequence 20"), std::string::npos) << said;  // that is e17
  };
  whole(List(*space.View(), v1::ListRequest()));
  whole(Reminisce(*space.View(), v1::ReminisceRequest(), kTestNow));
  list.set_page_token(first->next_page_token());
  const auto second = List(*space.View(), list);
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_EQ(second->episodes_size(), 5);
  ASSERT_EQ(second->warnings_size(), 1);
  EXPECT_NE(second->warnings(0).message().find("'e8'"), std::string::npos);
}

TEST(RealSpaceTest, PagesAndForgetting) {
  RealSpace space(SmallSettings());
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(space.Remember(MakeEpisode("e" + std::to_string(i), "a zebra"), kTestNow).ok());
  }
  v1::ListRequest list;
  list.set_page_size(10);
  const auto first = List(*space.View(), list);
  ASSERT_TRUE(first.ok());
  list.set_page_token(first->next_page_token());
  ASSERT_TRUE(space.Remember(MakeEpisode("e15", "a horse"), kTestNow).ok());
  space.IndexAll();
  const auto second = List(*space.View(), list);
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  ASSERT_EQ(second->episodes_size(), 10);
  EXPECT_EQ(second->episodes(5).id(), "e15");
  EXPECT_EQ(second->episodes(5).what(), "a zebra");
  v1::ForgetRequest forget;
  forget.mutable_pattern()->mutable_semantic()->set_query("horse");
  const auto ids = SelectForForget(*space.View(), forget, kTestNow);
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(*ids, std::vector<std::string>{"e15"});
}

}  // namespace
}  // namespace engram::recall
