// The rule at the end of a zone's file, such as "CET-1CEST,M3.5.0,M10.5.0/3": what holds after the
// last change of offset that the file lists (RFC 8536, 3.3; POSIX, TZ). Private to this module;
// pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace engram::model {

class PosixRule {
 public:
  // nullopt when the text is no such rule.
  static std::optional<PosixRule> Parse(std::string_view text);

  int32_t OffsetAt(int64_t utc_seconds) const;
  int32_t standard() const { return standard_; }
  int32_t summer() const { return summer_; }  // equals standard() where the clocks never change

  // The day of a change and the time on it, on the clock that the change ends.
  struct Day {
    enum class Form { kMonthWeekDay, kJulian, kZeroBased } form = Form::kMonthWeekDay;
    int month = 1, week = 1, weekday = 0;  // kMonthWeekDay: week 5 is the last, weekday 0 Sunday
    int day = 0;                           // the other forms: of the year
    int32_t seconds = 7200;
    int64_t ClockSecondsIn(int year) const;
  };

 private:
  int32_t standard_ = 0;
  int32_t summer_ = 0;
  Day start_, end_;
};

}  // namespace engram::model
