#include "engram/cli/debian_changelog.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "engram/model/episode.h"
#include "engram/model/text.h"
#include "engram/model/time.h"

namespace engram::cli {
namespace {

constexpr std::string_view kTrailer = " -- ";
// Where a changelog of today ends and remains of editors and older formats begin.
constexpr std::string_view kEnds[] = {
    "Local variables:", "Local Variables:",    ";; Local variables:", "vim:",
    "Old Changelog:",   "Changes from version"};

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kSpace) - start + 1);
}

std::vector<std::string_view> Words(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  size_t at = 0;
  while ((at = text.find_first_not_of(separators, at)) != std::string_view::npos) {
    size_t end = std::min(text.find_first_of(separators, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<int> Number(std::string_view text, int low, int high) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < low || value > high) return std::nullopt;
  return value;
}

std::optional<int> Month(std::string_view name) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (name.size() < 3) return std::nullopt;
  size_t at = kMonths.find(name.substr(0, 3));
  if (at == std::string_view::npos || at % 3 != 0) return std::nullopt;
  return static_cast<int>(at / 3) + 1;
}

// "+0100", or one of the names that RFC 822 and old Debian mails know.
std::optional<std::string> Offset(std::string_view zone) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"UTC", "+00:00"}, {"GMT", "+00:00"}, {"Z", "+00:00"},    {"EST", "-05:00"},
      {"EDT", "-04:00"}, {"CST", "-06:00"}, {"CDT", "-05:00"},  {"MST", "-07:00"},
      {"MDT", "-06:00"}, {"PST", "-08:00"}, {"PDT", "-07:00"},  {"CET", "+01:00"},
      {"MET", "+01:00"}, {"BST", "+01:00"}, {"CEST", "+02:00"}, {"MEST", "+02:00"}};
  for (const auto& [name, offset] : kNames) {
    if (zone == name) return std::string(offset);
  }
  if (zone.size() != 5 || (zone[0] != '+' && zone[0] != '-')) return std::nullopt;
  if (!Number(zone.substr(1, 2), 0, 23) || !Number(zone.substr(3), 0, 59)) return std::nullopt;
  return std::string(zone.substr(0, 3)) + ":" + std::string(zone.substr(3));
}

struct Header {
  std::string_view source, version;
  std::vector<std::string_view> distributions;
  std::string_view options;
};

std::optional<Header> ParseHeader(std::string_view line) {
  if (line.empty() || line[0] == ' ' || line[0] == '\t') return std::nullopt;
  size_t open = line.find(" (");
  size_t close = line.find(')');
  size_t semicolon = line.find(';');
  if (open == std::string_view::npos || close == std::string_view::npos ||
      semicolon == std::string_view::npos || close < open || semicolon < close) {
    return std::nullopt;
  }
  Header out;
  out.source = Trim(line.substr(0, open));
  out.version = Trim(line.substr(open + 2, close - open - 2));
  out.distributions = Words(line.substr(close + 1, semicolon - close - 1), " \t");
  out.options = line.substr(semicolon + 1);
  bool bad = out.source.empty() || out.version.empty() ||
             out.source.find_first_of(" \t") != std::string_view::npos ||
             out.version.find_first_of(" \t") != std::string_view::npos;
  return bad ? std::nullopt : std::optional(out);
}

std::string Urgency(std::string_view options) {
  for (std::string_view option : Words(options, ", \t")) {
    constexpr std::string_view kKey = "urgency=";
    if (option.size() > kKey.size() && model::Fold(option.substr(0, kKey.size())) == kKey) {
      return model::Fold(option.substr(kKey.size()));
    }
  }
  return "";
}

bool EndsChangelog(std::string_view line) {
  return std::any_of(std::begin(kEnds), std::end(kEnds),
                     [&](std::string_view end) { return line.starts_with(end); });
}

// Goes through the lines; a stanza is kept from its header to its trailer.
class Parser {
 public:
  explicit Parser(const ChangelogHandler& handler) : handler_(handler) {}

  // False when the changelog ends here.
  bool Line(std::string_view line) {
    ++number_;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
      line.remove_suffix(1);
    }
    if (auto header = ParseHeader(line)) {
      if (open_) Bad(stanza_.line, "a stanza has no line with a maintainer and a date");
      Open(*header);
    } else if (line.starts_with(kTrailer) || line == " --") {
      Close(line.size() > kTrailer.size() ? line.substr(kTrailer.size()) : "");
    } else if (!open_ && EndsChangelog(line)) {
      return false;
    } else if (open_) {
      Change(line);
    } else if (!line.empty() && line[0] != '#' && !std::exchange(in_remains_, true)) {
      Bad(number_, "a line belongs to no stanza");
    }
    return true;
  }

  void Finish() {
    if (open_) Bad(stanza_.line, "the last stanza is cut short");
  }

 private:
  void Bad(int line, std::string why) { handler_.bad(line, std::move(why)); }

  void Open(const Header& header) {
    stanza_ = {};
    stanza_.source = header.source;
    stanza_.version = header.version;
    stanza_.distributions.assign(header.distributions.begin(), header.distributions.end());
    stanza_.urgency = Urgency(header.options);
    stanza_.line = number_;
    stanza_.names.emplace_back();  // the maintainer, who is named last
    open_ = true;
    in_remains_ = false;
  }

  void Change(std::string_view line) {
    std::string_view words = Trim(line);
    if (words.size() > 4 && words.starts_with("[ ") && words.ends_with(" ]")) {
      AddName(Trim(words.substr(1, words.size() - 2)));
    }
    if (line.starts_with("  ")) line.remove_prefix(2);
    if (stanza_.text.empty() && line.empty()) return;
    stanza_.text.append(line).append("\n");
  }

  void AddName(std::string_view name) {
    constexpr size_t kMaxNames = 64;
    std::string text(name);
    auto& names = stanza_.names;
    if (names.size() < kMaxNames && std::find(names.begin(), names.end(), text) == names.end()) {
      names.push_back(std::move(text));
    }
  }

  void Close(std::string_view trailer) {
    if (!std::exchange(open_, false)) return Bad(number_, "a maintainer line follows no header");
    size_t address = trailer.find('<');
    size_t end = trailer.rfind('>');
    if (address == std::string_view::npos || end == std::string_view::npos || end < address) {
      return Bad(number_, "the maintainer line has no address");
    }
    auto time = ParseMailDate(trailer.substr(end + 1));
    if (!time)
      return Bad(number_, "'" + std::string(Trim(trailer.substr(end + 1))) + "' is no date");
    SetMaintainer(Trim(trailer.substr(0, address)), trailer.substr(address + 1, end - address - 1));
    stanza_.time = *time;
    stanza_.text = Trim(stanza_.text);
    if (stanza_.text.empty()) return Bad(stanza_.line, "a stanza says nothing");
    handler_.stanza(std::move(stanza_));
  }

  void SetMaintainer(std::string_view name, std::string_view address) {
    auto& names = stanza_.names;
    names[0] = name.empty() ? Trim(address) : name;
    names.erase(std::remove(names.begin() + 1, names.end(), names[0]), names.end());
  }

  const ChangelogHandler& handler_;
  ChangelogStanza stanza_;
  bool open_ = false;
  bool in_remains_ = false;
  int number_ = 0;
};

}  // namespace

std::optional<std::string> ParseMailDate(std::string_view text) {
  std::vector<std::string_view> words = Words(text, " ,\t");
  if (!words.empty() && !Number(words[0], 1, 31)) words.erase(words.begin());  // the weekday
  if (words.size() < 5) return std::nullopt;
  auto day = Number(words[0], 1, 31);
  auto month = Month(words[1]);
  auto year = Number(words[2], 1970, 9999);
  std::vector<std::string_view> clock = Words(words[3], ":");
  auto hour = !clock.empty() ? Number(clock[0], 0, 23) : std::nullopt;
  auto minute = clock.size() >= 2 ? Number(clock[1], 0, 59) : std::nullopt;
  auto second = clock.size() == 3 ? Number(clock[2], 0, 59) : std::optional(0);
  auto offset = Offset(words[4]);
  if (!day || !month || !year || !hour || !minute || !second || !offset) return std::nullopt;
  char out[48];
  std::snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02d%s", *year, *month, *day, *hour,
                *minute, *second, offset->c_str());
  if (!model::ParseUtc(out).ok()) return std::nullopt;  // 31 September
  return std::string(out);
}

std::string ToUtf8(std::string_view text) {
  if (model::IsCleanUtf8(text)) return std::string(text);
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte == 0) continue;
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

void ParseChangelog(std::string_view text, const ChangelogHandler& handler) {
  Parser parser(handler);
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (!parser.Line(ToUtf8(text.substr(0, end)))) return;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  parser.Finish();
}

bool LooksLikeChangelog(std::string_view text) {
  size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return false;
  std::string_view line = text.substr(start);
  auto header = ParseHeader(line.substr(0, line.find('\n')));
  return header && !header->distributions.empty();
}

}  // namespace engram::cli
