// Decides when the log writes a Checkpoint entry, and keeps the running digest that it holds: the
// XXH3-128 of the header CRCs (4 little-endian bytes each) of all entries since the Checkpoint
// before it, that one included. Due after 100,000 entries or 64 MiB.
//
// A log that was reopened does not know the entries since its last Checkpoint; it keeps the CRCs of
// what is appended, and asks for the older ones (Supply) when a Checkpoint is due. Guarded by the
// lock of the log.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engram/base/hash.h"
#include "engram/base/types.h"
#include "engram/record/local.h"

namespace engram::wal {

class CheckpointKeeper {
 public:
  static constexpr uint64_t kEntries = 100'000;
  static constexpr uint64_t kBytes = 64u << 20;

  // `end`: the log's end now. An empty log is known from its start.
  explicit CheckpointKeeper(Sequence end);

  void Add(Sequence sequence, uint32_t header_crc, uint64_t bytes);
  bool due() const { return entries_ >= kEntries || bytes_ >= kBytes; }
  // True when a Checkpoint can be made at once.
  bool known() const { return known_; }
  // Last sequence whose CRC has to be supplied.
  Sequence missing_through() const { return first_.prev(); }
  // The CRCs of `first` … missing_through().
  void Supply(Sequence first, const std::vector<uint32_t>& crcs);
  // Requires known(). The entries up to `last` are covered; the next range begins after it.
  record::Checkpoint Take(Sequence last);
  // A range that is known begins with `first`, the next entry: behind a Hole, and with a Checkpoint
  // of the primary.
  void Begin(Sequence first);
  Sequence first() const { return first_; }
  // After a truncation: what was kept is gone.
  void Reset(Sequence end);

 private:
  void AddCrc(uint32_t crc);

  bool known_;
  Sequence first_;              // first entry covered, or kept
  Digester digester_;           // when known
  std::vector<uint32_t> kept_;  // when not
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace engram::wal
