// space.meta: what a copy of a space knows beside its log. Two checksummed slots, at 0 and 32 KiB,
// written in turn and synced, so that a power cut in the middle of a write leaves the other one.
// docs/wal-format.md has the layout. SpaceMetaFile is owned by one log; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/env/file_system.h"
#include "engram/record/history.h"

namespace engram::wal {

using record::EpochBegin;
using record::History;

inline constexpr uint32_t kMetaVersion = 1;
inline constexpr uint64_t kMetaSlotSize = 32u << 10;
inline constexpr size_t kHistoryMax = 1000;

enum class Phase : uint8_t { kNormal = 0, kRewinding = 1, kCatchingUp = 2 };

// Where the log ended when it was closed in order. Nothing needs to be scanned then.
struct CleanEnd {
  Sequence segment;     // first sequence of the last segment
  uint64_t offset = 0;  // its length
  Position last;
  uint32_t last_crc = 0;
  bool operator==(const CleanEnd&) const = default;
};

struct SpaceMeta {
  Incarnation incarnation;
  Epoch promised;
  Phase phase = Phase::kNormal;
  Sequence rewinding_to;  // in phase kRewinding
  Position commit_hint;
  std::optional<CleanEnd> clean_end;
  Sequence tombstone_floor;
  Position compaction_floor;
  Epoch begun_epoch;     // of a log begun at 1: under which epoch
  Sequence begun_floor;  // and tombstone floor
  History history;       // the newest 1,000
  bool operator==(const SpaceMeta&) const = default;
};

// One slot: magic, version, counter, length, CRC, body.
std::string EncodeMetaSlot(const SpaceMeta& meta, uint64_t counter);
struct MetaSlot {
  uint64_t counter = 0;
  SpaceMeta meta;
};
// CORRUPTION_DETECTED, CHECKSUM_MISMATCH, UNSUPPORTED_VERSION.
Result<MetaSlot> DecodeMetaSlot(ByteView bytes);

class SpaceMetaFile {
 public:
  // Makes the file; durable on return but for its name, which the caller syncs.
  static Result<SpaceMetaFile> Create(env::FileSystem& fs, const std::string& path,
                                      const SpaceMeta& meta);
  // Takes the newer of the readable slots. CORRUPTION_DETECTED when neither is; UNSUPPORTED_VERSION
  // when one is too new. `writable` false never changes the file.
  static Result<SpaceMetaFile> Open(env::FileSystem& fs, const std::string& path, bool writable);

  const SpaceMeta& meta() const { return meta_; }
  // False when a slot could not be read: the other may be older than what was written last, and a
  // clean end in it proves nothing.
  bool newest() const { return newest_; }
  // Writes again what was read, in place, and syncs: the process before may have died in between,
  // and the other slot must not be touched before. After an error as Write.
  Status Prove();
  // Durable on return. After an error the log is poisoned: what stands there is not known.
  Status Write(SpaceMeta meta);

 private:
  SpaceMetaFile(std::unique_ptr<env::File> file, MetaSlot slot, bool newest)
      : file_(std::move(file)),
        meta_(std::move(slot.meta)),
        counter_(slot.counter),
        newest_(newest) {}

  std::unique_ptr<env::File> file_;
  SpaceMeta meta_;
  uint64_t counter_;
  bool newest_;
};

}  // namespace engram::wal
