#include "engram/space/space.h"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include "engram/model/change.h"
#include "engram/space/test_kit.h"

namespace engram::space {
namespace {

constexpr env::Duration kLong = std::chrono::seconds(30);

std::shared_ptr<Space> MakeSpace(TestNode& node, const std::string& id = "notes") {
  auto space = Space::Create(node.environment, id, SmallVectors());
  EXPECT_TRUE(space.ok()) << space.status().ToString();
  return space.ok() ? *space : nullptr;
}

std::string WhatOf(Space& space, const std::string& id) {
  auto view = space.NewView();
  EXPECT_TRUE(view.ok());
  auto found = (*view)->FindId(id);
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  if (!found->has_value() || !(*found)->row.has_value()) return "(none)";
  auto episode = (*view)->LoadEpisode(*(*found)->row, false);
  EXPECT_TRUE(episode.ok()) << episode.status().ToString();
  return episode->what() + " v" + std::to_string((*found)->version) +
         ((*found)->suppressed ? " hidden" : "");
}

TEST(Space, WhatIsAcknowledgedIsVisibleAtOnce) {
  TestNode node;
  auto space = MakeSpace(node);
  auto reply = Remember(*space, MakeEpisode("a", "the first"));
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->memory_id(), "a");
  EXPECT_EQ(reply->write().version(), 1u);
  EXPECT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_CREATED);
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_LOCAL);
  EXPECT_EQ(WhatOf(*space, "a"), "the first v1");
  EXPECT_EQ(WhatOf(*space, "b"), "(none)");
  auto status = space->GetStatus();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->episodes(), 1u);
  EXPECT_EQ(status->state(), "ok");
  ASSERT_TRUE(space->WaitIndexed(kLong)) << node.observer.Events();
  EXPECT_EQ(WhatOf(*space, "a"), "the first v1");
  EXPECT_TRUE(space->Close().ok());
}

TEST(Space, SurvivesClosingAndOpening) {
  TestNode node;
  auto space = MakeSpace(node);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        Remember(*space, MakeEpisode("id" + std::to_string(i), "text " + std::to_string(i))).ok());
  }
  ASSERT_TRUE(Forget(*space, MakeForgetCommand("id3", v1::FORGET_MODE_DELETE)).ok());
  ASSERT_TRUE(Forget(*space, MakeForgetCommand("id4", v1::FORGET_MODE_SUPPRESS)).ok());
  ASSERT_TRUE(space->Close().ok());
  space = nullptr;
  auto again = Space::Open(node.environment, "notes");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(WhatOf(**again, "id99"), "text 99 v1");
  EXPECT_EQ(WhatOf(**again, "id3"), "(none)");
  EXPECT_EQ(WhatOf(**again, "id4"), "text 4 v1 hidden");
  auto reply = Remember(**again, MakeEpisode("id3", "back"));
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().version(), 2u);
  EXPECT_EQ(reply->write().epoch(), 2u);
  EXPECT_EQ(node.observer.Events(), "");
}

TEST(Space, VersionsConditionsAndUnchanged) {
  TestNode node;
  auto space = MakeSpace(node);
  ASSERT_TRUE(Remember(*space, MakeEpisode("a", "one")).ok());
  auto same = Remember(*space, MakeEpisode("a", "one"));
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->write().outcome(), v1::WRITE_OUTCOME_UNCHANGED);
  EXPECT_EQ(same->write().sequence(), 3u);
  v1::WriteOptions options;
  options.set_create_only(true);
  EXPECT_EQ(Remember(*space, MakeEpisode("a", "two"), options).status().reason(),
            Reason::ALREADY_EXISTS);
  options.set_if_version(7);
  EXPECT_EQ(Remember(*space, MakeEpisode("a", "two"), options).status().reason(),
            Reason::VERSION_CONFLICT);
  options.set_if_version(1);
  auto two = Remember(*space, MakeEpisode("a", "two"), options);
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->write().version(), 2u);
  EXPECT_EQ(two->write().outcome(), v1::WRITE_OUTCOME_UPDATED);
  ASSERT_TRUE(Forget(*space, MakeForgetCommand("a", v1::FORGET_MODE_SUPPRESS)).ok());
  EXPECT_EQ(WhatOf(*space, "a"), "two v2 hidden");
  ASSERT_TRUE(Remember(*space, MakeEpisode("a", "two")).ok());
  EXPECT_EQ(WhatOf(*space, "a"), "two v3");
}

// An episode as a newer version of the program would store it.
Status StoreFromTheFuture(Space& space, const std::string& id) {
  model::pb::StoreRecord record;
  auto view = space.NewView();
  auto known = (*view)->FindId("model");
  auto episode = (*view)->LoadEpisode(*(*known)->row, false);
  *record.mutable_episode() = *episode;
  record.mutable_episode()->set_id(id);
  v1::Episode::GetReflection()->MutableUnknownFields(record.mutable_episode())->AddVarint(9999, 42);
  record.set_version(1);
  record.set_created(true);
  *record.mutable_stored_at() = record.episode().event_time().start();
  *record.mutable_first_stored_at() = record.stored_at();
  std::promise<Status> durable;
  RETURN_IF_ERROR(space.log()
                      .Append({{record::EntryType::kEpisodeStore, model::Encode(record)}},
                              [&](const Status& status) { durable.set_value(status); })
                      .status());
  return durable.get_future().get();
}

TEST(Space, UpdateKeepsFieldsOfANewerVersion) {
  TestNode node;
  auto space = MakeSpace(node);
  ASSERT_TRUE(Remember(*space, MakeEpisode("model", "one")).ok());
  ASSERT_TRUE(StoreFromTheFuture(*space, "a").ok());
  space.reset();
  auto opened = Space::Open(node.environment, "notes");
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  v1::UpdateRequest request;
  request.mutable_episode()->set_id("a");
  request.mutable_episode()->set_importance(0.9f);
  request.mutable_update_mask()->add_paths("importance");
  auto reply = Update(**opened, request);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().version(), 2u);
  auto view = (*opened)->NewView();
  auto found = (*view)->FindId("a");
  auto stored = (*view)->LoadEpisode(*(*found)->row, false);
  ASSERT_TRUE(stored.ok());
  EXPECT_FLOAT_EQ(stored->importance(), 0.9f);
  const auto& unknown = v1::Episode::GetReflection()->GetUnknownFields(*stored);
  ASSERT_EQ(unknown.field_count(), 1);
  EXPECT_EQ(unknown.field(0).number(), 9999);
  EXPECT_EQ(unknown.field(0).varint(), 42u);
  // What a caller names is still refused: it would be stored without being understood.
  v1::Episode::GetReflection()->MutableUnknownFields(request.mutable_episode())->AddVarint(9998, 1);
  EXPECT_EQ(Update(**opened, request).status().reason(), Reason::UNKNOWN_FIELD);
}

TEST(Space, UpdateKeepsWhatItDoesNotName) {
  TestNode node;
  auto space = MakeSpace(node);
  v1::Episode episode = MakeEpisode("a", "one");
  episode.add_tags("red");
  for (float v : {1.f, 0.f, 0.f, 0.f}) episode.add_embedding(v);
  ASSERT_TRUE(Remember(*space, episode).ok());
  ASSERT_TRUE(Forget(*space, MakeForgetCommand("a", v1::FORGET_MODE_SUPPRESS)).ok());
  v1::UpdateRequest request;
  request.mutable_episode()->set_id("a");
  request.mutable_episode()->set_what("two");
  request.mutable_update_mask()->add_paths("what");
  request.mutable_options()->set_idempotency_key("k1");
  auto reply = Update(*space, request);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->episode().tags(0), "red");
  EXPECT_EQ(reply->episode().embedding_size(), 0);
  ASSERT_EQ(reply->write().warnings_size(), 1);
  EXPECT_EQ(WhatOf(*space, "a"), "two v2 hidden");
  auto repeated = Update(*space, request);
  ASSERT_TRUE(repeated.ok()) << repeated.status().ToString();
  EXPECT_EQ(repeated->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
  repeated->mutable_write()->set_outcome(reply->write().outcome());
  EXPECT_EQ(repeated->SerializeAsString(), reply->SerializeAsString());
  EXPECT_EQ(Update(*space,
                   [&] {
                     auto r = request;
                     r.mutable_options()->Clear();
                     r.mutable_episode()->set_id("zz");
                     return r;
                   }())
                .status()
                .reason(),
            Reason::MEMORY_NOT_FOUND);
}

TEST(Space, KeysRepeatTheFirstResultAlsoAfterReopening) {
  TestNode node;
  auto space = MakeSpace(node);
  v1::WriteOptions options;
  options.set_idempotency_key("key-1");
  auto first = Remember(*space, MakeEpisode("", "something"), options);
  ASSERT_TRUE(first.ok());
  auto check = [&](Space& s) {
    auto repeated = Remember(s, MakeEpisode("", "something"), options);
    ASSERT_TRUE(repeated.ok()) << repeated.status().ToString();
    EXPECT_EQ(repeated->write().outcome(), v1::WRITE_OUTCOME_REPEATED);
    repeated->mutable_write()->set_outcome(first->write().outcome());
    EXPECT_EQ(repeated->SerializeAsString(), first->SerializeAsString());
    EXPECT_EQ(Remember(s, MakeEpisode("", "else"), options).status().reason(),
              Reason::IDEMPOTENCY_KEY_REUSED);
  };
  check(*space);
  ASSERT_TRUE(space->WaitIndexed(kLong));
  check(*space);
  ASSERT_TRUE(space->Close().ok());
  space = *Space::Open(node.environment, "notes");
  check(*space);
}

TEST(Space, BatchesNameWhatFailedAndAtomicOnesAreWhole) {
  TestNode node;
  auto space = MakeSpace(node);
  v1::RememberBatchRequest request;
  *request.add_episodes() = MakeEpisode("a", "one");
  *request.add_episodes() = MakeEpisode("b", "");
  *request.add_episodes() = MakeEpisode("a", "two");
  auto reply = RememberBatch(*space, request);
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  ASSERT_EQ(reply->results_size(), 3);
  EXPECT_EQ(reply->results(1).error().reason(), "INVALID_EPISODE");
  EXPECT_EQ(reply->results(2).write().version(), 2u);
  EXPECT_EQ(WhatOf(*space, "a"), "two v2");
  request.set_atomic(true);
  *request.mutable_episodes(0) = MakeEpisode("c", "one");
  EXPECT_EQ(RememberBatch(*space, request).status().reason(), Reason::INVALID_EPISODE);
  EXPECT_EQ(WhatOf(*space, "c"), "(none)");
}

}  // namespace
}  // namespace engram::space
