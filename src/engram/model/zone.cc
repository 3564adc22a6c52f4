#include "engram/model/zone.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <memory>

#include <date/tz.h>

#include "engram/base/thread_annotations.h"
#include "engram/model/posix_rule.h"

namespace engram::model {

struct ZoneData {
  const date::time_zone* listed = nullptr;
  std::optional<PosixRule> rule;  // for the time after the last listed change
};

namespace {

// The last line of a zone's file, such as "CET-1CEST,M3.5.0,M10.5.0/3".
std::optional<PosixRule> ReadRule(const std::string& name) {
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() < 2 || bytes.back() != '\n') return std::nullopt;
  bytes.pop_back();
  size_t start = bytes.rfind('\n');
  return start == std::string::npos ? std::nullopt : PosixRule::Parse(bytes.substr(start + 1));
}

std::unique_ptr<const ZoneData> Load(const std::string& name) {
  // Names that mean another zone on every machine.
  if (name == "localtime" || name == "posixrules") return nullptr;
  try {
    auto data = std::make_unique<ZoneData>();
    data->listed = date::locate_zone(name);
    data->listed->get_info(date::sys_seconds());  // reads the file now, so that errors show here
    data->rule = ReadRule(name);
    return data;
  } catch (const std::exception&) {
    return nullptr;
  }
}

class Zones {
 public:
  const ZoneData* Find(std::string_view name) {
    MutexLock lock(mutex_);
    auto found = zones_.find(name);
    if (found != zones_.end()) return found->second.get();
    auto data = Load(std::string(name));
    if (data == nullptr) return nullptr;  // not kept: callers may send any name
    return zones_.emplace(name, std::move(data)).first->second.get();
  }

 private:
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<const ZoneData>, std::less<>> zones_ GUARDED_BY(mutex_);
};

bool AfterLastChange(const date::sys_info& info) {
  return info.end >= date::sys_days(date::year(32000) / 1 / 1);
}

Zone::Instant ByRule(const PosixRule& rule, int64_t local) {
  int32_t large = std::max(rule.standard(), rule.summer());
  int32_t small = std::min(rule.standard(), rule.summer());
  bool with_large = rule.OffsetAt(local - large) == large;
  bool with_small = rule.OffsetAt(local - small) == small;
  if (large == small) return {local - large, Zone::Match::kUnique};
  // Clocks are put back from the larger offset, and forward from the smaller one.
  if (with_large && with_small) return {local - large, Zone::Match::kRepeated};
  if (!with_large && !with_small) return {local - small, Zone::Match::kSkipped};
  return {local - (with_large ? large : small), Zone::Match::kUnique};
}

std::optional<int> TwoDigits(std::string_view text) {
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 2 || !digit(text[0]) || !digit(text[1])) return std::nullopt;
  return (text[0] - '0') * 10 + (text[1] - '0');
}

}  // namespace

std::optional<Zone> Zone::Find(std::string_view name) {
  if (name.empty() || name == "UTC") return Utc();
  if (name[0] == '+' || name[0] == '-') {
    auto offset = name.size() == 6 ? ParseOffset(name) : std::nullopt;
    if (!offset) return std::nullopt;
    return Fixed(*offset);
  }
  static Zones& zones = *new Zones;
  const ZoneData* data = zones.Find(name);
  if (data == nullptr) return std::nullopt;
  return Zone(data, 0);
}

int32_t Zone::OffsetAt(int64_t utc_seconds) const {
  if (data_ == nullptr) return offset_;
  date::sys_seconds time{std::chrono::seconds(utc_seconds)};
  date::sys_info info = data_->listed->get_info(time);
  if (AfterLastChange(info) && data_->rule) return data_->rule->OffsetAt(utc_seconds);
  return static_cast<int32_t>(info.offset.count());
}

Zone::Instant Zone::ToUtc(int64_t local_seconds) const {
  if (data_ == nullptr) return {local_seconds - offset_, Match::kUnique};
  date::local_seconds time{std::chrono::seconds(local_seconds)};
  date::local_info info = data_->listed->get_info(time);
  if (info.result == date::local_info::unique && AfterLastChange(info.first) && data_->rule) {
    return ByRule(*data_->rule, local_seconds);
  }
  Match match = info.result == date::local_info::unique        ? Match::kUnique
                : info.result == date::local_info::nonexistent ? Match::kSkipped
                                                               : Match::kRepeated;
  return {local_seconds - info.first.offset.count(), match};
}

std::optional<int32_t> ParseOffset(std::string_view text) {
  if (text.size() != 3 && text.size() != 6) return std::nullopt;
  if (text[0] != '+' && text[0] != '-') return std::nullopt;
  auto hours = TwoDigits(text.substr(1, 2));
  std::optional<int> minutes = 0;
  if (text.size() == 6) minutes = text[3] == ':' ? TwoDigits(text.substr(4, 2)) : std::nullopt;
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  int32_t seconds = *hours * 3600 + *minutes * 60;
  return text[0] == '-' ? -seconds : seconds;
}

std::string FormatOffset(int32_t offset_seconds) {
  int minutes = (offset_seconds < 0 ? -offset_seconds : offset_seconds) / 60;
  char text[16];
  std::snprintf(text, sizeof text, "%c%02d:%02d", offset_seconds < 0 ? '-' : '+', minutes / 60,
                minutes % 60);
  return text;
}

}  // namespace engram::model
