// Many threads on one log: a real pool, real waiting, the machine's file system too.
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/env/hook_file_system.h"
#include "engram/wal/replica_test_kit.h"

namespace engram::wal {
namespace {

// Runs `work(i)` on as many threads as there are i, and waits for all.
template <class Fn>
void OnThreads(int count, Fn work) {
  const auto pool = env::MakeThreadPool("producers", count);
  std::mutex mutex;
  std::condition_variable done;
  int left = count;
  for (int i = 0; i < count; ++i) {
    pool->Post([&, i] {
      work(i);
      std::lock_guard lock(mutex);
      if (--left == 0) done.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(done.wait_for(lock, std::chrono::seconds(60), [&] { return left == 0; }));
}

struct Shared {
  explicit Shared(env::FileSystem* fs, std::string directory = kDir) : entropy(1) {
    options.fs = fs;
    options.clock = &env::SystemClock();
    options.entropy = &entropy;
    options.executor = pool.get();
    options.observer = &observer;
    options.directory = std::move(directory);
    options.space = "s";
    options.min_free_bytes = 0;
    options.segment_bytes = 256u << 10;
    options.idle_mark_delay = std::chrono::milliseconds(1);
  }
  SeededEntropy entropy;
  RecordingObserver observer;
  std::unique_ptr<env::Executor> pool = env::MakeThreadPool("flushers", 4);
  LogOptions options;
};

// Producers that wait and producers that are called back, and a follower.
void Storm(Shared& shared, int producers, int each) {
  auto log = std::move(*Log::Create(shared.options, AnIncarnation()));
  ASSERT_TRUE(Begin(*log).ok());
  std::atomic<uint64_t> called{0}, last_called{0};
  std::atomic<bool> in_order{true};
  OnThreads(producers + 1, [&](int who) {
    if (who == producers) {
      const auto cursor = log->NewCursor(Sequence(1));
      const uint64_t all = 1 + static_cast<uint64_t>(producers) * each;
      for (uint64_t next = 1; next <= all;) {
        auto entry = cursor->Next();
        ASSERT_TRUE(entry.ok()) << entry.status().ToString();
        if (!*entry) continue;
        ASSERT_EQ((*entry)->header.sequence, Sequence(next++));
      }
      return;
    }
    for (int i = 0; i < each; ++i) {
      const std::string payload = Bytes(who * 100'000 + i, 50 + i % 900);
      const auto done = [&](const Status& status) {
        if (!status.ok()) in_order = false;
        ++called;
      };
      if (i % 3 == 0) {
        ASSERT_TRUE(log->Append(One(payload), done).ok());
      } else {
        const auto first = log->AppendAndWait(One(payload), done);
        ASSERT_TRUE(first.ok());
        ASSERT_LE(*first, log->durable_end());
        ASSERT_EQ(log->Read(*first)->payload, payload);
      }
    }
  });
  ASSERT_TRUE(log->Close().ok());
  EXPECT_EQ(called, static_cast<uint64_t>(producers) * each);
  EXPECT_TRUE(in_order);
  EXPECT_EQ(log->durable_end(), log->end());
  log.reset();
  log = std::move(*Log::Open(shared.options));
  EXPECT_EQ(ReadAll(*log).size(), 1 + static_cast<size_t>(producers) * each);
}

TEST(Concurrency, InMemory) {
  env::MemoryFileSystem fs;
  Shared shared(&fs);
  Storm(shared, 16, 300);
}

TEST(Concurrency, OnTheMachine) {
  const std::string directory = testing::TempDir() + "/wal_concurrency_test";
  std::filesystem::remove_all(directory);
  Shared shared(&env::PosixFileSystem(), directory);
  Storm(shared, 8, 60);
  std::filesystem::remove_all(directory);
}

TEST(Concurrency, CallbacksRunInTheOrderOfSequences) {
  env::MemoryFileSystem fs;
  Shared shared(&fs);
  auto log = std::move(*Log::Create(shared.options, AnIncarnation()));
  ASSERT_TRUE(Begin(*log).ok());
  std::mutex mutex;  // one appender at a time, so that the order of calls is known
  uint64_t posted = 0;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> in_order{true};
  OnThreads(8, [&](int who) {
    for (int i = 0; i < 500; ++i) {
      std::lock_guard lock(mutex);
      const uint64_t mine = posted++;
      ASSERT_TRUE(log->Append(One(Bytes(who, 200)),
                              [&, mine](const Status&) {
                                if (next.fetch_add(1) != mine) in_order = false;
                              })
                      .ok());
    }
  });
  ASSERT_TRUE(log->Close().ok());
  EXPECT_EQ(next, 4000u);
  EXPECT_TRUE(in_order);
}

TEST(Concurrency, APoisonedLogLetsNobodyWait) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Shared shared(&fs);
  auto log = std::move(*Log::Create(shared.options, AnIncarnation()));
  ASSERT_TRUE(Begin(*log).ok());
  fs.Inject({.operation = env::Operation::kSync, .path = ".log", .after = 20});
  std::atomic<int> refused{0};
  OnThreads(8, [&](int who) {
    for (int i = 0; i < 200; ++i) {
      if (!log->AppendAndWait(One(Bytes(who, 100))).ok()) ++refused;
    }
  });
  EXPECT_GT(refused, 0);
  EXPECT_TRUE(log->state().poisoned);
}

TEST(Concurrency, AGroupGrowsWhileTheDiskIsBusy) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Shared shared(&fs);
  auto log = std::move(*Log::Create(shared.options, AnIncarnation()));
  ASSERT_TRUE(Begin(*log).ok());
  fs.Inject(
      {.operation = env::Operation::kSync, .effect = env::Fault::Effect::kStall, .path = ".log"});
  ASSERT_TRUE(log->Append(One("first"), nullptr).ok());
  ASSERT_TRUE(fs.WaitForStalled(1));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(log->Append(One("more"), nullptr).ok());
  fs.Release();
  ASSERT_TRUE(log->Close().ok());
  const auto groups = shared.observer.groups();
  EXPECT_EQ(std::count(groups.begin(), groups.end(), 50u), 1);
}

// One thread receives, others follow what it receives; they see the primary's bytes, in order.
TEST(Concurrency, ACopyIsReadWhileItReceives) {
  env::MemoryFileSystem primary_fs, fs;
  Bench primary_bench(&primary_fs);
  const auto primary = primary_bench.Create();
  ASSERT_TRUE(Begin(*primary).ok());
  for (uint64_t i = 2; i <= 400; ++i) Put(*primary, Bytes(i, 900));
  const std::string all = RawLog(*primary);
  Shared shared(&fs);
  shared.options.commit_is_durable = false;
  const auto copy = std::move(*Log::Create(shared.options, AnIncarnation()));
  ASSERT_TRUE(copy->Promise(Epoch(1)).ok());
  std::atomic<uint64_t> durable{0};
  OnThreads(4, [&](int who) {
    while (who == 0 && copy->end() < Sequence(400)) {
      const Shipment next = Ship(*primary, copy->end().next(), 7);
      const Status taken = copy->AppendReceived(next.records, [&, n = next.last.last](Status s) {
        EXPECT_TRUE(s.ok());
        durable = n.value();
      });
      EXPECT_TRUE(taken.ok()) << taken.ToString();
      copy->SetCommit(copy->end());
    }
    std::string seen;
    const auto cursor =
        copy->NewCursor(Sequence(1), who == 1 ? ReadThrough::kCommitted : ReadThrough::kAppended);
    Cursor::Shipped what;
    while (cursor->position() <= Sequence(400)) {
      const auto more = cursor->NextRecord(&seen, &what);
      EXPECT_TRUE(more.ok()) << more.status().ToString();
      if (!more.ok()) break;
    }
    EXPECT_EQ(seen, all);
  });
  ASSERT_TRUE(copy->Close().ok());
  EXPECT_EQ(durable, 400u);
}

// A sync that began before a cut ends after it was asked for: it proves nothing of what was cut.
TEST(Concurrency, ACutWaitsForASyncThatIsOnItsWay) {
  env::MemoryFileSystem memory;
  std::mutex mutex;
  std::condition_variable changed;
  bool armed = false, inside = false, released = false, cut = false;
  env::HookFileSystem fs(&memory, [&] {
    std::unique_lock lock(mutex);
    if (!std::exchange(armed, false)) return;
    inside = true;
    changed.notify_all();
    changed.wait(lock, [&] { return released; });
  });
  Bench bench(&fs);
  bench.options.fsync_mode = FsyncMode::kTimer;
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 2; i <= 9; ++i) Put(*log, Bytes(i, 500));
  armed = true;
  OnThreads(3, [&](int who) {
    if (who == 0) return bench.Settle();  // syncs what the timer mode has left
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside; });
    lock.unlock();
    if (who == 1) {
      EXPECT_TRUE(log->TruncateAfter(Sequence(3)).ok());
      lock.lock();
      cut = true;
      return;
    }
    // Until the cut waits, or is over although it should have waited.
    const auto over = [&] {
      std::lock_guard guard(mutex);
      return cut;
    };
    while (log->AppendReceived({}, nullptr).reason() != Reason::RECOVERING && !over()) {
    }
    lock.lock();
    released = true;
    changed.notify_all();
  });
  EXPECT_EQ(log->durable_end(), Sequence(3));
  EXPECT_EQ(log->end(), Sequence(3));
}

}  // namespace
}  // namespace engram::wal
