// Small things about text that the doors need: UTF-8, base64, the nearest known name, cutting a
// text at a bound. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace engram::api {

// Length of the longest valid UTF-8 prefix (RFC 3629: no surrogates, no overlong forms).
size_t ValidUtf8Prefix(std::string_view text);
void AppendUtf8(uint32_t code_point, std::string* out);
// At most `bytes` bytes, cut between characters, with "…" when something was cut.
std::string CutText(std::string_view text, size_t bytes);

// RFC 4648, with padding. Decoding takes the URL alphabet and missing padding too; nullopt for
// anything else.
std::string EncodeBase64(std::string_view bytes);
std::optional<std::string> DecodeBase64(std::string_view text);

// %XX; nullopt for a bad escape. With `plus`, '+' is a space (query strings).
std::optional<std::string> DecodePercent(std::string_view text, bool plus);
// Everything but letters, digits and -._~ as %XX.
std::string EncodePercent(std::string_view text);

// model::Nearest over strings that stay theirs.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace engram::api
