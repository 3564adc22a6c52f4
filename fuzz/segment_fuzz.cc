// A segment file of any bytes: read from its head on, searched for marks, taken as an index and as
// space.meta. Scanning ends inside of the file, at a record's end.
#include "engram/base/check.h"
#include "engram/env/memory_file_system.h"
#include "engram/wal/recovery.h"
#include "engram/wal/space_meta.h"
#include "engram/wal/sparse_index.h"

namespace {

using namespace engram;  // NOLINT

void Scan(env::File& file, uint64_t size) {
  const auto head = wal::ReadSegmentHead(file);
  if (!head.ok()) return;
  wal::FileSource source(file, size, 256);
  uint64_t last_end = head->size;
  const auto end = wal::ScanSegment(source, *head, [&](const wal::Record& record) {
    ENGRAM_CHECK(record.offset == last_end);
    last_end = record.end();
  });
  ENGRAM_CHECK(end.ok() && end->offset == last_end && last_end <= size);
  ENGRAM_CHECK(end->marked <= last_end);
  ENGRAM_CHECK(wal::IsClaimedSynced(source, end->offset, head->header.nonce).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  env::MemoryFileSystem fs;
  auto file = std::move(*fs.Open("/segment", env::OpenMode::kCreate));
  ENGRAM_CHECK(file->WriteAt(0, bytes).ok());
  Scan(*file, size);
  if (const auto index = wal::DecodeIndexFile(bytes); index.ok()) {
    ENGRAM_CHECK(wal::EncodeIndexFile(*index) == bytes);
  }
  if (const auto slot = wal::DecodeMetaSlot(bytes); slot.ok()) {
    const auto again = wal::DecodeMetaSlot(wal::EncodeMetaSlot(slot->meta, slot->counter));
    ENGRAM_CHECK(again.ok() && again->meta == slot->meta);
  }
  return 0;
}
