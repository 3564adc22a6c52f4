#include "engram/record/entry.h"

#include "engram/base/hash.h"

namespace engram::record {
namespace {

static_assert(offset::kSequence == offset::kMagic + 4);
static_assert(offset::kTimestamp == offset::kSequence + 8);
static_assert(offset::kType == offset::kTimestamp + 8);
static_assert(offset::kPayloadSize == offset::kType + 4);
static_assert(offset::kPayloadCrc == offset::kPayloadSize + 4);
static_assert(offset::kHeaderCrc == offset::kPayloadCrc + 4);
static_assert(offset::kEpoch == offset::kHeaderCrc + 4);
static_assert(offset::kChain == offset::kEpoch + 8);
static_assert(offset::kReserved == offset::kChain + 4);
static_assert(offset::kPadding == offset::kReserved + 8);
static_assert(kHeaderSize == offset::kPadding + 8);

// Over bytes 0-31 and 36-55: everything but the CRC itself and the padding.
uint32_t HeaderCrc(const char* bytes) {
  uint32_t crc = Crc32c(ByteView(bytes, offset::kHeaderCrc));
  return Crc32c(ByteView(bytes + offset::kEpoch, offset::kPadding - offset::kEpoch), crc);
}

Status Mismatch(std::string what, uint32_t expected, uint32_t actual) {
  return Status(Reason::CHECKSUM_MISMATCH,
                what + " checksum: expected " + Hex(expected, 8) + ", found " + Hex(actual, 8))
      .With("expected", Hex(expected, 8))
      .With("actual", Hex(actual, 8));
}

// What a header with a good CRC may still have wrong.
Status CheckFields(const char* bytes, const EntryHeader& header) {
  if (!AllZero(ByteView(bytes + offset::kReserved, 8))) {
    return Status(Reason::UNSUPPORTED_VERSION, "the entry uses header bytes 48-55")
        .Expected("zeros, in every version that this program knows")
        .Suggest("open it with the newer engram that wrote it");
  }
  if (!IsKnown(header.type)) {
    const auto type = static_cast<uint32_t>(header.type);
    return Status(Reason::UNSUPPORTED_VERSION, "entry type " + std::to_string(type))
        .Expected("a type from 1 to 11")
        .Suggest("open it with the newer engram that wrote it")
        .With("type", uint64_t{type});
  }
  if (header.payload_size > kMaxPayloadSize) {
    return Status(Reason::TOO_LARGE, "payload of " + std::to_string(header.payload_size) + " bytes")
        .Expected("at most " + std::to_string(kMaxPayloadSize));
  }
  if (IsNumbered(header.type) == header.sequence.is_zero()) {
    return Status(Reason::CORRUPTION_DETECTED, "type " + std::string(Name(header.type)) +
                                                   " with sequence " + ToString(header.sequence));
  }
  return OkStatus();
}

EntryHeader LoadFields(const char* in) {
  EntryHeader header;
  header.sequence = Sequence(LoadLe<uint64_t>(in + offset::kSequence));
  header.timestamp_ns = LoadLe<uint64_t>(in + offset::kTimestamp);
  header.type = static_cast<EntryType>(LoadLe<uint32_t>(in + offset::kType));
  header.payload_size = LoadLe<uint32_t>(in + offset::kPayloadSize);
  header.payload_crc = LoadLe<uint32_t>(in + offset::kPayloadCrc);
  header.header_crc = LoadLe<uint32_t>(in + offset::kHeaderCrc);
  header.epoch = Epoch(LoadLe<uint64_t>(in + offset::kEpoch));
  header.chain = LoadLe<uint32_t>(in + offset::kChain);
  return header;
}

}  // namespace

bool IsKnown(EntryType type) {
  const auto value = static_cast<uint32_t>(type);
  return value >= static_cast<uint32_t>(EntryType::kEpisodeStore) &&
         value <= static_cast<uint32_t>(EntryType::kSpaceSettings);
}

bool IsNumbered(EntryType type) {
  return IsKnown(type) && type != EntryType::kCompactionMarker &&
         type != EntryType::kSegmentHeader && type != EntryType::kHole &&
         type != EntryType::kSyncMark;
}

std::string_view Name(EntryType type) {
  switch (type) {
    case EntryType::kEpisodeStore:
      return "EpisodeStore";
    case EntryType::kMemoryUpdate:
      return "MemoryUpdate";
    case EntryType::kMemoryDelete:
      return "MemoryDelete";
    case EntryType::kConsolidation:
      return "Consolidation";
    case EntryType::kCheckpoint:
      return "Checkpoint";
    case EntryType::kCompactionMarker:
      return "CompactionMarker";
    case EntryType::kEpochStart:
      return "EpochStart";
    case EntryType::kSegmentHeader:
      return "SegmentHeader";
    case EntryType::kHole:
      return "Hole";
    case EntryType::kSyncMark:
      return "SyncMark";
    case EntryType::kSpaceSettings:
      return "SpaceSettings";
  }
  return "unknown";
}

uint32_t EncodeHeader(EntryHeader* header, char* out) {
  StoreLe<uint32_t>(out + offset::kMagic, kMagic);
  StoreLe<uint64_t>(out + offset::kSequence, header->sequence.value());
  StoreLe<uint64_t>(out + offset::kTimestamp, header->timestamp_ns);
  StoreLe<uint32_t>(out + offset::kType, static_cast<uint32_t>(header->type));
  StoreLe<uint32_t>(out + offset::kPayloadSize, header->payload_size);
  StoreLe<uint32_t>(out + offset::kPayloadCrc, header->payload_crc);
  StoreLe<uint64_t>(out + offset::kEpoch, header->epoch.value());
  StoreLe<uint32_t>(out + offset::kChain, header->chain);
  StoreLe<uint64_t>(out + offset::kReserved, 0);
  StoreLe<uint64_t>(out + offset::kPadding, 0);
  header->header_crc = HeaderCrc(out);
  StoreLe<uint32_t>(out + offset::kHeaderCrc, header->header_crc);
  return header->header_crc;
}

uint32_t AppendEntry(EntryHeader* header, ByteView payload, std::string* out) {
  ENGRAM_CHECK(payload.size() <= kMaxPayloadSize);
  header->payload_size = static_cast<uint32_t>(payload.size());
  header->payload_crc = Crc32c(payload);
  char bytes[kHeaderSize];
  EncodeHeader(header, bytes);
  out->append(bytes, kHeaderSize);
  out->append(payload);
  return header->header_crc;
}

Result<EntryHeader> DecodeHeader(ByteView bytes) {
  if (bytes.size() < kHeaderSize) {
    return Status(Reason::TRUNCATED_ENTRY,
                  "an entry header of " + std::to_string(bytes.size()) + " bytes")
        .Expected("64");
  }
  const char* in = bytes.data();
  if (const auto magic = LoadLe<uint32_t>(in); magic != kMagic) {
    return Status(Reason::CORRUPTION_DETECTED, "no entry here: magic " + Hex(magic, 8))
        .Expected(Hex(kMagic, 8));
  }
  EntryHeader header = LoadFields(in);
  if (const uint32_t crc = HeaderCrc(in); crc != header.header_crc) {
    return Mismatch("header", header.header_crc, crc);
  }
  if (!AllZero(bytes.substr(offset::kPadding, 8))) {
    return Status(Reason::CORRUPTION_DETECTED, "header bytes 56-63 are not zero");
  }
  RETURN_IF_ERROR(CheckFields(in, header));
  return header;
}

Status CheckPayload(const EntryHeader& header, ByteView payload) {
  if (payload.size() != header.payload_size) {
    return Status(Reason::TRUNCATED_ENTRY,
                  "a payload of " + std::to_string(payload.size()) + " bytes")
        .Expected(std::to_string(header.payload_size));
  }
  if (const uint32_t crc = Crc32c(payload); crc != header.payload_crc) {
    return Mismatch("payload", header.payload_crc, crc);
  }
  return OkStatus();
}

}  // namespace engram::record
