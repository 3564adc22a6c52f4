#include "engram/base/ids.h"

namespace engram {
namespace {

constexpr char kUpper[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr char kLower[] = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr size_t kBase32Size = 26;

int Base32Value(char c) {
  for (int i = 0; i < 32; ++i) {
    if (c == kUpper[i] || c == kLower[i]) return i;
  }
  return -1;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void PutBigEndian(uint64_t value, uint8_t* out) {
  for (int i = 7; i >= 0; --i, value >>= 8) out[i] = static_cast<uint8_t>(value);
}

Status BadId(std::string_view text, const char* expected) {
  return Status(Reason::INVALID_REQUEST, "'" + std::string(text) + "' is not an identity.")
      .Expected(expected);
}

}  // namespace

std::array<uint8_t, 16> UuidFromRandom(uint64_t high, uint64_t low) {
  std::array<uint8_t, 16> bytes;
  PutBigEndian(high, bytes.data());
  PutBigEndian(low, bytes.data() + 8);
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return bytes;
}

std::string FormatUuid(const std::array<uint8_t, 16>& bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

Result<std::array<uint8_t, 16>> ParseUuid(std::string_view text) {
  std::array<uint8_t, 16> bytes{};
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-' && (i == 8 || i == 13 || i == 18 || i == 23)) continue;
    int value = HexValue(text[i]);
    if (value < 0 || digits == 32) return BadId(text, "a UUID");
    bytes[digits / 2] = static_cast<uint8_t>(bytes[digits / 2] << 4 | value);
    ++digits;
  }
  if (digits != 32 || text.size() != 36) return BadId(text, "a UUID");
  return bytes;
}

std::string FormatBase32(const std::array<uint8_t, 16>& bytes, bool upper) {
  const char* digits = upper ? kUpper : kLower;
  std::string text(kBase32Size, '0');
  unsigned __int128 value = 0;
  for (uint8_t byte : bytes) value = value << 8 | byte;
  for (size_t i = kBase32Size; i-- > 0; value >>= 5) text[i] = digits[static_cast<int>(value & 31)];
  return text;
}

Result<std::array<uint8_t, 16>> ParseBase32(std::string_view text) {
  constexpr const char* kExpected = "26 characters of Crockford's base 32";
  if (text.size() != kBase32Size || Base32Value(text[0]) > 7) return BadId(text, kExpected);
  unsigned __int128 value = 0;
  for (char c : text) {
    int digit = Base32Value(c);
    if (digit < 0) return BadId(text, kExpected);
    value = value << 5 | static_cast<unsigned>(digit);
  }
  std::array<uint8_t, 16> bytes;
  for (size_t i = 16; i-- > 0; value >>= 8) bytes[i] = static_cast<uint8_t>(value);
  return bytes;
}

std::string MakeUlid(uint64_t unix_ms, uint64_t random_high16, uint64_t random_low64) {
  std::array<uint8_t, 16> bytes;
  PutBigEndian(unix_ms << 16 | (random_high16 & 0xffff), bytes.data());
  PutBigEndian(random_low64, bytes.data() + 8);
  return FormatBase32(bytes, true);
}

}  // namespace engram
