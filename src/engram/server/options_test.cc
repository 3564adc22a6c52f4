#include "engram/server/options.h"

#include <cstdio>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::server {
namespace {

using testing::HasSubstr;

std::string WriteFile(const std::string& text) {
  const std::string path = testing::TempDir() + "options_test.toml";
  std::ofstream(path) << text;
  return path;
}

Result<Options> Read(const std::string& toml) {
  OptionsReader reader;
  RETURN_IF_ERROR(reader.ReadFile(WriteFile(toml)));
  return reader.Finish();
}

TEST(OptionsTest, DefaultsAreValid) {
  Result<Options> options = OptionsReader().Finish();
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->wal.segment_bytes, 64u << 20);
  EXPECT_EQ(options->listen.grpc, "127.0.0.1:50051");
  EXPECT_EQ(options->log.slow_request, std::chrono::milliseconds(200));
}

TEST(OptionsTest, LaterSourcesWin) {
  OptionsReader reader;
  ASSERT_TRUE(reader.ReadFile(WriteFile("[node]\nname = \"file\"\nopen_spaces_max = 9\n")).ok());
  const char* environment[] = {"ENGRAM_NODE_NAME=environment", "ENGRAM_SERVER=x:1", nullptr};
  ASSERT_TRUE(reader.ReadEnvironment(environment).ok());
  EXPECT_EQ(reader.Finish()->node.name, "environment");
  EXPECT_EQ(reader.Finish()->node.open_spaces_max, 9u);
  ASSERT_TRUE(reader.Set("node.name", "flag", "flag --name").ok());
  EXPECT_EQ(reader.Finish()->node.name, "flag");
}

TEST(OptionsTest, UnknownKeyNamesFileLineAndTheNearest) {
  const Status status = Read("[wal]\n\nfsync_mod = \"none\"\n").status();
  EXPECT_THAT(status.message(), HasSubstr(".toml:3: key 'wal.fsync_mod'"));
  EXPECT_THAT(status.suggestion(), HasSubstr("wal.fsync_mode"));
  const char* environment[] = {"ENGRAM_WAL_SPEED=9", nullptr};
  EXPECT_THAT(OptionsReader().ReadEnvironment(environment).message(),
              HasSubstr("ENGRAM_WAL_SPEED"));
}

TEST(OptionsTest, RefusesWhatIsOutOfRange) {
  EXPECT_THAT(Read("[wal]\nfsync_mode = \"sometimes\"\n").status().message(),
              HasSubstr("sometimes"));
  EXPECT_THAT(Read("[wal]\nsegment_bytes = \"1KiB\"\n").status().expected(), HasSubstr("64KiB"));
  EXPECT_THAT(Read("[node]\nmemory_limit = \"150%\"\n").status().message(), HasSubstr("150%"));
  EXPECT_THAT(Read("[wal]\npreallocate = \"maybe\"\n").status().message(), HasSubstr("maybe"));
  EXPECT_THAT(Read("[wal]\nfsync_interval = \"1 week\"\n").status().message(), HasSubstr("1 week"));
  EXPECT_THAT(Read("[node]\nname = [\"a\"]\n").status().message(), HasSubstr("node.name"));
  EXPECT_THAT(Read("[node\n").status().message(), HasSubstr(".toml:1"));
}

TEST(OptionsTest, RefusesKeysThatContradict) {
  EXPECT_THAT(Read("[wal]\nsegment_bytes = \"64KiB\"\n").status().message(),
              HasSubstr("group_commit_bytes"));
  EXPECT_THAT(Read("[listen]\nhttp = \"0.0.0.0:7432\"\n").status().message(), HasSubstr("no keys"));
}

TEST(OptionsTest, PrintsWhereEachValueComesFrom) {
  OptionsReader reader;
  ASSERT_TRUE(reader.Set("log.level", "debug", "flag --set").ok());
  for (const KeyValue& key : reader.Keys()) {
    EXPECT_EQ(key.source, key.key == "level" ? "flag --set" : "default") << key.key;
    EXPECT_FALSE(key.help.empty());
  }
}

TEST(OptionsTest, TheReferenceIsUpToDate) {
  std::ifstream file(ENGRAM_SOURCE_DIR "/docs/configuration.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(text, ConfigurationReference()) << "run make docs";
}

TEST(ParseTest, SizesDurationsAddresses) {
  EXPECT_EQ(*ParseBytes("64MiB"), 64u << 20);
  EXPECT_EQ(*ParseBytes("1GB"), 1'000'000'000u);
  EXPECT_FALSE(ParseBytes("99999999999TiB").ok());
  EXPECT_FALSE(ParseBytes("-1").ok());
  EXPECT_EQ(*ParseDuration("2s"), std::chrono::seconds(2));
  EXPECT_FALSE(ParseDuration("2").ok());
  EXPECT_EQ(ParseHostPort("localhost:1")->port, 1);
  EXPECT_TRUE(ParseHostPort("127.0.0.1:0")->loopback);
  EXPECT_FALSE(ParseHostPort("10.0.0.1:80")->loopback);
  EXPECT_FALSE(ParseHostPort("127.0.0.1").ok());
  EXPECT_FALSE(ParseHostPort("127.0.0.1:70000").ok());
  EXPECT_EQ(*MemoryLimitBytes("4GiB"), 4ull << 30);
  EXPECT_GT(*MemoryLimitBytes("50%"), 0u);
}

}  // namespace
}  // namespace engram::server
