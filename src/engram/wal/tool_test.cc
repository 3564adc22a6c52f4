#include "engram/wal/tool.h"

#include <set>

#include <gmock/gmock.h>

#include "engram/env/faulty_file_system.h"
#include "engram/wal/log_test_kit.h"

namespace engram::wal {
namespace {

using testing::HasSubstr;

// 101 entries of 2 KB in four segments, closed in order.
std::unique_ptr<env::MemoryFileSystem> ALog() {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  EXPECT_TRUE(Begin(*log).ok());
  for (int i = 2; i <= 101; ++i) Put(*log, Bytes(i, 2000));
  bench.Settle();
  EXPECT_TRUE(log->Close().ok());
  log.reset();
  return fs.Clone();
}

std::vector<std::string> SegmentPaths(env::FileSystem& fs) {
  std::vector<std::string> out;
  const auto names = fs.List(SegmentDirectory(kDir));
  for (const std::string& name : *names) {
    if (ParseSegmentName(name)) out.push_back(env::JoinPath(SegmentDirectory(kDir), name));
  }
  return out;
}

void Flip(env::FileSystem& fs, const std::string& path, uint64_t byte) {
  ASSERT_TRUE(env::FlipStoredBit(fs, path, byte * 8).ok());
}

// Opens what a repair left, and tells which sequences can be read.
std::set<uint64_t> Readable(env::FileSystem& fs) {
  Bench bench(&fs);
  const auto log = bench.Open();
  std::set<uint64_t> out;
  if (!log) return out;
  EXPECT_FALSE(log->state().read_only) << log->state().why.ToString();
  for (const auto& entry : ReadAll(*log)) out.insert(entry.header.sequence.value());
  EXPECT_TRUE(Begin(*log).ok());
  return out;
}

TEST(Verify, AGoodLog) {
  const auto fs = ALog();
  const auto report = Verify(*fs, kDir);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->good());
  EXPECT_TRUE(report->clean);
  EXPECT_EQ(report->entries, 101u);
  EXPECT_EQ(report->first, Sequence(1));
  EXPECT_EQ(report->last, Sequence(101));
  EXPECT_EQ(report->space, "s");
  EXPECT_EQ(report->segments.size(), SegmentPaths(*fs).size());
  EXPECT_EQ(report->epochs, (std::vector<EpochBegin>{{Epoch(1), Sequence(1)}}));
}

TEST(Verify, OfARunningLogNothingIsDamaged) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 40; ++i) {
    Put(*log, Bytes(i, 3300));
    const auto report = Verify(fs, kDir);
    ASSERT_TRUE(report.ok());
    ASSERT_TRUE(report->good()) << report->damage[0].what;
    ASSERT_EQ(report->entries, static_cast<uint64_t>(i + 2));
  }
}

TEST(Verify, NoLogIsAnError) {
  env::MemoryFileSystem fs;
  EXPECT_EQ(Verify(fs, kDir).status().reason(), Reason::SPACE_NOT_FOUND);
}

TEST(Verify, DamageIsToldWithAllItsFacts) {
  const auto fs = ALog();
  const auto paths = SegmentPaths(*fs);
  const auto whole = Verify(*fs, kDir);
  uint64_t offset = 0;
  ASSERT_TRUE(Dump(*fs, kDir, [&](const DumpRecord& record) {
                if (record.header.sequence == Sequence(10)) offset = record.offset;
                return offset == 0;
              }).ok());
  Flip(*fs, paths[0], offset + 200);
  const auto report = Verify(*fs, kDir);
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->damage.size(), 1u);
  const DamageReport& damage = report->damage[0];
  EXPECT_EQ(damage.file, paths[0]);
  EXPECT_EQ(damage.offset, offset);
  EXPECT_EQ(damage.sequence, Sequence(10));
  EXPECT_THAT(damage.what, HasSubstr("payload checksum"));
  EXPECT_EQ(damage.expected.size(), 8u);
  EXPECT_NE(damage.expected, damage.actual);
  EXPECT_EQ(damage.good_before, 9u);
  EXPECT_EQ(damage.next_sequence, Sequence(11));
  EXPECT_EQ(damage.good_after, 91u);
  EXPECT_EQ(damage.lost(), 1u);
  EXPECT_THAT(damage.verdict, HasSubstr("nothing is cut"));
}

TEST(Verify, HolesAreGood) {
  const auto fs = ALog();
  PunchHole(*fs, SegmentPaths(*fs)[1], 40, 50);
  const auto report = Verify(*fs, kDir);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->good()) << report->damage[0].what;
  EXPECT_EQ(report->holes, 1u);
  EXPECT_EQ(report->entries, 90u);
}

TEST(Dump, EveryRecordWithALineAboutIt) {
  const auto fs = ALog();
  std::vector<std::string> lines;
  ASSERT_TRUE(Dump(*fs, kDir, [&](const DumpRecord& record) {
                lines.push_back(Describe(record.header, record.payload));
                return lines.size() < 4;
              }).ok());
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[0], HasSubstr("SyncMark synced through"));
  EXPECT_THAT(lines[1], HasSubstr("EpochStart"));
  EXPECT_THAT(lines[3], HasSubstr("EpisodeStore"));
}

TEST(Digest, DependsOnEntriesAlone) {
  const auto fs = ALog();
  const auto whole = DigestOf(*fs, kDir, Sequence(1), Sequence());
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->entries, 101u);
  // The same entries in one segment with other marks.
  env::MemoryFileSystem other;
  Bench bench(&other, 99);
  bench.options.segment_bytes = 1u << 20;
  const auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 2; i <= 101; ++i) ASSERT_TRUE(log->Append(One(Bytes(i, 2000)), nullptr).ok());
  bench.executor.RunAll();
  EXPECT_EQ(DigestOf(other, kDir, Sequence(1), Sequence())->digest, whole->digest);
  EXPECT_NE(DigestOf(other, kDir, Sequence(1), Sequence(100))->digest, whole->digest);
  Flip(*fs, SegmentPaths(*fs)[0], 5000);
  EXPECT_EQ(DigestOf(*fs, kDir, Sequence(1), Sequence()).status().reason(),
            Reason::CORRUPTION_DETECTED);
}

TEST(Repair, AGoodLogNeedsNone) {
  const auto fs = ALog();
  const auto report = Repair(*fs, kDir, true);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->steps.empty());
  EXPECT_EQ(Readable(*fs).size(), 101u);
}

TEST(Repair, GivesUpWhatIsDamagedAndNothingElse) {
  Prng prng(5);
  for (int round = 0; round < 60; ++round) {
    const auto fs = ALog();
    const auto paths = SegmentPaths(*fs);
    const std::string path = paths[prng.Below(paths.size())];
    const uint64_t size = env::ReadWholeFile(*fs, path)->size();
    // Behind the head, which the first segment cannot do without.
    Flip(*fs, path, 300 + prng.Below(size - 500));
    SCOPED_TRACE(path);
    const auto found = Verify(*fs, kDir);
    if (found->good()) continue;  // a mark: nothing depends on it
    const auto dry = Repair(*fs, kDir, false);
    ASSERT_TRUE(dry.ok()) << dry.status().ToString();
    EXPECT_FALSE(dry->applied);
    EXPECT_FALSE(dry->steps.empty());
    EXPECT_FALSE(Verify(*fs, kDir)->good()) << "a dry run changed something";
    const auto report = Repair(*fs, kDir, true);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(report->entries_lost, dry->entries_lost);
    EXPECT_TRUE(*fs->Exists(
        env::JoinPath(QuarantineDirectory(kDir), "damaged-" + path.substr(path.rfind('/') + 1))));
    const auto readable = Readable(*fs);
    EXPECT_EQ(readable.size(), report->entries_kept);
    EXPECT_GE(readable.size(), 100u);
    EXPECT_TRUE(Verify(*fs, kDir)->good());
    if (HasFailure()) return;
  }
}

TEST(Repair, AMissingSegmentBecomesAHole) {
  const auto fs = ALog();
  const auto paths = SegmentPaths(*fs);
  ASSERT_GE(paths.size(), 4u);
  ASSERT_TRUE(fs->Remove(paths[1]).ok());
  const auto report = Repair(*fs, kDir, true);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_GT(report->entries_lost, 20u);
  const auto readable = Readable(*fs);
  EXPECT_EQ(readable.size() + report->entries_lost, 101u);
  EXPECT_TRUE(readable.count(101));
}

TEST(Repair, ADamagedHeadInTheMiddle) {
  const auto fs = ALog();
  Flip(*fs, SegmentPaths(*fs)[2], 70);
  const auto report = Repair(*fs, kDir, true);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->entries_lost, 0u);
  EXPECT_EQ(Readable(*fs).size(), 101u);
}

TEST(Repair, SpaceMetaIsMadeAnew) {
  const auto fs = ALog();
  Flip(*fs, MetaPath(kDir), 60);
  Flip(*fs, MetaPath(kDir), 32768 + 60);
  EXPECT_FALSE(Verify(*fs, kDir)->good());
  const auto report = Repair(*fs, kDir, true);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->entries_lost, 0u);
  EXPECT_EQ(Readable(*fs).size(), 101u);
}

TEST(Repair, AMisplacedSegmentIsNotTouched) {
  const auto fs = ALog();
  const auto paths = SegmentPaths(*fs);
  auto head = *ReadSegmentHead(**fs->Open(paths[1], env::OpenMode::kRead));
  const std::string rest = env::ReadWholeFile(*fs, paths[1])->substr(head.size);
  head.header.space = "other";
  ASSERT_TRUE(env::ReplaceFile(*fs, paths[1], EncodeSegmentHead(head.header, 0) + rest).ok());
  const std::string before = *env::ReadWholeFile(*fs, paths[1]);
  EXPECT_EQ(Repair(*fs, kDir, true).status().reason(), Reason::PERSISTENCE);
  EXPECT_EQ(*env::ReadWholeFile(*fs, paths[1]), before);
}

}  // namespace
}  // namespace engram::wal
