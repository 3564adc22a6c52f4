// The inner loops over vectors, for whatever the processor has: compiled for several instruction
// sets, chosen at run time (github.com/google/highway). Pure, thread-safe. Every kernel gives the
// same bits on every instruction set: integers are exact, and the sums of floats are taken in
// double, where a product of two floats is exact, over eight lanes in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace engram::index {

// Rows of codes and queries are padded with zeros to a multiple of this.
inline constexpr size_t kCodeAlignment = 64;

// dots[r] = Σ_j query[j] · codes[r · stride + j], for j < stride. `stride` is a multiple of
// kCodeAlignment, `codes` and `query` are aligned to it. No sum may leave int32, whatever the
// order.
void DotRows(const int16_t* query, const int8_t* codes, size_t stride, size_t rows, int32_t* dots);

struct CosineSums {
  double ab = 0, aa = 0, bb = 0;
};
CosineSums SumsOf(const float* a, const float* b, size_t size);

// Reads all bytes and returns something made of them: what a scan is measured against.
uint64_t ReadBytes(const uint8_t* bytes, size_t size);

// The instruction set in use, as highway calls it ("AVX3_DL").
const char* KernelTarget();

}  // namespace engram::index
