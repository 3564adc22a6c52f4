// The structured log: one line an event, with named fields, to standard error. Events are short
// names that never change ("space_opened"); what varies is in the fields. Never the text of an
// episode or of a query. One logger a process, because where a program complains is one place.
//
//   Log(Level::kInfo, "space_opened", {{"space", id}, {"entries", count}, {"ms", ms}});
//
//   text: 2026-03-14T08:15:02.123Z info  space_opened space=default entries=412 ms=3.2
//   json:
//   {"ts":"2026-03-14T08:15:02.123Z","level":"info","event":"space_opened","space":"default",…}
//
// Thread-safe. Over spdlog, which is seen in log.cc alone. Does not block but on the stream.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>

#include "engram/base/status.h"

namespace engram::obs {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : uint8_t {
  kText,
  kJson,
  kAuto,  // text on a terminal, else JSON
};

struct LogOptions {
  Level level = Level::kInfo;
  LogFormat format = LogFormat::kText;
  std::ostream* stream = nullptr;  // standard error when null; otherwise outlives the logger
};

// Until it is called: info, text. Later calls change it at once, for all threads.
void ConfigureLog(const LogOptions& options);
// Of "debug", "info", "warn", "error" and of "text", "json", "auto"; CONFIGURATION otherwise.
Result<Level> ParseLevel(std::string_view text);
Result<LogFormat> ParseLogFormat(std::string_view text);

// A name and a value; numbers and booleans stay such in JSON.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  Field(std::string_view key, const std::string& value) : key_(key), value_(value) {}
  Field(std::string_view key, const char* value) : key_(key), value_(value) {}
  Field(std::string_view key, bool value)
      : key_(key), value_(value ? "true" : "false"), bare_(true) {}
  Field(std::string_view key, double value);
  template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  Field(std::string_view key, T value) : key_(key), value_(std::to_string(value)), bare_(true) {}

  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  bool bare() const { return bare_; }  // not a string

 private:
  std::string_view key_;  // a literal
  std::string value_;
  bool bare_ = false;
};

using Fields = std::initializer_list<Field>;

// False when a line of this level would be dropped.
bool LogEnabled(Level level);
void Log(Level level, std::string_view event, Fields fields = {});
// The same with what went wrong: fields reason, message, and the facts of the status.
void LogStatus(Level level, std::string_view event, const Status& status, Fields fields = {});

}  // namespace engram::obs
