// Disks that fail, fill up, or cannot be written to; and the four fsync modes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/internal/v1/log.pb.h"
#include "engram/wal/checkpoint.h"
#include "engram/wal/log_test_kit.h"
#include "engram/wal/tool.h"

namespace engram::wal {
namespace {

using env::Fault;
using env::Operation;
using record::EntryType;

struct Failing : testing::Test {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs{memory};
  Bench bench{&fs};
};

TEST_F(Failing, AFailedWritePoisonsUntilReopened) {
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "kept");
  fs.Inject({.operation = Operation::kWrite,
             .effect = Fault::Effect::kShort,
             .path = ".log",
             .where = 100});
  std::vector<Reason> told;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(log->Append(One(Bytes(i, 300)),
                            [&](const Status& status) {
                              told.push_back(status.ok() ? Reason::IO : status.reason());
                            })
                    .ok());
  }
  bench.executor.RunAll();
  EXPECT_EQ(told, std::vector<Reason>(3, Reason::WAL_POISONED));
  EXPECT_TRUE(log->state().poisoned);
  EXPECT_EQ(log->AppendAndWait(One("x")).status().reason(), Reason::WAL_POISONED);
  EXPECT_EQ(log->TruncateAfter(Sequence(1)).reason(), Reason::WAL_POISONED);
  EXPECT_EQ(log->Read(Sequence(2))->payload, "kept");
  const uint64_t syncs = fs.Count(Operation::kSync);
  bench.Settle();
  EXPECT_EQ(fs.Count(Operation::kSync), syncs) << "nothing is synced again";
  log.reset();
  log = bench.Open();
  EXPECT_TRUE(bench.observer.Saw("torn_tail_cut"));
  EXPECT_EQ(log->end(), Sequence(2));
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "again");
}

TEST_F(Failing, EveryOperationOfAnAppendMayFail) {
  for (const Operation operation :
       {Operation::kWrite, Operation::kSync, Operation::kTruncate, Operation::kRename,
        Operation::kSyncDirectory, Operation::kOpen, Operation::kPreallocate}) {
    for (uint64_t after = 0; after < 6; ++after) {
      env::MemoryFileSystem disk;
      env::FaultyFileSystem faulty(disk);
      Bench b(&faulty);
      size_t acknowledged = 0;
      {
        auto log = b.Create();
        ASSERT_TRUE(Begin(*log).ok());
        acknowledged = 1;
        faulty.Inject({.operation = operation, .path = "/wal", .after = after});
        for (int i = 0; i < 60; ++i) {
          const auto first = log->AppendAndWait(One(Bytes(i, 3300)));
          if (first.ok()) acknowledged = first->value();
        }
      }
      faulty.Heal();
      Prng prng(after);
      const auto left = disk.CrashClone(prng);
      Bench again(left.get());
      const auto log = again.Open();
      ASSERT_TRUE(log);
      EXPECT_FALSE(log->state().read_only) << log->state().why.ToString();
      EXPECT_GE(ReadAll(*log).size(), acknowledged);
    }
  }
}

TEST_F(Failing, AFullDiskRefusesWritesTakesDeletesAndResumes) {
  bench.options.min_free_bytes = 1u << 20;
  bench.options.reserve_bytes = 512u << 10;
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "kept");
  fs.SetFreeBytes((1u << 20) - 1);
  bench.clock.Advance(std::chrono::seconds(1));
  const auto refused = log->AppendAndWait(One("x"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().reason(), Reason::DISK_FULL);
  EXPECT_TRUE(log->state().full);
  EXPECT_FALSE(log->state().poisoned);
  EXPECT_EQ(log->Read(Sequence(2))->payload, "kept");
  std::vector<Draft> deletes;
  deletes.push_back({EntryType::kMemoryDelete, "ids"});
  EXPECT_TRUE(log->AppendAndWait(deletes).ok());
  internal::v1::UpdateRecord update;
  update.mutable_state()->set_suppressed(true);
  std::vector<Draft> suppress{{EntryType::kMemoryUpdate, update.SerializeAsString()}};
  EXPECT_TRUE(log->AppendAndWait(suppress).ok());
  update.mutable_state()->set_suppressed(false);
  std::vector<Draft> restore{{EntryType::kMemoryUpdate, update.SerializeAsString()}};
  EXPECT_EQ(log->AppendAndWait(restore).status().reason(), Reason::DISK_FULL);
  fs.SetFreeBytes(100u << 10);  // the reserve is gone as well
  EXPECT_EQ(log->AppendAndWait(deletes).status().reason(), Reason::DISK_FULL);
  fs.SetFreeBytes(1u << 30);
  EXPECT_TRUE(log->AppendAndWait(One("resumed")).ok());
  EXPECT_FALSE(log->state().full);
}

TEST_F(Failing, WithoutRoomToGrowNothingIsPoisoned) {
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  fs.SetFreeBytes(40u << 10);
  size_t written = 0;
  Status why;
  for (int i = 0; i < 100 && why.ok(); ++i) {
    const auto first = log->AppendAndWait(One(Bytes(i, 3300)));
    if (first.ok())
      ++written;
    else
      why = first.status();
  }
  ASSERT_FALSE(why.ok());
  EXPECT_EQ(why.reason(), Reason::DISK_FULL);
  EXPECT_FALSE(log->state().poisoned);
  fs.SetFreeBytes(std::nullopt);
  EXPECT_TRUE(log->AppendAndWait(One("resumed")).ok());
  log.reset();
  EXPECT_EQ(ReadAll(*bench.Open()).size(), written + 2);
}

TEST_F(Failing, ADirectoryThatCannotBeWrittenIsAClearError) {
  {
    auto log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    Put(*log, "kept");
  }
  for (const Operation operation : {Operation::kOpen, Operation::kWrite}) {
    fs.Inject(
        {.operation = operation, .path = kDir, .times = Fault::kForever, .error_number = EROFS});
  }
  const auto log = Log::Open(bench.options);
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.status().reason(), Reason::IO);
  EXPECT_EQ(log.status().metadata().count("path"), 1u);
  fs.Heal();
  EXPECT_EQ(ReadAll(*bench.Open()).size(), 2u);
}

TEST_F(Failing, AReadErrorIsNotCorruption) {
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 40; ++i) Put(*log, Bytes(i, 3300));
  log.reset();
  fs.Inject({.operation = Operation::kRead, .path = ".log"});
  EXPECT_EQ(Log::Open(bench.options).status().reason(), Reason::IO);
  log = bench.Open();
  fs.Inject({.operation = Operation::kRead, .path = ".log"});
  EXPECT_EQ(log->Read(Sequence(3)).status().reason(), Reason::IO);
  EXPECT_FALSE(log->state().read_only);
  EXPECT_TRUE(log->Read(Sequence(3)).ok());
}

// How many syncs of segments 20 appends cost, and what a power cut leaves of them.
struct ModeResult {
  uint64_t syncs;
  size_t left;
  Sequence durable, acknowledged;
};

ModeResult InMode(FsyncMode mode, bool wait_for_timer) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Bench bench(&fs);
  bench.options.fsync_mode = mode;
  auto log = bench.Create();
  EXPECT_TRUE(Begin(*log).ok());
  bench.executor.RunAll();
  const uint64_t before = fs.Count(Operation::kSync);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(log->Append(One(Bytes(i, 100)), nullptr).ok());
  bench.executor.RunAll();
  if (wait_for_timer) {
    bench.clock.Advance(bench.options.fsync_interval);
    bench.executor.RunAll();
  }
  ModeResult result{fs.Count(Operation::kSync) - before, 0, log->durable_end(),
                    log->committed_end()};
  const auto left = memory.CrashClone(env::LoseAll);
  Bench again(left.get());
  result.left = ReadAll(*again.Open()).size();
  return result;
}

TEST(FsyncMode, TheFourReallyDiffer) {
  const ModeResult per_write = InMode(FsyncMode::kPerWrite, false);
  EXPECT_EQ(per_write.syncs, 20u);
  EXPECT_EQ(per_write.left, 21u);
  const ModeResult per_batch = InMode(FsyncMode::kPerBatch, false);
  EXPECT_EQ(per_batch.syncs, 1u);
  EXPECT_EQ(per_batch.left, 21u);
  EXPECT_EQ(per_batch.durable, Sequence(21));
  const ModeResult timer = InMode(FsyncMode::kTimer, false);
  EXPECT_EQ(timer.syncs, 0u);
  EXPECT_EQ(timer.acknowledged, Sequence(21));
  EXPECT_LT(timer.durable, Sequence(21));
  EXPECT_LT(timer.left, 21u);
  const ModeResult fired = InMode(FsyncMode::kTimer, true);
  EXPECT_EQ(fired.syncs, 1u);
  EXPECT_EQ(fired.durable, Sequence(21));
  EXPECT_EQ(fired.left, 21u);
  const ModeResult none = InMode(FsyncMode::kNone, true);
  EXPECT_EQ(none.syncs, 0u);
  EXPECT_EQ(none.acknowledged, Sequence(21));
  EXPECT_LT(none.left, 21u);
}

TEST(FsyncMode, ClosedInOrderEveryModeKeepsAll) {
  for (const FsyncMode mode : {FsyncMode::kTimer, FsyncMode::kNone}) {
    env::MemoryFileSystem memory;
    Bench bench(&memory);
    bench.options.fsync_mode = mode;
    auto log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    for (int i = 0; i < 60; ++i) Put(*log, Bytes(i, 3300));
    ASSERT_TRUE(log->Close().ok());
    const auto left = memory.CrashClone(env::LoseAll);
    Bench again(left.get());
    EXPECT_EQ(ReadAll(*again.Open()).size(), 61u);
  }
}

// In these modes a power cut may take acknowledged entries, but never leaves a log read-only.
TEST(FsyncMode, UnsyncedModesRecoverToSomePrefix) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    env::MemoryFileSystem memory;
    Bench bench(&memory, seed);
    bench.options.fsync_mode = seed % 2 ? FsyncMode::kTimer : FsyncMode::kNone;
    auto log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    Prng prng(seed);
    for (uint64_t i = 0; i < 30; ++i) {
      Put(*log, Bytes(i, prng.Below(5000)));
      if (prng.OneIn(6)) bench.Settle();
    }
    const Sequence durable = log->durable_end();
    const auto left = memory.CrashClone(prng);
    Bench again(left.get(), seed);
    const auto found = again.Open();
    ASSERT_TRUE(found);
    ASSERT_FALSE(found->state().read_only) << seed << " " << found->state().why.ToString();
    ASSERT_GE(found->end(), durable);
    ReadAll(*found);
    if (HasFailure()) return;
  }
}

TEST(Preallocation, GrowsWithTheLogAndIsGivenBack) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  bench.options.segment_bytes = 64u << 20;
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  const auto size = [&] {
    auto file = fs.Open(LastSegmentPath(fs), env::OpenMode::kRead);
    return *(*file)->Size();
  };
  EXPECT_EQ(size(), 64u << 10);
  Put(*log, Bytes(1, 70'000));
  EXPECT_EQ(size(), 128u << 10);
  Put(*log, Bytes(1, 200'000));
  EXPECT_EQ(size(), 512u << 10);
  ASSERT_TRUE(log->Close().ok());
  EXPECT_LT(size(), 273'000u);
}

TEST(Checkpoints, HoldTheDigestOfAllSinceTheLast) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  bench.options.segment_bytes = 4u << 20;
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  uint64_t end = 1;
  const auto append = [&](uint64_t entries) {
    while (entries > 0) {
      std::vector<Draft> drafts;
      for (uint64_t n = std::min<uint64_t>(entries, 5000); n > 0; --n)
        drafts.push_back(Episode("e"));
      entries -= drafts.size();
      ASSERT_TRUE(log->AppendAndWait(std::move(drafts)).ok());
    }
  };
  const auto checkpoints = [&] {
    std::vector<std::pair<uint64_t, record::Checkpoint>> out;
    EXPECT_TRUE(Dump(fs, kDir, [&](const DumpRecord& record) {
                  if (record.header.type == EntryType::kCheckpoint) {
                    out.emplace_back(record.header.sequence.value(),
                                     *record::DecodeCheckpoint(record.payload));
                  }
                  return true;
                }).ok());
    return out;
  };
  append(CheckpointKeeper::kEntries);
  ASSERT_EQ(checkpoints().size(), 1u);
  // Reopened: the digest goes on from the entries on the disk.
  for (const bool clean : {true, false}) {
    append(1000);
    if (clean) {
      ASSERT_TRUE(log->Close().ok());
    }
    log.reset();
    log = bench.Open();
    ASSERT_TRUE(Begin(*log).ok());
    append(CheckpointKeeper::kEntries);
    bench.Settle();
    append(1);
  }
  const auto all = checkpoints();
  ASSERT_EQ(all.size(), 3u);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto& [at, checkpoint] = all[i];
    EXPECT_EQ(checkpoint.first.value(), i == 0 ? 1 : all[i - 1].first);
    EXPECT_EQ(checkpoint.last.value(), at - 1);
    const auto digest = DigestOf(fs, kDir, checkpoint.first, checkpoint.last);
    ASSERT_TRUE(digest.ok());
    EXPECT_EQ(digest->digest, checkpoint.digest) << "checkpoint " << i;
  }
  (void)end;
}

}  // namespace
}  // namespace engram::wal
