#include "engram/model/time.h"

#include <gmock/gmock.h>

#include "engram/model/testing.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;
using v1::EventTime;

const UtcTime kNow{1'773'479'564, 18'233'000};  // 2026-03-14T09:12:44.018233Z

struct Outcome {
  Status status;
  EventTime time;
  std::vector<v1::Warning> warnings;

  std::string Interval() const {
    if (!status.ok()) return ReasonOf(status);
    auto interval = IntervalOf(time);
    if (!interval) return "unknown";
    return FormatUtc(interval->start) + " " + FormatUtc(interval->end);
  }
};

Outcome Resolve(EventTime time, const std::string& space_zone = "UTC",
                const google::protobuf::Timestamp* when = nullptr) {
  Outcome out;
  out.time = std::move(time);
  out.status = ResolveEventTime(when, space_zone, kNow, &out.time, &out.warnings);
  return out;
}

Outcome ResolveText(const std::string& text, const std::string& zone = "",
                    const std::string& space_zone = "UTC") {
  EventTime time;
  time.set_text(text);
  time.set_zone(zone);
  return Resolve(time, space_zone);
}

TEST(EventTimeTest, FormsGiveTheirIntervalAndPrecision) {
  struct Case {
    const char* text;
    v1::TimePrecision precision;
    const char* interval;
  };
  for (const Case& c : {
           Case{"2023", v1::TIME_PRECISION_YEAR, "2023-01-01T00:00:00Z 2024-01-01T00:00:00Z"},
           Case{"2023-05", v1::TIME_PRECISION_MONTH, "2023-05-01T00:00:00Z 2023-06-01T00:00:00Z"},
           Case{"2023-12", v1::TIME_PRECISION_MONTH, "2023-12-01T00:00:00Z 2024-01-01T00:00:00Z"},
           Case{"2024-02-29", v1::TIME_PRECISION_DAY, "2024-02-29T00:00:00Z 2024-03-01T00:00:00Z"},
           Case{"2023-05-07T10", v1::TIME_PRECISION_HOUR,
                "2023-05-07T10:00:00Z 2023-05-07T11:00:00Z"},
           Case{"2023-05-07T23:59", v1::TIME_PRECISION_MINUTE,
                "2023-05-07T23:59:00Z 2023-05-08T00:00:00Z"},
           Case{"2023-05-07T10:30:05", v1::TIME_PRECISION_SECOND,
                "2023-05-07T10:30:05Z 2023-05-07T10:30:06Z"},
           Case{"2023-05-07T10:30:05.123Z", v1::TIME_PRECISION_INSTANT,
                "2023-05-07T10:30:05.123Z 2023-05-07T10:30:05.123000001Z"},
           Case{"2023-05-07T10+02:00", v1::TIME_PRECISION_HOUR,
                "2023-05-07T08:00:00Z 2023-05-07T09:00:00Z"},
           Case{"2023-05-07T10:30-05", v1::TIME_PRECISION_MINUTE,
                "2023-05-07T15:30:00Z 2023-05-07T15:31:00Z"},
           Case{"2023-05/2023-08", v1::TIME_PRECISION_INTERVAL,
                "2023-05-01T00:00:00Z 2023-09-01T00:00:00Z"},
           Case{"2023-05-07T10:00Z/2023-05-07T11:30Z", v1::TIME_PRECISION_INTERVAL,
                "2023-05-07T10:00:00Z 2023-05-07T11:31:00Z"},
           Case{"2023/2023-01", v1::TIME_PRECISION_INTERVAL,
                "2023-01-01T00:00:00Z 2023-02-01T00:00:00Z"},
           Case{"0001", v1::TIME_PRECISION_YEAR, "0001-01-01T00:00:00Z 0002-01-01T00:00:00Z"},
           Case{"9999", v1::TIME_PRECISION_YEAR,
                "9999-01-01T00:00:00Z 9999-12-31T23:59:59.999999999Z"},
           Case{"9999-12-31T23:59:59", v1::TIME_PRECISION_SECOND,
                "9999-12-31T23:59:59Z 9999-12-31T23:59:59.999999999Z"},
       }) {
    Outcome out = ResolveText(c.text);
    EXPECT_EQ(out.Interval(), c.interval) << c.text;
    EXPECT_EQ(out.time.precision(), c.precision) << c.text;
    EXPECT_EQ(out.time.text(), c.text);
    EXPECT_TRUE(out.warnings.empty()) << c.text;
  }
}

TEST(EventTimeTest, OtherTextsAreRefusedWithTheFormsThatAreUnderstood) {
  for (const char* text : {"last Tuesday",
                           "yesterday",
                           "2023-13",
                           "2023-00",
                           "2023-02-29",
                           "2023-04-31",
                           "0000",
                           "23-05-07",
                           "2023-5-7",
                           "20230507",
                           "2023-05-07 10:30",
                           "2023-05-07T24",
                           "2023-05-07T10:60",
                           "2023-05-07T10:30:60",
                           "2023-05-07T",
                           "2023-05-07T10:",
                           "2023-05-07T10:30:05.",
                           "2023-05-07T10:30:05.1234567890",
                           "2023-05-07T10:30:05,5",
                           "2023Z",
                           "2023-05-07+02:00",
                           "2023-05-07T10+24:00",
                           "2023-05-07T10+2",
                           "2023-05-07T10 Europe/Berlin",
                           " 2023",
                           "2023 ",
                           "2023-",
                           "12023",
                           "-0044",
                           "2023?",
                           "2023~",
                           "../2023",
                           "2023/..",
                           "2023/",
                           "/2023",
                           "/",
                           "2023/2024/2025",
                           "Unknown",
                           "now",
                           "2023-05-07T10:30:05.1e3"}) {
    Outcome out = ResolveText(text);
    EXPECT_EQ(ReasonOf(out.status), "INVALID_TIME") << text;
    if (out.status.ok()) continue;
    EXPECT_THAT(out.status.expected(), testing::HasSubstr("T10:30:05.123")) << text;
    EXPECT_EQ(FactOf(out.status, "field"), "event_time") << text;
    EXPECT_EQ(FactOf(out.status, "actual"), text);
    EXPECT_FALSE(out.status.suggestion().empty());
    EXPECT_FALSE(out.status.example().empty());
  }
}

TEST(EventTimeTest, AnIntervalDoesNotEndBeforeItStarts) {
  EXPECT_EQ(ReasonOf(ResolveText("2023-08/2023-05").status), "INVALID_TIME");
  EXPECT_EQ(ReasonOf(ResolveText("2024/2023").status), "INVALID_TIME");
  EXPECT_EQ(ResolveText("2023/2023").Interval(), "2023-01-01T00:00:00Z 2024-01-01T00:00:00Z");
}

TEST(EventTimeTest, OffsetOfTheTextWinsThenZoneThenSpace) {
  EXPECT_EQ(ResolveText("2023-05-07", "Europe/Berlin", "Asia/Tokyo").Interval(),
            "2023-05-06T22:00:00Z 2023-05-07T22:00:00Z");
  EXPECT_EQ(ResolveText("2023-05-07", "", "Asia/Tokyo").Interval(),
            "2023-05-06T15:00:00Z 2023-05-07T15:00:00Z");
  EXPECT_EQ(ResolveText("2023-05-07", "-03:30", "Asia/Tokyo").Interval(),
            "2023-05-07T03:30:00Z 2023-05-08T03:30:00Z");
  EXPECT_EQ(ResolveText("2023-05-07T10:00Z", "Europe/Berlin").Interval(),
            "2023-05-07T10:00:00Z 2023-05-07T10:01:00Z");
}

TEST(EventTimeTest, ZoneIsFilledInAndStaysAsGiven) {
  EXPECT_EQ(ResolveText("2023-05-07").time.zone(), "UTC");
  EXPECT_EQ(ResolveText("2023-05-07", "", "Asia/Tokyo").time.zone(), "Asia/Tokyo");
  EXPECT_EQ(ResolveText("2023-05-07", "", "").time.zone(), "UTC");
  EXPECT_EQ(ResolveText("2023-05-07T10Z", "Europe/Berlin").time.zone(), "Europe/Berlin");
  EXPECT_EQ(ResolveText("2023-05-07T10Z", "", "Asia/Tokyo").time.zone(), "UTC");
  EXPECT_EQ(ResolveText("2023-05-07T10+05:30").time.zone(), "+05:30");
  EXPECT_EQ(ResolveText("2023-05-07T10-08").time.zone(), "-08:00");
}

TEST(EventTimeTest, DaysAreAsLongAsTheZoneMakesThem) {
  EXPECT_EQ(ResolveText("2023-03-26", "Europe/Berlin").Interval(),
            "2023-03-25T23:00:00Z 2023-03-26T22:00:00Z");
  EXPECT_EQ(ResolveText("2023-10-29", "Europe/Berlin").Interval(),
            "2023-10-28T22:00:00Z 2023-10-29T23:00:00Z");
  // Midnight does not exist: the day begins when the clocks jump.
  EXPECT_EQ(ResolveText("2018-11-04", "America/Sao_Paulo").Interval(),
            "2018-11-04T03:00:00Z 2018-11-05T02:00:00Z");
  EXPECT_TRUE(ResolveText("2018-11-04", "America/Sao_Paulo").warnings.empty());
  // Samoa left this day out.
  Outcome samoa = ResolveText("2011-12-30", "Pacific/Apia");
  ASSERT_TRUE(samoa.status.ok());
  EXPECT_LT(IntervalOf(samoa.time)->start, IntervalOf(samoa.time)->end);
}

TEST(EventTimeTest, SkippedAndRepeatedTimesTakeTheEarlierOffsetAndWarn) {
  Outcome skipped = ResolveText("2023-03-26T02:30", "Europe/Berlin");
  EXPECT_EQ(skipped.Interval(), "2023-03-26T01:30:00Z 2023-03-26T01:31:00Z");
  ASSERT_EQ(skipped.warnings.size(), 1u);
  EXPECT_EQ(skipped.warnings[0].reason(), "LOCAL_TIME_SKIPPED");
  EXPECT_THAT(skipped.warnings[0].message(), testing::HasSubstr("2023-03-26T02:30"));

  Outcome repeated = ResolveText("2023-10-29T02:30", "Europe/Berlin");
  EXPECT_EQ(repeated.Interval(), "2023-10-29T00:30:00Z 2023-10-29T00:31:00Z");
  ASSERT_EQ(repeated.warnings.size(), 1u);
  EXPECT_EQ(repeated.warnings[0].reason(), "LOCAL_TIME_REPEATED");

  Outcome hour = ResolveText("2023-03-26T02", "Europe/Berlin");
  EXPECT_EQ(hour.Interval(), "2023-03-26T01:00:00Z 2023-03-26T02:00:00Z");
  // An offset leaves nothing to choose.
  EXPECT_TRUE(ResolveText("2023-10-29T02:30+01:00", "Europe/Berlin").warnings.empty());
  EXPECT_EQ(ResolveText("2023-10-29T02:30+01:00", "Europe/Berlin").Interval(),
            "2023-10-29T01:30:00Z 2023-10-29T01:31:00Z");
}

TEST(EventTimeTest, ZonesGoOnAfterTheLastListedChange) {
  EXPECT_EQ(ResolveText("2050-07-01T12", "Europe/Berlin").Interval(),
            "2050-07-01T10:00:00Z 2050-07-01T11:00:00Z");
  EXPECT_EQ(ResolveText("2050-03-27T02:30", "Europe/Berlin").warnings.size(), 1u);
}

TEST(EventTimeTest, ZonesThatDoNotExistAreRefused) {
  for (const char* zone : {"Europe/Atlantis", "europe/berlin", "CEST?", "+2", "+2:00", "+24:00",
                           "+02:60", "../etc/passwd", "localtime", "2023"}) {
    Outcome out = ResolveText("2023-05-07", zone);
    EXPECT_EQ(ReasonOf(out.status), "INVALID_TIME") << zone;
    EXPECT_EQ(FactOf(out.status, "actual"), zone);
  }
  for (const char* zone : {"", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "+02:00",
                           "-11:30", "Etc/GMT+5"}) {
    EXPECT_TRUE(CheckZone(zone).ok()) << zone;
  }
}

TEST(EventTimeTest, NothingGivenIsTheTimeOfStoring) {
  Outcome out = Resolve(EventTime());
  ASSERT_TRUE(out.status.ok());
  EXPECT_TRUE(out.time.is_storing_time());
  EXPECT_EQ(UtcTime::FromProto(out.time.start()), kNow);
  EXPECT_EQ(out.time.precision(), v1::TIME_PRECISION_INSTANT);
  EXPECT_FALSE(out.time.has_end());
  EXPECT_EQ(out.time.zone(), "UTC");
}

TEST(EventTimeTest, StoringTimeIsOutputOnly) {
  Outcome out = Resolve(Proto<EventTime>("is_storing_time: true text: '2023'"));
  EXPECT_TRUE(out.status.ok());
  EXPECT_FALSE(out.time.is_storing_time());
}

TEST(EventTimeTest, UnknownHasNoInterval) {
  for (const char* text : {"text: 'unknown'", "precision: TIME_PRECISION_UNKNOWN",
                           "precision: TIME_PRECISION_UNKNOWN text: 'when I was small'"}) {
    Outcome out = Resolve(Proto<EventTime>(text));
    EXPECT_EQ(out.Interval(), "unknown") << text;
    EXPECT_EQ(out.time.precision(), v1::TIME_PRECISION_UNKNOWN);
    EXPECT_FALSE(out.time.is_storing_time());
  }
  EXPECT_EQ(
      ReasonOf(Resolve(Proto<EventTime>("precision: TIME_PRECISION_UNKNOWN start { seconds: 5 }"))
                   .status),
      "INVALID_TIME");
}

TEST(EventTimeTest, WhenIsAnInstant) {
  auto when = UtcTime{1'700'000'000, 5}.ToProto();
  Outcome out = Resolve(EventTime(), "Europe/Berlin", &when);
  EXPECT_EQ(out.Interval(), "2023-11-14T22:13:20.000000005Z 2023-11-14T22:13:20.000000006Z");
  EXPECT_EQ(out.time.zone(), "Europe/Berlin");
  EXPECT_FALSE(out.time.is_storing_time());
}

TEST(EventTimeTest, WhenAndEventTimeMustAgree) {
  auto when = ParseUtc("2023-05-07T00:00:00Z")->ToProto();
  EXPECT_EQ(ReasonOf(Resolve(Proto<EventTime>("text: '2023-05-08'"), "UTC", &when).status),
            "INVALID_TIME");
  EXPECT_EQ(ReasonOf(Resolve(Proto<EventTime>("text: 'unknown'"), "UTC", &when).status),
            "INVALID_TIME");
  EXPECT_EQ(Resolve(Proto<EventTime>("text: '2023-05-07'"), "UTC", &when).Interval(),
            "2023-05-07T00:00:00Z 2023-05-08T00:00:00Z");
}

TEST(EventTimeTest, WhatWasReadCanBeWrittenBack) {
  for (const char* text : {"2023", "2023-05-07", "2023-05-07T10:30", "2023-05-07T10:30:05.123Z",
                           "2023-05/2023-08", "unknown"}) {
    Outcome first = ResolveText(text, "Europe/Berlin");
    ASSERT_TRUE(first.status.ok());
    Outcome second = Resolve(first.time, "Asia/Tokyo");
    EXPECT_EQ(second.time.SerializeAsString(), first.time.SerializeAsString()) << text;
  }
}

TEST(EventTimeTest, AStartTakesThePrecisionAsked) {
  Outcome day = Resolve(Proto<EventTime>(
      "start { seconds: 1683498600 } precision: TIME_PRECISION_DAY zone: 'Europe/Berlin'"
      " text: 'the day of the party'"));  // 2023-05-08T00:30 in Berlin
  EXPECT_EQ(day.Interval(), "2023-05-07T22:00:00Z 2023-05-08T22:00:00Z");
  EXPECT_EQ(day.time.text(), "the day of the party");
  Outcome hour =
      Resolve(Proto<EventTime>("start { seconds: -5 nanos: 7 } precision: TIME_PRECISION_HOUR"));
  EXPECT_EQ(hour.Interval(), "1969-12-31T23:00:00Z 1970-01-01T00:00:00Z");
  Outcome plain = Resolve(Proto<EventTime>("start { seconds: 0 } end { seconds: 60 }"));
  EXPECT_EQ(plain.time.precision(), v1::TIME_PRECISION_INTERVAL);
  EXPECT_EQ(plain.Interval(), "1970-01-01T00:00:00Z 1970-01-01T00:01:00Z");
}

TEST(EventTimeTest, PartsThatContradictAreRefused) {
  for (const char* text :
       {"start { seconds: 60 } end { seconds: 60 }", "start { seconds: 60 } end { seconds: 5 }",
        "start { seconds: 60 } precision: TIME_PRECISION_INTERVAL",
        "start { seconds: 60 } end { seconds: 90 } precision: TIME_PRECISION_INSTANT",
        "end { seconds: 60 }", "end { seconds: 60 } text: '2023'",
        "text: '2023' precision: TIME_PRECISION_DAY", "precision: TIME_PRECISION_DAY",
        "start { seconds: 60 nanos: -1 }", "start { seconds: 60 nanos: 1000000000 }",
        "start { seconds: -62135596801 }", "start { seconds: 253402300800 }", "precision: 77",
        "start { seconds: 1 } zone: 'nowhere'"}) {
    EXPECT_EQ(ReasonOf(Resolve(Proto<EventTime>(text)).status), "INVALID_TIME") << text;
  }
}

TEST(EventTimeTest, TimesStayInTheYearsOneToNineThousandNineHundredNinetyNine) {
  EXPECT_EQ(ReasonOf(ResolveText("0001-01-01", "+02:00").status), "INVALID_TIME");
  EXPECT_EQ(ReasonOf(ResolveText("9999-12-31T23", "-02:00").status), "INVALID_TIME");
  EXPECT_EQ(ResolveText("9999-12-31", "-02:00").Interval(),
            "9999-12-31T02:00:00Z 9999-12-31T23:59:59.999999999Z");
}

TEST(EventTimeTest, TextIsLimitedAndValid) {
  EventTime time = Proto<EventTime>("start { seconds: 1 }");
  time.set_text(std::string(1025, 'x'));
  EXPECT_EQ(ReasonOf(Resolve(time).status), "TOO_LARGE");
  time.set_text(std::string("a\0b", 3));
  EXPECT_EQ(ReasonOf(Resolve(time).status), "INVALID_TIME");
}

std::string Range(const std::string& text, const std::string& space_zone = "UTC") {
  auto range = ResolveRange(Proto<v1::TimeRange>(text), space_zone);
  if (!range.ok()) return ReasonOf(range.status());
  return FormatUtc(range->start) + " " + FormatUtc(range->end);
}

TEST(TimeRangeTest, TextsStartsAndOpenSides) {
  const std::string first = FormatUtc(kMinTime), last = FormatUtc(kMaxTime);
  EXPECT_EQ(Range("text: '2023-05'"), "2023-05-01T00:00:00Z 2023-06-01T00:00:00Z");
  EXPECT_EQ(Range("text: '2023-05/2023-08'"), "2023-05-01T00:00:00Z 2023-09-01T00:00:00Z");
  EXPECT_EQ(Range("text: '../2023'"), first + " 2024-01-01T00:00:00Z");
  EXPECT_EQ(Range("text: '2023/..'"), "2023-01-01T00:00:00Z " + last);
  EXPECT_EQ(Range("text: '../..'"), first + " " + last);
  EXPECT_EQ(Range(""), first + " " + last);
  EXPECT_EQ(Range("start { seconds: 0 }"), "1970-01-01T00:00:00Z " + last);
  EXPECT_EQ(Range("end { seconds: 0 }"), first + " 1970-01-01T00:00:00Z");
  EXPECT_EQ(Range("text: '2023-05-07'", "Asia/Tokyo"), "2023-05-06T15:00:00Z 2023-05-07T15:00:00Z");
  EXPECT_EQ(Range("text: '2023-05-07' zone: '-01:00'", "Asia/Tokyo"),
            "2023-05-07T01:00:00Z 2023-05-08T01:00:00Z");
}

TEST(TimeRangeTest, BadRangesAreRefused) {
  for (const char* text :
       {"text: 'unknown'", "text: 'last week'", "text: '..'", "text: '2024/2023'",
        "text: '2023' start { seconds: 0 }", "start { seconds: 5 } end { seconds: 5 }",
        "zone: 'nowhere'", "start { nanos: -1 }", "text: '2023/'"}) {
    EXPECT_EQ(Range(text), "INVALID_TIME") << text;
  }
}

TEST(UtcTimeTest, NanosecondsBeforeTheEpochRoundDown) {
  EXPECT_EQ(UtcTime::FromNs(-1), (UtcTime{-1, 999'999'999}));
  EXPECT_EQ(UtcTime::FromNs(-1'000'000'000), (UtcTime{-1, 0}));
  EXPECT_EQ(UtcTime::FromNs(1'500'000'000), (UtcTime{1, 500'000'000}));
}

}  // namespace
}  // namespace engram::model
