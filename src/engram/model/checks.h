// Errors of one shape for everything that can be wrong with a field. Private to this module.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engram/base/status.h"

namespace engram::model {

// `message` of four parts begun: what happened and what was expected; field, expected and actual as
// facts. The caller adds a suggestion and an example where there is one.
Status Invalid(Reason reason, std::string_view field, std::string message,
               const std::string& expected, std::string_view actual);
Status TooLarge(std::string_view field, std::string_view unit, uint64_t limit, uint64_t actual);
Status Unimplemented(std::string_view field, std::string_view hint);

// Valid UTF-8 without NUL, at most `limit` bytes. INVALID_EPISODE (or `reason`), TOO_LARGE.
Status CheckText(std::string_view field, std::string_view text, size_t limit,
                 Reason reason = Reason::INVALID_EPISODE);
// CheckText, and something besides white space.
Status CheckName(std::string_view field, std::string_view text, size_t limit,
                 Reason reason = Reason::INVALID_EPISODE);
// A finite number between low and high.
Status CheckRange(std::string_view field, float value, float low, float high,
                  Reason reason = Reason::INVALID_EPISODE);

std::string FormatNumber(float value);

}  // namespace engram::model
