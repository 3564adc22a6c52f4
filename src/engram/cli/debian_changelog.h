// One changelog in Debian's format (deb-changelog(5)), taken apart:
//
//   source (version) distributions; urgency=medium
//
//     * what changed
//
//    -- maintainer name <address>  Thu, 14 Mar 2024 12:00:00 +0100
//
// Old changelogs break the format in many ways; what cannot be read is said, not guessed. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace engram::cli {

struct ChangelogStanza {
  std::string source, version;
  std::vector<std::string> distributions;
  std::string urgency;
  std::string text;                // the change lines, without their common indent
  std::vector<std::string> names;  // the maintainer, then who is named in "[ Name ]" lines
  std::string time;                // "2024-03-14T12:00:00+01:00"
  int line = 0;                    // of its header, from 1
};

struct ChangelogHandler {
  std::function<void(ChangelogStanza)> stanza;
  std::function<void(int line, std::string why)> bad;
};

// Newest stanza first, as the file has them. Bytes that are not UTF-8 are taken as Latin-1.
void ParseChangelog(std::string_view text, const ChangelogHandler& handler);
// Whether the first line that is not empty is a stanza's header.
bool LooksLikeChangelog(std::string_view text);
// "Thu, 14 Mar 2024 12:00:00 +0100" as "2024-03-14T12:00:00+01:00"; nullopt when it is no date.
std::optional<std::string> ParseMailDate(std::string_view text);
// `text` itself when it is UTF-8 without NUL, else read as Latin-1 without NUL.
std::string ToUtf8(std::string_view text);

}  // namespace engram::cli
