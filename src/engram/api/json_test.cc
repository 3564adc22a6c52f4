#include "engram/api/json.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engram/api/json_value.h"
#include "engram/api/text.h"

namespace engram::api {
namespace {

using testing::HasSubstr;

v1::Episode Parsed(const std::string& json) {
  Result<v1::Episode> episode = EpisodeFromJson(json);
  EXPECT_TRUE(episode.ok()) << json << "\n" << episode.status().ToString();
  return episode.ok() ? *episode : v1::Episode();
}

Status Refused(const std::string& json) {
  const Result<v1::Episode> episode = EpisodeFromJson(json);
  EXPECT_FALSE(episode.ok()) << json;
  return episode.status();
}

TEST(JsonReadTest, ReadsTheShortNames) {
  const v1::Episode episode = Parsed(
      R"({"what":"Anna prefers the 8:15","who":["Anna"],"where":"Berlin","when":"2026-03-14",)"
      R"("confidence":0.9,"tags":["travel"],"session":"c1","turn":7,"memory_type":"working"})");
  EXPECT_EQ(episode.what(), "Anna prefers the 8:15");
  EXPECT_EQ(episode.where_location(), "Berlin");
  EXPECT_EQ(episode.event_time().text(), "2026-03-14");
  EXPECT_FLOAT_EQ(episode.encoding_confidence().value(), 0.9f);
  EXPECT_EQ(episode.turn(), 7u);
  EXPECT_EQ(episode.memory_type(), v1::MEMORY_TYPE_WORKING);
}

TEST(JsonReadTest, FlattensEpisodeAndOptions) {
  v1::RememberRequest request;
  ASSERT_TRUE(
      MessageFromJson(R"({"space":"notes","what":"x","durability":"local","create_only":true})",
                      &request)
          .ok());
  EXPECT_EQ(request.memory_space_id(), "notes");
  EXPECT_EQ(request.episode().what(), "x");
  EXPECT_EQ(request.options().durability(), v1::DURABILITY_LOCAL);
  EXPECT_TRUE(request.options().create_only());
  v1::RememberRequest nested;
  ASSERT_TRUE(
      MessageFromJson(R"({"episode":{"what":"x"},"options":{"durability":"LOCAL"}})", &nested)
          .ok());
  EXPECT_EQ(nested.episode().what(), "x");
  EXPECT_EQ(nested.options().durability(), v1::DURABILITY_LOCAL);
}

TEST(JsonReadTest, TakesShortFormsOfFilters) {
  v1::RecallRequest request;
  ASSERT_TRUE(
      MessageFromJson(R"({"query":{"text":"train"},"filter":{"who":"anna","tags":["a","b"],)"
                      R"("event_time":"2026-01/2026-06"},"read":{"wait":"1.5s"}})",
                      &request)
          .ok());
  EXPECT_EQ(request.filter().who().any_of(0), "anna");
  EXPECT_EQ(request.filter().tags().any_of_size(), 2);
  EXPECT_EQ(request.filter().event_time().text(), "2026-01/2026-06");
  EXPECT_EQ(request.read().wait().seconds(), 1);
  EXPECT_EQ(request.read().wait().nanos(), 500'000'000);
}

TEST(JsonReadTest, ReadsEmbeddingsInBothForms) {
  const v1::Episode list = Parsed(R"({"embedding":[1, -0.5, 2e-3]})");
  const float values[] = {1.0f, -0.5f, 2e-3f};
  const std::string bytes(reinterpret_cast<const char*>(values), sizeof values);
  const v1::Episode packed = Parsed(R"({"embedding_base64":")" + EncodeBase64(bytes) + "\"}");
  ASSERT_EQ(list.embedding_size(), 3);
  EXPECT_EQ(list.SerializeAsString(), packed.SerializeAsString());
}

TEST(JsonReadTest, NamesAnUnknownFieldAndTheNearest) {
  const Status status = Refused(R"({"whta":"x"})");
  EXPECT_EQ(status.reason(), Reason::UNKNOWN_FIELD);
  EXPECT_EQ(status.metadata().at("nearest"), "what");
  EXPECT_EQ(status.metadata().at("field"), "whta");
  v1::RecallRequest request;
  const Status inner = MessageFromJson(R"({"filter":{"tag":"x"}})", &request);
  EXPECT_EQ(inner.reason(), Reason::UNKNOWN_FIELD);
  EXPECT_EQ(inner.metadata().at("field"), "filter.tag");
}

TEST(JsonReadTest, RefusesWrongTypes) {
  EXPECT_EQ(Refused(R"({"what":1})").reason(), Reason::INVALID_REQUEST);
  EXPECT_EQ(Refused(R"({"who":{"a":1}})").reason(), Reason::INVALID_REQUEST);
  EXPECT_EQ(Refused(R"({"turn":-1})").reason(), Reason::INVALID_REQUEST);
  EXPECT_EQ(Refused(R"({"turn":1.5})").reason(), Reason::INVALID_REQUEST);
  EXPECT_EQ(Refused(R"({"turn":"7"})").reason(), Reason::INVALID_REQUEST);
  EXPECT_EQ(Refused(R"({"importance":1e300})").reason(), Reason::INVALID_REQUEST);
  EXPECT_EQ(Refused(R"({"embedding":["1"]})").reason(), Reason::INVALID_EMBEDDING);
  EXPECT_EQ(Refused(R"({"embedding":[1e39]})").reason(), Reason::INVALID_EMBEDDING);
  EXPECT_EQ(Refused(R"({"embedding_base64":"AAA"})").reason(), Reason::INVALID_EMBEDDING);
  EXPECT_EQ(Refused(R"({"embedding":[1],"embedding_base64":"AAAAAA=="})").reason(),
            Reason::INVALID_EMBEDDING);
  EXPECT_EQ(Refused(R"({"when":5})").reason(), Reason::INVALID_TIME);
  EXPECT_EQ(Refused(R"({"when":"2026","event_time":"2025"})").reason(), Reason::INVALID_TIME);
  EXPECT_EQ(Refused(R"({"event_time":"2025","when":"2026"})").reason(), Reason::INVALID_TIME);
  EXPECT_EQ(Refused(R"({"expires_at":"soon"})").reason(), Reason::INVALID_TIME);
  EXPECT_EQ(Refused(R"([1])").reason(), Reason::INVALID_REQUEST);
  const Status status = Refused(R"({"memory_type":"episodik"})");
  EXPECT_THAT(status.suggestion(), HasSubstr("episodic"));
}

TEST(JsonReadTest, RefusesTwoMembersOfOneChoice) {
  v1::ForgetRequest request;
  const Status status = MessageFromJson(R"({"memory_id":"a","ids":["b"]})", &request);
  EXPECT_EQ(status.reason(), Reason::INVALID_REQUEST);
}

TEST(JsonReadTest, RefusesWhatIsNotJson) {
  for (const char* text :
       {"", "{", "{\"a\"", "{\"what\":NaN}", "{\"what\":\"x\"} x", "{'what':1}",
        "{\"what\":\"a\nb\"}", "{\"what\":\"\\x\"}", "{\"what\":\"\\u12\"}", "{\"turn\":01}",
        "{\"turn\":1.}", "{\"turn\":-}", "{\"what\":\"a\",\"what\":\"b\"}", "{\"what\":\"\xff\"}",
        "{\"what\":\"\xc0\x80\"}", "{,}", "{\"turn\":Infinity}", "nul"}) {
    EXPECT_EQ(Refused(text).reason(), Reason::INVALID_REQUEST) << text;
  }
  const Status status = Refused("{\n  \"what\" 1}");
  EXPECT_THAT(status.message(), HasSubstr("line 2, column 10"));
}

TEST(JsonReadTest, RefusesDepthWithoutFallingIn) {
  EXPECT_EQ(Refused(std::string(1'000'000, '[')).reason(), Reason::INVALID_REQUEST);
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(Refused(objects).reason(), Reason::INVALID_REQUEST);
}

TEST(JsonReadTest, ResolvesEscapes) {
  EXPECT_EQ(Parsed(R"({"what":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"})").what(),
            "a\"\\/\b\f\n\r\té😀");
  EXPECT_EQ(Parsed(R"({"what":"\ud800"})").what(), "\xEF\xBF\xBD");
}

TEST(JsonReadTest, NullIsUnset) {
  EXPECT_FALSE(Parsed(R"({"importance":null})").has_importance());
}

TEST(JsonPatchTest, TheKeysAreTheMask) {
  const Result<v1::UpdateRequest> request = UpdateFromJson(
      R"({"importance":1,"why":null,"where":"Rome","metadata":{"a":"1","b":null},"if_version":3})");
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  EXPECT_THAT(
      request->update_mask().paths(),
      testing::ElementsAre("importance", "why", "where_location", "metadata.a", "metadata.b"));
  EXPECT_EQ(request->options().if_version(), 3u);
  EXPECT_EQ(request->episode().metadata().size(), 1u);
}

TEST(JsonWriteTest, WritesAReplyAsTheDocumentationShows) {
  v1::RememberResponse response;
  response.set_memory_id("01J");
  response.mutable_storage_confidence()->set_value(0.9f);
  response.mutable_storage_confidence()->set_category(v1::CONFIDENCE_CATEGORY_HIGH);
  v1::WriteResult* write = response.mutable_write();
  write->set_outcome(v1::WRITE_OUTCOME_CREATED);
  write->set_sequence(18446744073709551615ull);
  write->set_durability(v1::DURABILITY_LOCAL);
  write->mutable_stored_at()->set_seconds(1773565964);
  write->mutable_stored_at()->set_nanos(18233000);
  EXPECT_EQ(
      MessageToJson(response),
      R"({"memory_id":"01J","storage_confidence":{"value":0.9,"category":"high"},)"
      R"("token":"","sequence":18446744073709551615,"epoch":0,"durability":"local",)"
      R"("durable_copies":0,"wanted_copies":0,"degraded":false,"outcome":"created","version":0,)"
      R"("stored_at":"2026-03-15T09:12:44.018233Z","warnings":[]})");
}

TEST(JsonWriteTest, LeavesOutWhatIsEmpty) {
  v1::Episode episode;
  episode.set_what("a\"\n\x01");
  episode.set_where_location("Rome");
  (*episode.mutable_metadata())["b"] = "2";
  (*episode.mutable_metadata())["a"] = "1";
  EXPECT_EQ(EpisodeToJson(episode),
            R"({"what":"a\"\n\u0001","where":"Rome","metadata":{"a":"1","b":"2"}})");
}

TEST(JsonWriteTest, NeverWritesNaN) {
  v1::Episode episode;
  episode.add_embedding(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(EpisodeToJson(episode), R"({"embedding":[null]})");
}

TEST(JsonDurationTest, GoesThereAndBack) {
  for (const char* text : {"500ms", "2s", "250us", "10ns", "0s"}) {
    const auto duration = ParseDuration(text);
    ASSERT_TRUE(duration.ok()) << text;
    EXPECT_EQ(FormatDuration(*duration), text);
  }
  EXPECT_EQ(ParseDuration("10m")->seconds(), 600);
  EXPECT_EQ(ParseDuration("7d")->seconds(), 604800);
  for (const char* text : {"", "5", "s", "-1s", "1 s", "nans", "1e30s", "5x"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

// Text with everything that JSON must escape, and beyond the first plane.
rc::Gen<std::string> AnyText() {
  return rc::gen::map(
      rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(1, 0x10FFFF)),
      [](const std::vector<uint32_t>& points) {
        std::string text;
        for (uint32_t c : points) {
          if (c < 0xD800 || c > 0xDFFF) AppendUtf8(c % 5 == 0 ? c % 0x80 + 1 : c, &text);
        }
        return text;
      });
}

TEST(JsonPropertyTest, EpisodesGoThereAndBack) {
  EXPECT_TRUE(rc::check([] {
    v1::Episode episode;
    episode.set_id(*AnyText());
    episode.set_what(*AnyText());
    for (const std::string& name : *rc::gen::container<std::vector<std::string>>(AnyText())) {
      episode.add_who(name);
      (*episode.mutable_metadata())[name] = *AnyText();
    }
    for (int bits :
         *rc::gen::container<std::vector<int>>(rc::gen::inRange(-1'000'000, 1'000'000))) {
      episode.add_embedding(static_cast<float>(bits) / 4099.0f);
    }
    episode.mutable_encoding_confidence()->set_value(
        static_cast<float>(*rc::gen::inRange(0, 1000)) / 999.0f);
    episode.set_turn(*rc::gen::arbitrary<uint64_t>());
    episode.mutable_event_time()->set_text("2026-03");
    episode.mutable_stored()->set_version(*rc::gen::inRange<uint64_t>(1, 1u << 30));
    episode.set_memory_type(static_cast<v1::MemoryType>(*rc::gen::inRange(1, 5)));
    const Result<v1::Episode> back = EpisodeFromJson(EpisodeToJson(episode));
    RC_ASSERT(back.ok());
    RC_ASSERT(EpisodeToJson(*back) == EpisodeToJson(episode));
    RC_ASSERT(back->what() == episode.what() && back->turn() == episode.turn());
    RC_ASSERT(back->embedding_size() == episode.embedding_size());
    for (int i = 0; i < episode.embedding_size(); ++i) {
      RC_ASSERT(back->embedding(i) == episode.embedding(i));
    }
  }));
}

TEST(JsonPropertyTest, CutOrChangedTextNeverCrashes) {
  const std::string whole =
      R"({"what":"a\u00e9b","who":["x","y"],"embedding":[1,2.5e3],"metadata":{"k":"v"},"turn":7})";
  for (size_t i = 0; i < whole.size(); ++i) {
    (void)Refused(whole.substr(0, i));
    for (const char c : {'"', '{', '}', '[', ',', '\\', '0', '\0', '\xff'}) {
      std::string changed = whole;
      changed[i] = c;
      (void)EpisodeFromJson(changed);
    }
  }
}

TEST(TextTest, Base64GoesThereAndBack) {
  EXPECT_TRUE(rc::check(
      [](const std::string& bytes) { RC_ASSERT(DecodeBase64(EncodeBase64(bytes)) == bytes); }));
  EXPECT_FALSE(DecodeBase64("A").has_value());
  EXPECT_FALSE(DecodeBase64("AA*A").has_value());
}

TEST(TextTest, PercentGoesThereAndBack) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    RC_ASSERT(DecodePercent(EncodePercent(bytes), true) == bytes);
  }));
  EXPECT_FALSE(DecodePercent("%G0", false).has_value());
  EXPECT_FALSE(DecodePercent("%4", false).has_value());
}

TEST(TextTest, CutsBetweenCharacters) {
  EXPECT_EQ(CutText("abcdef", 6), "abcdef");
  EXPECT_EQ(CutText("ééééé", 8), "éé…");
}

}  // namespace
}  // namespace engram::api
