// Damage: bits that flip, files that are cut, lost, foreign or too new. Never silent, never cut.
#include <gtest/gtest.h>

#include "engram/base/hash.h"
#include "engram/env/faulty_file_system.h"
#include "engram/record/local.h"
#include "engram/wal/log_test_kit.h"
#include "engram/wal/recovery.h"

namespace engram::wal {
namespace {

// A log of several groups, killed after the mark of the idle log was written.
std::unique_ptr<env::MemoryFileSystem> KilledLog(int entries, size_t size, uint64_t segment_bytes) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  bench.options.segment_bytes = segment_bytes;
  auto log = bench.Create();
  EXPECT_TRUE(Begin(*log).ok());
  for (int i = 0; i < entries; ++i) Put(*log, Bytes(i, size));
  bench.Settle();
  return fs.Clone();
}

// Where the last mark claims the segment to be synced.
uint64_t Marked(env::FileSystem& fs, const std::string& path) {
  auto file = fs.Open(path, env::OpenMode::kRead);
  FileSource source(**file, *(*file)->Size());
  const auto head = ReadSegmentHead(**file);
  return ScanSegment(source, *head, nullptr)->marked;
}

// Opens, and reads everything. The damage must have been told of, by one or the other.
void ExpectReported(env::FileSystem& fs, size_t entries) {
  Bench bench(&fs);
  auto log = Log::Open(bench.options);
  if (!log.ok()) {
    const Reason reason = log.status().reason();
    EXPECT_TRUE(reason == Reason::PERSISTENCE || reason == Reason::UNSUPPORTED_VERSION ||
                reason == Reason::CORRUPTION_DETECTED)
        << log.status().ToString();
    return;
  }
  const bool read_only = (*log)->state().read_only;
  const auto cursor = (*log)->NewCursor(Sequence(1));
  size_t read = 0;
  Status error;
  while (true) {
    auto entry = cursor->Next();
    if (!entry.ok()) error = entry.status();
    if (!entry.ok() || !*entry) break;
    ++read;
  }
  EXPECT_TRUE(read_only || !error.ok());
  EXPECT_TRUE(!error.ok() || read == entries) << "silently shorter: " << read;
  if (!error.ok()) {
    EXPECT_EQ(error.metadata().count("file"), 1u);
    EXPECT_EQ(error.metadata().count("offset"), 1u);
    EXPECT_EQ(error.metadata().count("sequence"), 1u);
  }
  EXPECT_TRUE((*log)->state().read_only);
  EXPECT_EQ((*log)->BeginEpoch((*log)->promised().next(), "e").reason(),
            Reason::CORRUPTION_DETECTED);
}

// What no mark proves is written again at an opening, from what is read then.
TEST(Damage, ABitThatIsReadWrongOnceIsNotWrittenOverTheGoodOne) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 4; ++i) Put(*log, Bytes(i, 150));
  const auto killed = fs.Clone();  // no mark behind the last group
  const std::string path = LastSegmentPath(*killed);
  const std::string before = *env::ReadWholeFile(*killed, path);
  const uint64_t marked = Marked(*killed, path);
  size_t failed = 0;
  for (uint64_t reads = 0; reads < 40; ++reads) {
    const auto disk = killed->Clone();
    env::FaultyFileSystem faulty(*disk);
    faulty.Inject({.operation = env::Operation::kRead,
                   .effect = env::Fault::Effect::kFlip,
                   .path = "wal/",
                   .after = reads,
                   .where = (marked + 100) * 8 + 3});
    Bench other(&faulty);
    failed += Log::Open(other.options).ok() ? 0 : 1;
    SCOPED_TRACE("read " + std::to_string(reads));
    // In the first reading it looks torn and is cut off; it is never there with other bytes.
    const std::string after = *env::ReadWholeFile(*disk, path);
    for (uint64_t at = marked; at < std::min<uint64_t>(marked + 250, after.size()); ++at) {
      ASSERT_TRUE(after[at] == before[at] || after[at] == 0) << "byte " << at;
    }
  }
  EXPECT_GT(failed, 0u);
}

TEST(Damage, AFlippedBitBelowTheLastMarkIsAlwaysReportedAndNeverCut) {
  const auto good = KilledLog(6, 150, 64u << 10);
  const std::string path = LastSegmentPath(*good);
  const uint64_t marked = Marked(*good, path);
  ASSERT_GT(marked, 6 * 200u);
  const std::string before = *env::ReadWholeFile(*good, path);
  for (uint64_t byte = 0; byte < marked; ++byte) {
    const auto fs = good->Clone();
    ASSERT_TRUE(env::FlipStoredBit(*fs, path, byte * 8 + byte % 8).ok());
    const std::string flipped = *env::ReadWholeFile(*fs, path);
    SCOPED_TRACE("byte " + std::to_string(byte));
    ExpectReported(*fs, 7);
    ASSERT_EQ(*env::ReadWholeFile(*fs, path), flipped) << "the damaged file was changed";
    if (HasFailure()) return;
  }
}

TEST(Damage, EveryBitOfAHeader) {
  const auto good = KilledLog(2, 150, 64u << 10);
  const std::string path = LastSegmentPath(*good);
  auto file = good->Open(path, env::OpenMode::kRead);
  const auto head = ReadSegmentHead(**file);
  FileSource source(**file, *(*file)->Size());
  uint64_t at = 0;
  ASSERT_TRUE(ScanSegment(source, *head, [&](const Record& record) {
                if (record.header.sequence == Sequence(2)) at = record.offset;
              }).ok());
  ASSERT_GT(at, 0u);
  for (uint64_t bit = 0; bit < 64 * 8; ++bit) {
    const auto fs = good->Clone();
    ASSERT_TRUE(env::FlipStoredBit(*fs, path, at * 8 + bit).ok());
    SCOPED_TRACE("bit " + std::to_string(bit));
    ExpectReported(*fs, 3);
    if (HasFailure()) return;
  }
}

TEST(Damage, FlippedBitsInSealedSegmentsAndAfterACleanEnd) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 80; ++i) Put(*log, Bytes(i, 3300));
  ASSERT_TRUE(log->Close().ok());
  log.reset();
  const auto names = *fs.List(SegmentDirectory(kDir));
  Prng prng(3);
  for (int round = 0; round < 300; ++round) {
    std::string name = names[prng.Below(names.size())];
    if (!ParseSegmentName(name)) continue;
    const std::string path = env::JoinPath(SegmentDirectory(kDir), name);
    const auto copy = fs.Clone();
    const uint64_t bits = env::ReadWholeFile(*copy, path)->size() * 8;
    // The last record of the last segment is a mark, which nothing depends on.
    const uint64_t spared = path == LastSegmentPath(*copy) ? 91 * 8 : 0;
    const uint64_t bit = prng.Below(bits - spared);
    ASSERT_TRUE(env::FlipStoredBit(*copy, path, bit).ok());
    SCOPED_TRACE(name + " bit " + std::to_string(bit));
    ExpectReported(*copy, 81);
    if (HasFailure()) return;
  }
}

TEST(Damage, EntriesBehindDamageAreStillServed) {
  const auto fs = KilledLog(60, 800, 1u << 20);
  const std::string path = LastSegmentPath(*fs);
  ASSERT_TRUE(env::FlipStoredBit(*fs, path, 20'000 * 8).ok());
  Bench bench(fs.get());
  const auto log = bench.Open();
  ASSERT_TRUE(log->state().read_only);
  EXPECT_EQ(log->end(), Sequence(61));
  int good = 0, bad = 0;
  for (uint64_t s = 1; s <= 61; ++s) {
    const auto entry = log->Read(Sequence(s));
    entry.ok() ? ++good : ++bad;
    if (entry.ok() && s > 1) {
      EXPECT_EQ(entry->payload, Bytes(s - 2, 800));
    }
  }
  EXPECT_EQ(good, 60);
  EXPECT_EQ(bad, 1);
}

TEST(Damage, AnEntryWithADamagedPayloadIsPassedOver) {
  const auto fs = KilledLog(6, 150, 64u << 10);
  const std::string path = LastSegmentPath(*fs);
  const std::string third = Bytes(2, 150);
  const size_t at = env::ReadWholeFile(*fs, path)->find(third);
  ASSERT_NE(at, std::string::npos);
  ASSERT_TRUE(env::FlipStoredBit(*fs, path, (at + 5) * 8).ok());
  Bench bench(fs.get());
  auto log = Log::Open(bench.options);
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  EXPECT_TRUE((*log)->state().read_only);
  int damaged = 0;
  for (uint64_t sequence = 1; sequence <= 7; ++sequence) {
    const auto entry = (*log)->Read(Sequence(sequence));
    if (entry.ok()) continue;
    ++damaged;
    EXPECT_EQ(entry.status().reason(), Reason::CHECKSUM_MISMATCH);
    EXPECT_EQ(entry.status().metadata().at("sequence"), std::to_string(sequence));
  }
  EXPECT_EQ(damaged, 1);
}

TEST(Damage, TheLogCutAtEveryByte) {
  const auto good = KilledLog(6, 150, 64u << 10);
  const std::string path = LastSegmentPath(*good);
  const uint64_t size = Marked(*good, path) + 91;
  for (uint64_t cut = 0; cut < size; ++cut) {
    const auto fs = good->Clone();
    auto file = fs->Open(path, env::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->Truncate(cut).ok());
    SCOPED_TRACE("cut at " + std::to_string(cut));
    Bench bench(fs.get());
    auto log = Log::Open(bench.options);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    // Its marks are gone as well: what is left of it is good, and nothing made up.
    const auto entries = ReadAll(**log);
    ASSERT_LE(entries.size(), 7u);
    for (size_t i = 1; i < entries.size(); ++i) ASSERT_EQ(entries[i].payload, Bytes(i - 1, 150));
    // space.meta knows that epoch 1 began.
    ASSERT_EQ((*log)->state().read_only, entries.empty());
  }
}

TEST(Damage, ACleanLogThatBecameShorterIsDamaged) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 5; ++i) Put(*log, Bytes(i, 100));
  ASSERT_TRUE(log->Close().ok());
  log.reset();
  auto file = fs.Open(LastSegmentPath(fs), env::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->Truncate(*(*file)->Size() - 200).ok());
  log = bench.Open();
  EXPECT_TRUE(log->state().read_only);
  EXPECT_EQ(log->state().why.reason(), Reason::CORRUPTION_DETECTED);
}

TEST(Damage, AMissingSegmentIsDamage) {
  const auto good = KilledLog(80, 3300, 64u << 10);
  const auto names = *good->List(SegmentDirectory(kDir));
  for (const std::string& name : names) {
    if (!ParseSegmentName(name)) continue;
    const auto fs = good->Clone();
    ASSERT_TRUE(fs->Remove(env::JoinPath(SegmentDirectory(kDir), name)).ok());
    Bench bench(fs.get());
    auto log = Log::Open(bench.options);
    ASSERT_TRUE(log.ok());
    const auto cursor = (*log)->NewCursor(Sequence(1));
    bool error = false;
    while (true) {
      auto entry = cursor->Next();
      error = error || !entry.ok();
      if (!entry.ok() || !*entry) break;
    }
    // But for the newest: without a clean end, nothing else knows of it.
    if (name != names.back()) {
      EXPECT_TRUE(error || (*log)->state().read_only) << name;
    }
  }
}

// A space of its own in the same file system, with a segment copied into the first.
TEST(Damage, ASegmentOfAnotherSpaceIsRefusedByName) {
  env::MemoryFileSystem fs;
  Bench bench(&fs), other(&fs, 2);
  other.options.directory = "/data/spaces/t";
  other.options.space = "t";
  for (Bench* b : {&bench, &other}) {
    auto log = b->Create();
    ASSERT_TRUE(Begin(*log).ok());
    for (int i = 0; i < 50; ++i) Put(*log, Bytes(i, 3300));
    ASSERT_TRUE(log->Close().ok());
  }
  const std::string mine = LastSegmentPath(fs);
  const std::string theirs =
      SegmentPath("/data/spaces/t", *ParseSegmentName(mine.substr(mine.rfind('/') + 1)));
  const auto bytes = env::ReadWholeFile(fs, theirs);
  ASSERT_TRUE(bytes.ok());
  ASSERT_TRUE(env::ReplaceFile(fs, mine, *bytes).ok());
  const auto log = Log::Open(bench.options);
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.status().reason(), Reason::PERSISTENCE);
  EXPECT_EQ(log.status().metadata().at("file"), mine);
  EXPECT_NE(log.status().message().find("space 't'"), std::string::npos);
  EXPECT_EQ(*env::ReadWholeFile(fs, mine), *bytes);
}

void ForgeHead(env::FileSystem& fs, const std::function<void(record::SegmentHeader*)>& change) {
  const std::string path = LastSegmentPath(fs);
  auto file = fs.Open(path, env::OpenMode::kRead);
  auto head = *ReadSegmentHead(**file);
  const std::string rest = env::ReadWholeFile(fs, path)->substr(head.size);
  change(&head.header);
  ASSERT_TRUE(env::ReplaceFile(fs, path, EncodeSegmentHead(head.header, 0) + rest).ok());
}

TEST(Damage, ANewerFormatAnotherClusterAnotherIncarnation) {
  const auto good = KilledLog(3, 100, 64u << 10);
  const auto open = [&](const std::function<void(record::SegmentHeader*)>& change) {
    const auto fs = good->Clone();
    ForgeHead(*fs, change);
    Bench bench(fs.get());
    const auto log = Log::Open(bench.options);
    EXPECT_FALSE(log.ok());
    return log.ok() ? Reason::IO : log.status().reason();
  };
  EXPECT_EQ(open([](auto* h) { h->format_version = 2; }), Reason::UNSUPPORTED_VERSION);
  EXPECT_EQ(open([](auto* h) { h->cluster = "other"; }), Reason::PERSISTENCE);
  EXPECT_EQ(open([](auto* h) { h->incarnation = AnIncarnation(9); }), Reason::PERSISTENCE);
}

TEST(Damage, AnUnknownTypeIsTooNewAndNothingIsCut) {
  const auto fs = KilledLog(3, 100, 64u << 10);
  const std::string path = LastSegmentPath(*fs);
  std::string bytes = *env::ReadWholeFile(*fs, path);
  const size_t end = bytes.find_last_not_of('\0') + 1;
  record::EntryHeader header;
  header.sequence = Sequence(5);
  header.type = record::EntryType::kSpaceSettings;
  std::string entry;
  record::AppendEntry(&header, "from the future", &entry);
  StoreLe<uint32_t>(entry.data() + record::offset::kType, 12);
  uint32_t crc = Crc32c(ByteView(entry).substr(0, 32));
  crc = Crc32c(ByteView(entry).substr(36, 20), crc);
  StoreLe<uint32_t>(entry.data() + record::offset::kHeaderCrc, crc);
  // The last record's payload may end in zeros: its end is where the scan says.
  auto file = fs->Open(path, env::OpenMode::kReadWrite);
  FileSource source(**file, bytes.size());
  const uint64_t at = ScanSegment(source, *ReadSegmentHead(**file), nullptr)->offset;
  ASSERT_GE(at, end);
  ASSERT_TRUE((*file)->WriteAt(at, entry).ok());
  bytes = *env::ReadWholeFile(*fs, path);
  Bench bench(fs.get());
  const auto log = Log::Open(bench.options);
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.status().reason(), Reason::UNSUPPORTED_VERSION);
  EXPECT_EQ(*env::ReadWholeFile(*fs, path), bytes);
}

TEST(Damage, BothSlotsOfSpaceMetaUnreadable) {
  const auto fs = KilledLog(3, 100, 64u << 10);
  ASSERT_TRUE(env::FlipStoredBit(*fs, MetaPath(kDir), 100 * 8).ok());
  {
    const auto copy = fs->Clone();
    Bench bench(copy.get());
    const auto log = bench.Open();
    EXPECT_FALSE(log->state().read_only) << "one slot is enough";
    EXPECT_EQ(ReadAll(*log).size(), 4u);
  }
  ASSERT_TRUE(env::FlipStoredBit(*fs, MetaPath(kDir), (32768 + 100) * 8).ok());
  Bench bench(fs.get());
  const auto log = bench.Open();
  EXPECT_TRUE(log->state().read_only);
  EXPECT_EQ(ReadAll(*log).size(), 4u);
  EXPECT_EQ(log->incarnation(), AnIncarnation());
}

TEST(Damage, ADamagedSlotNeverBringsAnOldCleanEndBack) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "one");
  ASSERT_TRUE(log->Close().ok());
  log = bench.Open();
  ASSERT_TRUE(Begin(*log).ok());
  Put(*log, "two");
  log.reset();
  for (const uint64_t slot : {0, 32768}) {
    const auto copy = fs.Clone();
    ASSERT_TRUE(env::FlipStoredBit(*copy, MetaPath(kDir), (slot + 60) * 8).ok());
    Bench again(copy.get());
    EXPECT_EQ(ReadAll(*again.Open()).size(), 4u);
  }
}

TEST(Damage, IndexFilesAreDerived) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 80; ++i) Put(*log, Bytes(i, 3300));
  bench.Settle();
  ASSERT_TRUE(log->Close().ok());
  log.reset();
  std::vector<std::string> indexes;
  const auto names = fs.List(SegmentDirectory(kDir));
  for (const std::string& name : *names) {
    if (name.ends_with(".idx")) indexes.push_back(env::JoinPath(SegmentDirectory(kDir), name));
  }
  ASSERT_GE(indexes.size(), 3u);
  ASSERT_TRUE(fs.Remove(indexes[0]).ok());
  ASSERT_TRUE(env::FlipStoredBit(fs, indexes[1], 333).ok());
  const auto other = env::ReadWholeFile(fs, indexes[1]);
  ASSERT_TRUE(env::ReplaceFile(fs, indexes[2], *other).ok());
  log = bench.Open();
  for (uint64_t s = 2; s <= 81; ++s) {
    const auto entry = log->Read(Sequence(s));
    ASSERT_TRUE(entry.ok()) << entry.status().ToString();
    EXPECT_EQ(entry->payload, Bytes(s - 2, 3300));
  }
}

TEST(Damage, AfterACleanCloseTheFirstReadDoesNotGoThroughTheSegment) {
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs(memory);
  Bench bench(&fs);
  bench.options.segment_bytes = 8u << 20;
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 800; ++i) Put(*log, Bytes(i, 3300));
  ASSERT_TRUE(log->Close().ok());
  log = bench.Open();
  const uint64_t reads = fs.Count(env::Operation::kRead);
  EXPECT_EQ(log->Read(Sequence(500))->payload, Bytes(498, 3300));
  EXPECT_LE(fs.Count(env::Operation::kRead) - reads, 4u);
  // And it stays right when the log goes on and is killed.
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 0; i < 100; ++i) Put(*log, Bytes(i, 3300));
  log.reset();
  log = bench.Open();
  EXPECT_EQ(log->Read(Sequence(500))->payload, Bytes(498, 3300));
  EXPECT_EQ(log->Read(Sequence(900))->payload, Bytes(97, 3300));
}

}  // namespace
}  // namespace engram::wal
