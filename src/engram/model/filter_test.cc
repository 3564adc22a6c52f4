#include "engram/model/filter.h"

#include <gmock/gmock.h>

#include "engram/model/testing.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;

const char kEpisode[] =
    "id: 'a' what: 'x' who: 'Anna' who: 'Ben' who: 'ANNA' tags: 'Travel' tags: 'train'"
    " where_location: 'Berlin / Office/Room 4' session: 's1' source: 'file:///a/b'"
    " metadata { key: 'k' value: 'v' } metadata { key: 'b' value: 'w' } importance: 0.5"
    " encoding_confidence { value: 0.7 } event_time { start { seconds: 1000 } end { seconds: 2000 "
    "} }";

// The condition that fails, "" when all hold, or the reason of an error.
std::string Failed(const std::string& filter, const char* episode = kEpisode) {
  auto resolved = ResolveFilter(Proto<v1::Filter>(filter), "UTC");
  if (!resolved.ok()) return ReasonOf(resolved.status());
  std::string failed;
  Facets facets = FacetsOf(Proto<v1::Episode>(episode), UtcTime{5000, 0});
  bool matches = Matches(*resolved, facets, &failed);
  EXPECT_EQ(matches, failed.empty());
  return failed;
}

TEST(FacetsTest, AreFoldedSortedAndUnique) {
  Facets facets = FacetsOf(Proto<v1::Episode>(kEpisode), UtcTime{5000, 0});
  EXPECT_THAT(facets.who, testing::ElementsAre("anna", "ben"));
  EXPECT_THAT(facets.tags, testing::ElementsAre("train", "travel"));
  EXPECT_EQ(facets.place, "berlin/office/room 4");
  EXPECT_EQ(facets.session, "s1");
  EXPECT_THAT(facets.metadata,
              testing::ElementsAre(testing::Pair("b", "w"), testing::Pair("k", "v")));
  EXPECT_FLOAT_EQ(facets.confidence, 0.7f);
  EXPECT_EQ(facets.type, v1::MEMORY_TYPE_EPISODIC);
}

TEST(FilterTest, NothingAskedMatchesEverything) {
  EXPECT_EQ(Failed(""), "");
  EXPECT_TRUE(ResolveFilter({}, "UTC")->empty());
  EXPECT_TRUE(ResolveFilter(Proto<v1::Filter>("include_suppressed: true"), "UTC")->empty());
  EXPECT_FALSE(ResolveFilter(Proto<v1::Filter>("ids: 'a'"), "UTC")->empty());
}

TEST(FilterTest, EachConditionHoldsOrFailsByItsName) {
  struct Case {
    const char* holds;
    const char* fails;
    const char* name;
  };
  for (const Case& c : {
           Case{"ids: 'b' ids: 'a'", "ids: 'A'", "ids"},
           Case{"who { any_of: 'Carl' any_of: 'anna' }", "who { any_of: 'Carl' }", "who"},
           Case{"who { all_of: 'BEN' all_of: 'anna' }", "who { all_of: 'ben' all_of: 'Carl' }",
                "who"},
           Case{"who { none_of: 'Carl' }", "who { none_of: 'Carl' none_of: 'Ben' }", "who"},
           Case{"tags { any_of: 'TRAVEL' }", "tags { any_of: 'trave' }", "tags"},
           Case{"where_location: 'paris' where_location: 'BERLIN'", "where_location: 'Ber'",
                "where_location"},
           Case{"where_location: 'berlin/office'", "where_location: 'berlin/office/room 5'",
                "where_location"},
           Case{"sessions: 's1'", "sessions: 'S1'", "sessions"},
           Case{"min_confidence: 0.7", "min_confidence: 0.71", "min_confidence"},
           Case{"min_importance: 0.5", "min_importance: 0.51", "min_importance"},
           Case{"memory_types: [MEMORY_TYPE_SEMANTIC, MEMORY_TYPE_EPISODIC]",
                "memory_types: MEMORY_TYPE_SEMANTIC", "memory_types"},
           Case{"metadata { key: 'k' value: 'v' } metadata { key: 'b' value: 'w' }",
                "metadata { key: 'k' value: 'V' }", "metadata"},
           Case{"sources: 'x' sources: 'file:///a/*'", "sources: 'file:///a/'", "sources"},
           Case{"sources: 'file:///a/b'", "sources: 'FILE:*'", "sources"},
           Case{"event_time { start { seconds: 1999 } }", "event_time { start { seconds: 2000 } }",
                "event_time"},
           Case{"event_time { end { seconds: 1001 } }", "event_time { end { seconds: 1000 } }",
                "event_time"},
           Case{"event_time { start { seconds: 1000 } end { seconds: 2000 } relation: "
                "RELATION_WITHIN }",
                "event_time { start { seconds: 1001 } relation: RELATION_WITHIN }", "event_time"},
           Case{"event_time { start { seconds: 1000 } end { seconds: 1001 }"
                " relation: RELATION_STARTS_IN }",
                "event_time { start { seconds: 1001 } relation: RELATION_STARTS_IN }",
                "event_time"},
           Case{"stored_time { start { seconds: 5000 } end { seconds: 5001 } }",
                "stored_time { end { seconds: 5000 } }", "stored_time"},
           Case{"event_time { text: '1970' }", "event_time { text: '1971' }", "event_time"},
       }) {
    EXPECT_EQ(Failed(c.holds), "") << c.holds;
    EXPECT_EQ(Failed(c.fails), c.name) << c.fails;
  }
}

TEST(FilterTest, AllConditionsHoldTogether) {
  EXPECT_EQ(Failed("who { any_of: 'anna' } tags { none_of: 'train' } sessions: 's1'"), "tags");
}

TEST(FilterTest, TheUndatedPassOnlyWhenAskedFor) {
  const char* undated = "what: 'x' event_time { precision: TIME_PRECISION_UNKNOWN }";
  EXPECT_EQ(Failed("event_time { text: '2023' }", undated), "event_time");
  EXPECT_EQ(Failed("event_time { text: '../..' }", undated), "event_time");
  EXPECT_EQ(Failed("event_time { text: '2023' } include_undated: true", undated), "");
  EXPECT_EQ(Failed("sessions: 's'", undated), "sessions");
}

TEST(FilterTest, EpisodesWithoutAFacetFailItsCondition) {
  EXPECT_EQ(Failed("who { any_of: 'anna' }", "what: 'x'"), "who");
  EXPECT_EQ(Failed("who { none_of: 'anna' }", "what: 'x'"), "");
  EXPECT_EQ(Failed("where_location: 'berlin'", "what: 'x'"), "where_location");
  EXPECT_EQ(Failed("sources: '*'", "what: 'x'"), "");
  EXPECT_EQ(Failed("min_confidence: 1", "what: 'x'"), "");  // not stated is read as 1
}

TEST(FilterTest, PlacesAreWholeLevels) {
  EXPECT_TRUE(PlaceWithin("berlin", "berlin"));
  EXPECT_TRUE(PlaceWithin("berlin/office", "berlin"));
  EXPECT_FALSE(PlaceWithin("berlin", "berlin/office"));
  EXPECT_FALSE(PlaceWithin("berlingen", "berlin"));
  EXPECT_EQ(Failed("where_location: '/Berlin//Office/'"), "");
}

TEST(FilterTest, BadFiltersAreRefused) {
  for (const char* filter :
       {"ids: ''", "who { any_of: ' ' }", "tags { none_of: '' }", "where_location: '/'",
        "sessions: ''", "sources: ''", "min_confidence: 1.5", "min_confidence: nan",
        "min_importance: -1", "memory_types: MEMORY_TYPE_UNSPECIFIED", "memory_types: 77",
        "metadata { key: '' value: 'x' }", "event_time { text: '2023' relation: 7 }"}) {
    EXPECT_EQ(Failed(filter), "INVALID_FILTER") << filter;
  }
}

TEST(FilterTest, BadTimesNameTheirField) {
  auto resolved = ResolveFilter(Proto<v1::Filter>("stored_time { text: 'last week' }"), "UTC");
  EXPECT_EQ(ReasonOf(resolved.status()), "INVALID_TIME");
  EXPECT_EQ(FactOf(resolved.status(), "field"), "stored_time.text");
}

TEST(FilterTest, ListsAreLimited) {
  v1::Filter filter;
  for (size_t i = 0; i < kMaxBatch; ++i) filter.add_ids(std::to_string(i));
  EXPECT_TRUE(ResolveFilter(filter, "UTC").ok());
  filter.add_ids("one more");
  EXPECT_EQ(ReasonOf(ResolveFilter(filter, "UTC").status()), "TOO_LARGE");
}

TEST(FilterTest, ZoneOfTheSpaceReadsTexts) {
  auto resolved =
      ResolveFilter(Proto<v1::Filter>("event_time { text: '2023-05-07' }"), "Asia/Tokyo");
  ASSERT_TRUE(resolved.ok());
  EXPECT_EQ(FormatUtc(resolved->event_time->range.start), "2023-05-06T15:00:00Z");
}

}  // namespace
}  // namespace engram::model
