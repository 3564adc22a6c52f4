#include <gtest/gtest.h>

#include "engram/model/episode.h"
#include "engram/model/testing.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;
using v1::SpaceSettings;

TEST(SpaceIdTest, ThreeTo64OfASmallAlphabet) {
  for (const char* good : {"default", "a-b", "user_4711", "000"}) {
    EXPECT_TRUE(CheckSpaceId(good).ok()) << good;
  }
  EXPECT_TRUE(CheckSpaceId(std::string(64, 'a')).ok());
  for (const std::string& bad :
       {std::string(), std::string("ab"), std::string(65, 'a'), std::string("Default"),
        std::string("a b"), std::string("../etc"), std::string("a.b"), std::string("münchen"),
        std::string("abc\n")}) {
    Status status = CheckSpaceId(bad);
    EXPECT_EQ(ReasonOf(status), "INVALID_SPACE_ID") << bad;
    EXPECT_EQ(FactOf(status, "field"), "memory_space_id");
  }
}

TEST(SettingsTest, DefaultsAreFilledAndValid) {
  SpaceSettings settings = WithDefaults({});
  EXPECT_EQ(settings.dimension(), 768u);
  EXPECT_EQ(settings.metric(), "cosine");
  EXPECT_EQ(settings.embedder(), "none");
  EXPECT_EQ(settings.analyzer(), "english");
  EXPECT_EQ(settings.time_zone(), "UTC");
  EXPECT_EQ(settings.decay(), "power");
  EXPECT_EQ(settings.commit_timeout().seconds(), 5);
  EXPECT_EQ(settings.durability(), v1::DURABILITY_UNSPECIFIED);
  EXPECT_TRUE(CheckSettings(settings).ok());
  EXPECT_TRUE(CheckSettings({}).ok());
}

TEST(SettingsTest, DefaultsChangeNothingThatWasSaid) {
  auto settings = Proto<SpaceSettings>(
      "dimension: 3 metric: 'dot' embedder: 'hashed' analyzer: 'german' time_zone: 'Asia/Tokyo'"
      " decay: 'none' commit_timeout { nanos: 5 }");
  EXPECT_EQ(WithDefaults(settings).SerializeAsString(), settings.SerializeAsString());
  EXPECT_TRUE(CheckSettings(settings).ok());
}

TEST(SettingsTest, BadSettingsNameTheirField) {
  struct Case {
    const char* text;
    const char* reason;
    const char* field;
  };
  for (const Case& c : {
           Case{"dimension: 4097", "TOO_LARGE", "dimension"},
           Case{"metric: 'euclid'", "INVALID_REQUEST", "metric"},
           Case{"embedder: 'gpt'", "INVALID_REQUEST", "embedder"},
           Case{"analyzer: 'klingon'", "INVALID_REQUEST", "analyzer"},
           Case{"decay: 'linear'", "INVALID_REQUEST", "decay"},
           Case{"time_zone: 'Mars/Base'", "INVALID_TIME", "time_zone"},
           Case{"durability: DURABILITY_WRITTEN", "INVALID_REQUEST", "durability"},
           Case{"durability: 99", "INVALID_REQUEST", "durability"},
           Case{"commit_timeout { seconds: 0 }", "INVALID_REQUEST", "commit_timeout"},
           Case{"commit_timeout { seconds: -1 }", "INVALID_REQUEST", "commit_timeout"},
           Case{"default_ttl { seconds: 5 }", "UNIMPLEMENTED_FEATURE", "default_ttl"},
           Case{"ranking { text_weight: -1 }", "INVALID_REQUEST", "ranking.text_weight"},
           Case{"ranking { context_step: 1.5 }", "INVALID_REQUEST", "ranking.context_step"},
           Case{"ranking { prior_strength: nan }", "INVALID_REQUEST", "ranking.prior_strength"},
           Case{"min_relevance: 2", "INVALID_REQUEST", "min_relevance"},
           Case{"no_match_below: -1", "INVALID_REQUEST", "no_match_below"},
           Case{"labels { key: '' value: 'x' }", "INVALID_REQUEST", "labels"},
       }) {
    Status status = CheckSettings(Proto<SpaceSettings>(c.text));
    EXPECT_EQ(ReasonOf(status), c.reason) << c.text;
    EXPECT_EQ(FactOf(status, "field"), c.field) << c.text;
  }
}

TEST(SettingsTest, AMisspeltChoiceIsCorrected) {
  Status status = CheckSettings(Proto<SpaceSettings>("analyzer: 'germn'"));
  EXPECT_EQ(status.suggestion(), "did you mean german?");
}

}  // namespace
}  // namespace engram::model
