// JSON as text (RFC 8259), read strictly: one value, valid UTF-8, no NaN, no comments, no key
// twice, at most 64 levels. Strings and numbers stay views into the text until they are asked for,
// so that 16 MiB of embeddings cost 40 bytes a number. The text must outlive the value. Not
// thread-safe to build, free to read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engram/base/status.h"

namespace engram::api {

struct JsonMember;

class JsonValue {
 public:
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  // "a string", "a number" … for error texts.
  std::string_view KindName() const;

  bool AsBool() const { return flag_; }
  std::string AsString() const;  // of a string, with escapes resolved
  double AsDouble() const;
  // Only when the number is whole and fits; 1e3 is whole.
  std::optional<int64_t> AsInt64() const;
  std::optional<uint64_t> AsUint64() const;
  const std::vector<JsonValue>& items() const { return *items_; }
  const std::vector<JsonMember>& members() const { return *members_; }
  const JsonValue* Find(std::string_view key) const;  // of an object; null when absent

 private:
  friend class JsonParser;
  Kind kind_ = Kind::kNull;
  bool flag_ = false;     // of a bool
  bool escaped_ = false;  // a string holds escapes
  std::string_view raw_;  // of a number or string, without quotes
  std::unique_ptr<std::vector<JsonValue>> items_;
  std::unique_ptr<std::vector<JsonMember>> members_;
};

struct JsonMember {
  std::string key;
  JsonValue value;
};

// INVALID_REQUEST says what was expected and at which line and column.
Result<JsonValue> ParseJson(std::string_view text);

// Appends `text` as a JSON string with its quotes.
void AppendJsonString(std::string_view text, std::string* out);
std::string JsonString(std::string_view text);

}  // namespace engram::api
