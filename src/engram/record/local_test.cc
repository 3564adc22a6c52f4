#include "engram/record/local.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engram/record/entry.h"
#include "engram/record/golden.h"

namespace engram::record {
namespace {

constexpr uint64_t kTime = 1'750'000'000'000'000'000;

std::string AsRecord(EntryType type, const std::string& payload) {
  EntryHeader header;
  header.timestamp_ns = kTime;
  header.type = type;
  std::string out;
  AppendEntry(&header, payload, &out);
  return out;
}

SegmentHeader ASegment() {
  SegmentHeader value;
  value.cluster = "engram";
  value.space = "default";
  for (size_t i = 0; i < 16; ++i) value.incarnation.bytes[i] = static_cast<uint8_t>(i);
  value.nonce = 0x1122334455667788;
  value.first = Sequence(42);
  value.previous = {Epoch(3), Sequence(41)};
  value.previous_crc = 0xcafef00d;
  return value;
}

ByteView PayloadOf(const std::string& record) {
  return ByteView(record).substr(kHeaderSize);
}

TEST(Local, SegmentHeader) {
  EXPECT_EQ(AsRecord(EntryType::kSegmentHeader, Encode(ASegment())), Golden("segment_header"));
  const std::string golden = Golden("segment_header");
  const auto decoded = DecodeSegmentHeader(PayloadOf(golden));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, ASegment());
}

TEST(Local, ANewerSegmentIsRefusedByItsVersion) {
  SegmentHeader newer = ASegment();
  newer.format_version = 2;
  const auto decoded = DecodeSegmentHeader(Encode(newer));
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.status().reason(), Reason::UNSUPPORTED_VERSION);
  EXPECT_EQ(decoded.status().metadata().at("version"), "2");
}

TEST(Local, SyncMark) {
  const SyncMark mark{0x1122334455667788, 4096, Sequence(41)};
  const std::string golden = Golden("sync_mark");
  EXPECT_EQ(AsRecord(EntryType::kSyncMark, Encode(mark)), golden);
  EXPECT_EQ(*DecodeSyncMark(PayloadOf(golden)), mark);
}

TEST(Local, Hole) {
  const Hole hole{Sequence(3), {Epoch(3), Sequence(9)}, 0xcafef00d};
  const std::string golden = Golden("hole");
  EXPECT_EQ(AsRecord(EntryType::kHole, Encode(hole)), golden);
  EXPECT_EQ(*DecodeHole(PayloadOf(golden)), hole);
}

TEST(Local, CompactionMarker) {
  const CompactionMarker marker{Sequence(1), Sequence(9), 2, 777, {5, 6}};
  const std::string golden = Golden("compaction_marker");
  EXPECT_EQ(AsRecord(EntryType::kCompactionMarker, Encode(marker)), golden);
  EXPECT_EQ(*DecodeCompactionMarker(PayloadOf(golden)), marker);
}

TEST(Local, Checkpoint) {
  const Checkpoint checkpoint{Sequence(1), Sequence(9), {5, 6}};
  const std::string golden = Golden("checkpoint");
  EXPECT_EQ(Encode(checkpoint), PayloadOf(golden));
  EXPECT_EQ(*DecodeCheckpoint(PayloadOf(golden)), checkpoint);
}

TEST(Local, ContradictionsAreCorruption) {
  EXPECT_FALSE(DecodeHole(Encode(Hole{Sequence(0), {Epoch(1), Sequence(9)}, 0})).ok());
  EXPECT_FALSE(DecodeHole(Encode(Hole{Sequence(9), {Epoch(1), Sequence(8)}, 0})).ok());
  EXPECT_FALSE(
      DecodeCompactionMarker(Encode(CompactionMarker{Sequence(5), Sequence(4), 0, 0, {}})).ok());
  EXPECT_FALSE(DecodeCheckpoint(Encode(Checkpoint{Sequence(5), Sequence(4), {}})).ok());
  SegmentHeader gap = ASegment();
  gap.previous.sequence = Sequence(40);
  EXPECT_FALSE(DecodeSegmentHeader(Encode(gap)).ok());
  EXPECT_FALSE(DecodeSyncMark("\xff\xff\xff").ok());
}

TEST(Local, RoundTrips) {
  rc::check([](uint64_t nonce, uint64_t offset, uint64_t commit, uint64_t first, uint32_t crc) {
    const SyncMark mark{nonce, offset, Sequence(commit)};
    RC_ASSERT(*DecodeSyncMark(Encode(mark)) == mark);
    const Hole hole{Sequence(first / 2 + 1), {Epoch(nonce), Sequence(first / 2 + 1 + crc)}, crc};
    RC_ASSERT(*DecodeHole(Encode(hole)) == hole);
  });
}

}  // namespace
}  // namespace engram::record
