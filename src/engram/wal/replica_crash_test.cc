// A copy that follows a primary through power cuts: what it was told to be durable stays, it goes
// on from where it ends, and in the end it is the same log.
#include <gtest/gtest.h>

#include "engram/env/hook_file_system.h"
#include "engram/wal/replica_test_kit.h"
#include "engram/wal/tool.h"

namespace engram::wal {
namespace {

struct Life {
  explicit Life(uint64_t seed) : prng(seed), disk(std::make_unique<env::MemoryFileSystem>()) {
    EXPECT_TRUE(disk->CreateDirectories("/data").ok());
    MakePrimary();
    Bench bench(disk.get(), prng.Next());
    EXPECT_TRUE(bench.Create()->Close().ok());
  }

  // Epochs, further starts of them, groups of all sizes, small segments, and Holes.
  void MakePrimary() {
    Bench bench(&primary_fs, prng.Next());
    bench.options.segment_bytes = 4096 << prng.Below(4);
    auto log = bench.Create();
    for (uint64_t epochs = 1 + prng.Below(4); epochs > 0; --epochs) {
      ASSERT_TRUE(log->BeginEpoch(Epoch(log->epoch().value() + 1 + prng.Below(3)), "epoch").ok());
      for (uint64_t n = prng.Below(25); n > 0; --n) {
        std::vector<Draft> drafts;
        for (uint64_t k = 1 + prng.Below(3); k > 0; --k) {
          drafts.push_back(Episode(Bytes(prng.Next(), prng.Below(1500))));
        }
        if (prng.OneIn(10)) drafts.push_back({record::EntryType::kEpochStart, "again"});
        ASSERT_TRUE(log->AppendAndWait(std::move(drafts)).ok());
      }
    }
    ASSERT_TRUE(log->Close().ok());
    log.reset();
    Punch();
    primary_bench = std::make_unique<Bench>(&primary_fs, prng.Next());
    primary = primary_bench->Open();
  }

  // Holes in some of the sealed segments, never over an EpochStart.
  void Punch() {
    const auto found = Verify(primary_fs, kDir);
    ASSERT_TRUE(found.ok());
    for (size_t i = 0; i + 1 < found->segments.size(); ++i) {
      const auto& segment = found->segments[i];
      if (!prng.OneIn(2)) continue;
      const uint64_t first = segment.first.value() + prng.Below(segment.entries);
      const uint64_t last = first + prng.Below(segment.last.value() - first + 1);
      bool starts = false;
      for (const EpochBegin& begin : found->epochs) {
        starts = starts || (begin.first.value() >= first && begin.first.value() <= last);
      }
      if (!starts) PunchHole(primary_fs, SegmentPath(kDir, segment.first), first, last);
    }
  }

  void Run() {
    for (int life = 0; life < 200 && !testing::Test::HasFailure(); ++life) {
      OneLife();
      if (finished) return;
    }
  }

  void OneLife() {
    cut = nullptr;
    uint64_t left = prng.Below(60);
    env::HookFileSystem fs(disk.get(), [&] {
      if (cut || left-- > 0) return;
      cut = prng.OneIn(4) ? disk->Clone() : disk->CrashClone(prng);
      durable_at_cut = durable;
      told_at_cut = told;
      promised_at_cut = promised;
    });
    {
      Bench bench(&fs, prng.Next());
      bench.options.commit_is_durable = false;
      bench.options.segment_bytes = 4096 << prng.Below(4);
      auto log = bench.Open();
      ASSERT_TRUE(log);
      ASSERT_FALSE(log->state().read_only) << log->state().why.ToString();
      ExpectKept(*log);
      while (!cut && !finished && !testing::Test::HasFailure()) {
        if (prng.OneIn(20)) Reopen(bench, &log);
        Act(bench, *log);
      }
      if (finished && !cut) return ExpectSame(std::move(log));
    }
    finished = false;
    disk = std::move(cut);
    durable = durable_at_cut;
    told = told_at_cut;
    promised = promised_at_cut;
  }

  void Reopen(Bench& bench, std::unique_ptr<Log>* log) {
    ASSERT_TRUE((*log)->Close().ok());
    log->reset();
    *log = bench.Open();
    ASSERT_TRUE(*log);
    if (!cut) ExpectKept(**log);
  }

  void ExpectKept(Log& log) {
    ++openings;
    EXPECT_GE(log.end(), durable);
    EXPECT_GE(log.promised(), promised);
    EXPECT_LE(log.committed_end(), std::min(told, log.end()));
    EXPECT_EQ(log.durable_end(), log.end());
    // What is there is the beginning of the primary's log.
    const std::string all = RawLog(*primary), own = RawLog(log);
    EXPECT_EQ(own, all.substr(0, own.size()));
    History rows = primary->history();
    std::erase_if(rows, [&](const EpochBegin& row) { return row.first > log.end(); });
    EXPECT_EQ(log.history(), rows);
    durable = std::max(durable, log.durable_end());
  }

  void Act(Bench& bench, Log& log) {
    if (prng.OneIn(12)) bench.Settle();
    if (prng.OneIn(8)) {
      const Epoch epoch(prng.Below(14));
      const bool up = epoch > log.promised();
      ASSERT_TRUE(log.Promise(epoch).ok());
      if (up) promised = epoch;
    }
    const Shipment next = Ship(*primary, log.end().next(), 1 + prng.Below(6));
    if (next.records.empty()) {
      bench.executor.RunAll();
      finished = true;
      return;
    }
    if (next.last.epoch > log.promised()) {
      EXPECT_EQ(Receive(log, next).reason(), Reason::STALE_EPOCH);
      ASSERT_TRUE(log.Promise(next.last.epoch).ok());
      promised = next.last.epoch;
    }
    holes += next.last.first != next.last.last;
    const Sequence through = next.last.last;
    const Status taken = log.AppendReceived(next.records, [this, through](const Status& status) {
      ASSERT_TRUE(status.ok()) << status.ToString();
      durable = std::max(durable, through);
    });
    ASSERT_TRUE(taken.ok()) << taken.ToString();
    if (prng.OneIn(2)) bench.executor.RunAll();
    if (prng.OneIn(3)) {
      told = std::max(told, Sequence(prng.Below(log.end().value() + 1)));
      log.SetCommit(told);
    }
  }

  void ExpectSame(std::unique_ptr<Log> log) {
    const Sequence commit = log->committed_end();
    ASSERT_TRUE(log->Close().ok());
    log.reset();
    Bench bench(disk.get(), 1);
    bench.options.commit_is_durable = false;
    log = bench.Open();
    EXPECT_EQ(log->committed_end(), commit);
    EXPECT_EQ(RawLog(*log), RawLog(*primary));
    EXPECT_EQ(log->history(), primary->history());
    EXPECT_EQ(log->end_identity(), primary->end_identity());
    EXPECT_TRUE(Verify(*disk, kDir)->good());
    const auto own = DigestOf(*disk, kDir, Sequence(1), Sequence());
    const auto theirs = DigestOf(primary_fs, kDir, Sequence(1), Sequence());
    ASSERT_TRUE(own.ok() && theirs.ok());
    EXPECT_EQ(own->digest, theirs->digest);
  }

  Prng prng;
  env::MemoryFileSystem primary_fs;
  std::unique_ptr<Bench> primary_bench;
  std::unique_ptr<Log> primary;
  std::unique_ptr<env::MemoryFileSystem> disk, cut;
  Sequence durable, durable_at_cut, told, told_at_cut;
  Epoch promised, promised_at_cut;
  bool finished = false;
  size_t openings = 0, holes = 0;
};

TEST(ReplicaCrash, ACopyBecomesTheSameLogThroughAnyPowerCuts) {
  size_t openings = 0, holes = 0;
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life life(seed);
    if (HasFailure()) return;
    life.Run();
    if (HasFailure()) return;
    EXPECT_TRUE(life.finished);
    openings += life.openings;
    holes += life.holes;
  }
  EXPECT_GE(openings, 3000u);
  EXPECT_GE(holes, 300u);
}

}  // namespace
}  // namespace engram::wal
