#include "engram/wal/space_meta.h"

#include <algorithm>
#include <array>

#include "engram/base/bytes.h"
#include "engram/base/hash.h"

namespace engram::wal {
namespace {

constexpr uint32_t kMetaMagic = 0x4D474E45;  // "ENGM"

// Slot header.
constexpr size_t kVersionAt = 4, kCounterAt = 8, kLengthAt = 16, kCrcAt = 20, kBodyAt = 24;
// Body.
constexpr size_t kIncarnation = 0, kPromised = 16, kPhase = 24, kRewindingTo = 25,
                 kCommitEpoch = 33, kCommitSequence = 41, kIsClean = 49, kCleanSegment = 50,
                 kCleanOffset = 58, kCleanEpoch = 66, kCleanSequence = 74, kCleanCrc = 82,
                 kTombstoneFloor = 86, kFloorEpoch = 94, kFloorSequence = 102, kBegunEpoch = 110,
                 kBegunFloor = 118, kHistoryCount = 126, kHistory = 130;
static_assert(kBodyAt + kHistory + kHistoryMax * 16 <= kMetaSlotSize);

// CRC32C of the slot's header with the CRC itself left out, followed by the body.
uint32_t SlotCrc(ByteView slot, size_t body) {
  return Crc32c(slot.substr(kBodyAt, body), Crc32c(slot.substr(0, kCrcAt)));
}

void Put(char* out, uint64_t value) {
  StoreLe<uint64_t>(out, value);
}
uint64_t Get(const char* in) {
  return LoadLe<uint64_t>(in);
}

void PutCleanEnd(const std::optional<CleanEnd>& end, char* b) {
  b[kIsClean] = end ? 1 : 0;
  if (!end) return;
  Put(b + kCleanSegment, end->segment.value());
  Put(b + kCleanOffset, end->offset);
  Put(b + kCleanEpoch, end->last.epoch.value());
  Put(b + kCleanSequence, end->last.sequence.value());
  StoreLe<uint32_t>(b + kCleanCrc, end->last_crc);
}

std::optional<CleanEnd> GetCleanEnd(const char* b) {
  if (b[kIsClean] == 0) return std::nullopt;
  return CleanEnd{Sequence(Get(b + kCleanSegment)),
                  Get(b + kCleanOffset),
                  {Epoch(Get(b + kCleanEpoch)), Sequence(Get(b + kCleanSequence))},
                  LoadLe<uint32_t>(b + kCleanCrc)};
}

void PutBody(const SpaceMeta& meta, char* b) {
  std::copy(meta.incarnation.bytes.begin(), meta.incarnation.bytes.end(), b + kIncarnation);
  Put(b + kPromised, meta.promised.value());
  b[kPhase] = static_cast<char>(meta.phase);
  Put(b + kRewindingTo, meta.rewinding_to.value());
  Put(b + kCommitEpoch, meta.commit_hint.epoch.value());
  Put(b + kCommitSequence, meta.commit_hint.sequence.value());
  PutCleanEnd(meta.clean_end, b);
  Put(b + kTombstoneFloor, meta.tombstone_floor.value());
  Put(b + kFloorEpoch, meta.compaction_floor.epoch.value());
  Put(b + kFloorSequence, meta.compaction_floor.sequence.value());
  Put(b + kBegunEpoch, meta.begun_epoch.value());
  Put(b + kBegunFloor, meta.begun_floor.value());
  StoreLe<uint32_t>(b + kHistoryCount, static_cast<uint32_t>(meta.history.size()));
  char* at = b + kHistory;
  for (const EpochBegin& begin : meta.history) {
    Put(at, begin.epoch.value());
    Put(at + 8, begin.first.value());
    at += 16;
  }
}

Result<SpaceMeta> GetBody(ByteView body) {
  const Status bad(Reason::CORRUPTION_DETECTED, "space.meta contradicts itself");
  if (body.size() < kHistory) return bad;
  const char* b = body.data();
  SpaceMeta meta;
  std::copy_n(b + kIncarnation, 16, meta.incarnation.bytes.begin());
  meta.promised = Epoch(Get(b + kPromised));
  if (b[kPhase] < 0 || b[kPhase] > 2 || b[kIsClean] < 0 || b[kIsClean] > 1) return bad;
  meta.phase = static_cast<Phase>(b[kPhase]);
  meta.rewinding_to = Sequence(Get(b + kRewindingTo));
  meta.commit_hint = {Epoch(Get(b + kCommitEpoch)), Sequence(Get(b + kCommitSequence))};
  meta.clean_end = GetCleanEnd(b);
  meta.tombstone_floor = Sequence(Get(b + kTombstoneFloor));
  meta.compaction_floor = {Epoch(Get(b + kFloorEpoch)), Sequence(Get(b + kFloorSequence))};
  meta.begun_epoch = Epoch(Get(b + kBegunEpoch));
  meta.begun_floor = Sequence(Get(b + kBegunFloor));
  const auto count = LoadLe<uint32_t>(b + kHistoryCount);
  if (count > kHistoryMax || body.size() != kHistory + size_t{count} * 16) return bad;
  for (const char* at = b + kHistory; at < b + body.size(); at += 16) {
    meta.history.push_back({Epoch(Get(at)), Sequence(Get(at + 8))});
  }
  return meta;
}

uint64_t SlotOffset(uint64_t counter) {
  return counter % 2 * kMetaSlotSize;
}

Result<std::string> ReadSlot(env::File& file, uint64_t offset) {
  std::string bytes(kMetaSlotSize, '\0');
  ASSIGN_OR_RETURN(const size_t size, file.ReadAt(offset, bytes.data(), bytes.size()));
  bytes.resize(size);
  return bytes;
}

}  // namespace

std::string EncodeMetaSlot(const SpaceMeta& meta, uint64_t counter) {
  ENGRAM_CHECK(meta.history.size() <= kHistoryMax);
  const size_t body = kHistory + meta.history.size() * 16;
  std::string out(kBodyAt + body, '\0');
  char* p = out.data();
  StoreLe<uint32_t>(p, kMetaMagic);
  StoreLe<uint32_t>(p + kVersionAt, kMetaVersion);
  StoreLe<uint64_t>(p + kCounterAt, counter);
  StoreLe<uint32_t>(p + kLengthAt, static_cast<uint32_t>(body));
  PutBody(meta, p + kBodyAt);
  StoreLe<uint32_t>(p + kCrcAt, SlotCrc(out, body));
  return out;
}

Result<MetaSlot> DecodeMetaSlot(ByteView bytes) {
  if (bytes.size() < kBodyAt || LoadLe<uint32_t>(bytes.data()) != kMetaMagic) {
    return Status(Reason::CORRUPTION_DETECTED, "no slot of space.meta here");
  }
  const char* p = bytes.data();
  const auto length = LoadLe<uint32_t>(p + kLengthAt);
  if (length > bytes.size() - kBodyAt) {
    return Status(Reason::CORRUPTION_DETECTED, "a slot of space.meta is cut short");
  }
  if (SlotCrc(bytes, length) != LoadLe<uint32_t>(p + kCrcAt)) {
    return Status(Reason::CHECKSUM_MISMATCH, "checksum of a slot of space.meta");
  }
  if (const auto version = LoadLe<uint32_t>(p + kVersionAt); version != kMetaVersion) {
    return Status(Reason::UNSUPPORTED_VERSION, "space.meta of version " + std::to_string(version))
        .Expected("version " + std::to_string(kMetaVersion))
        .Suggest("open it with the engram that wrote it, or a newer one")
        .With("version", uint64_t{version});
  }
  ASSIGN_OR_RETURN(SpaceMeta meta, GetBody(bytes.substr(kBodyAt, length)));
  return MetaSlot{LoadLe<uint64_t>(p + kCounterAt), std::move(meta)};
}

Result<SpaceMetaFile> SpaceMetaFile::Create(env::FileSystem& fs, const std::string& path,
                                            const SpaceMeta& meta) {
  ASSIGN_OR_RETURN(auto file, fs.Open(path, env::OpenMode::kCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  // Both slots are filled, so that one that cannot be read always means damage or a torn write.
  RETURN_IF_ERROR(file->WriteAt(SlotOffset(1), EncodeMetaSlot(meta, 1)));
  RETURN_IF_ERROR(file->WriteAt(SlotOffset(2), EncodeMetaSlot(meta, 2)));
  RETURN_IF_ERROR(file->Sync());
  return SpaceMetaFile(std::move(file), {2, meta}, true);
}

Result<SpaceMetaFile> SpaceMetaFile::Open(env::FileSystem& fs, const std::string& path,
                                          bool writable) {
  ASSIGN_OR_RETURN(auto file,
                   fs.Open(path, writable ? env::OpenMode::kReadWrite : env::OpenMode::kRead));
  std::optional<MetaSlot> best;
  int readable = 0;
  for (const uint64_t offset : {uint64_t{0}, kMetaSlotSize}) {
    ASSIGN_OR_RETURN(const std::string bytes, ReadSlot(*file, offset));
    auto slot = DecodeMetaSlot(bytes);
    if (!slot.ok()) {
      if (slot.status().reason() == Reason::UNSUPPORTED_VERSION) return slot.status();
      continue;
    }
    ++readable;
    if (!best || slot->counter > best->counter) best = std::move(*slot);
  }
  if (!best) {
    return Status(Reason::CORRUPTION_DETECTED, "neither slot of " + path + " can be read")
        .Suggest("take this copy from another one, or run engram wal repair")
        .With("path", path);
  }
  return SpaceMetaFile(std::move(file), std::move(*best), readable == 2);
}

Status SpaceMetaFile::Prove() {
  RETURN_IF_ERROR(file_->WriteAt(SlotOffset(counter_), EncodeMetaSlot(meta_, counter_)));
  return file_->Sync();
}

Status SpaceMetaFile::Write(SpaceMeta meta) {
  if (meta.history.size() > kHistoryMax) {
    meta.history.erase(meta.history.begin(), meta.history.end() - kHistoryMax);
  }
  const uint64_t counter = counter_ + 1;
  RETURN_IF_ERROR(file_->WriteAt(SlotOffset(counter), EncodeMetaSlot(meta, counter)));
  RETURN_IF_ERROR(file_->Sync());
  counter_ = counter;
  meta_ = std::move(meta);
  return OkStatus();
}

}  // namespace engram::wal
