// Little-endian coding of fixed-width integers, and views of bytes. Every format on disk and wire
// goes through these; no struct is ever copied to or from a file.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace engram {

using ByteView = std::string_view;  // bytes, not text

template <class T>
inline void StoreLe(char* out, T value) {
  static_assert(std::is_unsigned_v<T>);
  for (size_t i = 0; i < sizeof(T); ++i) out[i] = static_cast<char>(value >> (8 * i));
}

template <class T>
inline T LoadLe(const char* in) {
  static_assert(std::is_unsigned_v<T>);
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<uint8_t>(in[i])) << (8 * i));
  }
  return value;
}

template <class T>
inline void AppendLe(std::string* out, T value) {
  char bytes[sizeof(T)];
  StoreLe(bytes, value);
  out->append(bytes, sizeof(T));
}

inline bool AllZero(ByteView bytes) {
  return bytes.find_first_not_of('\0') == ByteView::npos;
}

// Lower-case hexadecimal, most significant digit first, padded to `digits`.
std::string Hex(uint64_t value, int digits);

}  // namespace engram
