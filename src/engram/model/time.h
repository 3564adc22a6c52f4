// Event time: what a writer says about when something happened, resolved once to a half-open
// interval on the UTC line with a precision. Pure; the time zone database is read at first use.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/status.h"
#include "engram/v1/memory.pb.h"
#include "engram/v1/service.pb.h"

namespace engram::model {

// A point of the UTC line, years 0001 to 9999, to the nanosecond.
struct UtcTime {
  int64_t seconds = 0;  // since the Unix epoch
  int32_t nanos = 0;    // 0 … 999,999,999
  auto operator<=>(const UtcTime&) const = default;

  static UtcTime FromNs(int64_t unix_ns);
  static UtcTime FromProto(const google::protobuf::Timestamp& timestamp);
  google::protobuf::Timestamp ToProto() const;
};
inline constexpr UtcTime kMinTime{-62135596800, 0};          // 0001-01-01
inline constexpr UtcTime kMaxTime{253402300799, 999999999};  // 9999-12-31

// Half-open [start, end).
struct TimeInterval {
  UtcTime start;
  UtcTime end;
  bool operator==(const TimeInterval&) const = default;
};

// Fills start, end, precision and zone of `time` from what was given (text, start, `when`); text
// and zone stay as given, an empty zone becomes that of the text's offset or of the space. An
// instant gets no end. Nothing given: now, is_storing_time. INVALID_TIME with the forms that are
// understood, and when `when` and `time` differ. Warnings (a local time skipped or repeated) are
// appended.
Status ResolveEventTime(const google::protobuf::Timestamp* when, std::string_view space_zone,
                        UtcTime now, engram::v1::EventTime* time,
                        std::vector<engram::v1::Warning>* warnings);
// The interval of a resolved event time; nullopt when unknown. An instant is [t, t + 1 ns).
std::optional<TimeInterval> IntervalOf(const engram::v1::EventTime& time);

// A range of a filter or cue: "2023-05", "2023-05/2023-08", "../2023", "2023/.." or start and end;
// open sides are kMinTime and kMaxTime.
Result<TimeInterval> ResolveRange(const engram::v1::TimeRange& range, std::string_view space_zone);

// INVALID_TIME unless `zone` is IANA or ±hh:mm ("" is UTC).
Status CheckZone(std::string_view zone);
// "2026-03-14T09:12:44.018233Z": shortest fraction of 0, 3, 6 or 9 digits.
std::string FormatUtc(UtcTime time);
Result<UtcTime> ParseUtc(std::string_view text);
// As people read it: "14 Mar 2026", "2 Mar 2026 18:40", "2023", "May 2023", "unknown".
std::string FormatForPeople(const engram::v1::EventTime& time);
// The words that text search finds it by: year, month name, day; only as precise as the time is.
std::string TimeInWords(const engram::v1::EventTime& time);

}  // namespace engram::model
