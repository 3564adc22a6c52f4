// What a space refuses, when, and that it comes back: durability, tokens, quotas, bounds, failing
// and full disks, damaged indexes.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/space/test_kit.h"

namespace engram::space {
namespace {

constexpr env::Duration kLong = std::chrono::seconds(30);
constexpr env::Duration kShort = std::chrono::milliseconds(5);

bool Holds(Space& space, const std::string& id) {
  auto view = space.NewView();
  EXPECT_TRUE(view.ok()) << view.status().ToString();
  auto found = (*view)->FindId(id);
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  return found.ok() && found->has_value() && !(*found)->deleted;
}

TEST(Durability, SaysWhatWasReached) {
  TestNode node;
  auto space = *Space::Create(node.environment, "notes", SmallVectors());
  v1::WriteOptions options;
  options.set_durability(v1::DURABILITY_REPLICATED);
  const Status refused = Remember(*space, MakeEpisode("a", "one"), options).status();
  EXPECT_EQ(refused.reason(), Reason::NOT_ENOUGH_IN_SYNC);
  EXPECT_EQ(refused.metadata().at("have"), "1");
  EXPECT_EQ(refused.metadata().at("need"), "2");
  options.set_durability(v1::DURABILITY_WRITTEN);
  EXPECT_EQ(Remember(*space, MakeEpisode("a", "one"), options).status().reason(),
            Reason::INVALID_REQUEST);
  options.set_durability(v1::DURABILITY_AUTO);
  auto reply = Remember(*space, MakeEpisode("a", "one"), options);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_LOCAL);
  EXPECT_EQ(reply->write().durable_copies(), 1u);
  EXPECT_EQ(reply->write().wanted_copies(), 1u);

  node.environment.log.fsync_mode = wal::FsyncMode::kNone;
  auto lax = *Space::Create(node.environment, "lax", SmallVectors());
  reply = Remember(*lax, MakeEpisode("a", "one"));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->write().durability(), v1::DURABILITY_WRITTEN);
  EXPECT_EQ(reply->write().durable_copies(), 0u);
}

TEST(Tokens, AreShownWaitedForOrLost) {
  TestNode node;
  auto space = *Space::Create(node.environment, "notes", SmallVectors());
  auto first = Remember(*space, MakeEpisode("a", "one"));
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(space->NewViewAtLeast(first->write().token(), kShort).ok());
  EXPECT_EQ(first->write().token(), space->TokenOf({Epoch(1), Sequence(3)}));
  const std::string next = space->TokenOf({Epoch(1), Sequence(4)});
  EXPECT_EQ(space->NewViewAtLeast(next, kShort).status().reason(), Reason::TOO_STALE);
  EXPECT_EQ(
      space->NewViewAtLeast(space->TokenOf({Epoch(9), Sequence(1)}), kShort).status().reason(),
      Reason::TOO_STALE);
  std::thread writer([&] { EXPECT_TRUE(Remember(*space, MakeEpisode("b", "two")).ok()); });
  EXPECT_TRUE(space->NewViewAtLeast(next, kLong).ok());
  writer.join();
  for (const char* token :
       {"", "1", "2.x", "1.short.1.1", "1.00000000000000000000000000.1",
        "1.00000000000000000000000000.1.x", "1.00000000000000000000000000.1.1."}) {
    EXPECT_EQ(space->NewViewAtLeast(token, kShort).status().reason(), Reason::INVALID_REQUEST)
        << token;
  }
  ASSERT_TRUE(space->Close().ok());
  space = *Space::Open(node.environment, "notes");
  const std::string lost = space->TokenOf({Epoch(1), Sequence(7)});
  EXPECT_EQ(space->NewViewAtLeast(lost, kShort).status().reason(), Reason::TOO_STALE);
  ASSERT_TRUE(Remember(*space, MakeEpisode("c", "three")).ok());  // begins epoch 2
  const Status gone = space->NewViewAtLeast(lost, kShort).status();
  EXPECT_EQ(gone.reason(), Reason::WRITE_LOST);
  EXPECT_EQ(gone.metadata().at("fork_point"), "4");
  EXPECT_TRUE(space->NewViewAtLeast(next, kShort).ok());
}

TEST(Quotas, CountMemoriesAndBytes) {
  TestNode node;
  v1::SpaceSettings settings = SmallVectors();
  settings.set_max_episodes(2);
  auto space = *Space::Create(node.environment, "small", settings);
  ASSERT_TRUE(Remember(*space, MakeEpisode("a", "one")).ok());
  ASSERT_TRUE(Remember(*space, MakeEpisode("b", "two")).ok());
  EXPECT_EQ(Remember(*space, MakeEpisode("c", "three")).status().reason(), Reason::QUOTA_EXCEEDED);
  EXPECT_TRUE(Remember(*space, MakeEpisode("a", "another")).ok());
  ASSERT_TRUE(Forget(*space, MakeForgetCommand("a", v1::FORGET_MODE_DELETE)).ok());
  EXPECT_TRUE(Remember(*space, MakeEpisode("c", "three")).ok());
  settings.set_max_episodes(0);
  settings.set_max_bytes(200'000);
  auto bytes = *Space::Create(node.environment, "bytes", settings);
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = Remember(*bytes, MakeEpisode("", std::string(10'000, 'x'))).status();
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.reason(), Reason::QUOTA_EXCEEDED);
}

TEST(Validation, WritesNothing) {
  TestNode node;
  auto space = *Space::Create(node.environment, "notes", SmallVectors());
  v1::WriteOptions options;
  options.set_validate_only(true);
  auto reply = Remember(*space, MakeEpisode("a", "one"), options);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->write().outcome(), v1::WRITE_OUTCOME_CREATED);
  EXPECT_EQ(reply->write().token(), "");
  EXPECT_FALSE(Holds(*space, "a"));
  EXPECT_EQ(Remember(*space, MakeEpisode("a", ""), options).status().reason(),
            Reason::INVALID_EPISODE);
  EXPECT_EQ(space->GetStatus()->log_end(), 2u);
}

TEST(Embedder, HashedMakesVectorsAndSaysSo) {
  TestNode node;
  v1::SpaceSettings settings;
  settings.set_embedder("hashed");
  auto space = *Space::Create(node.environment, "hashed", settings);
  ASSERT_TRUE(Remember(*space, MakeEpisode("a", "a walk along the Isar")).ok());
  auto view = *space->NewView();
  auto episode = view->LoadEpisode(*(*view->FindId("a"))->row, true);
  ASSERT_TRUE(episode.ok());
  EXPECT_EQ(episode->embedding_size(), 768);
}

// A background that never gets to it.
struct Asleep : env::Executor {
  void Post(env::Task) override {}
  void PostAfter(env::Duration, env::Task) override {}
};

TEST(Bounds, WritersAreSlowedBeforeTheCatalogFallsOutOfTheTail) {
  TestNode node;
  Asleep asleep;
  node.environment.background = &asleep;
  node.environment.tail_bytes_max = 200'000;
  auto space = *Space::Create(node.environment, "notes", SmallVectors());
  Status status;
  int stored = 0;
  for (; stored < 1000; ++stored) {
    status = Remember(*space, MakeEpisode("", std::string(1000, 'x'))).status();
    if (!status.ok()) break;
  }
  ASSERT_EQ(status.reason(), Reason::OVERLOADED);
  EXPECT_EQ(status.metadata().count("retry_after_ms"), 1u);
  EXPECT_GT(stored, 10);
  EXPECT_EQ((*space->NewView())->rows(), static_cast<size_t>(stored));
  EXPECT_TRUE(space->Close().ok());
  node.environment.background = node.background.get();
  space = *Space::Open(node.environment, "notes");
  ASSERT_TRUE(space->WaitIndexed(kLong));
  EXPECT_TRUE(Remember(*space, MakeEpisode("", "again")).ok());
  EXPECT_EQ(space->GetStatus()->episodes(), static_cast<uint64_t>(stored) + 1);
}

TEST(Bounds, TheNodesBudgetIsSharedAndGivenBack) {
  TestNode node;
  node.environment.tails = std::make_shared<MemoryBudget>(100'000);
  auto space = *Space::Create(node.environment, "notes", SmallVectors());
  for (int i = 0; i < 300; ++i) {
    Status status = Remember(*space, MakeEpisode("", std::string(1000, 'x'))).status();
    if (status.ok()) continue;
    ASSERT_EQ(status.reason(), Reason::OVERLOADED) << status.ToString();
    ASSERT_TRUE(space->WaitIndexed(kLong));
  }
  ASSERT_TRUE(space->WaitIndexed(kLong));
  ASSERT_TRUE(space->Close().ok());
  space = nullptr;
  EXPECT_EQ(node.environment.tails->used(), 0u);
}

struct FaultyNode {
  FaultyNode() {
    auto owned = std::make_unique<env::FaultyFileSystem>(disk);
    faulty = owned.get();
    node = std::make_unique<TestNode>(std::move(owned));
  }
  env::MemoryFileSystem disk;
  env::FaultyFileSystem* faulty;
  std::unique_ptr<TestNode> node;
};

TEST(Disk, FullRefusesWritesAndServesReadsUntilThereIsRoom) {
  FaultyNode f;
  f.node->environment.log.min_free_bytes = 1 << 20;
  auto space = *Space::Create(f.node->environment, "notes", SmallVectors());
  ASSERT_TRUE(Remember(*space, MakeEpisode("a", "one")).ok());
  f.faulty->SetFreeBytes(100'000);
  Status status;
  for (int i = 0; i < 200 && status.ok(); ++i) {
    status = Remember(*space, MakeEpisode("", std::string(10'000, 'x'))).status();
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.reason(), Reason::DISK_FULL) << status.ToString();
  EXPECT_TRUE(Holds(*space, "a"));
  f.faulty->Heal();
  // The log looks at the disk now and then.
  const env::Instant stop = env::SystemClock().Now() + kLong;
  do {
    status = Remember(*space, MakeEpisode("b", "two")).status();
  } while (!status.ok() && env::SystemClock().Now() < stop);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(Holds(*space, "b"));
}

TEST(Disk, TextThatFellOutOfTheTailIsReadFromTheLog) {
  FaultyNode f;
  f.node->environment.tail_bytes_max = 60'000;
  auto space = *Space::Create(f.node->environment, "notes", SmallVectors());
  env::Fault fault;
  fault.operation = env::Operation::kWrite;
  fault.path = "text.db";
  fault.times = env::Fault::kForever;
  f.faulty->Inject(fault);
  const env::Instant stop = env::SystemClock().Now() + kLong;
  for (int i = 0; i < 400;) {
    auto reply =
        Remember(*space, MakeEpisode("id" + std::to_string(i % 300), "train " + std::to_string(i)));
    if (reply.ok()) ++i;
    ASSERT_TRUE(reply.ok() || reply.status().reason() == Reason::OVERLOADED);
    ASSERT_LT(env::SystemClock().Now(), stop) << f.node->observer.Events();
  }
  const auto hits = [&] {
    auto view = *space->NewView();
    auto matches = view->SearchText(std::vector<std::string>{"train"});
    EXPECT_TRUE(matches.ok()) << matches.status().ToString();
    EXPECT_EQ(matches->documents, 300u);
    EXPECT_EQ(matches->mean_length, 5.0) << "train, number, year, month, day";
    return matches->hits.size();
  };
  EXPECT_LT(space->GetStatus()->indexed_through().at("text"), 10u);
  EXPECT_EQ(hits(), 300u);
  f.faulty->Heal();
  ASSERT_TRUE(space->WaitIndexed(kLong)) << f.node->observer.Events();
  EXPECT_EQ(hits(), 300u);
}

TEST(Disk, AFailedSyncPoisonsTheSpaceUntilItIsOpenedAgain) {
  FaultyNode f;
  auto registry = *Registry::Start(f.node->environment, {});
  auto space = *registry->Create("notes", SmallVectors());
  ASSERT_TRUE(Remember(*space, MakeEpisode("a", "one")).ok());
  env::Fault fault;
  fault.operation = env::Operation::kSync;
  fault.path = "/wal/";
  f.faulty->Inject(fault);
  EXPECT_FALSE(Remember(*space, MakeEpisode("b", "two")).ok());
  EXPECT_EQ(Remember(*space, MakeEpisode("c", "three")).status().reason(), Reason::WAL_POISONED);
  EXPECT_EQ(space->GetStatus()->state(), "poisoned");
  EXPECT_TRUE(Holds(*space, "a"));
  EXPECT_FALSE(Holds(*space, "b"));
  space = nullptr;
  auto again = registry->Get("notes");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ((*again)->GetStatus()->state(), "ok");
  EXPECT_TRUE(Holds(**again, "a"));
  auto reply = Remember(**again, MakeEpisode("c", "three"));
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->write().epoch(), 2u);
}

TEST(Indexes, DamagedOrForeignOnesAreBuiltAgain) {
  TestNode node;
  for (const char* name : {"one", "two"}) {
    auto space = *Space::Create(node.environment, name, SmallVectors());
    for (int i = 0; i < 50; ++i) {
      v1::Episode episode = MakeEpisode("id" + std::to_string(i), std::string(name) + " train");
      for (int d = 0; d < 4; ++d) episode.add_embedding(static_cast<float>(i + d + 1));
      ASSERT_TRUE(Remember(*space, episode).ok());
    }
    ASSERT_TRUE(space->Close().ok());
  }
  const auto damage = [&](const std::string& file) {
    if (file.ends_with("+")) {  // of another space
      const std::string base = file.substr(0, file.size() - 1);
      auto foreign = env::ReadWholeFile(*node.fs, "/data/spaces/two/" + base);
      ASSERT_TRUE(foreign.ok());
      ASSERT_TRUE(env::ReplaceFile(*node.fs, "/data/spaces/one/" + base, *foreign).ok());
    } else {
      ASSERT_TRUE(
          env::ReplaceFile(*node.fs, "/data/spaces/one/" + file, std::string(5000, 'x')).ok());
    }
  };
  for (const char* file :
       {"catalog.db", "text.db", "vectors.bin", "catalog.db+", "text.db+", "vectors.bin+"}) {
    damage(file);
    auto space = Space::Open(node.environment, "one");
    ASSERT_TRUE(space.ok()) << file << space.status().ToString();
    auto view = *(*space)->NewView();
    const std::vector<std::string> terms = {"train"};
    EXPECT_EQ(view->SearchText(terms)->hits.size(), 50u) << file;
    EXPECT_TRUE(Holds(**space, "id49")) << file;
    const float query[] = {1, 2, 3, 4};
    EXPECT_EQ(view->Nearest(query, 60, RowSet(view->rows(), true))->size(), 50u) << file;
    view = nullptr;
    ASSERT_TRUE((*space)->Close().ok());
  }
}

TEST(Threads, WritersReadersAndIndexersTogether) {
  TestNode node;
  auto space = *Space::Create(node.environment, "notes", SmallVectors());
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 150; ++i) {
        const std::string id = i % 3 == 0 ? "shared" + std::to_string(i % 7)
                                          : "t" + std::to_string(t) + "-" + std::to_string(i);
        v1::WriteOptions options;
        if (i % 5 == 0) options.set_idempotency_key("k" + std::to_string(i));
        auto reply = Remember(*space, MakeEpisode(id, "train " + std::to_string(i % 4)), options);
        const bool reused =
            !reply.ok() && reply.status().reason() == Reason::IDEMPOTENCY_KEY_REUSED;
        if (!reply.ok() && !reused) ++failed;
        if (reply.ok() && !Holds(*space, reply->memory_id())) ++failed;
        if (i % 10 == 9) (void)Forget(*space, MakeForgetCommand(id, v1::FORGET_MODE_SUPPRESS));
      }
    });
  }
  threads.emplace_back([&] {
    const std::vector<std::string> terms = {"train"};
    while (!stop) {
      auto view = *space->NewView();
      auto matches = view->SearchText(terms);
      if (!matches.ok() || matches->hits.size() != matches->documents) ++failed;
      auto all = view->Select({});
      if (!all.ok()) ++failed;
    }
  });
  for (size_t t = 0; t < 3; ++t) threads[t].join();
  stop = true;
  threads[3].join();
  EXPECT_EQ(failed, 0);
  ASSERT_TRUE(space->RebuildIndexes(nullptr).ok());
  EXPECT_EQ((*space->NewView())->SearchText(std::vector<std::string>{"train"})->documents,
            space->GetStatus()->episodes());
}

}  // namespace
}  // namespace engram::space
