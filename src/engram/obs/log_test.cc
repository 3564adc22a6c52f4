#include "engram/obs/log.h"

#include <sstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::obs {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  void Configure(LogFormat format, Level level = Level::kInfo) {
    ConfigureLog({.level = level, .format = format, .stream = &out_});
  }
  ~LogTest() override { ConfigureLog({}); }
  std::ostringstream out_;
};

TEST_F(LogTest, TextIsOneLineAnEvent) {
  Configure(LogFormat::kText);
  Log(Level::kInfo, "space_opened",
      {{"space", "default"}, {"entries", 412}, {"ms", 3.25}, {"empty", ""}, {"new", true}});
  EXPECT_THAT(out_.str(),
              MatchesRegex("....-..-..T..:..:..\\....Z info  space_opened space=default "
                           "entries=412 ms=3.25 empty=\"\" new=true\n"));
}

TEST_F(LogTest, NothingBreaksALine) {
  Configure(LogFormat::kText);
  Log(Level::kWarn, "e", {{"k", "a b\n\"c\" \x01"}});
  EXPECT_THAT(out_.str(), HasSubstr("warn  e k=\"a b\\n\\\"c\\\" \\u0001\"\n"));
}

TEST_F(LogTest, JsonKeepsTypes) {
  Configure(LogFormat::kJson);
  Log(Level::kError, "e",
      {{"s", "a\"b"},
       {"n", uint64_t{18446744073709551615u}},
       {"b", false},
       {"d", 0.5},
       {"x", std::numeric_limits<double>::infinity()}});
  EXPECT_THAT(out_.str(),
              HasSubstr("\"level\":\"error\",\"event\":\"e\",\"s\":\"a\\\"b\","
                        "\"n\":18446744073709551615,\"b\":false,\"d\":0.5,\"x\":null}\n"));
  EXPECT_THAT(out_.str(), testing::StartsWith("{\"ts\":\""));
}

TEST_F(LogTest, LevelsBelowAreDropped) {
  Configure(LogFormat::kText, Level::kWarn);
  EXPECT_FALSE(LogEnabled(Level::kInfo));
  Log(Level::kInfo, "no");
  LogStatus(Level::kDebug, "no", Status(Reason::IO, "x"));
  Log(Level::kError, "yes");
  EXPECT_THAT(out_.str(), MatchesRegex("[^\n]*error yes\n"));
}

TEST_F(LogTest, AStatusGivesItsReasonAndFacts) {
  Configure(LogFormat::kText);
  LogStatus(Level::kError, "space_not_opened",
            Status(Reason::IO, "read failed").Suggest("new disk").With("path", "/x"),
            {{"space", "a"}});
  EXPECT_THAT(out_.str(), HasSubstr("space_not_opened space=a reason=IO message=\"read failed\" "
                                    "path=/x\n"));
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
  Configure(LogFormat::kText);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) Log(Level::kInfo, "event", {{"key", "0123456789"}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::istringstream lines(out_.str());
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    EXPECT_THAT(line, testing::EndsWith("Z info  event key=0123456789"));
  }
  EXPECT_EQ(count, 800);
}

TEST(LogOptionsTest, NamesOfLevelsAndFormats) {
  EXPECT_EQ(*ParseLevel("warn"), Level::kWarn);
  EXPECT_EQ(*ParseLogFormat("auto"), LogFormat::kAuto);
  const Status status = ParseLevel("loud").status();
  EXPECT_EQ(status.reason(), Reason::CONFIGURATION);
  EXPECT_EQ(status.expected(), "debug, info, warn, error");
}

}  // namespace
}  // namespace engram::obs
