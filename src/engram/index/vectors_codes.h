// Unit vectors as small integers, with a bound of what that costs.
//
// A stored vector v (normalised) becomes int8 codes c and a scale s with v ≈ s·c; its error is the
// length of v − s·c. A query becomes int16, which costs next to nothing. By Cauchy and Schwarz the
// cosine by codes then differs from the true one by at most error(v) + (1 + error(v))·error(q): a
// bound for each vector, however it is shaped, and so a scan by codes can be exact. Pure.
#pragma once

#include <cstdint>
#include <span>

#include <hwy/aligned_allocator.h>

namespace engram::index {

struct CodeScale {
  float scale = 0;
  float error = 0;
};

// Bytes of a row of codes in memory: the dimension, rounded up for the kernel.
size_t CodeStride(size_t dimension);

// Writes `values.size()` codes. A vector without direction (zero, or not finite) gets codes and
// scale 0: its cosine with everything is 0.
CodeScale EncodeVector(std::span<const float> values, int8_t* codes);

struct EncodedQuery {
  hwy::AlignedFreeUniquePtr<int16_t[]> values;  // CodeStride, padded with zeros
  float scale = 0;
  float error = 0;
};
EncodedQuery EncodeQuery(std::span<const float> values);

// Bound of |cosine by codes − cosine in float32|, rounding of the float32 one included.
float CosineErrorOf(float vector_error, float query_error);

}  // namespace engram::index
