#include <gmock/gmock.h>

#include "engram/model/episode.h"
#include "engram/model/testing.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;
using google::protobuf::FieldMask;
using v1::Episode;

FieldMask Mask(std::initializer_list<const char*> paths) {
  FieldMask mask;
  for (const char* path : paths) mask.add_paths(path);
  return mask;
}

const char kStored[] =
    "id: 'a' what: 'old' embedding: [1, 2] embedding_model: 'm' importance: 0.2 tags: 't1'"
    " tags: 't2' metadata { key: 'k' value: 'v' } metadata { key: 'l' value: 'w' }"
    " event_time { start { seconds: 5 } precision: TIME_PRECISION_INSTANT zone: 'UTC' }"
    " encoding_confidence { value: 0.5 }";

class MaskTest : public testing::Test {
 protected:
  Status Apply(std::initializer_list<const char*> paths, const char* from) {
    return ApplyMask(Mask(paths), Proto<Episode>(from), &to_, &warnings_);
  }
  Episode to_ = Proto<Episode>(kStored);
  std::vector<v1::Warning> warnings_;
};

TEST_F(MaskTest, OnlyNamedFieldsChange) {
  Episode expected = to_;
  expected.set_importance(0.9f);
  expected.clear_tags();
  expected.add_tags("new");
  ASSERT_TRUE(
      Apply({"importance", "tags"}, "importance: 0.9 tags: 'new' what: 'x' who: 'Anna'").ok());
  EXPECT_EQ(to_.DebugString(), expected.DebugString());
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(MaskTest, ANamedFieldThatIsUnsetIsCleared) {
  ASSERT_TRUE(Apply({"importance", "tags", "encoding_confidence", "metadata"}, "").ok());
  EXPECT_FALSE(to_.has_importance());
  EXPECT_TRUE(to_.tags().empty());
  EXPECT_FALSE(to_.has_encoding_confidence());
  EXPECT_TRUE(to_.metadata().empty());
  EXPECT_EQ(to_.what(), "old");
}

TEST_F(MaskTest, KeysOfMetadata) {
  ASSERT_TRUE(Apply({"metadata.k", "metadata.new.key", "metadata.l"},
                    "metadata { key: 'k' value: 'v2' } metadata { key: 'new.key' value: 'n' }"
                    " metadata { key: 'other' value: 'o' }")
                  .ok());
  EXPECT_EQ(to_.metadata().size(), 2u);
  EXPECT_EQ(to_.metadata().at("k"), "v2");
  EXPECT_EQ(to_.metadata().at("new.key"), "n");
}

TEST_F(MaskTest, ATextWithoutItsEmbeddingDropsTheOldOneAndSaysSo) {
  ASSERT_TRUE(Apply({"what"}, "what: 'new'").ok());
  EXPECT_TRUE(to_.embedding().empty());
  EXPECT_EQ(to_.embedding_model(), "");
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_EQ(warnings_[0].reason(), "EMBEDDING_REMOVED");
}

TEST_F(MaskTest, TheSameTextOrANewEmbeddingKeepsIt) {
  ASSERT_TRUE(Apply({"what"}, "what: 'old'").ok());
  EXPECT_EQ(to_.embedding_size(), 2);
  ASSERT_TRUE(Apply({"what", "embedding"}, "what: 'new' embedding: [3, 4]").ok());
  EXPECT_EQ(to_.embedding(0), 3);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(MaskTest, WhenAndEventTimeReplaceEachOther) {
  ASSERT_TRUE(Apply({"when"}, "when { seconds: 9 }").ok());
  EXPECT_EQ(to_.when().seconds(), 9);
  EXPECT_FALSE(to_.has_event_time());
  ASSERT_TRUE(Apply({"event_time"}, "event_time { text: '2023' }").ok());
  EXPECT_FALSE(to_.has_when());
  EXPECT_EQ(to_.event_time().text(), "2023");
}

TEST_F(MaskTest, OtherPathsAreRefusedAndChangeNothing) {
  const std::string before = to_.DebugString();
  for (const char* path :
       {"*", "", "id", "stored", "stored.version", "last_replay", "consolidation_state", "colour",
        "metadata.", "event_time.zone", "encoding_confidence.value", "Importance"}) {
    Status status = Apply({"tags", path}, "what: 'new'");
    EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST") << path;
    EXPECT_EQ(FactOf(status, "field"), "update_mask");
    EXPECT_EQ(to_.DebugString(), before) << path;
  }
  EXPECT_EQ(ReasonOf(Apply({}, "")), "INVALID_REQUEST");
  EXPECT_EQ(Apply({"importence"}, "").suggestion(), "did you mean importance?");
}

TEST(SameContentTest, OutputOnlyFieldsDoNotCount) {
  auto a = Proto<Episode>(kStored);
  auto b = a;
  b.mutable_stored()->set_version(7);
  b.mutable_last_replay()->set_seconds(5);
  b.set_consolidation_state(v1::CONSOLIDATION_STATE_RECENT);
  b.mutable_event_time()->set_is_storing_time(true);
  EXPECT_TRUE(SameContent(a, b));
}

TEST(SameContentTest, StoringTimeDoesNotCount) {
  auto a = Proto<Episode>("what: 'x' event_time { start { seconds: 5 } is_storing_time: true }");
  auto b = Proto<Episode>("what: 'x' event_time { start { seconds: 9 } is_storing_time: true }");
  EXPECT_TRUE(SameContent(a, b));
  b.mutable_event_time()->set_is_storing_time(false);
  EXPECT_FALSE(SameContent(a, b));
}

TEST(SameContentTest, EveryOtherFieldCounts) {
  auto a = Proto<Episode>(kStored);
  for (const char* change : {"id: 'b'",
                             "what: 'new'",
                             "embedding: 3",
                             "embedding_model: 'n'",
                             "importance: 0.3",
                             "tags: 't3'",
                             "metadata { key: 'k' value: 'x' }",
                             "event_time { start { seconds: 6 } }",
                             "encoding_confidence { value: 0.6 }",
                             "who: 'Anna'",
                             "turn: 0",
                             "decay_rate: 1",
                             "memory_type: MEMORY_TYPE_SEMANTIC",
                             "source: 's'",
                             "session: 's'",
                             "why: 'w'",
                             "how: 'h'",
                             "where_location: 'p'",
                             "derived_from: 'd'",
                             "emotional_valence: 0"}) {
    auto b = a;
    b.MergeFrom(Proto<Episode>(change));
    EXPECT_FALSE(SameContent(a, b)) << change;
  }
}

TEST(FromMemoryTest, TakesAMemoryAsAnEpisode) {
  auto memory = Proto<v1::Memory>(
      "id: 'a' content: 'text' embedding: [1, 2] confidence { value: 0.9 } created_at { seconds: 5 "
      "}"
      " decay_rate: 2 metadata { key: 'k' value: 'v' } tags: 't' memory_type: MEMORY_TYPE_SEMANTIC"
      " where_location: 'Berlin' who: 'Anna' why: 'w' how: 'h' session: 's' turn: 7 source: 'src'"
      " importance: 0.3 derived_from: 'd' activation: 0.5 score: 2");
  Episode episode = EpisodeFromMemory(memory);
  auto expected = Proto<Episode>(
      "id: 'a' what: 'text' embedding: [1, 2] encoding_confidence { value: 0.9 } when { seconds: 5 "
      "}"
      " decay_rate: 2 metadata { key: 'k' value: 'v' } tags: 't' memory_type: MEMORY_TYPE_SEMANTIC"
      " where_location: 'Berlin' who: 'Anna' why: 'w' how: 'h' session: 's' turn: 7 source: 'src'"
      " importance: 0.3 derived_from: 'd'");
  EXPECT_EQ(episode.DebugString(), expected.DebugString());
}

TEST(FromMemoryTest, EventTimeWinsOverCreation) {
  Episode episode = EpisodeFromMemory(
      Proto<v1::Memory>("content: 'x' created_at { seconds: 5 } event_time { text: '2023' }"));
  EXPECT_FALSE(episode.has_when());
  EXPECT_EQ(episode.event_time().text(), "2023");
  EXPECT_FALSE(EpisodeFromMemory(Proto<v1::Memory>("content: 'x'")).has_decay_rate());
}

}  // namespace
}  // namespace engram::model
