// A time zone: UTC, a fixed offset, or one of the system's IANA zones. The date library knows the
// changes of offset that the zone's file lists (to 2037); after the last of them the POSIX rule at
// the file's end goes on, as RFC 8536 wants it. Zones are cheap to copy and live for ever; finding
// one takes a lock for an instant. Private to this module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace engram::model {

struct ZoneData;

class Zone {
 public:
  // "" and "UTC", "+hh:mm" or "-hh:mm", or an IANA name; nullopt for anything else.
  static std::optional<Zone> Find(std::string_view name);
  static Zone Utc() { return Zone(nullptr, 0); }
  static Zone Fixed(int32_t offset_seconds) { return Zone(nullptr, offset_seconds); }

  int32_t OffsetAt(int64_t utc_seconds) const;

  enum class Match { kUnique, kSkipped, kRepeated };
  struct Instant {
    int64_t seconds;
    Match match;
  };
  // A local time that is skipped or repeated takes the offset from before the change.
  Instant ToUtc(int64_t local_seconds) const;

 private:
  Zone(const ZoneData* data, int32_t offset) : data_(data), offset_(offset) {}

  const ZoneData* data_;  // null: the fixed offset
  int32_t offset_;
};

// Seconds of "+hh:mm", "-hh:mm", "+hh" or "-hh", below 24 hours; nullopt otherwise.
std::optional<int32_t> ParseOffset(std::string_view text);
std::string FormatOffset(int32_t offset_seconds);

}  // namespace engram::model
