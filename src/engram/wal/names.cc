#include "engram/wal/names.h"

#include "engram/base/bytes.h"
#include "engram/env/file_system.h"

namespace engram::wal {
namespace {

constexpr size_t kDigits = 16;

std::optional<uint64_t> ParseHex(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    if (c >= '0' && c <= '9')
      value = value << 4 | static_cast<uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value << 4 | static_cast<uint64_t>(c - 'a' + 10);
    else
      return std::nullopt;
  }
  return value;
}

}  // namespace

std::string MetaPath(const std::string& directory) {
  return env::JoinPath(directory, kMetaName);
}
std::string SegmentDirectory(const std::string& directory) {
  return env::JoinPath(directory, kSegmentDirectory);
}
std::string QuarantineDirectory(const std::string& directory) {
  return env::JoinPath(directory, kQuarantineDirectory);
}
std::string SegmentName(Sequence first) {
  return Hex(first.value(), kDigits) + ".log";
}
std::string IndexName(Sequence first) {
  return Hex(first.value(), kDigits) + ".idx";
}
std::string SegmentPath(const std::string& directory, Sequence first) {
  return env::JoinPath(SegmentDirectory(directory), SegmentName(first));
}
std::string IndexPath(const std::string& directory, Sequence first) {
  return env::JoinPath(SegmentDirectory(directory), IndexName(first));
}

std::optional<Sequence> ParseSegmentName(std::string_view name) {
  if (name.size() != kDigits + 4 || !name.ends_with(".log")) return std::nullopt;
  const auto value = ParseHex(name.substr(0, kDigits));
  if (!value || *value == 0) return std::nullopt;
  return Sequence(*value);
}

std::string QuarantinePath(const std::string& directory, Epoch epoch, Sequence first,
                           Sequence last) {
  return env::JoinPath(QuarantineDirectory(directory),
                       ToString(epoch) + "-" + ToString(first) + "-" + ToString(last) + ".log");
}

}  // namespace engram::wal
