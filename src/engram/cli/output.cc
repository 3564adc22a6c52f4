#include "engram/cli/output.h"

#include <cstdio>
#include <cstdlib>

#include <unistd.h>
#include <utf8proc.h>

namespace engram::cli {
namespace {

bool g_quiet = false;
constexpr uint64_t kBarWidth = 29;

std::string Printf(const char* format, double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, format, value, unit);
  return text;
}

const char* Code(Colour colour) {
  switch (colour) {
    case Colour::kDim:
      return "\033[2m";
    case Colour::kYellow:
      return "\033[33m";
    case Colour::kRed:
      return "\033[31m";
    case Colour::kGreen:
      return "\033[32m";
    case Colour::kPlain:
      break;
  }
  return "";
}

// Bytes of the first code point, and its width.
size_t Step(std::string_view text, size_t* width) {
  utf8proc_int32_t point = 0;
  const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &point);
  *width = size > 0 ? static_cast<size_t>(utf8proc_charwidth(point)) : 1;
  return size > 0 ? static_cast<size_t>(size) : 1;
}

}  // namespace

std::string Grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string FormatBytes(uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (value >= 1e9) return Printf(value >= 1e11 ? "%.0f %s" : "%.1f %s", value / 1e9, "GB");
  if (value >= 1e6) return Printf(value >= 1e7 ? "%.0f %s" : "%.1f %s", value / 1e6, "MB");
  if (value >= 1e5) return Printf("%.1f %s", value / 1e6, "MB");
  return Printf("%.0f %s", value / 1e3, "KB");
}

std::string FormatTook(env::Duration took) {
  const double ms = static_cast<double>(took.count()) / 1e6;
  if (ms >= 1000) return Printf("%.1f %s", ms / 1000, "s");
  return Printf(ms >= 100 ? "%.0f %s" : "%.1f %s", ms, "ms");
}

size_t DisplayWidth(std::string_view text) {
  size_t total = 0;
  while (!text.empty()) {
    size_t width = 0;
    text.remove_prefix(Step(text, &width));
    total += width;
  }
  return total;
}

std::string Pad(std::string_view text, size_t columns) {
  std::string padded(text);
  const size_t width = DisplayWidth(text);
  if (width < columns) padded.append(columns - width, ' ');
  return padded;
}

std::string OneLine(std::string_view text, size_t columns) {
  std::string line;
  size_t used = 0;
  while (!text.empty()) {
    size_t width = 0;
    const size_t size = Step(text, &width);
    const bool blank = static_cast<unsigned char>(text[0]) < 0x20;
    if (used + width > columns - 1 && text.size() > size) return line + "…";
    line += blank ? " " : std::string(text.substr(0, size));
    used += blank ? 1 : width;
    text.remove_prefix(size);
  }
  return line;
}

std::string Paint(std::string_view text, Colour colour, bool to_stderr) {
  static const bool no_colour = std::getenv("NO_COLOR") != nullptr;
  if (no_colour || colour == Colour::kPlain || isatty(to_stderr ? 2 : 1) == 0) {
    return std::string(text);
  }
  return Code(colour) + std::string(text) + "\033[0m";
}

bool StderrIsTerminal() {
  return isatty(2) != 0;
}

int PrintError(const Status& status) {
  const ReasonInfo& info = InfoOf(status.reason());
  std::string text = status.ToString();
  const size_t line_end = std::min(text.find('\n'), text.size());
  size_t at = line_end;
  if (at > 0 && text[at - 1] == '.') text.erase(--at, 1);
  text.insert(at, " (" + std::string(info.name) + ")");
  std::fprintf(stderr, "%s %s\n", Paint("error:", Colour::kRed, true).c_str(), text.c_str());
  return info.exit_code;
}

void SetQuiet(bool quiet) {
  g_quiet = quiet;
}

void NoteWarnings(const google::protobuf::RepeatedPtrField<v1::Warning>& warnings) {
  for (const v1::Warning& warning : warnings) Note(warning.message());
}

void Note(const std::string& line) {
  if (!g_quiet) std::fprintf(stderr, "%s\n", line.c_str());
}

Progress::Progress(std::string unit, uint64_t total)
    : unit_(std::move(unit)), total_(total), start_(env::SystemClock().Now()) {}

void Progress::Update(uint64_t done, const std::string& note) {
  if (g_quiet || !StderrIsTerminal()) return;
  const env::Instant now = env::SystemClock().Now();
  if (now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  const double seconds = static_cast<double>((now - start_).count()) / 1e9;
  const auto rate = static_cast<uint64_t>(static_cast<double>(done) / (seconds > 0 ? seconds : 1));
  std::string bar;
  if (total_ > 0) {
    const uint64_t filled = std::min(kBarWidth, done * kBarWidth / total_);
    bar = "[" + std::string(filled, '#') + std::string(kBarWidth - filled, ' ') + "] ";
  }
  std::fprintf(stderr, "\r\033[K%s%s %s · %s/s%s", bar.c_str(), Grouped(done).c_str(),
               unit_.c_str(), Grouped(rate).c_str(), note.empty() ? "" : (" · " + note).c_str());
}

void Progress::Finish(const std::string& line) {
  if (!g_quiet && StderrIsTerminal()) std::fprintf(stderr, "\r\033[K");
  Note("[" + std::string(kBarWidth, '#') + "] " + line);
}

env::Duration Progress::elapsed() const {
  return env::SystemClock().Now() - start_;
}

}  // namespace engram::cli
