#include "engram/base/status.h"

#include <array>

namespace engram {
namespace {

constexpr std::array<ReasonInfo, kReasonCount> kReasons = {{
#define ENGRAM_REASON(name, code, http, exit, retry, title) \
  {Reason::name, #name, Code::code, http, exit, Retry::retry, title},
#include "engram/base/reasons.def"
#undef ENGRAM_REASON
}};

}  // namespace

const ReasonInfo& InfoOf(Reason reason) {
  return kReasons.at(static_cast<size_t>(reason));
}

std::optional<Reason> ReasonFromName(std::string_view name) {
  for (const ReasonInfo& info : kReasons) {
    if (info.name == name) return info.reason;
  }
  return std::nullopt;
}

Status::Status(Reason reason, std::string message)
    : rep_(std::make_shared<const Rep>(Rep{reason, std::move(message), {}, {}, {}, {}})) {}

Status::Rep& Status::Mutable() {
  auto copy = std::make_shared<Rep>(rep());
  Rep& result = *copy;
  rep_ = std::move(copy);
  return result;
}

Status Status::Expected(std::string text) && {
  Mutable().expected = std::move(text);
  return std::move(*this);
}

Status Status::Suggest(std::string text) && {
  Mutable().suggestion = std::move(text);
  return std::move(*this);
}

Status Status::Example(std::string text) && {
  Mutable().example = std::move(text);
  return std::move(*this);
}

Status Status::With(std::string key, std::string value) && {
  Mutable().metadata[std::move(key)] = std::move(value);
  return std::move(*this);
}

Status Status::Annotate(std::string_view prefix) const {
  Status copy = *this;
  Rep& changed = copy.Mutable();
  changed.message = std::string(prefix) + ": " + changed.message;
  return copy;
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  std::string text = message();
  auto part = [&text](const char* label, const std::string& value) {
    if (!value.empty()) text.append("\n  ").append(label).append(": ").append(value);
  };
  part("Expected", expected());
  part("Suggestion", suggestion());
  part("Example", example());
  return text;
}

}  // namespace engram
