// Times as texts: for programs (RFC 3339), for people, and as words for text search.
#include <algorithm>
#include <cstdio>

#include "engram/model/checks.h"
#include "engram/model/civil.h"
#include "engram/model/text.h"
#include "engram/model/time.h"
#include "engram/model/zone.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

std::string_view MonthName(const CivilTime& civil) {
  return kMonths[static_cast<size_t>(civil.month - 1)];
}

// The first moment of an event time and the last one, on the clocks of its zone.
struct Ends {
  CivilTime first;
  CivilTime last;
};

Ends EndsOf(const v1::EventTime& time) {
  TimeInterval interval = IntervalOf(time).value_or(TimeInterval{});
  Zone zone = Zone::Find(time.zone()).value_or(Zone::Utc());
  UtcTime last = interval.end.nanos > 0 ? UtcTime{interval.end.seconds, interval.end.nanos - 1}
                                        : UtcTime{interval.end.seconds - 1, 999'999'999};
  auto local = [&](UtcTime at) {
    return CivilOf(at.seconds + zone.OffsetAt(at.seconds), at.nanos);
  };
  return {local(interval.start), local(last)};
}

bool SameMonth(const Ends& ends) {
  return ends.first.year == ends.last.year && ends.first.month == ends.last.month;
}

bool SameDay(const Ends& ends) {
  return SameMonth(ends) && ends.first.day == ends.last.day;
}

std::string Clock(const CivilTime& civil) {
  char text[16];
  std::snprintf(text, sizeof text, "%02d:%02d", civil.hour, civil.minute);
  return text;
}

std::string Month(const CivilTime& civil) {
  return std::string(MonthName(civil).substr(0, 3)) + " " + std::to_string(civil.year);
}

std::string Date(const CivilTime& civil) {
  return std::to_string(civil.day) + " " + Month(civil);
}

bool WholeDays(const Ends& ends) {
  return ends.first.hour == 0 && ends.first.minute == 0 && ends.first.second == 0 &&
         ends.last.hour == 23 && ends.last.minute == 59 && ends.last.second == 59;
}

std::string FormatInterval(const Ends& ends) {
  if (WholeDays(ends)) {
    return SameDay(ends) ? Date(ends.first) : Date(ends.first) + " – " + Date(ends.last);
  }
  std::string start = Date(ends.first) + " " + Clock(ends.first);
  if (SameDay(ends)) return start + " – " + Clock(ends.last);
  return start + " – " + Date(ends.last) + " " + Clock(ends.last);
}

}  // namespace

std::string FormatUtc(UtcTime time) {
  CivilTime civil = CivilOf(time.seconds, time.nanos);
  char text[48];
  int size = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", civil.year,
                           civil.month, civil.day, civil.hour, civil.minute, civil.second);
  std::string out(text, static_cast<size_t>(size));
  if (time.nanos != 0) {
    int digits = time.nanos % 1'000'000 == 0 ? 3 : time.nanos % 1'000 == 0 ? 6 : 9;
    std::snprintf(text, sizeof text, ".%09d", time.nanos);
    out.append(text, static_cast<size_t>(digits) + 1);
  }
  return out + "Z";
}

Result<UtcTime> ParseUtc(std::string_view text) {
  auto civil = ParseCivil(text);
  if (civil && civil->precision >= v1::TIME_PRECISION_SECOND && civil->offset_seconds) {
    UtcTime time{ClockSeconds(*civil) - *civil->offset_seconds, civil->nanos};
    if (time >= kMinTime && time <= kMaxTime) return time;
  }
  return Invalid(Reason::INVALID_TIME, "time", "'" + Shorten(text) + "' is not a point in time.",
                 "RFC 3339 with an offset, years 0001 to 9999", text)
      .Example("2026-03-14T09:12:44.018Z");
}

std::string FormatForPeople(const v1::EventTime& time) {
  if (!time.has_start()) return "unknown";
  Ends ends = EndsOf(time);
  switch (time.precision()) {
    case v1::TIME_PRECISION_YEAR:
      return std::to_string(ends.first.year);
    case v1::TIME_PRECISION_MONTH:
      return Month(ends.first);
    case v1::TIME_PRECISION_DAY:
      return Date(ends.first);
    case v1::TIME_PRECISION_INTERVAL:
      return FormatInterval(ends);
    default:
      return Date(ends.first) + " " + Clock(ends.first);
  }
}

std::string TimeInWords(const v1::EventTime& time) {
  if (!time.has_start()) return "";
  Ends ends = EndsOf(time);
  std::string out = std::to_string(ends.first.year);
  if (ends.last.year != ends.first.year) return out + " " + std::to_string(ends.last.year);
  if (ends.first.month == 1 && ends.last.month == 12) return out;
  for (CivilTime at = ends.first; at.month <= ends.last.month; ++at.month) {
    out += " " + std::string(MonthName(at));
    if (at.month == 12) break;
  }
  if (SameDay(ends)) out += " " + std::to_string(ends.first.day);
  return out;
}

}  // namespace engram::model
