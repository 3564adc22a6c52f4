#include <gtest/gtest.h>

#include "engram/model/testing.h"
#include "engram/model/time.h"
#include "engram/model/zone.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;

v1::EventTime Resolved(const std::string& text, const std::string& zone = "UTC") {
  v1::EventTime time;
  time.set_text(text);
  EXPECT_TRUE(ResolveEventTime(nullptr, zone, UtcTime{}, &time, nullptr).ok()) << text;
  return time;
}

TEST(TimeFormatTest, UtcHasTheShortestFraction) {
  EXPECT_EQ(FormatUtc({0, 0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatUtc({0, 120'000'000}), "1970-01-01T00:00:00.120Z");
  EXPECT_EQ(FormatUtc({0, 18'233'000}), "1970-01-01T00:00:00.018233Z");
  EXPECT_EQ(FormatUtc({0, 1}), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(FormatUtc(kMinTime), "0001-01-01T00:00:00Z");
  EXPECT_EQ(FormatUtc(kMaxTime), "9999-12-31T23:59:59.999999999Z");
}

TEST(TimeFormatTest, UtcIsReadBack) {
  for (UtcTime time : {kMinTime, kMaxTime, UtcTime{0, 0}, UtcTime{1'773'479'564, 18'233'000}}) {
    auto read = ParseUtc(FormatUtc(time));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, time);
  }
  EXPECT_EQ(*ParseUtc("2023-05-07T10:30:05+02:00"), *ParseUtc("2023-05-07T08:30:05Z"));
  for (const char* text : {"", "2023", "2023-05-07T10:30Z", "2023-05-07T10:30:05", "now",
                           "0001-01-01T00:00:00+00:01"}) {
    EXPECT_EQ(ReasonOf(ParseUtc(text).status()), "INVALID_TIME") << text;
  }
}

TEST(TimeFormatTest, PeopleReadWhatIsKnownAndNoMore) {
  EXPECT_EQ(FormatForPeople(Resolved("2023")), "2023");
  EXPECT_EQ(FormatForPeople(Resolved("2023-05")), "May 2023");
  EXPECT_EQ(FormatForPeople(Resolved("2026-03-14")), "14 Mar 2026");
  EXPECT_EQ(FormatForPeople(Resolved("2026-03-02T18:40")), "2 Mar 2026 18:40");
  EXPECT_EQ(FormatForPeople(Resolved("2026-03-02T18:40:05.5Z")), "2 Mar 2026 18:40");
  EXPECT_EQ(FormatForPeople(Resolved("unknown")), "unknown");
  EXPECT_EQ(FormatForPeople(v1::EventTime()), "unknown");
  EXPECT_EQ(FormatForPeople(Resolved("2023-05/2023-08")), "1 May 2023 – 31 Aug 2023");
  EXPECT_EQ(FormatForPeople(Resolved("2023-05-07/2023-05-07")), "7 May 2023");
  EXPECT_EQ(FormatForPeople(Resolved("2023-05-07T10:00/2023-05-07T11:30")),
            "7 May 2023 10:00 – 11:30");
  EXPECT_EQ(FormatForPeople(Resolved("2023-05-07T22/2023-05-08T01:30")),
            "7 May 2023 22:00 – 8 May 2023 01:30");
}

TEST(TimeFormatTest, PeopleReadTheClocksOfTheZone) {
  EXPECT_EQ(FormatForPeople(Resolved("2026-03-14", "Asia/Tokyo")), "14 Mar 2026");
  EXPECT_EQ(FormatForPeople(Resolved("2023-03-26", "Europe/Berlin")), "26 Mar 2023");
  EXPECT_EQ(FormatForPeople(Resolved("2026-03-02T18:40", "America/New_York")), "2 Mar 2026 18:40");
  EXPECT_EQ(FormatForPeople(Resolved("2026-03-02T18:40+05:30")), "2 Mar 2026 18:40");
}

TEST(TimeFormatTest, WordsAreAsPreciseAsTheTime) {
  EXPECT_EQ(TimeInWords(Resolved("2023")), "2023");
  EXPECT_EQ(TimeInWords(Resolved("2023-05")), "2023 May");
  EXPECT_EQ(TimeInWords(Resolved("2026-03-14")), "2026 March 14");
  EXPECT_EQ(TimeInWords(Resolved("2026-03-14T18:40", "Asia/Tokyo")), "2026 March 14");
  EXPECT_EQ(TimeInWords(Resolved("unknown")), "");
  EXPECT_EQ(TimeInWords(Resolved("2023-05/2023-08")), "2023 May June July August");
  EXPECT_EQ(TimeInWords(Resolved("2023-11/2024-02")), "2023 2024");
  EXPECT_EQ(TimeInWords(Resolved("2023-12")), "2023 December");
  EXPECT_EQ(TimeInWords(Resolved("2023-12-30/2023-12-31")), "2023 December");
}

TEST(ZoneTest, OffsetsAreReadAndWritten) {
  EXPECT_EQ(ParseOffset("+02:00"), 7200);
  EXPECT_EQ(ParseOffset("-05:30"), -19800);
  EXPECT_EQ(ParseOffset("-08"), -28800);
  for (const char* text : {"", "+", "+2", "+02:0", "0200", "+0200", "+24:00", "+02:60", "+02-00"}) {
    EXPECT_EQ(ParseOffset(text), std::nullopt) << text;
  }
  EXPECT_EQ(FormatOffset(7200), "+02:00");
  EXPECT_EQ(FormatOffset(-19800), "-05:30");
}

// The same rules seen with the system's zones by another implementation (Python's zoneinfo).
TEST(ZoneTest, OffsetsOfTheFarFuture) {
  struct Case {
    const char* zone;
    const char* utc;
    int32_t offset;
  };
  for (const Case& c : {Case{"Europe/Berlin", "2100-07-01T00:00:00Z", 7200},
                        Case{"Europe/Berlin", "2100-12-01T00:00:00Z", 3600},
                        Case{"Europe/Dublin", "2100-07-01T00:00:00Z", 3600},
                        Case{"Europe/Dublin", "2100-12-01T00:00:00Z", 0},
                        Case{"Australia/Sydney", "2100-01-01T00:00:00Z", 39600},
                        Case{"Australia/Sydney", "2100-07-01T00:00:00Z", 36000},
                        Case{"America/New_York", "9000-07-01T00:00:00Z", -14400},
                        Case{"Asia/Tokyo", "9000-07-01T00:00:00Z", 32400}}) {
    auto zone = Zone::Find(c.zone);
    ASSERT_TRUE(zone.has_value()) << c.zone;
    EXPECT_EQ(zone->OffsetAt(ParseUtc(c.utc)->seconds), c.offset) << c.zone << " " << c.utc;
  }
}

TEST(ZoneTest, LocalTimesOfTheFarFuture) {
  auto berlin = *Zone::Find("Europe/Berlin");
  int64_t skipped = ParseUtc("2050-03-27T02:30:00Z")->seconds;
  EXPECT_EQ(berlin.ToUtc(skipped).match, Zone::Match::kSkipped);
  EXPECT_EQ(berlin.ToUtc(skipped).seconds, skipped - 3600);
  int64_t repeated = ParseUtc("2050-10-30T02:30:00Z")->seconds;
  EXPECT_EQ(berlin.ToUtc(repeated).match, Zone::Match::kRepeated);
  EXPECT_EQ(berlin.ToUtc(repeated).seconds, repeated - 7200);
  EXPECT_EQ(berlin.ToUtc(repeated + 3600).match, Zone::Match::kUnique);
}

}  // namespace
}  // namespace engram::model
