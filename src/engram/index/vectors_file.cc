#include "engram/index/vectors_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engram/base/hash.h"

namespace engram::index {
namespace {

constexpr ByteView kMagic = "ENGRAMVX";
constexpr uint32_t kFormat = 1;
constexpr size_t kSlotBytes = 76;
constexpr uint64_t kSlotDistance = 4096;  // a torn page takes one slot, not both
static_assert(VectorFile::kRowsOffset == 2 * kSlotDistance);
constexpr size_t kRowHeader = 24;
constexpr size_t kRowChecked = 16;  // content, scale, error
constexpr size_t kReadBytes = 1 << 20;

uint32_t RowCrc(ByteView row) {
  return Crc32c(row.substr(kRowHeader), Crc32c(row.substr(0, kRowChecked)));
}

void AppendRow(const VectorRow& row, std::string* out) {
  const size_t start = out->size();
  AppendLe(out, row.content.value());
  AppendLe(out, std::bit_cast<uint32_t>(row.scale.scale));
  AppendLe(out, std::bit_cast<uint32_t>(row.scale.error));
  out->append(kRowHeader - kRowChecked, '\0');
  out->append(reinterpret_cast<const char*>(row.codes.data()), row.codes.size());
  StoreLe(out->data() + start + kRowChecked, RowCrc(ByteView(*out).substr(start)));
}

Result<VectorRow> DecodeRow(ByteView bytes) {
  if (LoadLe<uint32_t>(bytes.data() + kRowChecked) != RowCrc(bytes)) {
    return Status(Reason::CHECKSUM_MISMATCH, "a vector in vectors.bin is damaged")
        .Suggest("delete vectors.bin; it is made again from the log");
  }
  VectorRow row;
  row.content = Sequence(LoadLe<uint64_t>(bytes.data()));
  row.scale.scale = std::bit_cast<float>(LoadLe<uint32_t>(bytes.data() + 8));
  row.scale.error = std::bit_cast<float>(LoadLe<uint32_t>(bytes.data() + 12));
  row.codes = {reinterpret_cast<const int8_t*>(bytes.data()) + kRowHeader,
               bytes.size() - kRowHeader};
  return row;
}

}  // namespace

std::string VectorFile::Encode(const Slot& slot, uint32_t dimension) {
  std::string bytes(kMagic);
  AppendLe(&bytes, kFormat);
  AppendLe(&bytes, dimension);
  bytes.append(reinterpret_cast<const char*>(slot.identity.incarnation.bytes.data()), 16);
  AppendLe(&bytes, slot.identity.epoch.value());
  AppendLe(&bytes, slot.identity.sequence.value());
  AppendLe(&bytes, slot.identity.header_crc);
  AppendLe(&bytes, uint32_t{0});
  AppendLe(&bytes, slot.rows);
  AppendLe(&bytes, slot.generation);
  AppendLe(&bytes, Crc32c(bytes));
  return bytes;
}

Result<VectorFile::Slot> VectorFile::Decode(ByteView bytes, uint32_t dimension) {
  const size_t checked = kSlotBytes - sizeof(uint32_t);
  if (bytes.size() < kSlotBytes || bytes.substr(0, kMagic.size()) != kMagic ||
      LoadLe<uint32_t>(bytes.data() + checked) != Crc32c(bytes.substr(0, checked))) {
    return Status(Reason::CORRUPTION_DETECTED, "vectors.bin does not say where it stands")
        .Suggest("delete vectors.bin; it is made again from the log");
  }
  const char* at = bytes.data() + kMagic.size();
  if (const auto format = LoadLe<uint32_t>(at); format != kFormat) {
    return Status(Reason::UNSUPPORTED_VERSION, "vectors.bin has format " + std::to_string(format));
  }
  if (const auto stored = LoadLe<uint32_t>(at + 4); stored != dimension) {
    return Status(Reason::DIMENSION_MISMATCH,
                  "vectors.bin holds vectors of " + std::to_string(stored) + " numbers")
        .Expected(std::to_string(dimension));
  }
  Slot slot;
  std::memcpy(slot.identity.incarnation.bytes.data(), at + 8, 16);
  slot.identity.epoch = Epoch(LoadLe<uint64_t>(at + 24));
  slot.identity.sequence = Sequence(LoadLe<uint64_t>(at + 32));
  slot.identity.header_crc = LoadLe<uint32_t>(at + 40);
  slot.rows = LoadLe<uint64_t>(at + 48);
  slot.generation = LoadLe<uint64_t>(at + 56);
  return slot;
}

Status VectorFile::Create(env::FileSystem& fs, const std::string& path, Incarnation incarnation,
                          uint32_t dimension) {
  Slot slot;
  slot.identity.incarnation = incarnation;
  std::string bytes = Encode(slot, dimension);
  bytes.resize(kRowsOffset);
  return env::ReplaceFile(fs, path, bytes);
}

Result<std::unique_ptr<VectorFile>> VectorFile::Open(env::FileSystem& fs, const std::string& path,
                                                     Incarnation incarnation, uint32_t dimension) {
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) RETURN_IF_ERROR(Create(fs, path, incarnation, dimension));
  ASSIGN_OR_RETURN(std::unique_ptr<env::File> file, fs.Open(path, env::OpenMode::kReadWrite));
  std::unique_ptr<VectorFile> opened(new VectorFile(std::move(file), dimension));
  RETURN_IF_ERROR(opened->ReadSlots());
  if (opened->slot_.identity.incarnation != incarnation) {
    return Status(Reason::CORRUPTION_DETECTED,
                  "vectors.bin belongs to incarnation " +
                      FormatUuid(opened->slot_.identity.incarnation.bytes));
  }
  return opened;
}

Status VectorFile::ReadSlots() {
  char bytes[kRowsOffset];
  ASSIGN_OR_RETURN(const size_t size, file_->ReadAt(0, bytes, sizeof(bytes)));
  const ByteView all(bytes, size);
  Result<Slot> a = Decode(all.substr(0, kSlotBytes), dimension_);
  Result<Slot> b =
      Decode(all.substr(std::min<size_t>(size, kSlotDistance), kSlotBytes), dimension_);
  if (!a.ok() && !b.ok()) {
    const bool b_says_more = a.status().reason() == Reason::CORRUPTION_DETECTED;
    return b_says_more ? b.status() : a.status();
  }
  slot_ = !b.ok() || (a.ok() && a->generation > b->generation) ? *a : *b;
  rows_ = slot_.rows;
  ASSIGN_OR_RETURN(const uint64_t length, file_->Size());
  if (length < kRowsOffset || rows_ > (length - kRowsOffset) / row_bytes()) {
    return Status(Reason::TRUNCATED_ENTRY, "vectors.bin is shorter than it says")
        .Suggest("delete vectors.bin; it is made again from the log");
  }
  return OkStatus();
}

Status VectorFile::ReadAll(const RowFunction& row) {
  const size_t batch = std::max<size_t>(1, kReadBytes / row_bytes());
  std::string bytes;
  for (uint64_t first = 0; first < rows_; first += batch) {
    const size_t count = std::min<uint64_t>(batch, rows_ - first);
    bytes.resize(count * row_bytes());
    ASSIGN_OR_RETURN(const size_t size, file_->ReadAt(OffsetOf(first), bytes.data(), bytes.size()));
    if (size < bytes.size()) {
      return Status(Reason::TRUNCATED_ENTRY, "vectors.bin became shorter while it was read");
    }
    for (size_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(const VectorRow decoded,
                       DecodeRow(ByteView(bytes).substr(i * row_bytes(), row_bytes())));
      row(decoded);
    }
  }
  return OkStatus();
}

Status VectorFile::Append(std::span<const VectorRow> added) {
  if (poisoned_) return Status(Reason::IO, "a sync of vectors.bin failed before");
  std::string bytes;
  bytes.reserve(added.size() * row_bytes());
  for (const VectorRow& row : added) AppendRow(row, &bytes);
  RETURN_IF_ERROR(file_->WriteAt(OffsetOf(rows_), bytes));
  rows_ += added.size();
  return OkStatus();
}

Status VectorFile::Checkpoint(const IndexIdentity& through) {
  if (poisoned_) return Status(Reason::IO, "a sync of vectors.bin failed before");
  if (Status synced = file_->Sync(); !synced.ok()) {
    poisoned_ = true;
    return synced;
  }
  const Slot next{through, rows_, slot_.generation + 1};
  const uint64_t offset = next.generation % 2 * kSlotDistance;
  RETURN_IF_ERROR(file_->WriteAt(offset, Encode(next, dimension_)));
  slot_ = next;
  return OkStatus();
}

uint64_t VectorFile::RowBytes(uint32_t dimension) {
  return kRowHeader + dimension;
}

}  // namespace engram::index
