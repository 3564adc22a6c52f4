#include "engram/space/registry.h"

#include <gtest/gtest.h>

#include "engram/space/test_kit.h"

namespace engram::space {
namespace {

std::unique_ptr<Registry> StartRegistry(TestNode& node, size_t open_max = 512) {
  RegistryOptions options;
  options.open_spaces_max = open_max;
  auto registry = Registry::Start(node.environment, options);
  EXPECT_TRUE(registry.ok()) << registry.status().ToString();
  return *std::move(registry);
}

bool Holds(Space& space, const std::string& id) {
  auto view = space.NewView();
  EXPECT_TRUE(view.ok()) << view.status().ToString();
  auto found = (*view)->FindId(id);
  return found.ok() && found->has_value() && !(*found)->deleted;
}

TEST(Registry, SpacesShareNothing) {
  TestNode node;
  auto registry = StartRegistry(node);
  auto a = *registry->Create("space-a", SmallVectors());
  auto b = *registry->Create("space-b", SmallVectors());
  v1::WriteOptions options;
  options.set_idempotency_key("same-key");
  auto in_a = Remember(*a, MakeEpisode("x", "of a"), options);
  auto in_b = Remember(*b, MakeEpisode("y", "of b"), options);
  ASSERT_TRUE(in_a.ok() && in_b.ok());
  EXPECT_EQ(in_b->write().outcome(), v1::WRITE_OUTCOME_CREATED);
  EXPECT_FALSE(Holds(*a, "y"));
  EXPECT_FALSE(Holds(*b, "x"));
  auto foreign = b->NewViewAtLeast(in_a->write().token(), std::chrono::seconds(1));
  EXPECT_EQ(foreign.status().reason(), Reason::TOKEN_FOREIGN);
  EXPECT_EQ(registry->Create("space-a", SmallVectors()).status().reason(), Reason::SPACE_EXISTS);
  const Status missing = registry->Get("space-c").status();
  EXPECT_EQ(missing.reason(), Reason::SPACE_NOT_FOUND);
  EXPECT_EQ(missing.metadata().at("similar"), "space-a, space-b");
  EXPECT_EQ(registry->Get("../etc").status().reason(), Reason::INVALID_SPACE_ID);
}

TEST(Registry, DeletesWhatItWasToldTo) {
  TestNode node;
  auto registry = StartRegistry(node);
  auto space = *registry->Create("gone", SmallVectors());
  ASSERT_TRUE(Remember(*space, MakeEpisode("a", "one")).ok());
  auto deleted = registry->Delete("gone");
  ASSERT_TRUE(deleted.ok()) << deleted.status().ToString();
  EXPECT_EQ(deleted->episodes(), 1u);
  EXPECT_GT(deleted->bytes(), 0u);
  EXPECT_EQ(Remember(*space, MakeEpisode("b", "two")).status().reason(), Reason::SHUTTING_DOWN);
  EXPECT_EQ(registry->Get("gone").status().reason(), Reason::SPACE_NOT_FOUND);
  space = nullptr;
  auto again = *registry->Create("gone", SmallVectors());
  EXPECT_FALSE(Holds(*again, "a"));
  again = nullptr;
  ASSERT_TRUE(registry->CloseAll().ok());
}

TEST(Registry, AMarkedDeletionIsKeptThroughACrash) {
  TestNode node;
  auto space = *Space::Create(node.environment, "gone", SmallVectors());
  ASSERT_TRUE(space->MarkDeleted().ok());
  EXPECT_EQ(Remember(*space, MakeEpisode("b", "two")).status().reason(), Reason::SPACE_NOT_FOUND);
  TestNode after(node.memory().CrashClone(env::LoseAll));
  EXPECT_EQ(Space::Open(after.environment, "gone").status().reason(), Reason::SPACE_NOT_FOUND);
}

TEST(Registry, ListsByPrefixAndPage) {
  TestNode node;
  auto registry = StartRegistry(node);
  for (const char* id : {"alpha", "beta-1", "beta-2", "gamma"}) {
    ASSERT_TRUE(registry->Create(id, SmallVectors()).ok());
  }
  EXPECT_EQ(registry->Ids("", "", 10).size(), 4u);
  EXPECT_EQ(registry->Ids("beta", "", 10), (std::vector<std::string>{"beta-1", "beta-2"}));
  EXPECT_EQ(registry->Ids("beta", "beta-1", 10), std::vector<std::string>{"beta-2"});
  EXPECT_EQ(registry->Ids("", "alpha", 2), (std::vector<std::string>{"beta-1", "beta-2"}));
  ASSERT_TRUE(registry->CloseAll().ok());
}

#ifdef ENGRAM_SANITIZED  // ten times as slow, and what they look for shows with fewer
constexpr int kSpaces = 200;
#else
constexpr int kSpaces = 2000;
#endif

TEST(Registry, ManySpacesOpenAFewAtATime) {
  TestNode node;
  auto registry = StartRegistry(node, 16);
  for (int i = 0; i < kSpaces; ++i) {
    auto space = registry->Create("s" + std::to_string(10000 + i), SmallVectors());
    ASSERT_TRUE(space.ok()) << space.status().ToString();
    if (i % 10 == 0) {
      ASSERT_TRUE(Remember(**space, MakeEpisode("a", "in " + std::to_string(i))).ok());
    }
  }
  ASSERT_TRUE(registry->CloseAll().ok());
  EXPECT_EQ(registry->open(), 0u);
  registry = StartRegistry(node, 16);
  EXPECT_EQ(registry->known(), static_cast<size_t>(kSpaces));
  EXPECT_EQ(registry->open(), 0u);
  for (int i = 0; i < kSpaces; i += 10) {
    auto space = registry->Get("s" + std::to_string(10000 + i));
    ASSERT_TRUE(space.ok()) << space.status().ToString();
    ASSERT_TRUE(Holds(**space, "a"));
  }
  registry->Trim();
  EXPECT_LE(registry->open(), 17u);
  ASSERT_TRUE(registry->CloseAll().ok());
}

TEST(Registry, ACreationThatDiedLeavesNothing) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    TestNode node;
    env::MemoryFileSystem& fs = node.memory();
    Prng prng(seed);
    ASSERT_TRUE(fs.CreateDirectory("/data/spaces/.new-half").ok());
    ASSERT_TRUE(fs.SyncDirectory("/data/spaces").ok());
    auto log = wal::Log::Create(
        [&] {
          wal::LogOptions options = node.environment.log;
          options.fs = &fs;
          options.clock = node.environment.clock;
          options.entropy = node.environment.entropy;
          options.executor = node.flushers.get();
          options.directory = "/data/spaces/half";
          options.space = "half";
          return options;
        }(),
        env::MakeIncarnation(env::SystemEntropy()));
    ASSERT_TRUE(log.ok());
    TestNode after(fs.CrashClone(prng));
    auto registry = StartRegistry(after);
    EXPECT_EQ(registry->known(), 0u);
    auto made = registry->Create("half", SmallVectors());
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    ASSERT_TRUE(Remember(**made, MakeEpisode("a", "one")).ok());
    made = Status(Reason::IO, "let go");
    ASSERT_TRUE(registry->CloseAll().ok());
  }
}

TEST(Registry, ADamagedSpaceRefusesOnlyItself) {
  TestNode node;
  auto registry = StartRegistry(node);
  ASSERT_TRUE(registry->Create("good", SmallVectors()).ok());
  ASSERT_TRUE(registry->Create("bad", SmallVectors()).ok());
  ASSERT_TRUE(registry->CloseAll().ok());
  const auto segments = *node.fs->List("/data/spaces/bad/wal");
  ASSERT_EQ(segments.size(), 1u);
  const std::string segment = "/data/spaces/bad/wal/" + segments[0];
  ASSERT_TRUE(env::ReplaceFile(*node.fs, segment, std::string(4096, 'x')).ok());
  EXPECT_FALSE(registry->Get("bad").ok());
  auto good = registry->Get("good");
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  EXPECT_TRUE(Remember(**good, MakeEpisode("a", "one")).ok());
  EXPECT_TRUE(registry->Delete("bad").ok());
  EXPECT_EQ(registry->known(), 1u);
}

}  // namespace
}  // namespace engram::space
