#include "engram/model/episode.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "engram/model/testing.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;
using v1::Episode;

class PrepareTest : public testing::Test {
 protected:
  PrepareTest() {
    settings_.set_dimension(4);
    settings_ = WithDefaults(settings_);
    context_ = {"default", &settings_, UtcTime{1'700'000'000, 0}, nullptr};
  }

  Status Prepare(Episode* episode) { return PrepareEpisode(context_, episode, &warnings_); }
  Status Prepare(const std::string& text) {
    auto episode = Proto<Episode>(text);
    return Prepare(&episode);
  }

  v1::SpaceSettings settings_;
  PrepareContext context_;
  std::vector<v1::Warning> warnings_;
};

TEST_F(PrepareTest, FillsWhatCanBeDecidedAndKeepsWhatWasGiven) {
  auto episode = Proto<Episode>("what: ' Anna prefers the 8:15 train ' who: 'Anna' tags: 'Travel'");
  ASSERT_TRUE(Prepare(&episode).ok());
  EXPECT_EQ(episode.id(), "");
  EXPECT_EQ(episode.what(), " Anna prefers the 8:15 train ");
  EXPECT_EQ(episode.tags(0), "Travel");
  EXPECT_EQ(episode.memory_type(), v1::MEMORY_TYPE_EPISODIC);
  EXPECT_TRUE(episode.event_time().is_storing_time());
  EXPECT_EQ(episode.event_time().start().seconds(), 1'700'000'000);
  EXPECT_FALSE(episode.has_encoding_confidence());
  EXPECT_FALSE(episode.has_importance());
}

TEST_F(PrepareTest, WhenBecomesTheEventTime) {
  auto episode = Proto<Episode>("what: 'x' when { seconds: 5 }");
  ASSERT_TRUE(Prepare(&episode).ok());
  EXPECT_FALSE(episode.has_when());
  EXPECT_EQ(episode.event_time().start().seconds(), 5);
  EXPECT_FALSE(episode.event_time().is_storing_time());
}

TEST_F(PrepareTest, TimesAreOfTheZoneOfTheSpaceAndWarn) {
  settings_.set_time_zone("Europe/Berlin");
  auto episode = Proto<Episode>("what: 'x' event_time { text: '2023-03-26T02:30' }");
  ASSERT_TRUE(Prepare(&episode).ok());
  EXPECT_EQ(episode.event_time().zone(), "Europe/Berlin");
  ASSERT_EQ(warnings_.size(), 1u);
}

TEST_F(PrepareTest, AReplacementWithoutATimeKeepsTheTimeBefore) {
  auto previous = Proto<v1::EventTime>("start { seconds: 77 } precision: TIME_PRECISION_INSTANT");
  context_.previous_time = &previous;
  auto episode = Proto<Episode>("what: 'x'");
  ASSERT_TRUE(Prepare(&episode).ok());
  EXPECT_EQ(episode.event_time().start().seconds(), 77);
  auto dated = Proto<Episode>("what: 'x' when { seconds: 5 }");
  ASSERT_TRUE(Prepare(&dated).ok());
  EXPECT_EQ(dated.event_time().start().seconds(), 5);
}

TEST_F(PrepareTest, OutputOnlyFieldsAreDropped) {
  auto episode = Proto<Episode>(
      "what: 'x' consolidation_state: CONSOLIDATION_STATE_CONSOLIDATED last_replay { seconds: 5 }"
      " stored { version: 7 suppressed: true } event_time { is_storing_time: true }");
  ASSERT_TRUE(Prepare(&episode).ok());
  EXPECT_EQ(episode.consolidation_state(), v1::CONSOLIDATION_STATE_UNSPECIFIED);
  EXPECT_FALSE(episode.has_last_replay());
  EXPECT_FALSE(episode.has_stored());
}

TEST_F(PrepareTest, PreparingTwiceChangesNothing) {
  auto episode = Proto<Episode>(
      "id: 'a' what: 'x' embedding: [1, 2, 3, 4] encoding_confidence { value: 0.9 }"
      " event_time { text: '2023-05' } metadata { key: 'k' value: 'v' }");
  ASSERT_TRUE(Prepare(&episode).ok());
  Episode again = episode;
  ASSERT_TRUE(Prepare(&again).ok());
  EXPECT_EQ(again.SerializeAsString(), episode.SerializeAsString());
  EXPECT_TRUE(SameContent(again, episode));
}

TEST_F(PrepareTest, NeedsTextOrEmbedding) {
  Status status = Prepare("who: 'Anna'");
  EXPECT_EQ(ReasonOf(status), "INVALID_EPISODE");
  EXPECT_EQ(FactOf(status, "field"), "what");
  EXPECT_THAT(status.ToString(), testing::HasSubstr("Expected: what or embedding"));
  EXPECT_THAT(status.ToString(), testing::HasSubstr("Suggestion: "));
  EXPECT_THAT(status.ToString(), testing::HasSubstr("Example: "));
  EXPECT_TRUE(Prepare("embedding: [1, 2, 3, 4]").ok());
}

TEST_F(PrepareTest, WhatIsNotActedOnIsRefused) {
  Status supersedes = Prepare("what: 'x' supersedes: 'a'");
  EXPECT_EQ(ReasonOf(supersedes), "UNIMPLEMENTED_FEATURE");
  EXPECT_EQ(FactOf(supersedes, "field"), "supersedes");
  EXPECT_FALSE(FactOf(supersedes, "hint").empty());
  EXPECT_EQ(FactOf(Prepare("what: 'x' expires_at { seconds: 5 }"), "field"), "expires_at");
}

TEST_F(PrepareTest, FieldsOfANewerVersionAreRefused) {
  auto episode = Proto<Episode>("what: 'x' event_time { text: '2023' }");
  Episode::GetReflection()->MutableUnknownFields(&episode)->AddVarint(777, 1);
  EXPECT_EQ(ReasonOf(Prepare(&episode)), "UNKNOWN_FIELD");
  auto inner = Proto<Episode>("what: 'x' event_time { text: '2023' }");
  v1::EventTime::GetReflection()
      ->MutableUnknownFields(inner.mutable_event_time())
      ->AddVarint(777, 1);
  EXPECT_EQ(ReasonOf(Prepare(&inner)), "UNKNOWN_FIELD");
}

// Each limit: at it, and one above it.
struct TextLimit {
  const char* field;
  size_t limit;
};
class TextLimitTest : public PrepareTest, public testing::WithParamInterface<TextLimit> {};

TEST_P(TextLimitTest, HoldsAtTheLimitAndNamesItAbove) {
  const auto* field = Episode::descriptor()->FindFieldByName(GetParam().field);
  for (size_t extra : {0, 1}) {
    Episode episode;
    episode.set_what("x");
    std::string text(GetParam().limit + extra, 'a');
    if (field->is_repeated()) {
      Episode::GetReflection()->AddString(&episode, field, text);
    } else {
      Episode::GetReflection()->SetString(&episode, field, text);
    }
    Status status = Prepare(&episode);
    if (extra == 0) {
      EXPECT_TRUE(status.ok()) << status.ToString();
      continue;
    }
    EXPECT_EQ(ReasonOf(status), "TOO_LARGE");
    EXPECT_EQ(FactOf(status, "limit"), std::to_string(GetParam().limit));
    EXPECT_EQ(FactOf(status, "actual"), std::to_string(text.size()));
    EXPECT_EQ(FactOf(status, "field"), GetParam().field);
  }
}

TEST_P(TextLimitTest, TakesOnlyValidText) {
  const auto* field = Episode::descriptor()->FindFieldByName(GetParam().field);
  for (const std::string& bad : {std::string("a\xff"), std::string("a\0", 2)}) {
    Episode episode;
    episode.set_what("x");
    if (field->is_repeated()) {
      Episode::GetReflection()->AddString(&episode, field, bad);
    } else {
      Episode::GetReflection()->SetString(&episode, field, bad);
    }
    Status status = Prepare(&episode);
    EXPECT_EQ(ReasonOf(status), "INVALID_EPISODE");
    EXPECT_EQ(FactOf(status, "field"), GetParam().field);
  }
}

INSTANTIATE_TEST_SUITE_P(Fields, TextLimitTest,
                         testing::Values(TextLimit{"what", 1 << 20}, TextLimit{"why", 64 << 10},
                                         TextLimit{"how", 64 << 10},
                                         TextLimit{"where_location", 1024},
                                         TextLimit{"session", 1024}, TextLimit{"source", 1024},
                                         TextLimit{"who", 256}, TextLimit{"tags", 128},
                                         TextLimit{"id", 256}, TextLimit{"derived_from", 256}),
                         [](const auto& info) { return std::string(info.param.field); });

TEST_F(PrepareTest, ListsHoldSixtyFour) {
  for (const char* name : {"who", "tags", "derived_from"}) {
    const auto* field = Episode::descriptor()->FindFieldByName(name);
    Episode episode;
    episode.set_what("x");
    for (int i = 0; i < 64; ++i) Episode::GetReflection()->AddString(&episode, field, "a");
    EXPECT_TRUE(Prepare(&episode).ok()) << name;
    Episode::GetReflection()->AddString(&episode, field, "a");
    Status status = Prepare(&episode);
    EXPECT_EQ(ReasonOf(status), "TOO_LARGE") << name;
    EXPECT_EQ(FactOf(status, "field"), name);
    EXPECT_EQ(FactOf(status, "limit"), "64");
  }
}

TEST_F(PrepareTest, NamesAreNotEmpty) {
  EXPECT_EQ(FactOf(Prepare("what: 'x' who: 'Anna' who: ''"), "field"), "who");
  EXPECT_EQ(ReasonOf(Prepare("what: 'x' tags: ' '")), "INVALID_EPISODE");
  EXPECT_EQ(ReasonOf(Prepare("what: 'x' derived_from: ''")), "INVALID_EPISODE");
}

TEST_F(PrepareTest, MetadataLimits) {
  Episode episode;
  episode.set_what("x");
  auto& metadata = *episode.mutable_metadata();
  for (int i = 0; i < 64; ++i) metadata["k" + std::to_string(i)] = "v";
  EXPECT_TRUE(Prepare(&episode).ok());
  metadata["one more"] = "v";
  EXPECT_EQ(FactOf(Prepare(&episode), "limit"), "64");

  metadata.clear();
  metadata["k"] = std::string(8 << 10, 'v');
  EXPECT_TRUE(Prepare(&episode).ok());
  metadata["k"] += 'v';
  EXPECT_EQ(FactOf(Prepare(&episode), "field"), "metadata.k");

  metadata.clear();
  for (int i = 0; i < 8; ++i) metadata[std::to_string(i)] = std::string((8 << 10) - 1, 'v');
  EXPECT_TRUE(Prepare(&episode).ok());  // 64 KiB together, keys included
  metadata["8"] = "";
  EXPECT_EQ(FactOf(Prepare(&episode), "limit"), "65536");

  metadata.clear();
  metadata[std::string(129, 'k')] = "v";
  EXPECT_EQ(FactOf(Prepare(&episode), "limit"), "128");
  metadata.clear();
  metadata[""] = "v";
  EXPECT_EQ(ReasonOf(Prepare(&episode)), "INVALID_EPISODE");
}

TEST_F(PrepareTest, NumbersStayInTheirRange) {
  for (const char* good :
       {"importance: 0", "importance: 1", "emotional_valence: -1", "emotional_valence: 1",
        "decay_rate: 0", "decay_rate: 1000", "encoding_confidence { value: 1 }",
        "encoding_confidence { value: 0 }"}) {
    EXPECT_TRUE(Prepare(std::string("what: 'x' ") + good).ok()) << good;
  }
  for (const char* bad :
       {"importance: 1.001", "importance: -0.1", "importance: nan", "emotional_valence: -1.1",
        "emotional_valence: inf", "decay_rate: -1", "decay_rate: inf", "decay_rate: nan",
        "encoding_confidence { value: 1.1 }", "encoding_confidence { value: nan }",
        "encoding_confidence { category: CONFIDENCE_CATEGORY_HIGH }", "memory_type: 77"}) {
    Status status = Prepare(std::string("what: 'x' ") + bad);
    EXPECT_EQ(ReasonOf(status), "INVALID_EPISODE") << bad;
    EXPECT_FALSE(FactOf(status, "expected").empty()) << bad;
    EXPECT_FALSE(FactOf(status, "actual").empty()) << bad;
  }
}

TEST_F(PrepareTest, CategoryFollowsTheValue) {
  auto episode = Proto<Episode>(
      "what: 'x' encoding_confidence { value: 0.9 category: CONFIDENCE_CATEGORY_LOW reasoning: 'r' "
      "}");
  ASSERT_TRUE(Prepare(&episode).ok());
  EXPECT_EQ(episode.encoding_confidence().category(), v1::CONFIDENCE_CATEGORY_HIGH);
  EXPECT_FLOAT_EQ(episode.encoding_confidence().value(), 0.9f);
  EXPECT_EQ(episode.encoding_confidence().reasoning(), "r");
}

TEST_F(PrepareTest, EmbeddingsHaveTheDimensionOfTheSpace) {
  Status status = Prepare("embedding: [1, 2, 3]");
  EXPECT_EQ(ReasonOf(status), "DIMENSION_MISMATCH");
  EXPECT_EQ(FactOf(status, "space"), "default");
  EXPECT_EQ(FactOf(status, "expected"), "4");
  EXPECT_EQ(FactOf(status, "actual"), "3");
  EXPECT_EQ(FactOf(status, "field"), "embedding");
  EXPECT_EQ(status.message(), "Embedding has 3 numbers, space 'default' takes 4.");
}

TEST_F(PrepareTest, EmbeddingModelsAreComparedWhenBothAreNamed) {
  EXPECT_TRUE(Prepare("embedding: [1, 2, 3, 4] embedding_model: 'm2'").ok());
  settings_.set_embedding_model("m1");
  EXPECT_TRUE(Prepare("embedding: [1, 2, 3, 4]").ok());
  EXPECT_TRUE(Prepare("embedding: [1, 2, 3, 4] embedding_model: 'm1'").ok());
  Status status = Prepare("embedding: [1, 2, 3, 4] embedding_model: 'm2'");
  EXPECT_EQ(ReasonOf(status), "MODEL_MISMATCH");
  EXPECT_EQ(FactOf(status, "expected"), "m1");
  EXPECT_EQ(FactOf(status, "actual"), "m2");
}

TEST(EmbeddingTest, NotFiniteAtAnyPlaceAndAllZeroAreRefused) {
  for (uint32_t size : {1u, 15u, 16u, 17u, 768u}) {
    google::protobuf::RepeatedField<float> values;
    values.Resize(static_cast<int>(size), 0.0f);
    EXPECT_EQ(ReasonOf(CheckEmbedding(values, size, "s", "e")), "INVALID_EMBEDDING") << size;
    values[0] = -0.0f;
    EXPECT_EQ(ReasonOf(CheckEmbedding(values, size, "s", "e")), "INVALID_EMBEDDING") << size;
    for (int at = 0; at < static_cast<int>(size); ++at) {
      values[at] = std::numeric_limits<float>::denorm_min();
      EXPECT_TRUE(CheckEmbedding(values, size, "s", "e").ok()) << at;
      for (float bad : {NAN, HUGE_VALF, -HUGE_VALF}) {
        values[at] = bad;
        Status status = CheckEmbedding(values, size, "s", "e");
        EXPECT_EQ(ReasonOf(status), "INVALID_EMBEDDING") << at;
        EXPECT_THAT(FactOf(status, "actual"), testing::EndsWith("place " + std::to_string(at)));
      }
      values[at] = 0;
    }
  }
}

TEST(IdTest, OneTo256BytesWithoutControlCharacters) {
  for (const char* good : {"a", "01JPAB7Q2M8S4X6C0D5E9F1G2H", "git:5d1c07a", "ünïcode 東京", " "}) {
    EXPECT_TRUE(CheckId(good).ok()) << good;
  }
  for (const std::string& bad : {std::string(), std::string("a\n"), std::string("\x7f"),
                                 std::string("\u0085"), std::string("\xff")}) {
    EXPECT_EQ(ReasonOf(CheckId(bad)), "INVALID_EPISODE") << bad;
    EXPECT_EQ(FactOf(CheckId(bad), "field"), "id");
  }
  EXPECT_TRUE(CheckId(std::string(256, 'i')).ok());
  EXPECT_EQ(ReasonOf(CheckId(std::string(257, 'i'))), "TOO_LARGE");
}

TEST(IdempotencyKeyTest, PrintableAscii) {
  EXPECT_TRUE(CheckIdempotencyKey("chat-118-7 ~").ok());
  EXPECT_TRUE(CheckIdempotencyKey(std::string(128, 'k')).ok());
  EXPECT_EQ(ReasonOf(CheckIdempotencyKey(std::string(129, 'k'))), "TOO_LARGE");
  for (const char* bad : {"", "ü", "a\tb", "\x7f"}) {
    EXPECT_EQ(ReasonOf(CheckIdempotencyKey(bad)), "INVALID_REQUEST") << bad;
  }
}

TEST(ConfidenceTest, Categories) {
  EXPECT_EQ(CategoryOf(0), v1::CONFIDENCE_CATEGORY_NONE);
  EXPECT_EQ(CategoryOf(0.05f), v1::CONFIDENCE_CATEGORY_LOW);
  EXPECT_EQ(CategoryOf(0.35f), v1::CONFIDENCE_CATEGORY_MEDIUM);
  EXPECT_EQ(CategoryOf(0.7f), v1::CONFIDENCE_CATEGORY_HIGH);
  EXPECT_EQ(CategoryOf(0.95f), v1::CONFIDENCE_CATEGORY_CERTAIN);
  EXPECT_EQ(ConfidenceOf(Episode()), 1);
  EXPECT_EQ(ImportanceOf(Episode()), 0.5f);
}

}  // namespace
}  // namespace engram::model
