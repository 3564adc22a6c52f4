#include "engram/model/time.h"

#include "engram/model/checks.h"
#include "engram/model/civil.h"
#include "engram/model/episode.h"
#include "engram/model/text.h"
#include "engram/model/zone.h"

namespace engram::model {
namespace {

namespace v1 = engram::v1;
using google::protobuf::Timestamp;

constexpr int32_t kNanosPerSecond = 1'000'000'000;
constexpr char kForms[] =
    "2023, 2023-05, 2023-05-07, 2023-05-07T10, …T10:30, …T10:30:05 or …T10:30:05.123, a time of "
    "day also with Z or +02:00; two of these joined by '/'; or unknown";

Status InvalidTime(std::string_view field, std::string message, std::string expected,
                   std::string_view actual) {
  return Invalid(Reason::INVALID_TIME, field, std::move(message), std::move(expected), actual);
}

Status NotUnderstood(std::string_view field, std::string_view text) {
  return InvalidTime(field, "The time '" + Shorten(text) + "' is not understood.", kForms, text)
      .Suggest("work out the date and give that; event_time.text may keep the words beside a start")
      .Example("engram remember \"…\" --when 2023-05-07");
}

Status CheckTimestamp(std::string_view field, const Timestamp& time) {
  if (time.nanos() >= 0 && time.nanos() < kNanosPerSecond && time.seconds() >= kMinTime.seconds &&
      time.seconds() <= kMaxTime.seconds) {
    return OkStatus();
  }
  return InvalidTime(
      field, std::string(field) + " is out of range.",
      "years 0001 to 9999, nanoseconds 0 to 999,999,999",
      std::to_string(time.seconds()) + " s, " + std::to_string(time.nanos()) + " ns");
}

UtcTime NextNano(UtcTime time) {
  if (time.nanos + 1 < kNanosPerSecond) return {time.seconds, time.nanos + 1};
  return {time.seconds + 1, 0};
}

int64_t UnitSeconds(v1::TimePrecision precision) {
  if (precision == v1::TIME_PRECISION_SECOND) return 1;
  return precision == v1::TIME_PRECISION_MINUTE ? 60 : 3600;
}

bool IsDate(v1::TimePrecision precision) {
  return precision <= v1::TIME_PRECISION_DAY;
}

void Warn(std::string_view reason, std::string message, std::vector<v1::Warning>* warnings) {
  if (warnings == nullptr) return;
  v1::Warning& warning = warnings->emplace_back();
  warning.set_reason(std::string(reason));
  warning.set_message(std::move(message));
}

// Where the civil times of one request are placed on the UTC line.
class Resolver {
 public:
  Resolver(std::string_view field, Zone zone, std::vector<v1::Warning>* warnings)
      : field_(field), zone_(zone), warnings_(warnings) {}

  // The interval that a civil time covers, by its precision.
  Result<TimeInterval> Cover(const CivilTime& civil, std::string_view text) const {
    Zone zone = civil.offset_seconds ? Zone::Fixed(*civil.offset_seconds) : zone_;
    Zone::Instant at = zone.ToUtc(ClockSeconds(civil));
    UtcTime start{at.seconds, civil.nanos};
    if (start < kMinTime || start > kMaxTime) {
      return InvalidTime(field_,
                         "The time '" + Shorten(text) +
                             "' leaves the years 0001 to 9999 "
                             "in UTC.",
                         "a time between 0001-01-01T00:00Z and 9999-12-31T23:59Z", text);
    }
    if (!IsDate(civil.precision)) WarnOfChange(at.match, text);
    return TimeInterval{start, std::min(EndOf(civil, zone, start), kMaxTime)};
  }

 private:
  UtcTime EndOf(const CivilTime& civil, Zone zone, UtcTime start) const {
    if (civil.precision == v1::TIME_PRECISION_INSTANT) return NextNano(start);
    if (!IsDate(civil.precision)) return {start.seconds + UnitSeconds(civil.precision), 0};
    CivilTime next = NextDate(civil, civil.precision);
    UtcTime end{zone.ToUtc(ClockSeconds(next)).seconds, 0};
    if (end > start) return end;
    // A day that the zone left out (Samoa, 30 December 2011): as long as it would have been.
    return {start.seconds + ClockSeconds(next) - ClockSeconds(civil), 0};
  }

  void WarnOfChange(Zone::Match match, std::string_view text) const {
    if (match == Zone::Match::kUnique) return;
    bool skipped = match == Zone::Match::kSkipped;
    Warn(skipped ? "LOCAL_TIME_SKIPPED" : "LOCAL_TIME_REPEATED",
         "The clocks of this zone " + std::string(skipped ? "skipped" : "showed twice") + " '" +
             Shorten(text) + "'; the offset from before the change was taken.",
         warnings_);
  }

  std::string_view field_;
  Zone zone_;
  std::vector<v1::Warning>* warnings_;
};

Result<Zone> FindZone(std::string_view field, std::string_view zone, std::string_view space_zone) {
  std::string_view name = zone.empty() ? space_zone : zone;
  if (auto found = Zone::Find(name)) return *found;
  return InvalidTime(field, "There is no time zone '" + Shorten(name) + "'.",
                     "an IANA name or an offset such as +02:00", name)
      .Suggest("names are those of the tz database, with their capitals")
      .Example("Europe/Berlin");
}

// One form, or two joined by '/'. With `open`, ".." stands for an open side.
struct Resolved {
  TimeInterval interval;
  v1::TimePrecision precision;
  CivilTime first;
};

Result<Resolved> ResolveSide(const Resolver& resolver, std::string_view field,
                             std::string_view text, std::string_view whole) {
  auto civil = ParseCivil(text);
  if (!civil) return NotUnderstood(field, whole);
  ASSIGN_OR_RETURN(TimeInterval interval, resolver.Cover(*civil, text));
  return Resolved{interval, civil->precision, *civil};
}

Result<Resolved> ResolveText(const Resolver& resolver, std::string_view field,
                             std::string_view text, bool open) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return ResolveSide(resolver, field, text, text);
  std::string_view left = text.substr(0, slash), right = text.substr(slash + 1);
  Resolved out{{kMinTime, kMaxTime}, v1::TIME_PRECISION_INTERVAL, {}};
  if (!open || left != "..") {
    ASSIGN_OR_RETURN(Resolved side, ResolveSide(resolver, field, left, text));
    out.interval.start = side.interval.start;
    out.first = side.first;
  }
  if (!open || right != "..") {
    ASSIGN_OR_RETURN(Resolved side, ResolveSide(resolver, field, right, text));
    out.interval.end = side.interval.end;
  }
  if (out.interval.start < out.interval.end) return out;
  return InvalidTime(field, "'" + Shorten(text) + "' ends before it starts.",
                     "the earlier time first", text)
      .Example("2023-05/2023-08");
}

void SetTime(UtcTime time, Timestamp* out) {
  out->set_seconds(time.seconds);
  out->set_nanos(time.nanos);
}

void FillZone(std::string_view zone, v1::EventTime* time) {
  if (time->zone().empty()) time->set_zone(zone.empty() ? "UTC" : std::string(zone));
}

Status ResolveUnknown(const Timestamp* when, v1::EventTime* time) {
  if (when != nullptr || time->has_start() || time->has_end()) {
    return InvalidTime("event_time", "event_time is unknown and has a time as well.",
                       "either a time or unknown", "both");
  }
  time->set_precision(v1::TIME_PRECISION_UNKNOWN);
  return OkStatus();
}

// The interval that `start` lies in, of the precision asked for, on the clocks of the zone.
Status CoverStart(std::string_view space_zone, std::vector<v1::Warning>* warnings,
                  v1::EventTime* time) {
  ASSIGN_OR_RETURN(Zone zone, FindZone("event_time.zone", time->zone(), space_zone));
  UtcTime start = UtcTime::FromProto(time->start());
  int64_t local = start.seconds + zone.OffsetAt(start.seconds);
  TimeInterval interval;
  if (IsDate(time->precision())) {
    CivilTime civil = Floor(CivilOf(local, 0), time->precision());
    ASSIGN_OR_RETURN(interval, Resolver("event_time", zone, warnings).Cover(civil, time->text()));
  } else {
    int64_t unit = UnitSeconds(time->precision());
    int64_t into = ((local % unit) + unit) % unit;
    interval = {{start.seconds - into, 0}, {start.seconds - into + unit, 0}};
    interval.end = std::min(interval.end, kMaxTime);
  }
  SetTime(interval.start, time->mutable_start());
  SetTime(interval.end, time->mutable_end());
  return OkStatus();
}

Status ResolveStart(std::string_view space_zone, std::vector<v1::Warning>* warnings,
                    v1::EventTime* time) {
  RETURN_IF_ERROR(CheckTimestamp("event_time.start", time->start()));
  if (time->has_end()) RETURN_IF_ERROR(CheckTimestamp("event_time.end", time->end()));
  UtcTime start = UtcTime::FromProto(time->start());
  if (time->precision() == v1::TIME_PRECISION_UNSPECIFIED) {
    time->set_precision(time->has_end() ? v1::TIME_PRECISION_INTERVAL : v1::TIME_PRECISION_INSTANT);
  }
  if (time->precision() == v1::TIME_PRECISION_INSTANT) {
    if (time->has_end() && UtcTime::FromProto(time->end()) != NextNano(start)) {
      return InvalidTime("event_time.end", "An instant has no end.",
                         "no end, or the precision INTERVAL",
                         FormatUtc(UtcTime::FromProto(time->end())));
    }
    time->clear_end();
  } else if (time->has_end() || time->precision() == v1::TIME_PRECISION_INTERVAL) {
    if (!time->has_end() || UtcTime::FromProto(time->end()) <= start) {
      return InvalidTime("event_time.end", "The interval of event_time is empty.",
                         "an end after the start", time->has_end() ? "not after it" : "no end");
    }
  } else {
    RETURN_IF_ERROR(CoverStart(space_zone, warnings, time));
  }
  FillZone(space_zone, time);
  return OkStatus();
}

Status ResolveForm(std::string_view space_zone, std::vector<v1::Warning>* warnings,
                   v1::EventTime* time) {
  ASSIGN_OR_RETURN(Zone zone, FindZone("event_time.zone", time->zone(), space_zone));
  ASSIGN_OR_RETURN(Resolved resolved, ResolveText(Resolver("event_time", zone, warnings),
                                                  "event_time", time->text(), false));
  if (time->precision() != v1::TIME_PRECISION_UNSPECIFIED &&
      time->precision() != resolved.precision) {
    return InvalidTime("event_time.precision",
                       "event_time.text '" + Shorten(time->text()) + "' has another precision.",
                       v1::TimePrecision_Name(resolved.precision) + ", or none",
                       v1::TimePrecision_Name(time->precision()));
  }
  time->set_precision(resolved.precision);
  SetTime(resolved.interval.start, time->mutable_start());
  if (resolved.precision != v1::TIME_PRECISION_INSTANT) {
    SetTime(resolved.interval.end, time->mutable_end());
  }
  const CivilTime& first = resolved.first;
  if (first.offset_seconds) {
    FillZone(first.zulu ? "UTC" : FormatOffset(*first.offset_seconds), time);
  }
  FillZone(space_zone, time);
  return OkStatus();
}

Status CheckParts(const Timestamp* when, const v1::EventTime& time) {
  if (when != nullptr) RETURN_IF_ERROR(CheckTimestamp("when", *when));
  RETURN_IF_ERROR(CheckText("event_time.text", time.text(), kMaxNameBytes, Reason::INVALID_TIME));
  if (!time.zone().empty()) RETURN_IF_ERROR(CheckZone(time.zone()));
  if (v1::TimePrecision_IsValid(time.precision())) return OkStatus();
  return InvalidTime("event_time.precision", "event_time.precision is not known.",
                     "a value of TimePrecision", std::to_string(time.precision()));
}

}  // namespace

UtcTime UtcTime::FromNs(int64_t unix_ns) {
  int64_t seconds = unix_ns / kNanosPerSecond;
  int64_t nanos = unix_ns % kNanosPerSecond;
  if (nanos < 0) return {seconds - 1, static_cast<int32_t>(nanos + kNanosPerSecond)};
  return {seconds, static_cast<int32_t>(nanos)};
}

UtcTime UtcTime::FromProto(const Timestamp& timestamp) {
  return {timestamp.seconds(), timestamp.nanos()};
}

Timestamp UtcTime::ToProto() const {
  Timestamp out;
  SetTime(*this, &out);
  return out;
}

Status ResolveEventTime(const Timestamp* when, std::string_view space_zone, UtcTime now,
                        v1::EventTime* time, std::vector<v1::Warning>* warnings) {
  RETURN_IF_ERROR(CheckParts(when, *time));
  time->clear_is_storing_time();
  bool from_text = !time->has_start() && !time->text().empty();
  if (time->precision() == v1::TIME_PRECISION_UNKNOWN || (from_text && time->text() == "unknown")) {
    return ResolveUnknown(when, time);
  }
  if (from_text) {
    if (time->has_end()) return NotUnderstood("event_time.end", "an end without a start");
    RETURN_IF_ERROR(ResolveForm(space_zone, warnings, time));
  } else {
    if (!time->has_start()) {
      bool nothing = when == nullptr && !time->has_end() &&
                     (time->precision() == v1::TIME_PRECISION_UNSPECIFIED ||
                      time->precision() == v1::TIME_PRECISION_INSTANT);
      if (when == nullptr && !nothing) return NotUnderstood("event_time.start", "no start");
      time->set_is_storing_time(nothing);
      SetTime(nothing ? now : UtcTime::FromProto(*when), time->mutable_start());
      when = nullptr;
    }
    RETURN_IF_ERROR(ResolveStart(space_zone, warnings, time));
  }
  if (when == nullptr || UtcTime::FromProto(*when) == UtcTime::FromProto(time->start())) {
    return OkStatus();
  }
  return InvalidTime("when", "when and event_time differ.", "one of them, or both the same",
                     FormatUtc(UtcTime::FromProto(*when)) + " and " +
                         FormatUtc(UtcTime::FromProto(time->start())));
}

std::optional<TimeInterval> IntervalOf(const v1::EventTime& time) {
  if (!time.has_start()) return std::nullopt;
  UtcTime start = UtcTime::FromProto(time.start());
  return TimeInterval{start, time.has_end() ? UtcTime::FromProto(time.end()) : NextNano(start)};
}

Result<TimeInterval> ResolveRange(const v1::TimeRange& range, std::string_view space_zone) {
  ASSIGN_OR_RETURN(Zone zone, FindZone("zone", range.zone(), space_zone));
  if (!range.text().empty()) {
    if (range.has_start() || range.has_end()) {
      return InvalidTime("text", "The range has a text and a start or end as well.", "one of them",
                         range.text());
    }
    ASSIGN_OR_RETURN(Resolved out,
                     ResolveText(Resolver("text", zone, nullptr), "text", range.text(), true));
    return out.interval;
  }
  TimeInterval out{kMinTime, kMaxTime};
  if (range.has_start()) {
    RETURN_IF_ERROR(CheckTimestamp("start", range.start()));
    out.start = UtcTime::FromProto(range.start());
  }
  if (range.has_end()) {
    RETURN_IF_ERROR(CheckTimestamp("end", range.end()));
    out.end = UtcTime::FromProto(range.end());
  }
  if (out.start < out.end) return out;
  return InvalidTime("end", "The range is empty.", "an end after the start", FormatUtc(out.end));
}

Status CheckZone(std::string_view zone) {
  auto found = FindZone("zone", zone, "");
  return found.ok() ? OkStatus() : found.status();
}

}  // namespace engram::model
