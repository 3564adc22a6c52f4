#include "engram/api/service.h"

#include <latch>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/api/health.h"
#include "engram/api/test_kit.h"
#include "engram/obs/metrics.h"

namespace engram::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class T>
Reason ReasonOf(const Result<T>& result) {
  EXPECT_FALSE(result.ok());
  return result.status().reason();
}

class ServiceTest : public testing::Test {
 protected:
  TestNode node_;

  Reason RefusedEpisode(v1::Episode episode) {
    v1::RememberRequest request;
    *request.mutable_episode() = std::move(episode);
    const auto result = node_.Call(&Service::Remember, request);
    if (result.ok()) ADD_FAILURE() << "was stored: " << request.ShortDebugString().substr(0, 200);
    return result.ok() ? Reason::IO : result.status().reason();
  }
  v1::Episode Note() {
    v1::Episode episode;
    episode.set_what("a note");
    return episode;
  }
  v1::ForgetResponse Forget(v1::ForgetRequest request) {
    const auto result = node_.Call(&Service::Forget, std::move(request));
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result.ok() ? *result : v1::ForgetResponse();
  }
};

TEST_F(ServiceTest, RemembersAndFindsAgain) {
  const auto stored = node_.Remember("a", "Anna prefers the 8:15 train to Munich");
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->memory_id(), "a");
  EXPECT_EQ(stored->write().outcome(), v1::WRITE_OUTCOME_CREATED);
  EXPECT_EQ(stored->write().durability(), v1::DURABILITY_LOCAL);
  EXPECT_TRUE(stored->event_time().is_storing_time());

  v1::RecallRequest recall;
  recall.mutable_query()->set_text("which train does Anna like");
  recall.mutable_read()->set_at_least_token(stored->write().token());
  const auto found = node_.Call(&Service::Recall, recall);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  ASSERT_EQ(found->memories_size(), 1);
  EXPECT_EQ(found->memories(0).id(), "a");
  EXPECT_EQ(found->served_by().node(), "n1");
  EXPECT_EQ(found->served_by().role(), "primary");
  EXPECT_EQ(found->served_by().token(), stored->write().token());

  v1::GetRequest get;
  get.add_ids("a");
  get.add_ids("b");
  const auto got = node_.Call(&Service::Get, get);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_EQ(got->episodes(0).what(), "Anna prefers the 8:15 train to Munich");
  EXPECT_THAT(got->missing(), ElementsAre("b"));
}

TEST_F(ServiceTest, BadEpisodesHaveAReasonEach) {
  v1::Episode episode;
  EXPECT_EQ(RefusedEpisode(episode), Reason::INVALID_EPISODE);
  episode = Note();
  for (const float x : {1.0f, 2.0f}) episode.add_embedding(x);
  EXPECT_EQ(RefusedEpisode(episode), Reason::DIMENSION_MISMATCH);
  episode = Note();
  for (int i = 0; i < 4; ++i) episode.add_embedding(0);
  EXPECT_EQ(RefusedEpisode(episode), Reason::INVALID_EMBEDDING);
  episode.set_embedding(2, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(RefusedEpisode(episode), Reason::INVALID_EMBEDDING);
  episode = Note();
  episode.set_id(std::string(10'000, 'i'));
  EXPECT_EQ(RefusedEpisode(episode), Reason::TOO_LARGE);
  episode = Note();
  episode.set_what(std::string(2u << 20, 'x'));
  EXPECT_EQ(RefusedEpisode(episode), Reason::TOO_LARGE);
  episode = Note();
  episode.mutable_event_time()->set_text("99999-01-01");
  EXPECT_EQ(RefusedEpisode(episode), Reason::INVALID_TIME);
  episode = Note();
  episode.mutable_when()->set_seconds(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(RefusedEpisode(episode), Reason::INVALID_TIME);
  episode = Note();
  episode.add_supersedes("x");
  EXPECT_EQ(RefusedEpisode(episode), Reason::UNIMPLEMENTED_FEATURE);
  EXPECT_TRUE(node_.Remember("", "still served").ok());
}

TEST_F(ServiceTest, OptionsThatAreNotActedOnAreRefused) {
  v1::RememberRequest request;
  *request.mutable_episode() = Note();
  request.set_auto_link(true);
  const auto linked = node_.Call(&Service::Remember, request);
  EXPECT_EQ(ReasonOf(linked), Reason::UNIMPLEMENTED_FEATURE);
  EXPECT_EQ(linked.status().metadata().at("field"), "auto_link");
  request.set_auto_link(false);
  request.mutable_options()->set_durability(v1::DURABILITY_REPLICATED);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Remember, request)), Reason::NOT_ENOUGH_IN_SYNC);
  request.mutable_options()->set_durability(v1::DURABILITY_WRITTEN);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Remember, request)), Reason::INVALID_REQUEST);
  v1::RecallRequest recall;
  recall.mutable_query()->set_text("x");
  recall.mutable_as_of()->set_sequence(1);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Recall, recall)), Reason::UNIMPLEMENTED_FEATURE);
  recall.clear_as_of();
  recall.set_max_results(-1);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Recall, recall)), Reason::INVALID_REQUEST);
  recall.set_max_results(1001);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Recall, recall)), Reason::TOO_LARGE);
  v1::ListRequest list;
  list.set_page_size(-5);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::List, list)), Reason::INVALID_REQUEST);
}

TEST_F(ServiceTest, ACueOfNoKindIsRefused) {
  v1::RecallRequest recall;
  recall.mutable_cue();
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Recall, recall)), Reason::INVALID_CUE);
}

TEST_F(ServiceTest, FindsItsSpaceInFieldOrHeaders) {
  v1::CreateSpaceRequest create;
  create.mutable_space()->set_id("notes");
  ASSERT_TRUE(node_.Call(&Service::CreateSpace, create).ok());
  v1::RememberRequest request;
  *request.mutable_episode() = Note();
  CallContext context = node_.Context();
  context.space_header = "notes";
  EXPECT_TRUE(node_.CallAs(context, &Service::Remember, request).ok());
  request.set_memory_space_id("notes");
  context.space_header_short = "notes";
  EXPECT_TRUE(node_.CallAs(context, &Service::Remember, request).ok());
  context.space_header_short = "other";
  const auto conflict = node_.CallAs(context, &Service::Remember, request);
  EXPECT_EQ(ReasonOf(conflict), Reason::SPACE_CONFLICT);
  request.set_memory_space_id("no such space!");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Remember, request)), Reason::INVALID_SPACE_ID);
  request.set_memory_space_id("nothere");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Remember, request)), Reason::SPACE_NOT_FOUND);
  v1::ListRequest list;
  list.set_count_only(true);
  EXPECT_EQ(node_.Call(&Service::List, list)->count(), 0u);  // nothing went to `default`
}

TEST_F(ServiceTest, AnExperienceNeedsContextAndItsLinks) {
  v1::ExperienceRequest request;
  request.mutable_episode()->set_what("We met");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Experience, request)), Reason::INVALID_EPISODE);
  request.mutable_episode()->add_who("Anna");
  request.mutable_episode()->mutable_event_time()->set_text("2026-03-14");
  request.add_context_links("a");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Experience, request)), Reason::MEMORY_NOT_FOUND);
  ASSERT_TRUE(node_.Remember("a", "before").ok());
  const auto stored = node_.Call(&Service::Experience, request);
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->context_links_created(), 1);
  v1::GetRequest get;
  get.add_ids(stored->episode_id());
  EXPECT_THAT(node_.Call(&Service::Get, get)->episodes(0).derived_from(), ElementsAre("a"));
  request.set_immediate_consolidation(true);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Experience, request)), Reason::UNIMPLEMENTED_FEATURE);
}

TEST_F(ServiceTest, ForgetsByIdsAndRestores) {
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(node_.Remember(id, "peanuts").ok());
  v1::ForgetRequest request;
  request.set_memory_id("a");
  EXPECT_EQ(Forget(request).memories_affected(), 1);
  v1::RestoreRequest restore;
  restore.add_ids("a");
  EXPECT_EQ(node_.Call(&Service::Restore, restore)->restored(), 1u);
  request.set_memory_id("nothere");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::MEMORY_NOT_FOUND);
  request.set_allow_missing(true);
  EXPECT_EQ(Forget(request).memories_affected(), 0);
  request.clear_allow_missing();
  request.mutable_ids()->add_ids("b");
  request.mutable_ids()->add_ids("b");
  request.set_dry_run(true);
  EXPECT_EQ(Forget(request).memories_affected(), 1);
  request.set_mode(v1::FORGET_MODE_PURGE);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::UNIMPLEMENTED_FEATURE);
  request.set_mode(v1::FORGET_MODE_OVERWRITE);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::UNIMPLEMENTED_FEATURE);
}

TEST_F(ServiceTest, ForgetsByFilterInTwoSteps) {
  for (int i = 0; i < 3; ++i) {
    v1::RememberRequest remember;
    *remember.mutable_episode() = Note();
    remember.mutable_episode()->add_who(i < 2 ? "Ben" : "Anna");
    ASSERT_TRUE(node_.Call(&Service::Remember, remember).ok());
  }
  v1::ForgetRequest request;
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::EMPTY_FILTER);
  request.mutable_filter()->mutable_who()->add_any_of("ben");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::INVALID_REQUEST);
  request.set_dry_run(true);
  const v1::ForgetResponse dry = Forget(request);
  EXPECT_EQ(dry.memories_affected(), 2);
  EXPECT_TRUE(dry.dry_run());
  EXPECT_EQ(dry.ids_size(), 2);
  request.set_dry_run(false);
  request.set_expected_count(3);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::COUNT_CHANGED);
  request.set_expected_count(2);
  request.set_mode(v1::FORGET_MODE_DELETE);
  request.mutable_options()->set_idempotency_key("once");
  const v1::ForgetResponse first = Forget(request);
  EXPECT_EQ(first.memories_affected(), 2);
  EXPECT_FALSE(first.reversible());
  // A repeat finds none any more, but its key knows the answer.
  const v1::ForgetResponse repeated = Forget(request);
  EXPECT_EQ(repeated.write().outcome(), v1::WRITE_OUTCOME_REPEATED);
  EXPECT_EQ(repeated.memories_affected(), 2);
  request.mutable_options()->set_idempotency_key("another");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::COUNT_CHANGED);
  request.mutable_filter()->Clear();
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Forget, request)), Reason::EMPTY_FILTER);
}

TEST_F(ServiceTest, ABatchIsBoundedAndUnconditional) {
  v1::RememberBatchRequest request;
  EXPECT_EQ(ReasonOf(node_.Call(&Service::RememberBatch, request)), Reason::EMPTY_BATCH);
  for (int i = 0; i < 1001; ++i) request.add_episodes()->set_what("x");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::RememberBatch, request)), Reason::TOO_LARGE);
  request.mutable_episodes()->DeleteSubrange(2, 999);
  request.mutable_options()->set_create_only(true);
  EXPECT_EQ(ReasonOf(node_.Call(&Service::RememberBatch, request)), Reason::INVALID_REQUEST);
  request.clear_options();
  request.mutable_episodes(1)->clear_what();
  const auto stored = node_.Call(&Service::RememberBatch, request);
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_FALSE(stored->results(0).has_error());
  EXPECT_EQ(stored->results(1).error().reason(), "INVALID_EPISODE");
}

TEST_F(ServiceTest, UpdatesTheNamedFields) {
  ASSERT_TRUE(node_.Remember("a", "text").ok());
  v1::UpdateRequest request;
  request.mutable_episode()->set_id("a");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Update, request)), Reason::INVALID_REQUEST);
  request.mutable_update_mask()->add_paths("*");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Update, request)), Reason::INVALID_REQUEST);
  request.mutable_update_mask()->set_paths(0, "importance");
  request.mutable_episode()->set_importance(1);
  const auto updated = node_.Call(&Service::Update, request);
  ASSERT_TRUE(updated.ok()) << updated.status().ToString();
  EXPECT_EQ(updated->write().version(), 2u);
  EXPECT_EQ(updated->episode().what(), "text");
}

TEST_F(ServiceTest, SpacesAreMadeListedAndDeleted) {
  v1::CreateSpaceRequest create;
  for (const char* id : {"aaa", "aab", "bbb"}) {
    create.mutable_space()->set_id(id);
    create.mutable_space()->mutable_settings()->set_dimension(8);
    const auto made = node_.Call(&Service::CreateSpace, create);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    EXPECT_EQ(made->settings().dimension(), 8u);
    EXPECT_EQ(made->settings().analyzer(), "english");
    EXPECT_EQ(made->incarnation().size(), 26u);
  }
  EXPECT_EQ(ReasonOf(node_.Call(&Service::CreateSpace, create)), Reason::SPACE_EXISTS);
  create.set_if_not_exists(true);
  EXPECT_TRUE(node_.Call(&Service::CreateSpace, create).ok());
  create.mutable_space()->set_id("x");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::CreateSpace, create)), Reason::INVALID_SPACE_ID);

  v1::ListSpacesRequest list;
  list.set_prefix("aa");
  list.set_page_size(1);
  auto page = node_.Call(&Service::ListSpaces, list);
  ASSERT_EQ(page->spaces_size(), 1);
  EXPECT_EQ(page->spaces(0).id(), "aaa");
  list.set_page_token(page->next_page_token());
  page = node_.Call(&Service::ListSpaces, list);
  EXPECT_EQ(page->spaces(0).id(), "aab");
  EXPECT_EQ(page->next_page_token(), "");
  list.set_prefix("b");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::ListSpaces, list)), Reason::PAGE_TOKEN_INVALID);

  v1::DeleteSpaceRequest drop;
  drop.set_id("aaa");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::DeleteSpace, drop)), Reason::INVALID_REQUEST);
  drop.set_confirm_id("aaa");
  EXPECT_TRUE(node_.Call(&Service::DeleteSpace, drop).ok());
  v1::GetSpaceRequest get;
  get.set_id("aaa");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::GetSpace, get)), Reason::SPACE_NOT_FOUND);
}

TEST_F(ServiceTest, IntrospectShowsNodeSpacesAndMetrics) {
  ASSERT_TRUE(node_.Remember("a", "x").ok());
  v1::IntrospectRequest request;
  request.set_include_health(true);
  request.set_include_statistics(true);
  request.add_metrics("engram_spaces_known");
  const auto shown = node_.Call(&Service::Introspect, request);
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  EXPECT_EQ(shown->node().version(), "test");
  ASSERT_EQ(shown->spaces_size(), 1);
  EXPECT_EQ(shown->spaces(0).id(), "default");
  EXPECT_EQ(shown->spaces(0).status().state(), "ok");
  EXPECT_TRUE(shown->health().healthy());
  EXPECT_EQ(shown->statistics().total_memories(), 1);
  EXPECT_EQ(shown->metrics().at("engram_spaces_known"), 1.0f);
  request.set_memory_space_id("nothere");
  EXPECT_EQ(ReasonOf(node_.Call(&Service::Introspect, request)), Reason::SPACE_NOT_FOUND);
}

TEST_F(ServiceTest, CountsEveryCall) {
  ASSERT_TRUE(node_.Remember("a", "x").ok());
  EXPECT_EQ(RefusedEpisode(v1::Episode()), Reason::INVALID_EPISODE);
  obs::Metrics& metrics = node_.node().metrics();
  EXPECT_EQ(metrics.counter(obs::Metric::kRequests, {"Remember", "OK"}).value(), 1u);
  EXPECT_EQ(metrics.counter(obs::Metric::kRequests, {"Remember", "INVALID_EPISODE"}).value(), 1u);
  EXPECT_EQ(node_.service().in_flight(), 0);
}

TEST_F(ServiceTest, RefusesWhileItShutsDown) {
  EXPECT_TRUE(ProbeReady(node_.node()).good);
  EXPECT_EQ(Serving(node_.node(), "engram.space/default"), true);
  EXPECT_EQ(Serving(node_.node(), "engram.space/nothere"), std::nullopt);
  EXPECT_EQ(Serving(node_.node(), "engram.replica"), false);
  node_.node().BeginShutdown();
  EXPECT_EQ(ReasonOf(node_.Remember("a", "x")), Reason::SHUTTING_DOWN);
  EXPECT_FALSE(ProbeReady(node_.node()).good);
  EXPECT_EQ(Serving(node_.node(), ""), false);
}

TEST(ServiceLimitTest, RefusesAboveItsBound) {
  TestNode node(ServiceOptions{.requests_in_flight_max = 1});
  // Readers that are kept busy: the first call cannot be answered before the second comes.
  std::latch release(1);
  for (int i = 0; i < 16; ++i) node.node().readers().Post([&] { release.wait(); });
  v1::GetRequest get;
  get.add_ids("a");
  std::promise<void> first;
  node.service().Get(node.Context(), get, [&](Result<v1::GetResponse>) { first.set_value(); });
  EXPECT_EQ(node.service().in_flight(), 1);
  std::promise<Status> second;
  node.service().Get(node.Context(), get,
                     [&](Result<v1::GetResponse> result) { second.set_value(result.status()); });
  const Status refused = second.get_future().get();
  EXPECT_EQ(refused.reason(), Reason::OVERLOADED);
  EXPECT_EQ(refused.metadata().at("retry_after_ms"), "100");
  release.count_down();
  first.get_future().wait();
}

}  // namespace
}  // namespace engram::api
