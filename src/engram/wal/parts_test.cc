// The small parts of the log, each alone: names, the tail, the disk's gate, checkpoints, segments.
#include <gtest/gtest.h>

#include "engram/env/faulty_file_system.h"
#include "engram/internal/v1/log.pb.h"
#include "engram/wal/checkpoint.h"
#include "engram/wal/disk_gate.h"
#include "engram/wal/log_test_kit.h"
#include "engram/wal/tail.h"

namespace engram::wal {
namespace {

TEST(Names, OfSegments) {
  EXPECT_EQ(SegmentName(Sequence(0xf4240)), "00000000000f4240.log");
  EXPECT_EQ(IndexName(Sequence(1)), "0000000000000001.idx");
  EXPECT_EQ(ParseSegmentName("00000000000f4240.log"), Sequence(0xf4240));
  for (const char* other :
       {"", "x.log", "00000000000f4240.idx", "00000000000f4240.log.tmp", "0000000000000000.log",
        "00000000000F4240.log", "00000000000g4240.log", "000000000000f4240.log"}) {
    EXPECT_FALSE(ParseSegmentName(other).has_value()) << other;
  }
  EXPECT_EQ(QuarantinePath("/s", Epoch(3), Sequence(7), Sequence(9)), "/s/quarantine/3-7-9.log");
}

std::shared_ptr<Segment> ASegment(env::FileSystem* fs, uint64_t first) {
  SegmentHead head;
  head.header.first = Sequence(first);
  head.size = 100;
  return std::make_shared<Segment>(fs, "/s", head, 100);
}

GroupPtr AGroup(std::shared_ptr<Segment> segment, uint64_t base, std::string bytes, bool closed) {
  auto group = std::make_shared<Group>();
  group->segment = std::move(segment);
  group->base = base;
  group->bytes = std::move(bytes);
  group->closed = closed;
  return group;
}

TEST(Tail, FindsBytesBySegmentAndOffset) {
  env::MemoryFileSystem fs;
  const auto first = ASegment(&fs, 1), second = ASegment(&fs, 50);
  Tail tail(1000);
  tail.Push(AGroup(first, 100, "abcdef", true));
  tail.Push(AGroup(first, 106, "ghi", true));
  tail.Push(AGroup(second, 100, "second", true));
  tail.Push(AGroup(second, 106, "open", false));
  const auto at = [&](const std::shared_ptr<Segment>& segment, uint64_t offset) {
    const Chunk chunk = tail.Find(segment.get(), offset);
    return chunk.bytes ? chunk.bytes->substr(offset - chunk.base) : "";
  };
  EXPECT_EQ(at(first, 100), "abcdef");
  EXPECT_EQ(at(first, 103), "def");
  EXPECT_EQ(at(first, 106), "ghi");
  EXPECT_EQ(at(first, 109), "");
  EXPECT_EQ(at(first, 99), "");
  EXPECT_EQ(at(second, 100), "second");
  EXPECT_EQ(at(second, 108), "en");
}

TEST(Tail, WhatStillCollectsIsCopied) {
  env::MemoryFileSystem fs;
  const auto segment = ASegment(&fs, 1);
  Tail tail(1000);
  const auto group = AGroup(segment, 100, "one", false);
  tail.Push(group);
  const Chunk chunk = tail.Find(segment.get(), 100);
  group->bytes = "something else, and longer, so that the buffer moves";
  EXPECT_EQ(*chunk.bytes, "one");
}

TEST(Tail, DropsTheOldestWrittenAndKeepsTheUnwritten) {
  env::MemoryFileSystem fs;
  const auto segment = ASegment(&fs, 1);
  Tail tail(10);
  std::vector<GroupPtr> groups;
  for (int i = 0; i < 5; ++i) {
    groups.push_back(AGroup(segment, 100 + i * 8, std::string(8, 'a' + i), true));
    tail.Push(groups.back());
  }
  const Group* unwritten = groups[3].get();
  groups.clear();
  const std::string spare = tail.Trim(unwritten);
  EXPECT_EQ(spare, "bbbbbbbb") << "a buffer that nobody reads any more";
  EXPECT_FALSE(tail.Find(segment.get(), 100).bytes);
  EXPECT_FALSE(tail.Find(segment.get(), 108).bytes);
  EXPECT_TRUE(tail.Find(segment.get(), 116).bytes);
  EXPECT_TRUE(tail.Find(segment.get(), 124).bytes);
  EXPECT_TRUE(tail.Find(segment.get(), 132).bytes);
}

TEST(Tail, ABufferThatIsReadIsNotTaken) {
  env::MemoryFileSystem fs;
  const auto segment = ASegment(&fs, 1);
  Tail tail(0);
  tail.Push(AGroup(segment, 100, "read me", true));
  const Chunk chunk = tail.Find(segment.get(), 100);
  EXPECT_EQ(tail.Trim(nullptr), "");
  EXPECT_EQ(*chunk.bytes, "read me");
}

struct Gate : testing::Test {
  Gate() {
    options.fs = &fs;
    options.directory = "/";
    options.min_free_bytes = 1000;
    options.reserve_bytes = 600;
  }
  Status Admit(uint64_t bytes, bool frees = false) { return gate.Admit(bytes, frees, now_ns); }
  env::MemoryFileSystem memory;
  env::FaultyFileSystem fs{memory};
  LogOptions options;
  DiskGate gate{options};
  int64_t now_ns = 1'000'000'000'000;
};

TEST_F(Gate, LeavesTheFloorAloneAndTheReserveToDeletes) {
  fs.SetFreeBytes(1100);
  EXPECT_TRUE(Admit(100).ok());
  EXPECT_EQ(Admit(1).reason(), Reason::DISK_FULL) << "what was admitted is counted";
  EXPECT_TRUE(gate.full());
  fs.SetFreeBytes(1000);
  EXPECT_TRUE(Admit(600, true).ok());
  fs.SetFreeBytes(400);
  EXPECT_EQ(Admit(1, true).reason(), Reason::DISK_FULL);
}

TEST_F(Gate, WhenFullItAsksEachTime) {
  fs.SetFreeBytes(0);
  const Status status = Admit(1);
  ASSERT_EQ(status.reason(), Reason::DISK_FULL);
  EXPECT_EQ(status.metadata().at("free_bytes"), "0");
  fs.SetFreeBytes(5000);
  EXPECT_TRUE(Admit(1).ok());
  EXPECT_FALSE(gate.full());
}

TEST_F(Gate, OthersMayFillTheDiskToo) {
  fs.SetFreeBytes(1u << 30);
  EXPECT_TRUE(Admit(1).ok());
  fs.SetFreeBytes(0);
  EXPECT_TRUE(Admit(1).ok()) << "what is known is not old";
  now_ns += 200'000'000;
  EXPECT_EQ(Admit(1).reason(), Reason::DISK_FULL);
  fs.SetFreeBytes(1u << 30);
  EXPECT_TRUE(Admit(1).ok());
  fs.SetFreeBytes(0);
  now_ns -= 3'600'000'000'000;  // the wall clock stepped back
  EXPECT_EQ(Admit(1).reason(), Reason::DISK_FULL);
}

TEST_F(Gate, AFloorBelowTheReserve) {
  options.min_free_bytes = 0;
  fs.SetFreeBytes(10);
  EXPECT_TRUE(Admit(10).ok());
  EXPECT_EQ(Admit(1).reason(), Reason::DISK_FULL);
}

TEST(FreesSpaceTest, DeletesSuppressionsAndWhatTheLogNeeds) {
  using record::EntryType;
  EXPECT_TRUE(FreesSpace({EntryType::kMemoryDelete, ""}));
  EXPECT_TRUE(FreesSpace({EntryType::kEpochStart, ""}));
  EXPECT_TRUE(FreesSpace({EntryType::kSpaceSettings, ""}));
  EXPECT_FALSE(FreesSpace({EntryType::kEpisodeStore, ""}));
  EXPECT_FALSE(FreesSpace({EntryType::kConsolidation, ""}));
  EXPECT_FALSE(FreesSpace({EntryType::kMemoryUpdate, "\xff"}));
  internal::v1::UpdateRecord update;
  update.mutable_access();
  EXPECT_FALSE(FreesSpace({EntryType::kMemoryUpdate, update.SerializeAsString()}));
  update.mutable_state()->set_suppressed(true);
  EXPECT_TRUE(FreesSpace({EntryType::kMemoryUpdate, update.SerializeAsString()}));
}

Digest128 DigestOfRange(uint32_t first, uint32_t last) {
  Digester digester;
  for (uint32_t crc = first; crc <= last; ++crc) {
    char bytes[4];
    StoreLe<uint32_t>(bytes, crc);
    digester.Add(ByteView(bytes, 4));
  }
  return digester.Get();
}

TEST(Keeper, OfANewLogKnowsAll) {
  CheckpointKeeper keeper((Sequence()));
  EXPECT_TRUE(keeper.known());
  for (uint32_t s = 1; s <= 10; ++s) keeper.Add(Sequence(s), s, 100);
  EXPECT_FALSE(keeper.due());
  const record::Checkpoint one = keeper.Take(Sequence(10));
  EXPECT_EQ(one, (record::Checkpoint{Sequence(1), Sequence(10), DigestOfRange(1, 10)}));
  for (uint32_t s = 11; s <= 12; ++s) keeper.Add(Sequence(s), s, 100);
  const record::Checkpoint two = keeper.Take(Sequence(12));
  EXPECT_EQ(two, (record::Checkpoint{Sequence(11), Sequence(12), DigestOfRange(11, 12)}));
}

TEST(Keeper, IsDueByEntriesOrBytes) {
  CheckpointKeeper keeper((Sequence()));
  keeper.Add(Sequence(1), 1, CheckpointKeeper::kBytes - 1);
  EXPECT_FALSE(keeper.due());
  keeper.Add(Sequence(2), 2, 1);
  EXPECT_TRUE(keeper.due());
  keeper.Take(Sequence(2));
  EXPECT_FALSE(keeper.due());
  for (uint64_t i = 0; i < CheckpointKeeper::kEntries; ++i) {
    EXPECT_FALSE(keeper.due());
    keeper.Add(Sequence(3 + i), 1, 64);
  }
  EXPECT_TRUE(keeper.due());
}

TEST(Keeper, OfAReopenedLogIsSuppliedWithWhatWasBefore) {
  CheckpointKeeper keeper(Sequence(5));
  EXPECT_FALSE(keeper.known());
  EXPECT_EQ(keeper.missing_through(), Sequence(5));
  keeper.Add(Sequence(6), 6, 100);
  keeper.Supply(Sequence(2), {2, 3});  // does not reach: not taken
  EXPECT_FALSE(keeper.known());
  keeper.Supply(Sequence(3), {3, 4, 5});
  ASSERT_TRUE(keeper.known());
  keeper.Add(Sequence(7), 7, 100);
  EXPECT_EQ(keeper.Take(Sequence(7)),
            (record::Checkpoint{Sequence(3), Sequence(7), DigestOfRange(3, 7)}));
}

TEST(SegmentHeadTest, IsReadBackWithItsMarker) {
  env::MemoryFileSystem fs;
  auto file = std::move(*fs.Open("/f", env::OpenMode::kCreate));
  record::SegmentHeader header;
  header.space = "s";
  header.nonce = 5;
  header.first = Sequence(1);
  const std::string head = EncodeSegmentHead(header, 0);
  ASSERT_TRUE(file->WriteAt(0, head).ok());
  auto read = ReadSegmentHead(*file);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->header, header);
  EXPECT_EQ(read->size, head.size());
  EXPECT_FALSE(read->marker.has_value());
  record::EntryHeader entry;
  entry.type = record::EntryType::kCompactionMarker;
  std::string marker;
  record::AppendEntry(&entry,
                      record::Encode(record::CompactionMarker{Sequence(1), Sequence(9), 0, 0, {}}),
                      &marker);
  ASSERT_TRUE(file->WriteAt(head.size(), marker).ok());
  read = ReadSegmentHead(*file);
  ASSERT_TRUE(read.ok() && read->marker);
  EXPECT_EQ(read->marker->last, Sequence(9));
  ASSERT_TRUE(file->WriteAt(0, std::string(head.size(), '\0')).ok());
  EXPECT_EQ(ReadSegmentHead(*file).status().reason(), Reason::CORRUPTION_DETECTED);
}

// A compaction whose sources were not removed yet: the new segment stands in for them.
TEST(Compacted, SourcesOfAFinishedSegmentAreRemovedAtOpening) {
  env::MemoryFileSystem fs;
  Bench bench(&fs);
  auto log = bench.Create();
  ASSERT_TRUE(Begin(*log).ok());
  for (int i = 2; i <= 80; ++i) Put(*log, Bytes(i, 2000));
  log.reset();
  std::vector<uint64_t> firsts;
  const auto names = fs.List(SegmentDirectory(kDir));
  for (const std::string& name : *names) {
    if (const auto first = ParseSegmentName(name)) firsts.push_back(first->value());
  }
  ASSERT_GE(firsts.size(), 3u);
  // All of the first two segments but the EpochStart, in one.
  const std::string path = SegmentPath(kDir, Sequence(1));
  const uint64_t last = firsts[2] - 1;
  auto third = fs.Open(SegmentPath(kDir, Sequence(firsts[2])), env::OpenMode::kRead);
  const record::SegmentHeader next = ReadSegmentHead(**third)->header;
  auto file = fs.Open(path, env::OpenMode::kRead);
  const SegmentHead head = *ReadSegmentHead(**file);
  std::string out = EncodeSegmentHead(head.header, 0);
  record::EntryHeader local;
  local.type = record::EntryType::kCompactionMarker;
  record::AppendEntry(
      &local, record::Encode(record::CompactionMarker{Sequence(1), Sequence(last), 1, 0, {}}),
      &out);
  FileSource source(**file, *(*file)->Size());
  ASSERT_TRUE(SearchRecords(source, head.size, [&](const Record& record) {
                if (record.header.sequence != Sequence(1)) return true;
                record::EntryHeader entry = record.header;
                record::AppendEntry(&entry, std::string(record.payload), &out);
                return false;
              }).ok());
  local = {};
  local.type = record::EntryType::kHole;
  record::AppendEntry(
      &local, record::Encode(record::Hole{Sequence(2), next.previous, next.previous_crc}), &out);
  ASSERT_TRUE(env::ReplaceFile(fs, path, out).ok());
  log = bench.Open();
  ASSERT_FALSE(log->state().read_only) << log->state().why.ToString();
  EXPECT_TRUE(bench.observer.Saw("compacted_segment_removed"));
  EXPECT_FALSE(*fs.Exists(SegmentPath(kDir, Sequence(firsts[1]))));
  const auto entries = ReadAll(*log);
  ASSERT_EQ(entries.size(), 80 - last + 1);
  EXPECT_EQ(entries[1].header.sequence, Sequence(last + 1));
}

}  // namespace
}  // namespace engram::wal
