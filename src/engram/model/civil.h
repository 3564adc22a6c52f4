// Times as calendars and clocks write them, without a zone: what the forms of event times are read
// into. Proleptic Gregorian calendar. Private to this module; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engram/v1/memory.pb.h"

namespace engram::model {

struct CivilTime {
  int year = 1;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int32_t nanos = 0;
  engram::v1::TimePrecision precision = engram::v1::TIME_PRECISION_UNSPECIFIED;
  std::optional<int32_t> offset_seconds;  // as the text says; 0 for Z
  bool zulu = false;
};

// "2023" … "2023-05-07T10:30:05.123Z" (EDTF level 0, ISO 8601; years 0001 to 9999). Times of day
// may end in Z, ±hh or ±hh:mm. nullopt for anything else, including days that no calendar has.
std::optional<CivilTime> ParseCivil(std::string_view text);

// Seconds from 1970-01-01T00:00 on the same clock.
int64_t ClockSeconds(const CivilTime& civil);
CivilTime CivilOf(int64_t clock_seconds, int32_t nanos);
// Without what is finer than `precision`.
CivilTime Floor(CivilTime civil, engram::v1::TimePrecision precision);
// The start of the next year, month or day.
CivilTime NextDate(CivilTime civil, engram::v1::TimePrecision precision);

}  // namespace engram::model
