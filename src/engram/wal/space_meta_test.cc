#include "engram/wal/space_meta.h"

#include <gtest/gtest.h>

#include "engram/base/hash.h"
#include "engram/base/prng.h"
#include "engram/env/faulty_file_system.h"
#include "engram/env/memory_file_system.h"
#include "engram/record/golden.h"
#include "engram/wal/sparse_index.h"

namespace engram::wal {
namespace {

constexpr char kPath[] = "/space.meta";

SpaceMeta AMeta() {
  SpaceMeta meta;
  for (size_t i = 0; i < 16; ++i) meta.incarnation.bytes[i] = static_cast<uint8_t>(i);
  meta.promised = Epoch(5);
  meta.phase = Phase::kRewinding;
  meta.rewinding_to = Sequence(40);
  meta.commit_hint = {Epoch(3), Sequence(41)};
  meta.clean_end = CleanEnd{Sequence(1), 4096, {Epoch(3), Sequence(42)}, 0xcafef00d};
  meta.tombstone_floor = Sequence(7);
  meta.compaction_floor = {Epoch(2), Sequence(30)};
  meta.begun_epoch = Epoch(1);
  meta.begun_floor = Sequence(6);
  meta.history = {{Epoch(1), Sequence(1)}, {Epoch(3), Sequence(20)}};
  return meta;
}

TEST(SpaceMeta, GoldenBytes) {
  EXPECT_EQ(EncodeMetaSlot(AMeta(), 9), record::Golden("space_meta_slot"));
  const std::string golden = record::Golden("space_meta_slot");
  const auto slot = DecodeMetaSlot(golden);
  ASSERT_TRUE(slot.ok()) << slot.status().ToString();
  EXPECT_EQ(slot->counter, 9u);
  EXPECT_EQ(slot->meta, AMeta());
}

TEST(SpaceMeta, EveryFlippedBitAndEveryCutIsFound) {
  const std::string golden = record::Golden("space_meta_slot");
  for (size_t bit = 0; bit < golden.size() * 8; ++bit) {
    std::string bad = golden;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeMetaSlot(bad).ok()) << bit;
  }
  for (size_t size = 0; size < golden.size(); ++size) {
    EXPECT_FALSE(DecodeMetaSlot(ByteView(golden).substr(0, size)).ok()) << size;
  }
}

TEST(SpaceMeta, TheNewestWriteIsRead) {
  env::MemoryFileSystem fs;
  auto file = SpaceMetaFile::Create(fs, kPath, AMeta());
  ASSERT_TRUE(file.ok());
  for (uint64_t promise = 10; promise < 15; ++promise) {
    SpaceMeta meta = AMeta();
    meta.promised = Epoch(promise);
    ASSERT_TRUE(file->Write(meta).ok());
    const auto again = SpaceMetaFile::Open(fs, kPath, false);
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(again->newest());
    EXPECT_EQ(again->meta(), meta);
  }
}

TEST(SpaceMeta, APowerCutLeavesTheOldOrTheNew) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    env::MemoryFileSystem fs;
    auto file = SpaceMetaFile::Create(fs, kPath, AMeta());
    ASSERT_TRUE(fs.SyncDirectory("/").ok());
    SpaceMeta next = AMeta();
    next.promised = Epoch(77);
    next.clean_end.reset();
    env::FaultyFileSystem faulty(fs);
    faulty.Inject({.operation = env::Operation::kSync, .effect = env::Fault::Effect::kLie});
    auto writer = SpaceMetaFile::Open(faulty, kPath, true);
    ASSERT_TRUE(writer->Write(next).ok());
    Prng prng(seed);
    const auto left = fs.CrashClone(prng);
    const auto found = SpaceMetaFile::Open(*left, kPath, false);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    EXPECT_TRUE(found->meta() == next || found->meta() == AMeta());
  }
}

TEST(SpaceMeta, ANewerVersionIsRefused) {
  env::MemoryFileSystem fs;
  ASSERT_TRUE(SpaceMetaFile::Create(fs, kPath, AMeta()).ok());
  std::string slot = EncodeMetaSlot(AMeta(), 4);
  StoreLe<uint32_t>(slot.data() + 4, 2);
  const ByteView view(slot);
  StoreLe<uint32_t>(slot.data() + 20, Crc32c(view.substr(24), Crc32c(view.substr(0, 20))));
  auto file = fs.Open(kPath, env::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->WriteAt(0, slot).ok());
  const auto opened = SpaceMetaFile::Open(fs, kPath, true);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().reason(), Reason::UNSUPPORTED_VERSION);
}

TEST(SpaceMeta, KeepsTheNewestThousandEpochs) {
  env::MemoryFileSystem fs;
  auto file = SpaceMetaFile::Create(fs, kPath, AMeta());
  SpaceMeta meta = AMeta();
  meta.history.clear();
  for (uint64_t e = 1; e <= 1500; ++e) meta.history.push_back({Epoch(e), Sequence(e * 10)});
  ASSERT_TRUE(file->Write(meta).ok());
  const auto again = SpaceMetaFile::Open(fs, kPath, false);
  ASSERT_EQ(again->meta().history.size(), kHistoryMax);
  EXPECT_EQ(again->meta().history.front().epoch, Epoch(501));
  EXPECT_EQ(again->meta().history.back().epoch, Epoch(1500));
}

TEST(SparseIndex, GoldenBytesAndFlippedBits) {
  IndexFile file;
  file.nonce = 0x1122334455667788;
  file.segment_size = 9999;
  file.last = {Epoch(3), Sequence(42)};
  file.last_crc = 0xcafef00d;
  file.index.Add(Sequence(1), 200);
  file.index.Add(Sequence(10), 2200);  // within the stride
  file.index.Add(Sequence(20), 4300);
  const std::string golden = record::Golden("sparse_index");
  EXPECT_EQ(EncodeIndexFile(file), golden);
  const auto decoded = DecodeIndexFile(golden);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->index.points(), file.index.points());
  EXPECT_EQ(decoded->last, file.last);
  for (size_t bit = 0; bit < golden.size() * 8; ++bit) {
    std::string bad = golden;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeIndexFile(bad).ok()) << bit;
  }
}

TEST(SparseIndex, FloorIsTheLastPointAtOrBelow) {
  SparseIndex index;
  EXPECT_FALSE(index.Floor(Sequence(1)).has_value());
  for (uint64_t i = 1; i <= 100; ++i) index.Add(Sequence(i * 10), i * SparseIndex::kStride);
  EXPECT_FALSE(index.Floor(Sequence(9)).has_value());
  EXPECT_EQ(index.Floor(Sequence(10))->offset, SparseIndex::kStride);
  EXPECT_EQ(index.Floor(Sequence(555))->sequence, Sequence(550));
  EXPECT_EQ(index.Floor(Sequence(9999))->sequence, Sequence(1000));
}

}  // namespace
}  // namespace engram::wal
