// A point of monotonic time, as a type of its own, so that pure code can reckon with time that it
// is given and never asks for it. Only differences mean anything.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace engram {

using Duration = std::chrono::nanoseconds;

// Nanoseconds since an arbitrary start (CLOCK_BOOTTIME: it goes on while the machine sleeps).
struct Instant {
  int64_t ns = 0;
  auto operator<=>(const Instant&) const = default;
  Instant operator+(Duration d) const { return {ns + d.count()}; }
  Instant operator-(Duration d) const { return {ns - d.count()}; }
  Duration operator-(Instant other) const { return Duration(ns - other.ns); }
};

}  // namespace engram
