// A copy that begins anew: its log is cut to nothing, into quarantine, and receives again from 1.
// With a power cut at every step of the way.
#include <algorithm>

#include <gtest/gtest.h>

#include "engram/env/hook_file_system.h"
#include "engram/wal/quarantine.h"
#include "engram/wal/replica_test_kit.h"
#include "engram/wal/tool.h"

namespace engram::wal {
namespace {

constexpr uint64_t kEntries = 60;
const Log::Floors kBefore{Sequence(4), {Epoch(1), Sequence(5)}, {}, {}};
const Log::Floors kAnew{{}, {}, Epoch(7), Sequence(90)};

struct CopyBench : Bench {
  explicit CopyBench(env::FileSystem* fs) : Bench(fs, 3) {
    options.commit_is_durable = false;
    options.segment_bytes = 8192;
  }
};

struct BeginAnew : testing::Test {
  void SetUp() override {
    primary = bench.Create();
    ASSERT_TRUE(Begin(*primary).ok());
    for (uint64_t i = 2; i <= kEntries; ++i) Put(*primary, Bytes(static_cast<int>(i), 500));
    CopyBench copy_bench(&disk);
    auto copy = copy_bench.Create();
    ASSERT_TRUE(copy->Promise(Epoch(1)).ok());
    ASSERT_TRUE(Receive(*copy, Ship(*primary, Sequence(1), kEntries)).ok());
    copy_bench.Settle();
    copy->SetCommit(Sequence(50));
    ASSERT_TRUE(copy->SetFloors(kBefore).ok());
    ASSERT_TRUE(copy->Close().ok());
  }

  // Everything that the log had is in quarantine, once.
  static void ExpectKept(env::FileSystem& fs) {
    const auto files = ListQuarantine(fs, kDir);
    ASSERT_TRUE(files.ok());
    std::vector<bool> found(kEntries + 1);
    for (const QuarantineFile& file : *files) {
      const auto take = [&](const record::Entry& entry) {
        found[entry.header.sequence.value()] = true;
        return OkStatus();
      };
      ASSERT_TRUE(ReadQuarantine(fs, kDir, file, take).ok());
    }
    EXPECT_EQ(std::count(found.begin() + 1, found.end(), true), static_cast<int64_t>(kEntries));
  }

  env::MemoryFileSystem primary_fs, disk;
  Bench bench{&primary_fs};
  std::unique_ptr<Log> primary;
};

Status DoBeginAnew(Log& log) {
  RETURN_IF_ERROR(log.Promise(Epoch(7)));
  RETURN_IF_ERROR(log.TruncateAfter(Sequence()));
  return log.SetFloors(kAnew);
}

TEST_F(BeginAnew, LeavesAnEmptyLogUnderItsPromise) {
  CopyBench bench(&disk);
  auto log = bench.Open();
  ASSERT_TRUE(DoBeginAnew(*log).ok());
  EXPECT_EQ(log->end(), Sequence());
  EXPECT_EQ(log->committed_end(), Sequence());
  EXPECT_TRUE(log->history().empty());
  EXPECT_EQ(log->promised(), Epoch(7));
  EXPECT_EQ(log->floors().begun_epoch, Epoch(7));
  EXPECT_EQ(log->floors().tombstone, Sequence());
  ExpectKept(disk);
}

TEST_F(BeginAnew, ThroughAPowerCutAtEveryStep) {
  Prng prng(11);
  for (uint64_t step = 0;; ++step) {
    const auto before = disk.Clone();
    std::unique_ptr<env::MemoryFileSystem> cut;
    uint64_t left = step;
    bool promised = false;
    env::HookFileSystem fs(before.get(), [&] {
      if (cut == nullptr && left-- == 0) cut = before->CrashClone(prng);
    });
    {
      CopyBench bench(&fs);
      auto log = bench.Open();
      ASSERT_TRUE(log);
      promised = log->Promise(Epoch(7)).ok() && cut == nullptr;
      ASSERT_TRUE(DoBeginAnew(*log).ok());
    }
    if (cut == nullptr) {
      EXPECT_GT(step, 20u);
      return;
    }
    CopyBench bench(cut.get());
    auto log = bench.Open();
    ASSERT_TRUE(log) << "step " << step;
    ASSERT_FALSE(log->state().read_only) << "step " << step << log->state().why.ToString();
    ASSERT_TRUE(log->end().is_zero() || log->end() == Sequence(kEntries)) << "step " << step;
    if (promised) EXPECT_EQ(log->promised(), Epoch(7)) << "step " << step;
    if (log->end().is_zero()) ExpectKept(*cut);
    ASSERT_TRUE(DoBeginAnew(*log).ok()) << "step " << step;
    ASSERT_TRUE(Receive(*log, Ship(*primary, Sequence(1), kEntries)).ok());
    bench.Settle();
    EXPECT_EQ(RawLog(*log), RawLog(*primary)) << "step " << step;
    ASSERT_TRUE(log->Close().ok());
    EXPECT_TRUE(Verify(*cut, kDir)->good()) << "step " << step;
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace engram::wal
