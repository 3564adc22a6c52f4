// Power cuts. A vector of payloads plays the oracle: what was acknowledged is found by every later
// opening, what was only attempted may be, in order; nothing else ever is; and no power cut alone
// makes a log read-only.
#include <optional>

#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/env/hook_file_system.h"
#include "engram/wal/log_test_kit.h"

namespace engram::wal {
namespace {

constexpr size_t kEmbedded = 3300;

std::vector<std::string> Payloads(Log& log) {
  std::vector<std::string> out;
  for (auto& entry : ReadAll(log)) out.push_back(std::move(entry.payload));
  return out;
}

// The log holds `attempted` up to some point at or beyond `acknowledged`.
void ExpectPrefix(const std::vector<std::string>& found, const std::vector<std::string>& attempted,
                  size_t acknowledged) {
  ASSERT_GE(found.size(), acknowledged);
  ASSERT_LE(found.size(), attempted.size());
  for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], attempted[i]) << "entry " << i + 1;
}

// A group of 32 embedded entries whose sync never happened, and any subset of its pages on the
// disk.
void TornGroup(uint64_t seed) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Bench bench(&fs, seed);
  bench.options.segment_bytes = 1u << 20;
  Prng prng(seed);
  std::vector<std::string> attempted;
  size_t acknowledged = 0;
  {
    auto log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    attempted.push_back("epoch");
    for (uint64_t i = prng.Below(20); i > 0; --i) {
      attempted.push_back(Bytes(prng.Next(), 100 + prng.Below(4000)));
      Put(*log, attempted.back());
    }
    if (prng.OneIn(2)) bench.Settle();
    acknowledged = attempted.size();
    fs.Inject({.operation = env::Operation::kSync,
               .effect = env::Fault::Effect::kLie,
               .path = ".log",
               .times = env::Fault::kForever});
    for (int i = 0; i < 32; ++i) {
      attempted.push_back(Bytes(prng.Next(), kEmbedded));
      ASSERT_TRUE(log->Append(One(attempted.back()), nullptr).ok());
    }
    bench.executor.RunAll();
    // Taken before the log is closed, which would write more.
    const auto after = memory.CrashClone(prng);
    Bench reopened(after.get(), seed + 1);
    reopened.options.segment_bytes = 1u << 20;
    auto found = reopened.Open();
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->state().read_only) << found->state().why.ToString();
    ExpectPrefix(Payloads(*found), attempted, acknowledged);
    // It goes on from there, and survives a second cut in which everything unsynced is lost.
    auto kept = Payloads(*found);
    ASSERT_TRUE(Begin(*found).ok());
    Put(*found, "after");
    kept.push_back("epoch");
    kept.push_back("after");
    const auto again = after->CrashClone(env::LoseAll);
    Bench last(again.get(), seed + 2);
    auto survivor = last.Open();
    ASSERT_TRUE(survivor);
    EXPECT_FALSE(survivor->state().read_only);
    EXPECT_EQ(Payloads(*survivor), kept);
  }
}

TEST(Crash, AnySubsetOfAnUnsyncedGroupIsATornTail) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TornGroup(seed);
    if (HasFailure()) return;
  }
}

// A sync fails, and Linux calls the pages clean. What the next opening reports must be on the disk
// nevertheless.
TEST(Crash, AfterAFailedSyncWhatIsReportedIsWrittenAgain) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    env::MemoryFileSystem memory;
    env::FaultyFileSystem fs(memory);
    Bench bench(&fs, seed);
    auto log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    Put(*log, Bytes(seed, 5000));
    fs.Inject({.operation = env::Operation::kSync, .path = ".log"});
    const auto lost = log->AppendAndWait(One(Bytes(seed + 1, 9000)));
    ASSERT_FALSE(lost.ok());
    EXPECT_EQ(lost.status().reason(), Reason::WAL_POISONED);
    EXPECT_EQ(log->AppendAndWait(One("x")).status().reason(), Reason::WAL_POISONED);
    EXPECT_EQ(ReadAll(*log).size(), 2u);
    EXPECT_EQ(bench.observer.poisoned(), 1);
    EXPECT_EQ(log->Close().reason(), Reason::WAL_POISONED);
    log.reset();
    fs.Heal();
    log = bench.Open();
    ASSERT_TRUE(log);
    const auto reported = Payloads(*log);
    EXPECT_EQ(reported.size(), 3u);  // the failed write is readable, so it counts
    Prng prng(seed);
    const auto after = memory.CrashClone(prng);
    Bench reopened(after.get(), seed);
    auto survivor = reopened.Open();
    ASSERT_TRUE(survivor);
    EXPECT_EQ(Payloads(*survivor), reported);
  }
}

// One life of a log that ends with a power cut at an operation drawn by lot.
class Lives {
 public:
  // The data directory is there: it is not the log that makes it.
  explicit Lives(uint64_t seed) : prng_(seed), disk_(std::make_unique<env::MemoryFileSystem>()) {
    EXPECT_TRUE(disk_->CreateDirectories("/data").ok());
  }

  void Run(int lives) {
    for (int life = 0; life < lives && !testing::Test::HasFailure(); ++life) OneLife();
  }
  size_t recovered() const { return recovered_; }

 private:
  void OneLife() {
    uint64_t left = prng_.Below(120);
    cut_ = nullptr;
    begun_ = false;
    env::HookFileSystem fs(disk_.get(), [&] {
      if (cut_ || left-- > 0) return;
      // Now and then only the process dies: everything is readable, and not all of it is synced.
      cut_ = prng_.OneIn(4) ? disk_->Clone() : disk_->CrashClone(prng_);
      // What was acknowledged by now is what counts.
      at_cut_ = oracle_;
      acknowledged_at_cut_ = acknowledged_;
      truncating_at_cut_ = truncating_;
    });
    {
      Bench bench(&fs, prng_.Next());
      auto log = Start(bench);
      if (!log) return;
      while (!cut_ && !testing::Test::HasFailure()) Act(bench, log);
    }
    disk_ = std::move(cut_);
    oracle_ = std::move(at_cut_);
    acknowledged_ = acknowledged_at_cut_;
    truncating_ = truncating_at_cut_;
  }

  std::unique_ptr<Log> Start(Bench& bench) {
    auto opened = Log::Open(bench.options);
    if (!opened.ok()) {
      EXPECT_EQ(opened.status().reason(), Reason::SPACE_NOT_FOUND) << opened.status().ToString();
      EXPECT_FALSE(created_);
      opened = Log::Create(bench.options, AnIncarnation());
      EXPECT_TRUE(opened.ok()) << opened.status().ToString();
      if (!opened.ok()) return nullptr;
      if (!cut_) created_ = true;
      return std::move(*opened);
    }
    auto log = std::move(*opened);
    ++recovered_;
    EXPECT_FALSE(log->state().read_only) << log->state().why.ToString();
    Compare(*log);
    return log;
  }

  // What is found becomes what has to be found from now on: it was proven before it was reported.
  void Compare(Log& log) {
    const auto found = Payloads(log);
    const bool cut = truncating_ && found.size() == *truncating_;
    if (!cut) ExpectPrefix(found, oracle_, truncating_ ? *truncating_ : acknowledged_);
    if (testing::Test::HasFailure()) return;
    truncating_.reset();
    if (cut_) return;
    oracle_ = found;
    acknowledged_ = found.size();
    EXPECT_EQ(log.durable_end().value(), found.size());
  }

  void Act(Bench& bench, std::unique_ptr<Log>& log) {
    if (!begun_) {
      oracle_.push_back("epoch");
      const Status status = Begin(*log);
      ASSERT_TRUE(status.ok()) << status.ToString();
      acknowledged_ = oracle_.size();
      begun_ = true;
    }
    switch (prng_.Below(12)) {
      case 0:
        return bench.Settle();
      case 1:
        return Reopen(bench, log);
      case 2:
        return prng_.OneIn(3) ? Cut(*log) : void();
      default:
        return Write(bench, *log);
    }
  }

  void Reopen(Bench& bench, std::unique_ptr<Log>& log) {
    if (prng_.OneIn(2)) {
      ASSERT_TRUE(log->Close().ok());
    }
    log.reset();
    begun_ = false;
    log = bench.Open();
    ASSERT_TRUE(log);
    Compare(*log);
  }

  void Cut(Log& log) {
    const size_t keep = 1 + prng_.Below(oracle_.size());
    truncating_ = keep;
    ASSERT_TRUE(log.TruncateAfter(Sequence(keep)).ok());
    if (cut_) return;
    oracle_.resize(keep);
    acknowledged_ = keep;
    truncating_.reset();
    begun_ = false;
  }

  void Write(Bench& bench, Log& log) {
    const size_t before = oracle_.size();
    for (uint64_t n = 1 + prng_.Below(8); n > 0; --n) {
      const size_t size = prng_.OneIn(2) ? prng_.Below(300) : prng_.Below(9000);
      std::vector<Draft> drafts;
      for (uint64_t k = 1 + prng_.Below(3); k > 0; --k) {
        oracle_.push_back(Bytes(prng_.Next(), size));
        drafts.push_back(Episode(oracle_.back()));
      }
      const size_t through = oracle_.size();
      const auto first = log.Append(std::move(drafts), [this, through](const Status& status) {
        ASSERT_TRUE(status.ok());
        acknowledged_ = std::max(acknowledged_, through);
      });
      ASSERT_TRUE(first.ok()) << first.status().ToString();
      if (prng_.OneIn(3)) bench.executor.RunAll();
    }
    bench.executor.RunAll();
    ASSERT_EQ(acknowledged_, oracle_.size());
    ASSERT_GT(oracle_.size(), before);
  }

  Prng prng_;
  std::unique_ptr<env::MemoryFileSystem> disk_, cut_;
  std::vector<std::string> oracle_, at_cut_;
  size_t acknowledged_ = 0, acknowledged_at_cut_ = 0;
  std::optional<size_t> truncating_, truncating_at_cut_;
  bool created_ = false;
  bool begun_ = false;
  size_t recovered_ = 0;
};

TEST(Crash, LivesThatEndWithAPowerCut) {
  size_t recovered = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Lives lives(seed);
    lives.Run(15);
    recovered += lives.recovered();
    if (HasFailure()) return;
  }
  EXPECT_GE(recovered, 500u);
}

}  // namespace
}  // namespace engram::wal
