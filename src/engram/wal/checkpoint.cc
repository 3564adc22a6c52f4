#include "engram/wal/checkpoint.h"

#include "engram/base/bytes.h"
#include "engram/base/check.h"

namespace engram::wal {

CheckpointKeeper::CheckpointKeeper(Sequence end) : known_(end.is_zero()), first_(end.next()) {}

void CheckpointKeeper::AddCrc(uint32_t crc) {
  char bytes[4];
  StoreLe<uint32_t>(bytes, crc);
  digester_.Add(ByteView(bytes, sizeof(bytes)));
}

void CheckpointKeeper::Add(Sequence, uint32_t header_crc, uint64_t bytes) {
  ++entries_;
  bytes_ += bytes;
  if (known_) {
    AddCrc(header_crc);
  } else {
    kept_.push_back(header_crc);
  }
}

void CheckpointKeeper::Supply(Sequence first, const std::vector<uint32_t>& crcs) {
  if (known_ || first.value() + crcs.size() != first_.value()) return;
  for (const uint32_t crc : crcs) AddCrc(crc);
  for (const uint32_t crc : kept_) AddCrc(crc);
  first_ = first;
  kept_.clear();
  kept_.shrink_to_fit();
  known_ = true;
}

record::Checkpoint CheckpointKeeper::Take(Sequence last) {
  ENGRAM_CHECK(known_);
  const record::Checkpoint checkpoint{first_, last, digester_.Get()};
  digester_.Reset();
  first_ = last.next();
  entries_ = bytes_ = 0;
  return checkpoint;
}

void CheckpointKeeper::Begin(Sequence first) {
  Reset(first.prev());
  known_ = true;
}

void CheckpointKeeper::Reset(Sequence end) {
  *this = CheckpointKeeper(end);
}

}  // namespace engram::wal
