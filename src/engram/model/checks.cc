#include "engram/model/checks.h"

#include <cmath>
#include <cstdio>

#include "engram/model/text.h"

namespace engram::model {

std::string FormatNumber(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", static_cast<double>(value));
  return text;
}

Status Invalid(Reason reason, std::string_view field, std::string message,
               const std::string& expected, std::string_view actual) {
  return Status(reason, std::move(message))
      .Expected(expected)
      .With("field", std::string(field))
      .With("expected", expected)
      .With("actual", Shorten(actual));
}

Status TooLarge(std::string_view field, std::string_view unit, uint64_t limit, uint64_t actual) {
  std::string name(field), units(unit);
  return Status(Reason::TOO_LARGE, name + " has " + std::to_string(actual) + " " + units + ".")
      .Expected("at most " + std::to_string(limit) + " " + units)
      .Suggest("shorten it, or split it into several episodes of one session")
      .With("field", name)
      .With("limit", limit)
      .With("actual", actual);
}

Status Unimplemented(std::string_view field, std::string_view hint) {
  std::string name(field);
  return Status(Reason::UNIMPLEMENTED_FEATURE, "This server does not act on " + name + " yet.")
      .Expected("a request without " + name)
      .Suggest(std::string(hint))
      .With("field", name)
      .With("hint", std::string(hint));
}

Status CheckText(std::string_view field, std::string_view text, size_t limit, Reason reason) {
  if (text.size() > limit) return TooLarge(field, "bytes", limit, text.size());
  if (IsCleanUtf8(text)) return OkStatus();
  return Invalid(reason, field, std::string(field) + " is not valid text.",
                 "valid UTF-8 without NUL", "bytes that are not")
      .Suggest("send bytes as base64 in metadata, or decode them to UTF-8 first");
}

Status CheckName(std::string_view field, std::string_view text, size_t limit, Reason reason) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Invalid(reason, field, std::string(field) + " has an empty element.",
                   "at least one visible character", text)
        .Suggest("leave the element out");
  }
  return CheckText(field, text, limit, reason);
}

Status CheckRange(std::string_view field, float value, float low, float high, Reason reason) {
  if (value >= low && value <= high) return OkStatus();  // false for NaN
  std::string range = std::isinf(high) ? "a finite number, " + FormatNumber(low) + " or more"
                                       : FormatNumber(low) + " to " + FormatNumber(high);
  return Invalid(reason, field, std::string(field) + " is " + FormatNumber(value) + ".", range,
                 FormatNumber(value));
}

}  // namespace engram::model
