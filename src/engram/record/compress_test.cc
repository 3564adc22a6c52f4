#include "engram/record/compress.h"

#include <cstring>

#include <gtest/gtest.h>

#include "engram/base/hash.h"
#include "engram/base/prng.h"
#include "engram/record/golden.h"

namespace engram::record {
namespace {

constexpr uint64_t kCredit = 1 << 20;
constexpr Compression kBoth[] = {Compression::kZstd, Compression::kLz4};

std::string BatchOf(const std::string& records) {
  BatchHeader header;
  header.space.bytes[0] = 7;
  header.start = Sequence(1);
  header.count = 1;
  header.size = records.size();
  return EncodeBatch(header, records);
}

std::string Text(size_t bytes) {
  std::string out;
  for (int i = 0; out.size() < bytes; ++i) {
    out += "Anna takes the train " + std::to_string(i) + " to Munich; ";
  }
  out.resize(bytes);
  return out;
}

// As embeddings lie in the log.
std::string Floats(size_t bytes, uint64_t seed = 1) {
  Prng prng(seed);
  std::string out;
  while (out.size() < bytes) {
    const float value = static_cast<float>(prng.Below(1u << 24)) / (1 << 23) - 1;
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return out;
}

std::string Noise(size_t bytes) {
  Prng prng(1);
  std::string out(bytes, '\0');
  for (char& byte : out) byte = static_cast<char>(prng.Next());
  return out;
}

// As somebody who can compute checksums would forge it.
std::string Forge(std::string batch, size_t at, ByteView value) {
  batch.replace(at, value.size(), value);
  SealBatch(&batch);
  return batch;
}

std::string StatedSize(std::string batch, uint64_t size) {
  char bytes[8];
  StoreLe<uint64_t>(bytes, size);
  return Forge(std::move(batch), batch_offset::kSize, ByteView(bytes, 8));
}

Reason WhyNot(const std::string& batch, uint64_t credit = kCredit) {
  const auto expanded = ExpandBatch(batch, credit);
  return expanded.ok() ? Reason::IO : expanded.status().reason();
}

TEST(Compress, GivesBackTheBytesOfTheBatch) {
  for (const Compression compression : kBoth) {
    for (const size_t size : {300, 5000, 300'000}) {
      const std::string batch = BatchOf(Text(size));
      const auto sent = CompressBatch(batch, compression);
      ASSERT_TRUE(sent.has_value());
      EXPECT_LT(sent->size(), batch.size());
      EXPECT_EQ(CompressionOf(*sent), compression);
      const auto expanded = ExpandBatch(*sent, kCredit);
      ASSERT_TRUE(expanded.ok()) << expanded.status().ToString();
      EXPECT_EQ(*expanded, batch);
    }
  }
}

TEST(Compress, ReadsWhatWasOnceSent) {
  const std::string plain = Golden("batch_text");
  EXPECT_EQ(*ExpandBatch(plain, kCredit), plain);
  EXPECT_EQ(*ExpandBatch(Golden("batch_zstd"), kCredit), plain);
  EXPECT_EQ(*ExpandBatch(Golden("batch_lz4"), kCredit), plain);
}

TEST(Compress, ABatchThatDoesNotShrinkStaysAsItIs) {
  for (const Compression compression : kBoth) {
    EXPECT_FALSE(CompressBatch(BatchOf(Noise(20'000)), compression).has_value());
    EXPECT_FALSE(CompressBatch("short", compression).has_value());
  }
  EXPECT_FALSE(CompressBatch(BatchOf(Text(900)), Compression::kNone).has_value());
}

TEST(Compress, AutoGoesByASampleOfEachBatch) {
  const CompressionChoice automatic{.automatic = true};
  const std::string text = BatchOf(Text(50'000)), floats = BatchOf(Floats(50'000));
  const std::string small = BatchOf(Text(5'000)), tiny = BatchOf(Text(100));
  EXPECT_EQ(Choose(automatic, kEveryCompression, text), Compression::kZstd);
  EXPECT_EQ(Choose(automatic, kEveryCompression, small), Compression::kZstd);
  EXPECT_EQ(Choose(automatic, Only(Compression::kLz4), text), Compression::kLz4);
  EXPECT_EQ(Choose(automatic, Only(Compression::kNone), text), Compression::kNone);
  EXPECT_EQ(Choose(automatic, kEveryCompression, floats), Compression::kNone);
  EXPECT_EQ(Choose(automatic, kEveryCompression, tiny), Compression::kNone);
  // Episodes of 200 bytes of text beside 3 KB of embedding: an eighth is not to be saved.
  std::string mixed;
  for (int i = 0; i < 20; ++i) mixed += Text(200) + Floats(3072, static_cast<uint64_t>(i));
  EXPECT_EQ(Choose(automatic, kEveryCompression, BatchOf(mixed)), Compression::kNone);
}

TEST(Compress, AFixedChoiceKeepsToWhatTheOtherCanRead) {
  const std::string text = BatchOf(Text(5000));
  const CompressionChoice lz4 = *CompressionFrom("lz4");
  EXPECT_EQ(Choose(lz4, kEveryCompression, text), Compression::kLz4);
  EXPECT_EQ(Choose(lz4, Only(Compression::kZstd), text), Compression::kNone);
  EXPECT_EQ(Choose(*CompressionFrom("none"), kEveryCompression, text), Compression::kNone);
  EXPECT_FALSE(CompressionFrom("gzip").has_value());
}

TEST(Compress, ABombIsRefusedBeforeItIsAllocated) {
  for (const Compression compression : kBoth) {
    const auto sent = CompressBatch(BatchOf(std::string(kCredit, 'x')), compression);
    ASSERT_TRUE(sent.has_value());
    EXPECT_LT(sent->size(), kCredit / 100);
    EXPECT_TRUE(ExpandBatch(*sent, kCredit).ok());
    EXPECT_EQ(WhyNot(*sent, kCredit - 1), Reason::INVALID_BATCH_SIZE);
    EXPECT_EQ(WhyNot(StatedSize(*sent, uint64_t{1} << 60)), Reason::INVALID_BATCH_SIZE);
    // More inside than is stated: not one byte is written beyond what was allocated.
    EXPECT_EQ(WhyNot(StatedSize(*sent, 100)), Reason::INVALID_BATCH_SIZE);
  }
}

TEST(Compress, AWrongLengthIsRefused) {
  for (const Compression compression : kBoth) {
    const auto sent = CompressBatch(BatchOf(Text(5000)), compression);
    ASSERT_TRUE(sent.has_value());
    EXPECT_EQ(WhyNot(StatedSize(*sent, 4999)), Reason::INVALID_BATCH_SIZE);
    EXPECT_EQ(WhyNot(StatedSize(*sent, 5001)), Reason::INVALID_BATCH_SIZE);
    EXPECT_EQ(WhyNot(Forge(sent->substr(0, sent->size() - 3), 0, "\x01")),
              Reason::INVALID_BATCH_SIZE);
    EXPECT_EQ(WhyNot(sent->substr(0, sent->size() - 3)), Reason::CHECKSUM_MISMATCH);
    EXPECT_EQ(WhyNot(Forge(*sent, batch_offset::kCompression, "\x03")),
              Reason::UNSUPPORTED_VERSION);
  }
}

TEST(Compress, GarbageGivesAStatus) {
  Prng prng(3);
  for (int i = 0; i < 2000; ++i) {
    const Compression compression = kBoth[i % 2];
    std::string sent = *CompressBatch(BatchOf(Text(600)), compression);
    for (int flips = 0; flips < 3; ++flips) {
      const char bit = static_cast<char>(prng.Below(256));
      const size_t at = kBatchHeaderSize + prng.Below(sent.size() - kBatchHeaderSize);
      sent = Forge(std::move(sent), at, ByteView(&bit, 1));
    }
    const auto expanded = ExpandBatch(sent, kCredit);
    if (!expanded.ok()) continue;
    EXPECT_EQ(expanded->size(), kBatchHeaderSize + 600);
  }
}

}  // namespace
}  // namespace engram::record
