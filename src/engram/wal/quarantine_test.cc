// What a rewind keeps, and that it keeps all of it.
#include "engram/wal/quarantine.h"

#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/wal/log_test_kit.h"

namespace engram::wal {
namespace {

struct Quarantine : testing::Test {
  env::MemoryFileSystem fs;
  Bench bench{&fs};
  std::unique_ptr<Log> log;

  void Fill(int entries, uint64_t seed) {
    if (!log) log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    for (int i = 1; i < entries; ++i) Put(*log, Bytes(seed + static_cast<uint64_t>(i), 2000));
  }
  std::vector<record::Entry> Saved() {
    std::vector<record::Entry> out;
    const auto files = ListQuarantine(fs, kDir);
    EXPECT_TRUE(files.ok());
    for (const QuarantineFile& file : *files) {
      Sequence next = file.first;
      const Status status = ReadQuarantine(fs, kDir, file, [&](const record::Entry& entry) {
        EXPECT_EQ(entry.header.sequence, next);
        next = next.next();
        out.push_back(entry);
        return OkStatus();
      });
      EXPECT_TRUE(status.ok()) << status.ToString();
      EXPECT_EQ(next, file.last.next());
      EXPECT_EQ(out.back().header.epoch, file.epoch);
    }
    return out;
  }
};

TEST_F(Quarantine, HoldsWhatWasCutWhereverTheCutWas) {
  for (uint64_t last = 0; last < 100; ++last) {
    ASSERT_TRUE(fs.RemoveAll("/data").ok());
    log = nullptr;
    Fill(100, last);
    const auto before = ReadAll(*log);
    ASSERT_TRUE(log->TruncateAfter(Sequence(last)).ok());
    const auto saved = Saved();
    ASSERT_EQ(saved.size(), 100 - last) << "cut behind " << last;
    for (size_t i = 0; i < saved.size(); ++i) {
      EXPECT_EQ(saved[i].header, before[last + i].header);
      EXPECT_EQ(saved[i].payload, before[last + i].payload);
    }
  }
}

TEST_F(Quarantine, NoCutHidesAnother) {
  Fill(20, 1);
  ASSERT_TRUE(log->TruncateAfter(Sequence(10)).ok());
  Fill(10, 500);
  ASSERT_TRUE(log->TruncateAfter(Sequence(10)).ok());
  const auto saved = Saved();
  ASSERT_EQ(saved.size(), 20u);
  EXPECT_EQ(saved[0].header.epoch, Epoch(1));
  EXPECT_EQ(saved[10].header.epoch, Epoch(2));
}

TEST_F(Quarantine, NothingThereIsNoError) {
  Fill(3, 1);
  EXPECT_TRUE(ListQuarantine(fs, kDir)->empty());
  ASSERT_TRUE(fs.CreateDirectory(QuarantineDirectory(kDir)).ok());
  const std::string other = env::JoinPath(QuarantineDirectory(kDir), "damaged-1.log");
  ASSERT_TRUE(env::ReplaceFile(fs, other, "x").ok());
  EXPECT_TRUE(ListQuarantine(fs, kDir)->empty());
}

TEST_F(Quarantine, DamageAndRefusalsAreTold) {
  Fill(20, 1);
  ASSERT_TRUE(log->TruncateAfter(Sequence(10)).ok());
  const QuarantineFile file = ListQuarantine(fs, kDir)->front();
  const auto refuse = [](const record::Entry&) { return Status(Reason::IO, "no"); };
  EXPECT_EQ(ReadQuarantine(fs, kDir, file, refuse).reason(), Reason::IO);
  const std::string path = env::JoinPath(QuarantineDirectory(kDir), file.name);
  auto opened = fs.Open(path, env::OpenMode::kReadWrite);
  ASSERT_TRUE((*opened)->WriteAt(file.bytes - 100, "damage").ok());
  const Status status =
      ReadQuarantine(fs, kDir, file, [](const record::Entry&) { return OkStatus(); });
  EXPECT_EQ(status.reason(), Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(status.metadata().at("file"), path);
}

// The copy is all that is left of it: it is made of what a second reading bears out.
TEST_F(Quarantine, ABitThatIsReadWrongOnceCostsNothing) {
  for (uint64_t after = 0; after < 8; ++after) {
    for (uint64_t times = 1; times < 3; ++times) {
      SCOPED_TRACE("after " + std::to_string(after) + ", times " + std::to_string(times));
      ASSERT_TRUE(fs.RemoveAll("/data").ok());
      log = nullptr;
      env::FaultyFileSystem faulty(fs);
      bench.options.fs = &faulty;
      Fill(20, after);
      faulty.Inject({.operation = env::Operation::kRead,
                     .effect = env::Fault::Effect::kFlip,
                     .path = "/wal/",
                     .after = after,
                     .times = times,
                     .where = 30'000 * 8});  // in entry 15 or so
      if (!log->TruncateAfter(Sequence(10)).ok()) {
        log = nullptr;
        log = bench.Open();  // goes on with it
      }
      ASSERT_NE(log, nullptr);
      EXPECT_EQ(log->end(), Sequence(10));
      EXPECT_EQ(Saved().size(), 10u);
      log = nullptr;
      bench.options.fs = &fs;
    }
  }
}

TEST_F(Quarantine, WhatCannotBeReadIsKeptAsItStands) {
  Fill(20, 1);
  auto opened = fs.Open(SegmentPath(kDir, Sequence(1)), env::OpenMode::kReadWrite);
  ASSERT_TRUE((*opened)->WriteAt(30'000, "damage").ok());
  ASSERT_TRUE(log->TruncateAfter(Sequence(10)).ok());
  EXPECT_TRUE(bench.observer.Saw("quarantine_damaged"));
  const QuarantineFile file = ListQuarantine(fs, kDir)->front();
  EXPECT_EQ(file.last, Sequence(20));
  EXPECT_GT(file.bytes, 20'000u);
  size_t read = 0;
  const Status status = ReadQuarantine(fs, kDir, file, [&](const record::Entry&) {
    ++read;
    return OkStatus();
  });
  EXPECT_EQ(status.reason(), Reason::CORRUPTION_DETECTED);
  EXPECT_GT(read, 2u);
  EXPECT_LT(read, 10u);
}

TEST_F(Quarantine, TellsWhenItOutgrowsItsBound) {
  bench.options.quarantine_bytes_max = 30'000;
  Fill(20, 1);
  ASSERT_TRUE(log->TruncateAfter(Sequence(10)).ok());
  EXPECT_FALSE(bench.observer.Saw("quarantine_full"));
  Fill(10, 500);
  ASSERT_TRUE(log->TruncateAfter(Sequence(10)).ok());
  EXPECT_TRUE(bench.observer.Saw("quarantine_full"));
  EXPECT_EQ(Saved().size(), 20u);
}

}  // namespace
}  // namespace engram::wal
