// Entry headers and the payloads that the log itself reads: whatever decodes encodes to the same.
#include "engram/base/check.h"
#include "engram/record/entry.h"
#include "engram/record/local.h"

namespace {

using engram::ByteView;
namespace record = engram::record;

void CheckLocal(record::EntryType type, ByteView payload) {
  switch (type) {
    case record::EntryType::kSegmentHeader:
      if (auto value = record::DecodeSegmentHeader(payload); value.ok()) {
        ENGRAM_CHECK(*record::DecodeSegmentHeader(record::Encode(*value)) == *value);
      }
      break;
    case record::EntryType::kSyncMark:
      if (auto value = record::DecodeSyncMark(payload); value.ok()) {
        ENGRAM_CHECK(*record::DecodeSyncMark(record::Encode(*value)) == *value);
      }
      break;
    case record::EntryType::kHole:
      if (auto value = record::DecodeHole(payload); value.ok()) {
        ENGRAM_CHECK(*record::DecodeHole(record::Encode(*value)) == *value);
      }
      break;
    case record::EntryType::kCompactionMarker:
      if (auto value = record::DecodeCompactionMarker(payload); value.ok()) {
        ENGRAM_CHECK(*record::DecodeCompactionMarker(record::Encode(*value)) == *value);
      }
      break;
    default:
      if (auto value = record::DecodeCheckpoint(payload); value.ok()) {
        ENGRAM_CHECK(*record::DecodeCheckpoint(record::Encode(*value)) == *value);
      }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  const auto header = record::DecodeHeader(bytes);
  if (header.ok()) {
    record::EntryHeader again = *header;
    char encoded[record::kHeaderSize];
    record::EncodeHeader(&again, encoded);
    ENGRAM_CHECK(ByteView(encoded, sizeof(encoded)) == bytes.substr(0, record::kHeaderSize));
    (void)record::CheckPayload(*header, bytes.substr(record::kHeaderSize));
    CheckLocal(header->type, bytes.substr(record::kHeaderSize));
  }
  // Payloads are reached without a checksum to guess, too: the first byte is the type.
  if (size > 0) CheckLocal(static_cast<record::EntryType>(data[0] % 12), bytes.substr(1));
  return 0;
}
