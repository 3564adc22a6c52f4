#include "engram/api/json_value.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "engram/api/text.h"

namespace engram::api {

constexpr int kMaxDepth = 64;

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  Result<JsonValue> Parse() {
    const size_t valid = ValidUtf8Prefix(text_);
    if (valid < text_.size()) return Fail(valid, "bytes that are not UTF-8");
    JsonValue value;
    RETURN_IF_ERROR(ParseValue(0, &value));
    SkipSpace();
    if (at_ < text_.size()) return Fail(at_, "something after the end of the value");
    return value;
  }

 private:
  using Kind = JsonValue::Kind;

  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return text_[at_]; }

  void SkipSpace() {
    while (!AtEnd() && (Peek() == ' ' || Peek() == '\n' || Peek() == '\r' || Peek() == '\t')) ++at_;
  }

  bool Take(char c) {
    SkipSpace();
    if (AtEnd() || Peek() != c) return false;
    ++at_;
    return true;
  }

  Status Fail(size_t at, const std::string& found) const {
    const size_t end = std::min(at, text_.size());
    const size_t line = 1 + std::count(text_.begin(), text_.begin() + end, '\n');
    const size_t newline = text_.substr(0, end).rfind('\n');
    const size_t column = newline == std::string_view::npos ? end + 1 : end - newline;
    return Status(Reason::INVALID_REQUEST, "The text is not JSON: " + found + " at line " +
                                               std::to_string(line) + ", column " +
                                               std::to_string(column) + ".")
        .Expected("one JSON value in UTF-8 (RFC 8259)")
        .Example(R"({"what": "Anna prefers the 8:15 train"})")
        .With("offset", at);
  }

  Status Unexpected() const {
    if (AtEnd()) return Fail(at_, "it ends too early");
    const unsigned char c = static_cast<unsigned char>(Peek());
    return Fail(at_, c < 0x80 && c >= 0x20 ? std::string("an unexpected '") + Peek() + "'"
                                           : "an unexpected character");
  }

  Status ParseValue(int depth, JsonValue* value) {
    SkipSpace();
    if (AtEnd()) return Unexpected();
    if (depth > kMaxDepth) return Fail(at_, "more than 64 levels");
    switch (Peek()) {
      case '{':
        return ParseObject(depth, value);
      case '[':
        return ParseArray(depth, value);
      case '"':
        return ParseString(value);
      case 't':
        return ParseWord("true", Kind::kBool, true, value);
      case 'f':
        return ParseWord("false", Kind::kBool, false, value);
      case 'n':
        return ParseWord("null", Kind::kNull, false, value);
      default:
        return ParseNumber(value);
    }
  }

  Status ParseWord(std::string_view word, Kind kind, bool flag, JsonValue* value) {
    if (text_.substr(at_, word.size()) != word) return Unexpected();
    at_ += word.size();
    value->kind_ = kind;
    value->flag_ = flag;
    return OkStatus();
  }

  size_t Digits() {
    const size_t begin = at_;
    while (!AtEnd() && Peek() >= '0' && Peek() <= '9') ++at_;
    return at_ - begin;
  }

  Status ParseNumber(JsonValue* value) {
    const size_t begin = at_;
    if (Peek() == '-') ++at_;
    const size_t whole = at_;
    const size_t digits = Digits();
    if (digits == 0) return Unexpected();
    if (digits > 1 && text_[whole] == '0') return Fail(whole, "a number with a leading zero");
    if (!AtEnd() && Peek() == '.') {
      ++at_;
      if (Digits() == 0) return Unexpected();
    }
    if (!AtEnd() && (Peek() == 'e' || Peek() == 'E')) {
      ++at_;
      if (!AtEnd() && (Peek() == '+' || Peek() == '-')) ++at_;
      if (Digits() == 0) return Unexpected();
    }
    value->kind_ = Kind::kNumber;
    value->raw_ = text_.substr(begin, at_ - begin);
    return OkStatus();
  }

  Status CheckEscape() {  // at_ stands on the character after the backslash
    if (AtEnd()) return Unexpected();
    if (std::string_view("\"\\/bfnrt").find(Peek()) != std::string_view::npos) return OkStatus();
    if (Peek() != 'u') return Fail(at_, "an unknown escape");
    for (int i = 1; i <= 4; ++i) {
      if (at_ + i >= text_.size() || !std::isxdigit(static_cast<unsigned char>(text_[at_ + i]))) {
        return Fail(at_, "\\u without four hexadecimal digits");
      }
    }
    return OkStatus();
  }

  Status ParseString(JsonValue* value) {
    const size_t begin = ++at_;
    for (; !AtEnd() && Peek() != '"'; ++at_) {
      if (static_cast<unsigned char>(Peek()) < 0x20) return Fail(at_, "a control character");
      if (Peek() != '\\') continue;
      value->escaped_ = true;
      ++at_;
      RETURN_IF_ERROR(CheckEscape());
    }
    if (AtEnd()) return Unexpected();
    value->kind_ = Kind::kString;
    value->raw_ = text_.substr(begin, at_ - begin);
    ++at_;
    return OkStatus();
  }

  Status ParseArray(int depth, JsonValue* value) {
    ++at_;
    value->kind_ = Kind::kArray;
    value->items_ = std::make_unique<std::vector<JsonValue>>();
    if (Take(']')) return OkStatus();
    do {
      RETURN_IF_ERROR(ParseValue(depth + 1, &value->items_->emplace_back()));
    } while (Take(','));
    return Take(']') ? OkStatus() : Unexpected();
  }

  Status ParseObject(int depth, JsonValue* value) {
    ++at_;
    value->kind_ = Kind::kObject;
    value->members_ = std::make_unique<std::vector<JsonMember>>();
    if (Take('}')) return OkStatus();
    do {
      RETURN_IF_ERROR(ParseMember(depth, value));
    } while (Take(','));
    return Take('}') ? OkStatus() : Unexpected();
  }

  Status ParseMember(int depth, JsonValue* object) {
    SkipSpace();
    const size_t key_at = at_;
    if (AtEnd() || Peek() != '"') return Unexpected();
    JsonValue key;
    RETURN_IF_ERROR(ParseString(&key));
    if (!Take(':')) return Unexpected();
    if (object->members_->size() >= 10000) return Fail(key_at, "more than 10,000 members");
    JsonMember member{key.AsString(), {}};
    RETURN_IF_ERROR(ParseValue(depth + 1, &member.value));
    if (object->members_->size() < 256 && object->Find(member.key) != nullptr) {
      return Fail(key_at, "a key that is there twice");
    }
    object->members_->push_back(std::move(member));
    return OkStatus();
  }

  std::string_view text_;
  size_t at_ = 0;
};

namespace {

uint32_t Hex4(std::string_view text) {
  uint32_t value = 0;
  std::from_chars(text.data(), text.data() + 4, value, 16);
  return value;
}

// One \uXXXX (or a surrogate pair) at `at` (on the 'u'); moves `at` to its last character. A lone
// surrogate becomes U+FFFD.
uint32_t UnicodeEscape(std::string_view raw, size_t* at) {
  const uint32_t high = Hex4(raw.substr(*at + 1));
  *at += 4;
  if (high < 0xD800 || high > 0xDFFF) return high;
  const bool pair = high < 0xDC00 && raw.substr(*at + 1, 2) == "\\u";
  const uint32_t low = pair ? Hex4(raw.substr(*at + 3)) : 0;
  if (low < 0xDC00 || low > 0xDFFF) return 0xFFFD;
  *at += 6;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

char SimpleEscape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

}  // namespace

std::string_view JsonValue::KindName() const {
  constexpr std::string_view kNames[] = {"null",     "true or false", "a number",
                                         "a string", "a list",        "an object"};
  return kNames[static_cast<int>(kind_)];
}

std::string JsonValue::AsString() const {
  if (!escaped_) return std::string(raw_);
  std::string text;
  text.reserve(raw_.size());
  for (size_t i = 0; i < raw_.size(); ++i) {
    if (raw_[i] != '\\') {
      text += raw_[i];
    } else if (raw_[++i] == 'u') {
      AppendUtf8(UnicodeEscape(raw_, &i), &text);
    } else {
      text += SimpleEscape(raw_[i]);
    }
  }
  return text;
}

double JsonValue::AsDouble() const {
  double value = 0;
  const auto [end, error] = std::from_chars(raw_.data(), raw_.data() + raw_.size(), value);
  // Too small or too large for a double: strtod gives 0 or infinity, which callers check for.
  if (error == std::errc::result_out_of_range)
    return std::strtod(std::string(raw_).c_str(), nullptr);
  return value;
}

std::optional<int64_t> JsonValue::AsInt64() const {
  int64_t value = 0;
  const char* const last = raw_.data() + raw_.size();
  const auto [end, error] = std::from_chars(raw_.data(), last, value);
  if (error == std::errc() && end == last) return value;
  const double number = AsDouble();
  if (std::trunc(number) != number || std::abs(number) > 9007199254740992.0) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<uint64_t> JsonValue::AsUint64() const {
  uint64_t value = 0;
  const char* const last = raw_.data() + raw_.size();
  const auto [end, error] = std::from_chars(raw_.data(), last, value);
  if (error == std::errc() && end == last) return value;
  const auto number = AsInt64();
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

const JsonValue* JsonValue::Find(std::string_view key) const {
  for (const JsonMember& member : *members_) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Result<JsonValue> ParseJson(std::string_view text) {
  return JsonParser(text).Parse();
}

void AppendJsonString(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (c == '\n') {
      *out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      *out += "\\u00";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    } else {
      *out += c;
    }
  }
  *out += '"';
}

std::string JsonString(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

}  // namespace engram::api
