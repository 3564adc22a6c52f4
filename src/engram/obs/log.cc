#include "engram/obs/log.h"

#include <array>
#include <atomic>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include "engram/base/bytes.h"
#include "engram/base/thread_annotations.h"

namespace engram::obs {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 3> kFormats = {"text", "json", "auto"};

struct Output {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
};

// What ConfigureLog made. Never destroyed: threads may log until the very end.
struct Current {
  Mutex mutex;
  Output output GUARDED_BY(mutex);
  std::atomic<Level> level{Level::kInfo};
};

Output MakeOutput(const LogOptions& options) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  if (options.stream != nullptr) {
    sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(*options.stream, true);
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  Output output;
  output.json = options.format == LogFormat::kJson ||
                (options.format == LogFormat::kAuto && isatty(STDERR_FILENO) == 0);
  output.logger = std::make_shared<spdlog::logger>("engram", std::move(sink));
  output.logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      output.json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %v",
      spdlog::pattern_time_type::utc));
  output.logger->set_level(spdlog::level::trace);
  output.logger->flush_on(spdlog::level::trace);
  return output;
}

Current& TheLog() {
  static Current* const current = [] {
    auto* made = new Current;
    MutexLock lock(made->mutex);
    made->output = MakeOutput(LogOptions{});
    return made;
  }();
  return *current;
}

// Control characters would break the line; the rest is left as it is (UTF-8).
void AppendEscaped(std::string* out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->append({'\\', c});
    } else if (c == '\n') {
      out->append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out->append("\\u00").append(Hex(static_cast<unsigned char>(c), 2));
    } else {
      out->push_back(c);
    }
  }
}

void AppendQuoted(std::string* out, std::string_view text) {
  out->push_back('"');
  AppendEscaped(out, text);
  out->push_back('"');
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    const bool plain = static_cast<unsigned char>(c) > 0x20 && c != '"' && c != '=' && c != '\\';
    if (!plain || c == 0x7f) return true;
  }
  return false;
}

std::string JsonLine(Level level, std::string_view event, const std::vector<Field>& fields) {
  std::string line = "\"level\":\"";
  line.append(kLevels[static_cast<size_t>(level)]).append("\",\"event\":");
  AppendQuoted(&line, event);
  for (const Field& field : fields) {
    line.push_back(',');
    AppendQuoted(&line, field.key());
    line.push_back(':');
    if (field.bare()) {
      line.append(field.value());
    } else {
      AppendQuoted(&line, field.value());
    }
  }
  return line;
}

std::string TextLine(Level level, std::string_view event, const std::vector<Field>& fields) {
  std::string line(kLevels[static_cast<size_t>(level)]);
  line.resize(6, ' ');
  line.append(event);
  for (const Field& field : fields) {
    line.append(" ").append(field.key()).append("=");
    if (NeedsQuotes(field.value())) {
      AppendQuoted(&line, field.value());
    } else {
      line.append(field.value());
    }
  }
  return line;
}

void Write(Level level, std::string_view event, const std::vector<Field>& fields) {
  Output output;
  {
    Current& current = TheLog();
    MutexLock lock(current.mutex);
    output = current.output;
  }
  const std::string line =
      output.json ? JsonLine(level, event, fields) : TextLine(level, event, fields);
  output.logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

template <class Value, size_t N>
Result<Value> Parse(std::string_view what, std::string_view text,
                    const std::array<std::string_view, N>& names) {
  std::string expected;
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<Value>(i);
    expected.append(expected.empty() ? "" : ", ").append(names[i]);
  }
  std::string message = "\"";
  message.append(text).append("\" is not a ").append(what).append(" of the log.");
  return Status(Reason::CONFIGURATION, std::move(message))
      .Expected(expected)
      .Suggest("choose one of these")
      .Example(std::string("log.") + std::string(what) + " = \"" + std::string(names[1]) + "\"");
}

}  // namespace

Field::Field(std::string_view key, double value) : key_(key), bare_(true) {
  value_ = std::isfinite(value) ? fmt::format("{:.6g}", value) : "null";
}

void ConfigureLog(const LogOptions& options) {
  Output output = MakeOutput(options);
  Current& current = TheLog();
  MutexLock lock(current.mutex);
  current.output = std::move(output);
  current.level = options.level;
}

Result<Level> ParseLevel(std::string_view text) {
  return Parse<Level>("level", text, kLevels);
}
Result<LogFormat> ParseLogFormat(std::string_view text) {
  return Parse<LogFormat>("format", text, kFormats);
}

bool LogEnabled(Level level) {
  return level >= TheLog().level.load(std::memory_order_relaxed);
}

void Log(Level level, std::string_view event, Fields fields) {
  if (LogEnabled(level)) Write(level, event, fields);
}

void LogStatus(Level level, std::string_view event, const Status& status, Fields fields) {
  if (!LogEnabled(level)) return;
  std::vector<Field> all = fields;
  if (!status.ok()) {
    all.emplace_back("reason", InfoOf(status.reason()).name);
    all.emplace_back("message", status.message());
    for (const auto& [key, value] : status.metadata()) all.emplace_back(key, value);
  }
  Write(level, event, all);
}

}  // namespace engram::obs
