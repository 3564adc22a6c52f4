// Rewind, holes, and what is left of both after reopening.
#include <gtest/gtest.h>

#include "engram/wal/log_test_kit.h"
#include "engram/wal/tool.h"

namespace engram::wal {
namespace {

struct Rewound : testing::Test {
  env::MemoryFileSystem fs;
  Bench bench{&fs};
  std::unique_ptr<Log> log;

  void Fill(int entries) {
    log = bench.Create();
    ASSERT_TRUE(Begin(*log).ok());
    for (int i = 2; i <= entries; ++i) Put(*log, Bytes(i, 2000));
  }
};

TEST_F(Rewound, EverythingAboveIsGoneAndInQuarantine) {
  for (const uint64_t last : {99, 70, 33, 2, 1}) {
    fs.RemoveAll("/data").ok();
    Fill(100);
    const uint32_t crc = (*log->IdentityAt(Sequence(last)))->header_crc;
    ASSERT_TRUE(log->TruncateAfter(Sequence(last)).ok());
    EXPECT_EQ(log->end(), Sequence(last));
    EXPECT_EQ(log->durable_end(), Sequence(last));
    EXPECT_EQ(log->committed_end(), Sequence(last));
    EXPECT_EQ(ReadAll(*log).size(), last);
    EXPECT_EQ(log->AppendAndWait(One("x")).status().reason(), Reason::WAL_FAILED);
    ASSERT_TRUE(Begin(*log).ok());
    EXPECT_EQ(Put(*log, "new"), Sequence(last + 2));
    const auto entries = ReadAll(*log);
    EXPECT_EQ(entries[last].header.chain, crc);
    EXPECT_EQ(entries[last].header.epoch, Epoch(2));
    log.reset();
    log = bench.Open();
    EXPECT_EQ(ReadAll(*log).size(), last + 2);
    const auto saved = fs.List(QuarantineDirectory(kDir));
    ASSERT_TRUE(saved.ok());
    uint64_t entries_saved = 0;
    for (const std::string& name : *saved) {
      auto file = fs.Open(env::JoinPath(QuarantineDirectory(kDir), name), env::OpenMode::kRead);
      FileSource source(**file, *(*file)->Size());
      ASSERT_TRUE(ReadSegmentHead(**file).ok());
      ASSERT_TRUE(SearchRecords(source, 0, [&](const Record& record) {
                    entries_saved += !record.header.sequence.is_zero();
                    return true;
                  }).ok());
    }
    EXPECT_EQ(entries_saved, 100 - last);
    EXPECT_TRUE(Verify(fs, kDir)->good());
    log.reset();
  }
}

TEST_F(Rewound, ACursorNoticesAndGoesOn) {
  Fill(60);
  const auto cursor = log->NewCursor(Sequence(1));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE((*cursor->Next()).has_value());
  ASSERT_TRUE(log->TruncateAfter(Sequence(50)).ok());
  EXPECT_FALSE((*cursor->Next()).has_value());
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "again");
  EXPECT_EQ((*cursor->Next())->header.epoch, Epoch(2));
  EXPECT_EQ((*cursor->Next())->payload, "again");
  EXPECT_FALSE(log->state().read_only);
}

TEST_F(Rewound, TheHistoryIsCutToo) {
  Fill(10);
  log.reset();
  log = bench.Open();
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "second epoch");
  EXPECT_EQ(log->history().size(), 2u);
  ASSERT_TRUE(log->TruncateAfter(Sequence(10)).ok());
  EXPECT_EQ(log->history(), (std::vector<EpochBegin>{{Epoch(1), Sequence(1)}}));
  EXPECT_EQ(log->epoch(), Epoch(1));
  EXPECT_EQ(log->promised(), Epoch(2));
  ASSERT_TRUE(Begin(*log).ok());
  EXPECT_EQ(log->epoch(), Epoch(3));
}

TEST_F(Rewound, ACleanEndIsForgotten) {
  Fill(10);
  ASSERT_TRUE(log->Close().ok());
  log = bench.Open();
  ASSERT_TRUE(log->TruncateAfter(Sequence(4)).ok());
  log.reset();
  log = bench.Open();
  EXPECT_FALSE(log->state().read_only) << log->state().why.ToString();
  EXPECT_EQ(log->end(), Sequence(4));
}

TEST(Holes, AreSteppedOverByCursorReadAndRecovery) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 2; i <= 100; ++i) Put(*log, Bytes(i, 2000));
  log.reset();
  const auto names = fs.List(SegmentDirectory(kDir));
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    if (ParseSegmentName(name)) paths.push_back(env::JoinPath(SegmentDirectory(kDir), name));
  }
  ASSERT_GE(paths.size(), 4u);
  const uint64_t second = ParseSegmentName(paths[1].substr(paths[1].rfind('/') + 1))->value();
  const uint64_t fourth = ParseSegmentName(paths[3].substr(paths[3].rfind('/') + 1))->value();
  PunchHole(fs, paths[0], 5, 9);
  PunchHole(fs, paths[1], second, second + 3);      // at the head of a segment
  PunchHole(fs, paths[2], fourth - 4, fourth - 1);  // at the end of one
  PunchHole(fs, paths.back(), 98, 99);              // in the active one
  const auto removed = [&](uint64_t s) {
    return (s >= 5 && s <= 9) || (s >= second && s <= second + 3) ||
           (s >= fourth - 4 && s < fourth) || s == 98 || s == 99;
  };
  log = bench.Open();
  ASSERT_FALSE(log->state().read_only) << log->state().why.ToString();
  std::vector<uint64_t> expected, found;
  for (uint64_t s = 1; s <= 100; ++s) {
    if (!removed(s)) expected.push_back(s);
    const auto entry = log->Read(Sequence(s));
    ASSERT_EQ(entry.ok(), !removed(s)) << s << " " << entry.status().ToString();
    ASSERT_EQ(log->IdentityAt(Sequence(s))->has_value(), !removed(s));
    const auto cursor = log->NewCursor(Sequence(s));
    uint64_t next = s;
    while (removed(next)) ++next;
    const auto first = cursor->Next();
    ASSERT_TRUE(first.ok() && *first) << s;
    ASSERT_EQ((*first)->header.sequence, Sequence(next));
  }
  for (const auto& entry : ReadAll(*log)) found.push_back(entry.header.sequence.value());
  EXPECT_EQ(found, expected);
  EXPECT_EQ(log->first(), Sequence(1));
  ASSERT_TRUE(Begin(*log).ok());
  EXPECT_EQ(Put(*log, "behind"), Sequence(102));
}

TEST(Holes, ALogMayBeginWithOne) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 2; i <= 10; ++i) Put(*log, Bytes(i, 100));
  log.reset();
  PunchHole(fs, LastSegmentPath(fs), 1, 4);
  log = bench.Open();
  EXPECT_EQ(log->first(), Sequence(5));
  EXPECT_EQ(ReadAll(*log).size(), 6u);
}

}  // namespace
}  // namespace engram::wal
