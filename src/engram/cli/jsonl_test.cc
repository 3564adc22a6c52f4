#include "engram/cli/jsonl.h"

#include <sstream>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

namespace engram::cli {
namespace {

struct Lines {
  Result<ImportCounts> counts = ImportCounts{};
  std::vector<v1::Episode> episodes;
};

Lines Read(const std::string& text) {
  Lines out;
  std::istringstream stream(text);
  out.counts = ReadJsonLines(stream, [&](v1::Episode episode) {
    out.episodes.push_back(std::move(episode));
    return OkStatus();
  });
  return out;
}

TEST(JsonLinesTest, OneEpisodeALine) {
  Lines lines = Read(
      "\xef\xbb\xbf{\"what\": \"one\", \"when\": \"2026-03\", \"where\": \"Berlin\"}\r\n"
      "\n   \n"
      "{\"what\": \"two\", \"confidence\": 0.5, \"embedding\": [1, -0.5]}");
  ASSERT_TRUE(lines.counts.ok());
  EXPECT_EQ(lines.counts->read, 2u);
  EXPECT_EQ(lines.counts->skipped, 0u);
  ASSERT_EQ(lines.episodes.size(), 2u);
  EXPECT_EQ(lines.episodes[0].what(), "one");
  EXPECT_EQ(lines.episodes[0].event_time().text(), "2026-03");
  EXPECT_EQ(lines.episodes[0].where_location(), "Berlin");
  EXPECT_FLOAT_EQ(lines.episodes[1].encoding_confidence().value(), 0.5f);
  EXPECT_EQ(lines.episodes[1].embedding(1), -0.5f);
}

TEST(JsonLinesTest, BadLinesAreCountedAndTheFirstIsNamed) {
  Lines lines = Read("{\"what\": \"one\"}\n\n{\"wat\": \"x\"}\nnot json\n{\"what\": \"two\"}\n");
  ASSERT_TRUE(lines.counts.ok());
  EXPECT_EQ(lines.counts->read, 2u);
  EXPECT_EQ(lines.counts->skipped, 2u);
  EXPECT_EQ(lines.counts->first_skipped.reason(), Reason::UNKNOWN_FIELD);
  EXPECT_THAT(lines.counts->first_skipped.message(), testing::StartsWith("line 3: "));
}

TEST(JsonLinesTest, WhatWasExportedIsReadBackAsItWas) {
  v1::Episode episode;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(id: "a" what: "two\nlines \"quoted\" ü \t" embedding: [0.1, -1e-40, 3.4e38]
         encoding_confidence { value: 0.9 category: CONFIDENCE_CATEGORY_HIGH reasoning: "r" }
         where_location: "Berlin/Office" who: "Anna" who: "Ben" why: "w" how: "h" decay_rate: 0
         emotional_valence: -0.3 importance: 0.1
         event_time { start { seconds: 1773442800 } end { seconds: 1773529200 }
                      precision: TIME_PRECISION_DAY zone: "Europe/Berlin" text: "2026-03-14" }
         session: "s" turn: 0 embedding_model: "m" tags: "t" metadata { key: "k" value: "v" }
         source: "src" derived_from: "d" memory_type: MEMORY_TYPE_SEMANTIC
         stored { version: 3 sequence: 41880 epoch: 2 stored_at { seconds: 5 nanos: 7 }
                  first_stored_at { seconds: 1 } use_count: 9 })",
      &episode));
  std::string line = ToJsonLine(episode);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  Lines lines = Read(line);
  ASSERT_EQ(lines.episodes.size(), 1u) << line << lines.counts->first_skipped.ToString();
  EXPECT_EQ(lines.episodes[0].DebugString(), episode.DebugString());
}

TEST(JsonLinesTest, AnErrorOfTheSinkEndsTheReading) {
  std::istringstream stream("{\"what\": \"one\"}\n{\"what\": \"two\"}\n");
  auto counts =
      ReadJsonLines(stream, [](const v1::Episode&) { return Status(Reason::DISK_FULL, "full"); });
  EXPECT_EQ(counts.status().reason(), Reason::DISK_FULL);
}

}  // namespace
}  // namespace engram::cli
