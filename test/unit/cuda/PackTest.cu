//===- PackTest.cu - Packs compute what single numbers do -----------------===//
//
// The bodies of fused kernels run for eight neighbours at once on a GPU, by
// shortcuts that a single number does not take. Here both run on the device for
// every float there is, beside its neighbours and beside unlike numbers, and
// are compared bit by bit.
//
//===----------------------------------------------------------------------===//

#include "kernels/cuda/pack.cuh"

#include <gtest/gtest.h>

using namespace fp8c;

namespace {

constexpr int width = 8;
constexpr int threads = 256;
constexpr uint64_t every_float = uint64_t(1) << 32;

struct Mismatches {
  unsigned long long count;
  uint32_t example; ///< bits of an argument
};

FP8C_INLINE bool same(float a, float b) {
  return bits_of(a) == bits_of(b) || (a != a && b != b);
}
template <class T> FP8C_INLINE bool same(T a, T b) { return a.bits == b.bits; }
FP8C_INLINE bool same(const Amax &a, const Amax &b) {
  return a.amax_bits == b.amax_bits && a.saturated == b.saturated &&
         a.nonfinite == b.nonfinite;
}

/// Calls check(first, values, report) for packs that have every bit pattern
/// once together, and unlike ones side by side: infinities among numbers, too.
template <class Check>
__global__ void check_packs(Check check, Mismatches *mismatches) {
  auto report = [&](float x) {
    if (atomicAdd(&mismatches->count, 1ull) == 0)
      mismatches->example = bits_of(x);
  };
  const uint64_t step = uint64_t(gridDim.x) * threads * width;
  for (uint64_t first = (uint64_t(blockIdx.x) * threads + threadIdx.x) * width;
       first < every_float; first += step) {
    Pack<width> x;
    for (int i = 0; i < width; ++i) // an odd factor permutes the patterns
      x.v[i] = from_bits(uint32_t(first + i) * 0x9e3779b1u);
    check(first, x, report);
    for (int i = 0; i < width; ++i) // neighbours
      x.v[i] = from_bits(uint32_t(first + i));
    check(first, x, report);
  }
}

template <class Check> void expect_same(Check check) {
  Mismatches *found;
  ASSERT_EQ(cudaMallocManaged(&found, sizeof *found), cudaSuccess)
      << cudaGetErrorString(cudaGetLastError());
  *found = {};
  check_packs<<<132 * 8, threads>>>(check, found);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess)
      << cudaGetErrorString(cudaGetLastError());
  EXPECT_EQ(found->count, 0u) << "as for bits " << std::hex << found->example;
  cudaFree(found);
}

struct TakesRoots {
  template <class Report>
  FP8C_INLINE void operator()(uint64_t, const Pack<width> &x,
                              Report report) const {
    const Pack<width> roots = fp8c::sqrt(x);
    for (int i = 0; i < width; ++i)
      if (!same(roots.v[i], fp8c::sqrt(x.v[i])))
        report(x.v[i]);
  }
};
TEST(Pack, TakesCorrectlyRoundedRoots) { expect_same(TakesRoots()); }

template <class T> struct Quantizes {
  template <class Report>
  FP8C_INLINE void operator()(uint64_t, const Pack<width> &x,
                              Report report) const {
    Amax packed, single;
    const auto codes = quantize<T>(x, 64.0f, packed);
    for (int i = 0; i < width; ++i)
      if (!same(codes[i], quantize<T>(x.v[i], 64.0f, single)))
        report(x.v[i]);
    if (!same(packed, single))
      report(x.v[0]);
  }
};
TEST(Pack, QuantizesToE4M3) { expect_same(Quantizes<e4m3>()); }
TEST(Pack, QuantizesToE5M2) { expect_same(Quantizes<e5m2>()); }
TEST(Pack, QuantizesToF16) { expect_same(Quantizes<f16>()); }

template <class T> struct RoundsStochastically {
  template <class Report>
  FP8C_INLINE void operator()(uint64_t first, const Pack<width> &x,
                              Report report) const {
    Amax packed, single;
    const auto random = rounding_bits(5, Index<width>{int64_t(first)}, 2);
    const auto codes = quantize<T>(x, 64.0f, packed, random);
    for (int i = 0; i < width; ++i)
      if (!same(codes[i], quantize<T>(x.v[i], 64.0f, single,
                                      rounding_bits(5, int64_t(first) + i, 2))))
        report(x.v[i]);
    if (!same(packed, single))
      report(x.v[0]);
  }
};
TEST(Pack, RoundsToE4M3Stochastically) {
  expect_same(RoundsStochastically<e4m3>());
}
TEST(Pack, RoundsToE5M2Stochastically) {
  expect_same(RoundsStochastically<e5m2>());
}
TEST(Pack, RoundsToF16Stochastically) {
  expect_same(RoundsStochastically<f16>());
}

struct Clamps {
  template <class Report>
  FP8C_INLINE void operator()(uint64_t, const Pack<width> &x,
                              Report report) const {
    Amax packed, single;
    const Pack<width> limited = clamp(x, 3.0f, packed);
    for (int i = 0; i < width; ++i)
      if (!same(limited.v[i], fp8c::clamp(x.v[i], 3.0f, single)))
        report(x.v[i]);
    if (!same(packed, single))
      report(x.v[0]);
  }
};
TEST(Pack, Clamps) { expect_same(Clamps()); }

} // namespace
