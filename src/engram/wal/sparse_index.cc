#include "engram/wal/sparse_index.h"

#include <algorithm>

#include "engram/base/hash.h"

namespace engram::wal {
namespace {

constexpr uint32_t kIndexMagic = 0x58444E45;  // "ENDX"
constexpr uint32_t kIndexVersion = 1;
constexpr size_t kVersion = 4, kNonce = 8, kSegmentSize = 16, kLastEpoch = 24, kLastSequence = 32,
                 kLastCrc = 40, kCount = 44, kCrc = 48, kPoints = 52;

uint32_t FileCrc(ByteView bytes) {
  return Crc32c(bytes.substr(kPoints), Crc32c(bytes.substr(0, kCrc)));
}

}  // namespace

void SparseIndex::Add(Sequence sequence, uint64_t offset) {
  if (!points_.empty() && offset < points_.back().offset + kStride) return;
  points_.push_back({sequence, offset});
}

std::optional<SparseIndex::Point> SparseIndex::Floor(Sequence sequence) const {
  auto above = std::upper_bound(points_.begin(), points_.end(), sequence,
                                [](Sequence s, const Point& p) { return s < p.sequence; });
  if (above == points_.begin()) return std::nullopt;
  return *std::prev(above);
}

void SparseIndex::Prepend(const SparseIndex& front) {
  points_.insert(points_.begin(), front.points_.begin(), front.points_.end());
}

std::string EncodeIndexFile(const IndexFile& file) {
  const auto& points = file.index.points();
  std::string out(kPoints + points.size() * 16, '\0');
  char* p = out.data();
  StoreLe<uint32_t>(p, kIndexMagic);
  StoreLe<uint32_t>(p + kVersion, kIndexVersion);
  StoreLe<uint64_t>(p + kNonce, file.nonce);
  StoreLe<uint64_t>(p + kSegmentSize, file.segment_size);
  StoreLe<uint64_t>(p + kLastEpoch, file.last.epoch.value());
  StoreLe<uint64_t>(p + kLastSequence, file.last.sequence.value());
  StoreLe<uint32_t>(p + kLastCrc, file.last_crc);
  StoreLe<uint32_t>(p + kCount, static_cast<uint32_t>(points.size()));
  char* at = p + kPoints;
  for (const auto& point : points) {
    StoreLe<uint64_t>(at, point.sequence.value());
    StoreLe<uint64_t>(at + 8, point.offset);
    at += 16;
  }
  StoreLe<uint32_t>(p + kCrc, FileCrc(out));
  return out;
}

Result<IndexFile> DecodeIndexFile(ByteView bytes) {
  const char* p = bytes.data();
  if (bytes.size() < kPoints || LoadLe<uint32_t>(p) != kIndexMagic ||
      LoadLe<uint32_t>(p + kVersion) != kIndexVersion ||
      bytes.size() != kPoints + size_t{LoadLe<uint32_t>(p + kCount)} * 16) {
    return Status(Reason::CORRUPTION_DETECTED, "not an index of a segment");
  }
  if (FileCrc(bytes) != LoadLe<uint32_t>(p + kCrc)) {
    return Status(Reason::CHECKSUM_MISMATCH, "checksum of an index of a segment");
  }
  IndexFile file;
  file.nonce = LoadLe<uint64_t>(p + kNonce);
  file.segment_size = LoadLe<uint64_t>(p + kSegmentSize);
  file.last = {Epoch(LoadLe<uint64_t>(p + kLastEpoch)),
               Sequence(LoadLe<uint64_t>(p + kLastSequence))};
  file.last_crc = LoadLe<uint32_t>(p + kLastCrc);
  for (const char* at = p + kPoints; at < p + bytes.size(); at += 16) {
    file.index.AddAlways(Sequence(LoadLe<uint64_t>(at)), LoadLe<uint64_t>(at + 8));
  }
  return file;
}

}  // namespace engram::wal
