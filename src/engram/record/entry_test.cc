#include "engram/record/entry.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engram/base/hash.h"
#include "engram/record/golden.h"

namespace engram::record {
namespace {

constexpr uint64_t kTime = 1'750'000'000'000'000'000;

EntryHeader Header(uint64_t sequence, EntryType type, uint64_t epoch, uint32_t chain) {
  EntryHeader header;
  header.sequence = Sequence(sequence);
  header.timestamp_ns = kTime;
  header.type = type;
  header.epoch = Epoch(epoch);
  header.chain = chain;
  return header;
}

std::string Encoded(EntryHeader header, ByteView payload) {
  std::string out;
  AppendEntry(&header, payload, &out);
  return out;
}

// Sets bytes and makes the header CRC right again: damage that was written on purpose.
std::string Forge(std::string bytes, size_t at, ByteView value) {
  bytes.replace(at, value.size(), value);
  uint32_t crc = Crc32c(ByteView(bytes).substr(0, 32));
  crc = Crc32c(ByteView(bytes).substr(36, 20), crc);
  StoreLe<uint32_t>(bytes.data() + 32, crc);
  return bytes;
}

TEST(Entry, GoldenBytes) {
  EntryHeader first = Header(1, EntryType::kEpochStart, 3, 0);
  std::string out;
  const uint32_t crc = AppendEntry(&first, "epoch start", &out);
  EXPECT_EQ(out, Golden("entry_first"));
  EntryHeader second = Header(2, EntryType::kEpisodeStore, 3, crc);
  second.timestamp_ns = kTime + 1;
  EXPECT_EQ(Encoded(second, "an episode"), Golden("entry_second"));
  EntryHeader empty = Header(9, EntryType::kMemoryDelete, 1, 0x01020304);
  empty.timestamp_ns = 0;
  EXPECT_EQ(Encoded(empty, ""), Golden("entry_empty"));
}

TEST(Entry, WithoutEpochAndChainTheHeaderIsTheEarlierOne) {
  const std::string bytes = Encoded(Header(7, EntryType::kEpisodeStore, 0, 0), "seed");
  EXPECT_EQ(bytes, Golden("entry_seed"));
  EXPECT_TRUE(AllZero(ByteView(bytes).substr(36, 28)));
}

TEST(Entry, DecodesWhatItEncodes) {
  rc::check([](uint64_t sequence, uint64_t time, uint64_t epoch, uint32_t chain,
               const std::string& payload) {
    EntryHeader header =
        Header(std::max<uint64_t>(sequence, 1), EntryType::kMemoryUpdate, epoch, chain);
    header.timestamp_ns = time;
    std::string out;
    AppendEntry(&header, payload, &out);
    const auto decoded = DecodeHeader(out);
    RC_ASSERT(decoded.ok());
    RC_ASSERT(*decoded == header);
    RC_ASSERT(CheckPayload(header, ByteView(out).substr(kHeaderSize)).ok());
  });
}

TEST(Entry, EveryFlippedBitOfTheHeaderIsFound) {
  const std::string good = Golden("entry_second");
  for (size_t bit = 0; bit < kHeaderSize * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = DecodeHeader(bad);
    ASSERT_FALSE(decoded.ok()) << bit;
    const Reason reason = decoded.status().reason();
    const bool unguarded = bit < 32 || bit >= 56 * 8;  // magic, padding
    EXPECT_EQ(reason, unguarded ? Reason::CORRUPTION_DETECTED : Reason::CHECKSUM_MISMATCH) << bit;
  }
}

TEST(Entry, EveryFlippedBitOfThePayloadIsFound) {
  const std::string good = Golden("entry_second");
  const auto header = DecodeHeader(good);
  ASSERT_TRUE(header.ok());
  for (size_t bit = kHeaderSize * 8; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const Status status = CheckPayload(*header, ByteView(bad).substr(kHeaderSize));
    ASSERT_FALSE(status.ok()) << bit;
    EXPECT_EQ(status.reason(), Reason::CHECKSUM_MISMATCH);
    EXPECT_EQ(status.metadata().count("expected"), 1u);
  }
}

TEST(Entry, CutAtEveryByteIsTruncated) {
  const std::string good = Golden("entry_second");
  const auto header = DecodeHeader(good);
  for (size_t size = 0; size < kHeaderSize; ++size) {
    const auto decoded = DecodeHeader(ByteView(good).substr(0, size));
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.status().reason(), Reason::TRUNCATED_ENTRY);
  }
  for (size_t size = 0; size < header->payload_size; ++size) {
    const Status status = CheckPayload(*header, ByteView(good).substr(kHeaderSize, size));
    EXPECT_EQ(status.reason(), Reason::TRUNCATED_ENTRY);
  }
}

TEST(Entry, WhatWasWrittenOnPurposeIsTooNewNotDamaged) {
  const std::string good = Golden("entry_second");
  for (const std::string& type :
       {std::string("\x0c\0\0\0", 4), std::string("\0\0\0\0", 4), std::string("\x01\0\0\x80", 4)}) {
    const auto decoded = DecodeHeader(Forge(good, offset::kType, type));
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.status().reason(), Reason::UNSUPPORTED_VERSION);
  }
  for (size_t at = 48; at < 56; ++at) {
    const auto decoded = DecodeHeader(Forge(good, at, "\x01"));
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.status().reason(), Reason::UNSUPPORTED_VERSION);
  }
}

TEST(Entry, LimitsAndNumberingAreChecked) {
  const std::string good = Golden("entry_second");
  const auto large =
      DecodeHeader(Forge(good, offset::kPayloadSize, std::string("\x01\0\0\x01", 4)));
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.status().reason(), Reason::TOO_LARGE);
  EXPECT_TRUE(DecodeHeader(Forge(good, offset::kPayloadSize, std::string("\0\0\0\x01", 4))).ok());
  const auto unnumbered = DecodeHeader(Forge(good, offset::kSequence, std::string(8, '\0')));
  ASSERT_FALSE(unnumbered.ok());
  EXPECT_EQ(unnumbered.status().reason(), Reason::CORRUPTION_DETECTED);
  const auto numbered = DecodeHeader(Forge(Golden("hole"), offset::kSequence, "\x01"));
  ASSERT_FALSE(numbered.ok());
  EXPECT_EQ(numbered.status().reason(), Reason::CORRUPTION_DETECTED);
}

TEST(Entry, TypesKnowWhetherTheyAreNumbered) {
  int numbered = 0;
  for (uint32_t type = 0; type < 20; ++type) {
    const auto t = static_cast<EntryType>(type);
    EXPECT_EQ(IsKnown(t), type >= 1 && type <= 11);
    EXPECT_EQ(Name(t) == "unknown", !IsKnown(t));
    numbered += IsNumbered(t);
  }
  EXPECT_EQ(numbered, 7);
  for (auto t : {EntryType::kCompactionMarker, EntryType::kSegmentHeader, EntryType::kHole,
                 EntryType::kSyncMark}) {
    EXPECT_FALSE(IsNumbered(t));
  }
}

}  // namespace
}  // namespace engram::record
