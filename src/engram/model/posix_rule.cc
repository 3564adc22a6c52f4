#include "engram/model/posix_rule.h"

#include "engram/model/civil.h"

namespace engram::model {
namespace {

constexpr int64_t kDaySeconds = 86400;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsLetter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// Reads the parts of a rule in turn; once it failed it stays failed.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool AtEnd() const { return rest_.empty(); }
  bool Peek(char c) const { return !rest_.empty() && rest_[0] == c; }
  bool Take(char c) {
    if (!Peek(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void Need(char c) {
    if (!Take(c)) failed_ = true;
  }
  // "CET" or "<+03>".
  void Name() {
    size_t size = 0;
    if (Take('<')) {
      size = rest_.find('>');
      if (size == std::string_view::npos) return Fail();
      rest_.remove_prefix(size + 1);
      return;
    }
    while (size < rest_.size() && IsLetter(rest_[size])) ++size;
    if (size < 3) return Fail();
    rest_.remove_prefix(size);
  }
  int Number(int low, int high) {
    int value = 0;
    if (rest_.empty() || !IsDigit(rest_[0])) failed_ = true;
    while (!rest_.empty() && IsDigit(rest_[0]) && value < 10'000) {
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    if (value < low || value > high) failed_ = true;
    return value;
  }
  // [+-]hh[:mm[:ss]]
  int32_t Time() {
    int sign = Take('-') ? -1 : 1;
    if (sign == 1) Take('+');
    int32_t seconds = Number(0, 167) * 3600;
    if (Take(':')) seconds += Number(0, 59) * 60;
    if (Take(':')) seconds += Number(0, 59);
    return sign * seconds;
  }
  PosixRule::Day Day() {
    PosixRule::Day out;
    using Form = PosixRule::Day::Form;
    if (Take('M')) {
      out.month = Number(1, 12);
      Need('.');
      out.week = Number(1, 5);
      Need('.');
      out.weekday = Number(0, 6);
    } else {
      out.form = Take('J') ? Form::kJulian : Form::kZeroBased;
      out.day = Number(0, 365);
    }
    if (Take('/')) out.seconds = Time();
    return out;
  }

 private:
  void Fail() { failed_ = true; }

  std::string_view rest_;
  bool failed_ = false;
};

int64_t DayNumber(int year, int month, int day) {
  CivilTime civil;
  civil.year = year;
  civil.month = month;
  civil.day = day;
  return ClockSeconds(civil) / kDaySeconds;
}

bool IsLeap(int year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// 0 is Sunday; 1970-01-01 was a Thursday.
int WeekdayOf(int64_t day_number) {
  return static_cast<int>(((day_number + 4) % 7 + 7) % 7);
}

int64_t NthWeekday(int year, int month, int week, int weekday) {
  int64_t first = DayNumber(year, month, 1);
  int64_t next = month == 12 ? DayNumber(year + 1, 1, 1) : DayNumber(year, month + 1, 1);
  int64_t day = first + (weekday - WeekdayOf(first) + 7) % 7 + 7 * (week - 1);
  return day < next ? day : day - 7;
}

}  // namespace

int64_t PosixRule::Day::ClockSecondsIn(int year) const {
  int64_t number;
  if (form == Form::kMonthWeekDay) {
    number = NthWeekday(year, month, week, weekday);
  } else {
    number = DayNumber(year, 1, 1) + day;
    // Julian days count from 1 and leave 29 February out.
    if (form == Form::kJulian) number += (IsLeap(year) && day >= 60 ? 1 : 0) - 1;
  }
  return number * kDaySeconds + seconds;
}

std::optional<PosixRule> PosixRule::Parse(std::string_view text) {
  Reader in(text);
  PosixRule out;
  in.Name();
  out.standard_ = -in.Time();
  out.summer_ = out.standard_;
  if (!in.AtEnd()) {
    in.Name();
    out.summer_ = in.Peek(',') ? out.standard_ + 3600 : -in.Time();
    in.Need(',');
    out.start_ = in.Day();
    in.Need(',');
    out.end_ = in.Day();
  }
  if (in.failed() || !in.AtEnd()) return std::nullopt;
  return out;
}

int32_t PosixRule::OffsetAt(int64_t utc_seconds) const {
  if (summer_ == standard_) return standard_;
  int year = CivilOf(utc_seconds + standard_, 0).year;
  int64_t start = start_.ClockSecondsIn(year) - standard_;
  int64_t end = end_.ClockSecondsIn(year) - summer_;
  bool in_summer = start < end ? start <= utc_seconds && utc_seconds < end
                               : !(end <= utc_seconds && utc_seconds < start);
  return in_summer ? summer_ : standard_;
}

}  // namespace engram::model
