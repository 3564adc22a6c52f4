#include "engram/record/batch.h"

#include <algorithm>

#include "engram/base/hash.h"

namespace engram::record {
namespace {

static_assert(batch_offset::kPrimary == batch_offset::kVersion + 2);
static_assert(batch_offset::kSpace == batch_offset::kPrimary + 16);
static_assert(batch_offset::kStart == batch_offset::kSpace + 16);
static_assert(batch_offset::kCount == batch_offset::kStart + 8);
static_assert(batch_offset::kSize == batch_offset::kCount + 4);
static_assert(batch_offset::kCompression == batch_offset::kSize + 8);
static_assert(batch_offset::kCrc == batch_offset::kCompression + 1);
static_assert(batch_offset::kPadding == batch_offset::kCrc + 4);
static_assert(kBatchHeaderSize == batch_offset::kPadding + 5);

// Of the header with its CRC field zero, followed by the records as sent.
uint32_t BatchCrc(ByteView bytes) {
  char header[kBatchHeaderSize];
  std::copy_n(bytes.data(), kBatchHeaderSize, header);
  StoreLe<uint32_t>(header + batch_offset::kCrc, 0);
  return Crc32c(BatchRecords(bytes), Crc32c(ByteView(header, kBatchHeaderSize)));
}

template <class Id>
Id LoadId(const char* in) {
  Id id;
  std::copy_n(in, id.bytes.size(), id.bytes.begin());
  return id;
}

Status CheckBatchHeader(ByteView bytes, const BatchHeader& header, uint64_t credit) {
  if (static_cast<uint8_t>(header.compression) > static_cast<uint8_t>(Compression::kLz4)) {
    return Status(Reason::UNSUPPORTED_VERSION, "a batch of an unknown compression")
        .Expected("none, zstd or lz4");
  }
  if (!AllZero(bytes.substr(batch_offset::kPadding, 5))) {
    return Status(Reason::CORRUPTION_DETECTED, "batch header bytes 59-63 are not zero");
  }
  if (header.count == 0) return Status(Reason::EMPTY_BATCH, "a batch of no records");
  if (header.start.is_zero()) {
    return Status(Reason::CORRUPTION_DETECTED, "a batch that starts at sequence 0");
  }
  if (header.size == 0 || header.size > credit) {
    return Status(Reason::INVALID_BATCH_SIZE,
                  "a batch of " + std::to_string(header.size) + " bytes")
        .Expected("1 to " + std::to_string(credit));
  }
  return OkStatus();
}

// Where the next record has to begin.
struct Join {
  Sequence next;
  uint32_t chain = 0;
  bool chain_known = false;
};

Status JoinHole(ByteView payload, Join* join) {
  ASSIGN_OR_RETURN(const Hole hole, DecodeHole(payload));
  if (hole.first != join->next) {
    return Status(Reason::SEQUENCE_GAP, "a Hole from " + ToString(hole.first))
        .Expected(ToString(join->next));
  }
  *join = {hole.last.sequence.next(), hole.last_crc, true};
  return OkStatus();
}

Status JoinEntry(const EntryHeader& header, Join* join) {
  if (!IsNumbered(header.type)) {
    return Status(Reason::CORRUPTION_DETECTED,
                  std::string(Name(header.type)) + " is never shipped");
  }
  if (header.sequence != join->next) {
    return Status(Reason::SEQUENCE_GAP, "sequence " + ToString(header.sequence))
        .Expected(ToString(join->next));
  }
  if (join->chain_known && header.chain != join->chain) {
    return Status(Reason::CORRUPTION_DETECTED,
                  "sequence " + ToString(header.sequence) + " does not join the one before it");
  }
  *join = {header.sequence.next(), header.header_crc, true};
  return OkStatus();
}

}  // namespace

std::string EncodeBatch(const BatchHeader& header, ByteView sent) {
  std::string out(kBatchHeaderSize, '\0');
  char* p = out.data();
  StoreLe<uint16_t>(p + batch_offset::kVersion, kBatchVersion);
  std::copy_n(header.primary.bytes.begin(), 16, p + batch_offset::kPrimary);
  std::copy_n(header.space.bytes.begin(), 16, p + batch_offset::kSpace);
  StoreLe<uint64_t>(p + batch_offset::kStart, header.start.value());
  StoreLe<uint32_t>(p + batch_offset::kCount, header.count);
  StoreLe<uint64_t>(p + batch_offset::kSize, header.size);
  p[batch_offset::kCompression] = static_cast<char>(header.compression);
  out.append(sent);
  SealBatch(&out);
  return out;
}

void SealBatch(std::string* batch) {
  const uint32_t crc = BatchCrc(*batch);
  StoreLe<uint32_t>(batch->data() + batch_offset::kCrc, crc);
}

Result<BatchHeader> DecodeBatchHeader(ByteView bytes, uint64_t credit) {
  if (bytes.size() < kBatchHeaderSize) {
    return Status(Reason::TRUNCATED_BATCH, "a batch of " + std::to_string(bytes.size()) + " bytes")
        .Expected("a header of 64, then records");
  }
  const char* p = bytes.data();
  if (const auto version = LoadLe<uint16_t>(p); version != kBatchVersion) {
    return Status(Reason::UNSUPPORTED_VERSION, "a batch of version " + std::to_string(version))
        .Expected(std::to_string(kBatchVersion))
        .With("version", uint64_t{version});
  }
  const auto stored = LoadLe<uint32_t>(p + batch_offset::kCrc);
  if (const uint32_t crc = BatchCrc(bytes); crc != stored) {
    return Status(Reason::CHECKSUM_MISMATCH,
                  "batch checksum: expected " + Hex(stored, 8) + ", found " + Hex(crc, 8))
        .With("expected", Hex(stored, 8))
        .With("actual", Hex(crc, 8));
  }
  BatchHeader header;
  header.primary = LoadId<NodeId>(p + batch_offset::kPrimary);
  header.space = LoadId<Incarnation>(p + batch_offset::kSpace);
  header.start = Sequence(LoadLe<uint64_t>(p + batch_offset::kStart));
  header.count = LoadLe<uint32_t>(p + batch_offset::kCount);
  header.size = LoadLe<uint64_t>(p + batch_offset::kSize);
  header.compression = static_cast<Compression>(p[batch_offset::kCompression]);
  RETURN_IF_ERROR(CheckBatchHeader(bytes, header, credit));
  return header;
}

Result<std::vector<BatchRecord>> SplitBatch(const BatchHeader& header, ByteView records) {
  if (records.size() != header.size) {
    return Status(Reason::INVALID_BATCH_SIZE, std::to_string(records.size()) + " bytes of records")
        .Expected(std::to_string(header.size));
  }
  std::vector<BatchRecord> out;
  Join join{header.start};
  while (!records.empty()) {
    ASSIGN_OR_RETURN(EntryHeader entry, DecodeHeader(records));
    const size_t size = kHeaderSize + entry.payload_size;
    if (records.size() < size) {
      return Status(Reason::TRUNCATED_BATCH, "the last record of the batch is cut short");
    }
    const ByteView payload = records.substr(kHeaderSize, entry.payload_size);
    RETURN_IF_ERROR(CheckPayload(entry, payload));
    RETURN_IF_ERROR(entry.type == EntryType::kHole ? JoinHole(payload, &join)
                                                   : JoinEntry(entry, &join));
    out.push_back({entry, records.substr(0, size), payload});
    records.remove_prefix(size);
  }
  if (out.size() != header.count) {
    return Status(Reason::INVALID_BATCH_SIZE, std::to_string(out.size()) + " records")
        .Expected(std::to_string(header.count));
  }
  return out;
}

}  // namespace engram::record
