// 128-bit identities: nodes and incarnations (random UUIDs), and ULIDs for memories without an id.
// Their randomness is given by the caller, so that a simulation stays reproducible.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "engram/base/status.h"

namespace engram {

template <class Tag>
struct Id128 {
  std::array<uint8_t, 16> bytes{};
  bool is_zero() const { return *this == Id128(); }
  auto operator<=>(const Id128&) const = default;
};

using NodeId = Id128<struct NodeIdTag>;
// Made anew whenever a node's directory or a space is created; never reused.
using Incarnation = Id128<struct IncarnationTag>;

// A version 4 UUID (RFC 9562) from 128 random bits.
std::array<uint8_t, 16> UuidFromRandom(uint64_t high, uint64_t low);

// 8-4-4-4-12 hexadecimal digits.
std::string FormatUuid(const std::array<uint8_t, 16>& bytes);
Result<std::array<uint8_t, 16>> ParseUuid(std::string_view text);

// 26 characters of Crockford's base 32; lower case for incarnations in tokens, upper for ULIDs.
std::string FormatBase32(const std::array<uint8_t, 16>& bytes, bool upper);
Result<std::array<uint8_t, 16>> ParseBase32(std::string_view text);

// ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits.
std::string MakeUlid(uint64_t unix_ms, uint64_t random_high16, uint64_t random_low64);

}  // namespace engram
