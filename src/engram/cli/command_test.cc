// The options that every command has, and where their values come from.
#include "engram/cli/command.h"

#include <cstdlib>

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

namespace engram::cli {
namespace {

class CommandTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("ENGRAM_SERVER", "from.the.environment:1", 1);
    setenv("ENGRAM_SPACE", "of-the-environment", 1);
    for (const char* name : {"one", "two"}) AddClientOptions(app_.add_subcommand(name), &context_);
  }
  void TearDown() override {
    unsetenv("ENGRAM_SERVER");
    unsetenv("ENGRAM_SPACE");
  }

  Context context_;
  CLI::App app_;
};

TEST_F(CommandTest, TakesServerAndSpaceFromTheEnvironment) {
  app_.parse("one");
  EXPECT_EQ(context_.servers, "from.the.environment:1");
  EXPECT_EQ(context_.space, "of-the-environment");
}

TEST_F(CommandTest, AFlagWinsOverTheEnvironment) {
  app_.parse("one --server said:2 --space named");
  EXPECT_EQ(context_.servers, "said:2");
  EXPECT_EQ(context_.space, "named");
}

}  // namespace
}  // namespace engram::cli
