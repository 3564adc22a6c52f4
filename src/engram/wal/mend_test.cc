// Mending: what is found, what is taken, and that a crash at any step leaves a log that is whole or
// damaged as before, never shorter.
#include "engram/wal/mend.h"

#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/env/hook_file_system.h"
#include "engram/wal/log_test_kit.h"
#include "engram/wal/tool.h"

namespace engram::wal {
namespace {

constexpr size_t kEntrySize = 3000;

// Sealed segments and a last one, closed in order or killed when idle.
std::unique_ptr<env::MemoryFileSystem> MakeLog(int entries, bool clean) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  EXPECT_TRUE(Begin(*log).ok());
  for (int i = 0; i < entries; ++i) Put(*log, Bytes(i, kEntrySize));
  bench.Settle();
  bench.Settle();  // the timer had seen an earlier append; now the idle log gets its mark
  if (clean) {
    EXPECT_TRUE(log->Close().ok());
  }
  return fs.Clone();
}

std::string PathOf(env::FileSystem& fs, size_t index) {
  return SegmentPath(kDir, (*SegmentsOf(fs, kDir))[index]);
}

std::vector<Damage> DamageOf(env::FileSystem& fs) {
  std::vector<Damage> all;
  const std::vector<Sequence> segments = *SegmentsOf(fs, kDir);
  for (const Sequence segment : segments) {
    const auto check = CheckSegment(fs, kDir, segment, KnownEnd(fs, kDir), nullptr);
    EXPECT_TRUE(check.ok()) << check.status().ToString();
    if (!check.ok()) continue;
    for (const Damage& damage : check->damage) all.push_back(damage);
  }
  return all;
}

// The records of a range, as a good copy has them.
std::string Fetch(env::FileSystem& good, Sequence first, Sequence last) {
  const auto clone = dynamic_cast<env::MemoryFileSystem&>(good).Clone();
  Bench bench(clone.get());
  auto log = bench.Open();
  const auto cursor = log->NewCursor(first, ReadThrough::kAppended);
  std::string records;
  for (Sequence next = first; next <= last;) {
    Cursor::Shipped what;
    const auto more = cursor->NextRecord(&records, &what);
    EXPECT_TRUE(more.ok() && *more);
    if (!more.ok() || !*more) break;
    next = what.last.next();
  }
  return records;
}

Status MendAll(env::FileSystem& fs, env::FileSystem& good) {
  env::ManualClock clock;
  SeededEntropy entropy(99);
  for (const Damage& first : DamageOf(fs)) {
    MendRequest request;
    request.segment = first.segment;
    request.end = KnownEnd(fs, kDir);
    for (const Damage& damage : DamageOf(fs)) {
      if (damage.segment != first.segment || damage.last < damage.first) continue;
      request.patches.push_back(
          {damage.first, damage.last, Fetch(good, damage.first, damage.last)});
    }
    RETURN_IF_ERROR(MendSegment(fs, clock, entropy, kDir, request));
  }
  return OkStatus();
}

void ExpectEqual(env::FileSystem& a, env::FileSystem& b) {
  const auto one = DigestOf(a, kDir, Sequence(), Sequence());
  const auto other = DigestOf(b, kDir, Sequence(), Sequence());
  ASSERT_TRUE(one.ok()) << one.status().ToString();
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(one->last, other->last);
  EXPECT_EQ(one->digest, other->digest);
  EXPECT_TRUE(Verify(a, kDir)->good());
}

TEST(Mend, AGoodLogHasNoDamage) {
  for (const bool clean : {true, false}) {
    const auto fs = MakeLog(60, clean);
    ASSERT_GE(SegmentsOf(*fs, kDir)->size(), 3u);
    EXPECT_TRUE(DamageOf(*fs).empty());
  }
}

TEST(Mend, EveryFlippedBitIsFoundAndMended) {
  const auto good = MakeLog(60, true);
  for (size_t index = 0; index < SegmentsOf(*good, kDir)->size(); ++index) {
    const std::string path = PathOf(*good, index);
    const bool last = index + 1 == SegmentsOf(*good, kDir)->size();
    // The very last mark proves what is before it, and nothing proves the mark.
    const uint64_t size = env::ReadWholeFile(*good, path)->size() - (last ? 120 : 0);
    for (uint64_t byte = 0; byte < size; byte += byte < 400 ? 7 : 1999) {
      const auto fs = good->Clone();
      ASSERT_TRUE(env::FlipStoredBit(*fs, path, byte * 8 + byte % 8).ok());
      SCOPED_TRACE(path + " byte " + std::to_string(byte));
      const auto damage = DamageOf(*fs);
      ASSERT_EQ(damage.size(), 1u);
      EXPECT_FALSE(damage[0].open_end);
      const Status mended = MendAll(*fs, *good);
      ASSERT_TRUE(mended.ok()) << mended.ToString();
      ExpectEqual(*fs, *good);
      if (HasFailure()) return;
    }
  }
}

TEST(Mend, AMendedLogIsWrittenOn) {
  const auto good = MakeLog(60, true), fs = good->Clone();
  ASSERT_TRUE(env::FlipStoredBit(*fs, PathOf(*fs, 1), 8 * 9000).ok());
  ASSERT_TRUE(env::FlipStoredBit(*fs, LastSegmentPath(*fs), 8 * 2000).ok());
  ASSERT_TRUE(MendAll(*fs, *good).ok());
  Bench bench(fs.get());
  auto log = bench.Open();
  EXPECT_FALSE(log->state().read_only);
  ASSERT_TRUE(log->BeginEpoch(log->promised().next(), "e").ok());
  Put(*log, "more");
  EXPECT_EQ(ReadAll(*log).size(), 63u);
  ASSERT_TRUE(log->Close().ok());
  EXPECT_TRUE(Verify(*fs, kDir)->good());
}

TEST(Mend, SeveralPlacesOfOneSegment) {
  const auto good = MakeLog(60, true), fs = good->Clone();
  for (const uint64_t byte : {4000, 4010, 7500, 20000, 40000}) {
    ASSERT_TRUE(env::FlipStoredBit(*fs, PathOf(*fs, 0), byte * 8).ok());
  }
  // Two neighbours are one place.
  EXPECT_EQ(DamageOf(*fs).size(), 3u);
  ASSERT_TRUE(MendAll(*fs, *good).ok());
  ExpectEqual(*fs, *good);
}

TEST(Mend, ASegmentThatWasCutShort) {
  const auto good = MakeLog(60, true), fs = good->Clone();
  {
    const auto file = fs->Open(PathOf(*fs, 1), env::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->Truncate(10000).ok());
  }
  ASSERT_EQ(DamageOf(*fs).size(), 1u);
  ASSERT_TRUE(MendAll(*fs, *good).ok());
  ExpectEqual(*fs, *good);
}

TEST(Mend, WhatDoesNotJoinIsRefusedAndNothingChanges) {
  const auto good = MakeLog(60, true), fs = good->Clone();
  const std::string path = PathOf(*fs, 1);
  ASSERT_TRUE(env::FlipStoredBit(*fs, path, 8 * 9000).ok());
  const std::string before = *env::ReadWholeFile(*fs, path);
  const Damage damage = DamageOf(*fs).at(0);
  env::ManualClock clock;
  SeededEntropy entropy(99);
  const std::string right = Fetch(*good, damage.first, damage.last);
  std::string flipped = right;
  flipped[right.size() / 2] = static_cast<char>(flipped[right.size() / 2] ^ 1);
  for (const std::string& records :
       {std::string(), flipped, right + right, right.substr(0, right.size() - 1),
        Fetch(*good, damage.first.next(), damage.last.next()),
        Fetch(*good, damage.first.prev(), damage.last)}) {
    const Status status =
        MendSegment(*fs, clock, entropy, kDir,
                    {damage.segment, {{damage.first, damage.last, records}}, {}, {}});
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(*env::ReadWholeFile(*fs, path), before);
  }
}

// The entries at the end are not given up because nobody knows how many they were.
TEST(Mend, AnEndThatNothingTellsOfIsLeftAlone) {
  const auto good = MakeLog(3, false), fs = good->Clone();
  const std::string path = LastSegmentPath(*fs);
  const Sequence last(4);  // behind the EpochStart
  // The head of the last entry, below the mark of the idle log.
  uint64_t at = 0;
  ASSERT_TRUE(Dump(*good, kDir, [&](const DumpRecord& record) {
                if (record.header.sequence == last) at = record.offset;
                return true;
              }).ok());
  ASSERT_TRUE(env::FlipStoredBit(*fs, path, 8 * (at + 5)).ok());
  const std::string before = *env::ReadWholeFile(*fs, path);
  ASSERT_EQ(DamageOf(*fs).size(), 1u);
  EXPECT_TRUE(DamageOf(*fs)[0].open_end);
  EXPECT_EQ(MendAll(*fs, *good).reason(), Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(*env::ReadWholeFile(*fs, path), before);
}

TEST(Mend, ACrashAtAnyStepLeavesTheOldOrTheNewOne) {
  const auto good = MakeLog(60, true), damaged = good->Clone();
  ASSERT_TRUE(env::FlipStoredBit(*damaged, PathOf(*damaged, 1), 8 * 9000).ok());
  std::vector<std::unique_ptr<env::MemoryFileSystem>> crashes;
  env::HookFileSystem hooked(damaged.get(), [&] {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      Prng prng(seed);
      crashes.push_back(damaged->CrashClone(prng));
    }
  });
  ASSERT_TRUE(MendAll(hooked, *good).ok());
  int old = 0, mended = 0;
  for (const auto& crashed : crashes) {
    Bench bench(crashed.get());
    auto log = bench.Open();
    ASSERT_NE(log, nullptr);
    ASSERT_TRUE(log->Close().ok());
    DamageOf(*crashed).empty() ? ++mended : ++old;
    ASSERT_TRUE(MendAll(*crashed, *good).ok());
    ExpectEqual(*crashed, *good);
  }
  EXPECT_GT(old, 0);
  EXPECT_GT(mended, 0);
}

}  // namespace
}  // namespace engram::wal
