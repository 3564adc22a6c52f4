#include "engram/model/civil.h"

#include <chrono>

#include "engram/model/zone.h"

namespace engram::model {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t kDaySeconds = 86400;

year_month_day DateOf(const CivilTime& civil) {
  return year_month_day(std::chrono::year(civil.year), std::chrono::month(civil.month),
                        std::chrono::day(civil.day));
}

// Reads fields of a fixed number of digits one after the other; once it failed it stays failed.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool AtEnd() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  int Digits(size_t count, int low, int high) {
    int value = 0;
    if (rest_.size() < count) return Fail();
    for (size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return Fail();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value < low || value > high ? Fail() : value;
  }
  // One to nine digits after the point.
  int32_t Fraction() {
    int32_t value = 0;
    int digits = 0;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9' && digits < 10) {
      if (digits < 9) value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
      ++digits;
    }
    if (digits == 0 || digits > 9) return Fail();
    for (; digits < 9; ++digits) value *= 10;
    return value;
  }
  int Fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// What follows the day: "T10", "T10:30", "T10:30:05", "T10:30:05.123".
void ReadClock(Reader* in, CivilTime* out) {
  out->hour = in->Digits(2, 0, 23);
  out->precision = engram::v1::TIME_PRECISION_HOUR;
  if (!in->Take(':')) return;
  out->minute = in->Digits(2, 0, 59);
  out->precision = engram::v1::TIME_PRECISION_MINUTE;
  if (!in->Take(':')) return;
  out->second = in->Digits(2, 0, 59);
  out->precision = engram::v1::TIME_PRECISION_SECOND;
  if (!in->Take('.')) return;
  out->nanos = in->Fraction();
  out->precision = engram::v1::TIME_PRECISION_INSTANT;
}

void ReadOffset(Reader* in, CivilTime* out) {
  if (in->AtEnd()) return;
  if (in->rest() == "Z") {
    out->zulu = true;
    out->offset_seconds = 0;
    return;
  }
  out->offset_seconds = ParseOffset(in->rest());
  if (!out->offset_seconds) in->Fail();
}

}  // namespace

std::optional<CivilTime> ParseCivil(std::string_view text) {
  Reader in(text);
  CivilTime out;
  out.year = in.Digits(4, 1, 9999);
  out.precision = engram::v1::TIME_PRECISION_YEAR;
  if (in.Take('-')) {
    out.month = in.Digits(2, 1, 12);
    out.precision = engram::v1::TIME_PRECISION_MONTH;
    if (in.Take('-')) {
      out.day = in.Digits(2, 1, 31);
      out.precision = engram::v1::TIME_PRECISION_DAY;
      if (in.Take('T')) {
        ReadClock(&in, &out);
        ReadOffset(&in, &out);
        if (in.failed() || !DateOf(out).ok()) return std::nullopt;
        return out;
      }
    }
  }
  if (in.failed() || !in.AtEnd() || !DateOf(out).ok()) return std::nullopt;
  return out;
}

int64_t ClockSeconds(const CivilTime& civil) {
  int64_t days = sys_days(DateOf(civil)).time_since_epoch().count();
  return days * kDaySeconds + civil.hour * 3600 + civil.minute * 60 + civil.second;
}

CivilTime CivilOf(int64_t clock_seconds, int32_t nanos) {
  int64_t days = clock_seconds / kDaySeconds;
  int64_t rest = clock_seconds % kDaySeconds;
  if (rest < 0) {
    rest += kDaySeconds;
    --days;
  }
  year_month_day date{sys_days(std::chrono::days(days))};
  CivilTime out;
  out.year = static_cast<int>(date.year());
  out.month = static_cast<int>(static_cast<unsigned>(date.month()));
  out.day = static_cast<int>(static_cast<unsigned>(date.day()));
  out.hour = static_cast<int>(rest / 3600);
  out.minute = static_cast<int>(rest / 60 % 60);
  out.second = static_cast<int>(rest % 60);
  out.nanos = nanos;
  out.precision = engram::v1::TIME_PRECISION_INSTANT;
  return out;
}

CivilTime Floor(CivilTime civil, engram::v1::TimePrecision precision) {
  using namespace engram::v1;  // NOLINT: the precisions only
  civil.precision = precision;
  if (precision <= TIME_PRECISION_SECOND) civil.nanos = 0;
  if (precision <= TIME_PRECISION_MINUTE) civil.second = 0;
  if (precision <= TIME_PRECISION_HOUR) civil.minute = 0;
  if (precision <= TIME_PRECISION_DAY) civil.hour = 0;
  if (precision <= TIME_PRECISION_MONTH) civil.day = 1;
  if (precision <= TIME_PRECISION_YEAR) civil.month = 1;
  return civil;
}

CivilTime NextDate(CivilTime civil, engram::v1::TimePrecision precision) {
  civil = Floor(civil, precision);
  if (precision == engram::v1::TIME_PRECISION_DAY)
    return CivilOf(ClockSeconds(civil) + kDaySeconds, 0);
  bool new_year = precision == engram::v1::TIME_PRECISION_YEAR || civil.month == 12;
  civil.month = new_year ? 1 : civil.month + 1;
  if (new_year) ++civil.year;
  return civil;
}

}  // namespace engram::model
