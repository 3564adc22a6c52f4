// Replication batches. The checksum is made right, so that what is behind it is reached.
#include "engram/base/check.h"
#include "engram/base/hash.h"
#include "engram/record/batch.h"

namespace {

namespace record = engram::record;
constexpr uint64_t kCredit = 1 << 20;

void Check(const std::string& bytes) {
  const auto header = record::DecodeBatchHeader(bytes, kCredit);
  if (!header.ok()) return;
  const engram::ByteView records = record::BatchRecords(bytes);
  ENGRAM_CHECK(record::EncodeBatch(*header, records) == bytes);
  const auto split = record::SplitBatch(*header, records);
  if (!split.ok()) return;
  ENGRAM_CHECK(split->size() == header->count);
  size_t size = 0;
  for (const auto& one : *split) size += one.bytes.size();
  ENGRAM_CHECK(size == header->size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Check(bytes);
  if (size < record::kBatchHeaderSize) return 0;
  char* crc = bytes.data() + record::batch_offset::kCrc;
  engram::StoreLe<uint32_t>(crc, 0);
  engram::StoreLe<uint32_t>(crc, engram::Crc32c(bytes));
  Check(bytes);
  return 0;
}
