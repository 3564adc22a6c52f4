#include "engram/index/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engram/index/kernels.cc"
#include <hwy/foreach_target.h>  // compiles the part below once for each instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace engram::index::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Codes16 = hn::CappedTag<int16_t, 32>;
using Sums32 = hn::RepartitionToWide<Codes16>;

void DotRowsKernel(const int16_t* query, const int8_t* codes, size_t stride, size_t rows,
                   int32_t* dots) {
  const Codes16 d16;
  const Sums32 d32;
  const hn::Rebind<int8_t, Codes16> d8;
  const size_t lanes = hn::Lanes(d16);
  for (size_t row = 0; row < rows; ++row, codes += stride) {
    auto even = hn::Zero(d32), even_high = hn::Zero(d32);
    auto odd = hn::Zero(d32), odd_high = hn::Zero(d32);
    for (size_t j = 0; j < stride; j += 2 * lanes) {
      const auto first = hn::PromoteTo(d16, hn::LoadU(d8, codes + j));
      const auto second = hn::PromoteTo(d16, hn::LoadU(d8, codes + j + lanes));
      even = hn::ReorderWidenMulAccumulate(d32, first, hn::LoadU(d16, query + j), even, even_high);
      odd = hn::ReorderWidenMulAccumulate(d32, second, hn::LoadU(d16, query + j + lanes), odd,
                                          odd_high);
    }
    const auto all = hn::Add(hn::Add(even, even_high), hn::Add(odd, odd_high));
    dots[row] = hn::GetLane(hn::SumOfLanes(d32, all));
  }
}

// Eight lanes of double, as one, two, four or eight registers.
constexpr size_t kLanes = 8;

void AddRest(const float* a, const float* b, size_t from, size_t size, double* ab, double* aa,
             double* bb) {
  for (size_t i = from; i < size; ++i) {
    const double x = a[i], y = b[i];
    ab[i % kLanes] += x * y;
    aa[i % kLanes] += x * x;
    bb[i % kLanes] += y * y;
  }
}

double Total(const double* lanes) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

void SumsKernel(const float* a, const float* b, size_t size, CosineSums* sums) {
  const hn::CappedTag<double, kLanes> d64;
  const hn::Rebind<float, decltype(d64)> d32;
  const size_t width = hn::Lanes(d64);
  alignas(64) double ab[kLanes] = {}, aa[kLanes] = {}, bb[kLanes] = {};
  const size_t whole = size - size % kLanes;
  for (size_t lane = 0; lane < kLanes; lane += width) {
    auto sum_ab = hn::Zero(d64), sum_aa = hn::Zero(d64), sum_bb = hn::Zero(d64);
    for (size_t i = lane; i < whole; i += kLanes) {
      const auto x = hn::PromoteTo(d64, hn::LoadU(d32, a + i));
      const auto y = hn::PromoteTo(d64, hn::LoadU(d32, b + i));
      sum_ab = hn::MulAdd(x, y, sum_ab);
      sum_aa = hn::MulAdd(x, x, sum_aa);
      sum_bb = hn::MulAdd(y, y, sum_bb);
    }
    hn::StoreU(sum_ab, d64, ab + lane);
    hn::StoreU(sum_aa, d64, aa + lane);
    hn::StoreU(sum_bb, d64, bb + lane);
  }
  AddRest(a, b, whole, size, ab, aa, bb);
  *sums = CosineSums{Total(ab), Total(aa), Total(bb)};
}

uint64_t ReadBytesKernel(const uint8_t* bytes, size_t size) {
  const hn::CappedTag<uint8_t, 64> d;
  const size_t lanes = hn::Lanes(d);
  auto first = hn::Zero(d), second = hn::Zero(d), third = hn::Zero(d), fourth = hn::Zero(d);
  size_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    first = hn::Xor(first, hn::LoadU(d, bytes + i));
    second = hn::Xor(second, hn::LoadU(d, bytes + i + lanes));
    third = hn::Xor(third, hn::LoadU(d, bytes + i + 2 * lanes));
    fourth = hn::Xor(fourth, hn::LoadU(d, bytes + i + 3 * lanes));
  }
  alignas(64) uint8_t all[64] = {};
  hn::StoreU(hn::Xor(hn::Xor(first, second), hn::Xor(third, fourth)), d, all);
  uint64_t mixed = 0;
  for (size_t lane = 0; lane < lanes; ++lane) mixed = mixed * 31 + all[lane];
  for (; i < size; ++i) mixed = mixed * 31 + bytes[i];
  return mixed;
}

}  // namespace engram::index::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace engram::index {

HWY_EXPORT(DotRowsKernel);
HWY_EXPORT(SumsKernel);
HWY_EXPORT(ReadBytesKernel);

void DotRows(const int16_t* query, const int8_t* codes, size_t stride, size_t rows, int32_t* dots) {
  HWY_DYNAMIC_DISPATCH(DotRowsKernel)(query, codes, stride, rows, dots);
}

CosineSums SumsOf(const float* a, const float* b, size_t size) {
  CosineSums sums;
  HWY_DYNAMIC_DISPATCH(SumsKernel)(a, b, size, &sums);
  return sums;
}

uint64_t ReadBytes(const uint8_t* bytes, size_t size) {
  return HWY_DYNAMIC_DISPATCH(ReadBytesKernel)(bytes, size);
}

const char* KernelTarget() {
  const int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(supported & -supported);  // the lowest bit is the best one
}

}  // namespace engram::index
#endif  // HWY_ONCE
