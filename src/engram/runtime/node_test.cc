#include "engram/runtime/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/env/memory_file_system.h"
#include "engram/model/episode.h"

namespace engram::runtime {
namespace {

using testing::HasSubstr;

class NodeTest : public testing::Test {
 protected:
  NodeOptions Options() {
    NodeOptions options;
    options.fs = &fs_;
    options.clock = &env::SystemClock();
    options.entropy = &env::SystemEntropy();
    options.name = "n1";
    options.data_dir = "/data";
    options.version = "test";
    return options;
  }
  std::unique_ptr<Node> Start() {
    Result<std::unique_ptr<Node>> node = Node::Start(Options());
    EXPECT_TRUE(node.ok()) << node.status().ToString();
    return std::move(node).value();
  }

  env::MemoryFileSystem fs_;
};

TEST_F(NodeTest, KeepsItsIdentity) {
  NodeIdentity first = Start()->identity();
  EXPECT_TRUE(first.created);
  NodeIdentity second = Start()->identity();
  EXPECT_FALSE(second.created);
  EXPECT_EQ(first.id, second.id);
  EXPECT_EQ(first.incarnation, second.incarnation);
}

TEST_F(NodeTest, MakesDefaultAtTheFirstStart) {
  auto node = Start();
  EXPECT_TRUE(node->spaces().Exists("default"));
  EXPECT_EQ(node->Info().name(), "n1");
}

TEST_F(NodeTest, RefusesADirectoryInUse) {
  auto node = Start();
  Result<std::unique_ptr<Node>> second = Node::Start(Options());
  ASSERT_FALSE(second.ok());
  EXPECT_FALSE(second.status().suggestion().empty()) << second.status().ToString();
}

TEST_F(NodeTest, RefusesADamagedIdentity) {
  Start();
  auto file = fs_.Open("/data/node.meta", env::OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(20, "x").ok());
  Result<std::unique_ptr<Node>> node = Node::Start(Options());
  ASSERT_FALSE(node.ok());
  EXPECT_EQ(node.status().reason(), Reason::CORRUPTION_DETECTED);
}

TEST_F(NodeTest, RefusesANewerIdentity) {
  Start();
  auto file = fs_.Open("/data/node.meta", env::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->WriteAt(8, std::string("\x02\0\0\0", 4)).ok());
  EXPECT_EQ(Node::Start(Options()).status().reason(), Reason::UNSUPPORTED_VERSION);
}

TEST_F(NodeTest, GoldenIdentityBytes) {
  Start();
  std::string bytes = *env::ReadWholeFile(fs_, "/data/node.meta");
  ASSERT_EQ(bytes.size(), 8u + 4 + 16 + 16 + 4 + 4);
  EXPECT_EQ(bytes.substr(0, 12), std::string("ENGRNODE\x01\0\0\0", 12));
}

TEST_F(NodeTest, ADeletedSpaceTakesItsSeriesAlong) {
  auto node = Start();
  ASSERT_TRUE(node->spaces().Create("notes", model::WithDefaults({})).ok());
  EXPECT_THAT(node->ExposeMetrics(), HasSubstr("memory_space=\"notes\""));
  ASSERT_TRUE(node->spaces().Delete("notes").ok());
  EXPECT_THAT(node->ExposeMetrics(), testing::Not(HasSubstr("memory_space=\"notes\"")));
}

TEST_F(NodeTest, CountsWhatGoesToDisk) {
  auto node = Start();
  const std::string text = node->ExposeMetrics();
  EXPECT_THAT(text, HasSubstr("engram_spaces_known 1"));
  EXPECT_GT(node->metrics().Values().at("engram_storage_fsyncs_total"), 0);
  EXPECT_GT(node->metrics().Values().at("engram_storage_written_bytes_total"), 0);
}

}  // namespace
}  // namespace engram::runtime
