#include "engram/record/compress.h"

#include <algorithm>
#include <memory>

#include <lz4.h>
#include <zstd.h>

namespace engram::record {
namespace {

constexpr int kZstdLevel = 1;  // a replica must keep up; higher ones cost more than they save
constexpr size_t kSampleBytes = 4096;     // of each of three places
constexpr size_t kWorthwhileBytes = 256;  // of records; less is sent as it is
constexpr uint64_t kSavedPart = 8;        // an eighth of the sample, at least

bool In(CompressionSet set, Compression compression) {
  return (set & Only(compression)) != 0;
}

// Compressed into `out` from `at` on; the bytes written, 0 when there was no room.
size_t Squeeze(Compression compression, ByteView in, std::string* out, size_t at) {
  const size_t room = out->size() - at;
  if (compression == Compression::kLz4) {
    return static_cast<size_t>(LZ4_compress_default(
        in.data(), out->data() + at, static_cast<int>(in.size()), static_cast<int>(room)));
  }
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                   ZSTD_freeCCtx);
  const size_t size =
      ZSTD_compressCCtx(context.get(), out->data() + at, room, in.data(), in.size(), kZstdLevel);
  return ZSTD_isError(size) ? 0 : size;
}

// False unless exactly out->size() - at bytes came out.
bool Unsqueeze(Compression compression, ByteView in, std::string* out, size_t at) {
  const size_t size = out->size() - at;
  if (compression == Compression::kLz4) {
    const int got = LZ4_decompress_safe(in.data(), out->data() + at, static_cast<int>(in.size()),
                                        static_cast<int>(size));
    return got >= 0 && static_cast<size_t>(got) == size;
  }
  const size_t got = ZSTD_decompress(out->data() + at, size, in.data(), in.size());
  return !ZSTD_isError(got) && got == size;
}

// Start, middle and end: a batch may hold texts first and vectors later.
std::string SampleOf(ByteView records) {
  if (records.size() <= 3 * kSampleBytes) return std::string(records);
  std::string sample(records.substr(0, kSampleBytes));
  sample += records.substr(records.size() / 2 - kSampleBytes / 2, kSampleBytes);
  return sample += records.substr(records.size() - kSampleBytes);
}

bool Shrinks(ByteView records) {
  const std::string sample = SampleOf(records);
  std::string out(sample.size() - sample.size() / kSavedPart, '\0');
  return Squeeze(Compression::kLz4, sample, &out, 0) > 0;
}

Status WrongLength(const BatchHeader& header) {
  return Status(Reason::INVALID_BATCH_SIZE, "the records of a batch do not expand to the " +
                                                std::to_string(header.size) +
                                                " bytes that its header states")
      .Expected("one block of the compression that the header names");
}

}  // namespace

std::optional<CompressionChoice> CompressionFrom(std::string_view word) {
  if (word == "none") return CompressionChoice{};
  if (word == "auto") return CompressionChoice{.automatic = true};
  if (word == "lz4") return CompressionChoice{.fixed = Compression::kLz4};
  if (word == "zstd") return CompressionChoice{.fixed = Compression::kZstd};
  return std::nullopt;
}

Compression Choose(const CompressionChoice& choice, CompressionSet readable, ByteView batch) {
  if (batch.size() < kBatchHeaderSize + kWorthwhileBytes) return Compression::kNone;
  if (!choice.automatic) return In(readable, choice.fixed) ? choice.fixed : Compression::kNone;
  for (const Compression one : {Compression::kZstd, Compression::kLz4}) {
    if (In(readable, one)) return Shrinks(BatchRecords(batch)) ? one : Compression::kNone;
  }
  return Compression::kNone;
}

std::optional<std::string> CompressBatch(ByteView batch, Compression compression) {
  if (compression == Compression::kNone || batch.size() <= kBatchHeaderSize) return std::nullopt;
  const ByteView records = BatchRecords(batch);
  if (records.size() > LZ4_MAX_INPUT_SIZE) return std::nullopt;
  std::string out(batch.size() - 1, '\0');  // smaller, or not at all
  const size_t size = Squeeze(compression, records, &out, kBatchHeaderSize);
  if (size == 0) return std::nullopt;
  out.resize(kBatchHeaderSize + size);
  std::copy_n(batch.data(), kBatchHeaderSize, out.data());
  out[batch_offset::kCompression] = static_cast<char>(compression);
  SealBatch(&out);
  return out;
}

Result<std::string> ExpandBatch(ByteView batch, uint64_t credit) {
  ASSIGN_OR_RETURN(const BatchHeader header, DecodeBatchHeader(batch, credit));
  if (header.compression == Compression::kNone) return std::string(batch);
  std::string out(kBatchHeaderSize + header.size, '\0');
  if (!Unsqueeze(header.compression, BatchRecords(batch), &out, kBatchHeaderSize)) {
    return WrongLength(header);
  }
  std::copy_n(batch.data(), kBatchHeaderSize, out.data());
  out[batch_offset::kCompression] = static_cast<char>(Compression::kNone);
  SealBatch(&out);
  return out;
}

Compression CompressionOf(ByteView batch) {
  if (batch.size() < kBatchHeaderSize) return Compression::kNone;
  return static_cast<Compression>(batch[batch_offset::kCompression]);
}

}  // namespace engram::record
