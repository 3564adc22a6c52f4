#include "engram/index/vectors_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engram/index/kernels.h"

namespace engram::index {
namespace {

constexpr double kMaxCode = 127;
constexpr double kMaxQueryCode = 32767;
// Beyond this length of the query a sum of products could leave int32 (|c| ≤ 127·√dimension).
constexpr double kMaxSum = 1 << 30;
constexpr float kRounding = 2e-6f;  // of scales kept as float, and of the cosine in float32

struct Unit {
  std::vector<double> values;  // of length 1; empty when there is no direction
  double largest = 0;
};

Unit UnitOf(std::span<const float> values) {
  double square = 0;
  for (const float value : values) square += static_cast<double>(value) * value;
  Unit unit;
  if (!(square > 0) || !std::isfinite(square)) return unit;
  const double length = std::sqrt(square);
  unit.values.reserve(values.size());
  for (const float value : values) {
    unit.values.push_back(value / length);
    unit.largest = std::max(unit.largest, std::fabs(unit.values.back()));
  }
  return unit;
}

// Codes of `unit` in steps of `scale`; returns the length of what is lost.
template <class Code>
float Quantise(const Unit& unit, double scale, double max_code, Code* codes) {
  double lost = 0;
  for (size_t i = 0; i < unit.values.size(); ++i) {
    const double code = std::clamp(std::nearbyint(unit.values[i] / scale), -max_code, max_code);
    codes[i] = static_cast<Code>(code);
    const double rest = unit.values[i] - code * scale;
    lost += rest * rest;
  }
  return static_cast<float>(std::sqrt(lost));
}

}  // namespace

size_t CodeStride(size_t dimension) {
  return (dimension + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment;
}

CodeScale EncodeVector(std::span<const float> values, int8_t* codes) {
  const Unit unit = UnitOf(values);
  if (unit.values.empty()) {
    std::memset(codes, 0, values.size());
    return {};
  }
  const auto scale = static_cast<float>(unit.largest / kMaxCode);
  return {scale, Quantise(unit, scale, kMaxCode, codes)};
}

EncodedQuery EncodeQuery(std::span<const float> values) {
  const size_t stride = CodeStride(values.size());
  EncodedQuery query;
  query.values = hwy::AllocateAligned<int16_t>(stride);
  std::fill_n(query.values.get(), stride, int16_t{0});
  const Unit unit = UnitOf(values);
  if (unit.values.empty()) return query;
  const double widest = kMaxSum / (kMaxCode * std::sqrt(static_cast<double>(values.size())));
  const double steps = std::min(kMaxQueryCode / unit.largest, widest);
  query.scale = static_cast<float>(1 / steps);
  query.error = Quantise(unit, query.scale, kMaxQueryCode, query.values.get());
  return query;
}

float CosineErrorOf(float vector_error, float query_error) {
  return vector_error + (1 + vector_error) * query_error + kRounding;
}

}  // namespace engram::index
