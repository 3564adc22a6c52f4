#include "engram/model/posix_rule.h"

#include "engram/model/testing.h"
#include "engram/model/time.h"

namespace engram::model {
namespace {

int32_t OffsetAt(const char* rule, const char* utc) {
  auto parsed = PosixRule::Parse(rule);
  EXPECT_TRUE(parsed.has_value()) << rule;
  return parsed ? parsed->OffsetAt(ParseUtc(utc)->seconds) : 0;
}

TEST(PosixRuleTest, ChangesAtTheHour) {
  const char* berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
  EXPECT_EQ(OffsetAt(berlin, "2050-03-27T00:59:59Z"), 3600);
  EXPECT_EQ(OffsetAt(berlin, "2050-03-27T01:00:00Z"), 7200);
  EXPECT_EQ(OffsetAt(berlin, "2050-10-30T00:59:59Z"), 7200);
  EXPECT_EQ(OffsetAt(berlin, "2050-10-30T01:00:00Z"), 3600);
}

TEST(PosixRuleTest, OddRules) {
  EXPECT_EQ(OffsetAt("<+0330>-3:30", "2050-07-01T00:00:00Z"), 12600);
  EXPECT_EQ(OffsetAt("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2050-07-01T00:00:00Z"), -3600);
  EXPECT_EQ(OffsetAt("EET-2EEST,M3.4.4/50,M10.4.4/50", "2050-07-01T00:00:00Z"), 10800);
  // Julian days leave 29 February out: J60 is 1 March also in a leap year; 59 is not.
  EXPECT_EQ(OffsetAt("AAA0BBB,J60/0,J300/0", "2052-02-29T12:00:00Z"), 0);
  EXPECT_EQ(OffsetAt("AAA0BBB,J60/0,J300/0", "2052-03-01T12:00:00Z"), 3600);
  EXPECT_EQ(OffsetAt("AAA0BBB,59/0,300/0", "2052-02-29T12:00:00Z"), 3600);
}

TEST(PosixRuleTest, OtherTextsAreNoRules) {
  for (const char* text :
       {"", "CET", "C-1", "CET-1CEST", "CET-1CEST,M3.5.0", "<+03-3", "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-1CEST,M3.5.0;M10.5.0"}) {
    EXPECT_FALSE(PosixRule::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace engram::model
