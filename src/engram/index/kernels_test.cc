#include "engram/index/kernels.h"

#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <hwy/aligned_allocator.h>
#include <hwy/targets.h>

#include "engram/base/prng.h"
#include "engram/index/vectors_codes.h"

namespace engram::index {
namespace {

// Runs `check` once for every instruction set that this machine has.
template <class Check>
void ForEachTarget(const Check& check) {
  for (int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    SCOPED_TRACE(hwy::TargetName(targets & -targets));
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(Kernels, DotsAreExactOnEveryInstructionSet) {
  for (const size_t stride : {64u, 128u, 768u, 4096u}) {
    Prng prng(stride);
    constexpr size_t kRows = 9;
    auto codes = hwy::AllocateAligned<int8_t>(kRows * stride);
    auto query = hwy::AllocateAligned<int16_t>(stride);
    for (size_t i = 0; i < kRows * stride; ++i) {
      codes[i] = static_cast<int8_t>(static_cast<int64_t>(prng.Below(255)) - 127);
    }
    const int64_t widest =
        std::min<int64_t>(32767, (int64_t{1} << 30) / (127 * static_cast<int64_t>(stride)));
    for (size_t i = 0; i < stride; ++i) {
      query[i] = static_cast<int16_t>(static_cast<int64_t>(prng.Below(2 * widest + 1)) - widest);
    }
    ForEachTarget([&] {
      int32_t dots[kRows];
      DotRows(query.get(), codes.get(), stride, kRows, dots);
      for (size_t row = 0; row < kRows; ++row) {
        int64_t expected = 0;
        for (size_t j = 0; j < stride; ++j) expected += int64_t{query[j]} * codes[row * stride + j];
        EXPECT_EQ(dots[row], expected);
      }
    });
  }
}

// The widest values that EncodeQuery lets through do not overflow.
TEST(Kernels, ExtremesDoNotOverflow) {
  for (const size_t dimension : {1u, 2u, 64u, 768u, 4096u}) {
    for (const float sign : {1.0f, -1.0f}) {
      const std::vector<float> ones(dimension, 1.0f), signs(dimension, sign);
      const size_t stride = CodeStride(dimension);
      auto codes = hwy::AllocateAligned<int8_t>(stride);
      std::memset(codes.get(), 0, stride);
      const CodeScale scale = EncodeVector(ones, codes.get());
      const EncodedQuery query = EncodeQuery(signs);
      int32_t dot;
      DotRows(query.values.get(), codes.get(), stride, 1, &dot);
      EXPECT_NEAR(static_cast<float>(dot) * scale.scale * query.scale, sign,
                  CosineErrorOf(scale.error, query.error));
      EXPECT_LT(CosineErrorOf(scale.error, query.error), 1e-3f);
    }
  }
}

TEST(Kernels, SumsHaveTheSameBitsOnEveryInstructionSet) {
  Prng prng(3);
  for (const size_t size : {0u, 1u, 7u, 8u, 9u, 31u, 100u, 768u, 1001u}) {
    std::vector<float> a(size), b(size);
    for (float& value : a) value = static_cast<float>(prng.Unit() - 0.5);
    for (float& value : b)
      value = static_cast<float>(std::ldexp(prng.Unit() - 0.5, 1 + prng.Below(20)));
    double ab[8] = {}, aa[8] = {}, bb[8] = {};
    for (size_t i = 0; i < size; ++i) {
      ab[i % 8] += static_cast<double>(a[i]) * b[i];
      aa[i % 8] += static_cast<double>(a[i]) * a[i];
      bb[i % 8] += static_cast<double>(b[i]) * b[i];
    }
    const auto total = [](const double* l) {
      return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
    };
    ForEachTarget([&] {
      const CosineSums sums = SumsOf(a.data(), b.data(), size);
      EXPECT_EQ(sums.ab, total(ab));
      EXPECT_EQ(sums.aa, total(aa));
      EXPECT_EQ(sums.bb, total(bb));
    });
  }
}

TEST(Kernels, ReadBytesSeesEveryByte) {
  std::vector<uint8_t> bytes(1000);
  const uint64_t before = ReadBytes(bytes.data(), bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = 1;
    EXPECT_NE(ReadBytes(bytes.data(), bytes.size()), before) << i;
    bytes[i] = 0;
  }
}

}  // namespace
}  // namespace engram::index
