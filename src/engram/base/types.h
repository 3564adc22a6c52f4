// Strong types of the protocol: two integers of one kind never stand side by side in a signature.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace engram {

// An integer with a name. Comparable with its own kind; arithmetic goes through value().
template <class Tag>
class StrongInt {
 public:
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  constexpr StrongInt next() const { return StrongInt(value_ + 1); }
  constexpr StrongInt prev() const { return StrongInt(value_ - 1); }
  constexpr bool is_zero() const { return value_ == 0; }
  constexpr auto operator<=>(const StrongInt&) const = default;

 private:
  uint64_t value_ = 0;
};

// Position of an entry in the log of a space: 1, 2, 3 …; 0 is "before the first".
using Sequence = StrongInt<struct SequenceTag>;
// Reign of one primary over one space; 0 is "none yet".
using Epoch = StrongInt<struct EpochTag>;

// A point in the history of a space. Ordered by epoch, then sequence.
struct Position {
  Epoch epoch;
  Sequence sequence;
  auto operator<=>(const Position&) const = default;
};

inline std::string ToString(Sequence sequence) {
  return std::to_string(sequence.value());
}
inline std::string ToString(Epoch epoch) {
  return std::to_string(epoch.value());
}

}  // namespace engram

template <class Tag>
struct std::hash<engram::StrongInt<Tag>> {
  size_t operator()(engram::StrongInt<Tag> value) const noexcept {
    return std::hash<uint64_t>()(value.value());
  }
};
