//===- TilesTest.cpp - Quantisation and products with scales of tiles -----===//

#include "TestData.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/quantize_tiles.h"

#include <limits>
#include <map>

using namespace fp8c;
using namespace fp8c::test;

namespace {

constexpr float unwritten = -1.0f;

/// Where cuBLASLt's documentation puts the scale of element k of row i of an
/// operand [outer, inner] that is contracted along k.
int64_t documented_place(Granularity g, int64_t i, int64_t k, int64_t outer,
                         int64_t inner) {
  const int64_t blocks = (inner + 127) / 128;
  switch (g) {
  case Granularity::tensor:
    break;
  case Granularity::row:
    return i;
  case Granularity::block_1x128:
    return k / 128 * outer + i;
  case Granularity::block_128x128:
    return i / 128 * ((blocks + 3) / 4 * 4) + k / 128;
  }
  return 0;
}

struct Quantised {
  std::vector<float> amaxes; // of the tile that each element [i, k] is in
  std::vector<float> values; // [outer, inner]
};

/// An operand's values x [outer, inner], and the largest finite magnitude that
/// shares a scale with each.
Quantised operand(Granularity g, int64_t outer, int64_t inner, unsigned seed) {
  Quantised q{std::vector<float>(outer * inner),
              random_values<float>(outer * inner, seed)};
  std::vector<float> &x = q.values;
  for (int64_t i = 0; i < outer; ++i) // rows of very different magnitudes
    for (int64_t k = 0; k < inner; ++k)
      x[i * inner + k] *= std::ldexp(1.0f, int(i * 7 + k / 128 * 5) % 31 - 15);
  std::fill(x.begin() + inner, x.begin() + 2 * inner, 0.0f);
  x[3 * inner + 5] = std::numeric_limits<float>::infinity();
  x[4 * inner + 6] = -std::numeric_limits<float>::infinity();
  x[5 * inner + 7] = std::numeric_limits<float>::quiet_NaN();
  const int64_t along = g == Granularity::row ? inner : 128;
  const int64_t across = g == Granularity::block_128x128 ? 128 : 1;
  std::map<std::pair<int64_t, int64_t>, float> amaxes;
  for (bool gather : {true, false})
    for (int64_t i = 0; i < outer; ++i)
      for (int64_t k = 0; k < inner; ++k) {
        float &amax = amaxes[{i / across, k / along}];
        const float value = x[i * inner + k];
        if (gather && std::isfinite(value))
          amax = std::max(amax, std::abs(value));
        q.amaxes[i * inner + k] = amax;
      }
  return q;
}

template <class X>
std::vector<X> stored(const Quantised &q, int64_t outer, int64_t inner,
                      bool down) {
  std::vector<X> x(outer * inner);
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t k = 0; k < inner; ++k)
      store(x.data(), down ? k * outer + i : i * inner + k,
            q.values[i * inner + k]);
  return x;
}

/// x is [outer, inner], or with `down` [inner, outer]; `transposed` writes the
/// other one.
template <class T>
void check_quantize(Granularity g, int64_t outer, int64_t inner, bool down,
                    bool transposed, float margin) {
  const Quantised q = operand(g, outer, inner, 1);
  const std::vector<float> x = stored<float>(q, outer, inner, down);
  const TiledMatrix matrix =
      tiled(g, down ? inner : outer, down ? outer : inner, down);
  const TileScaling s{matrix, margin, /*pow2=*/true, transposed};
  std::vector<T> codes(outer * inner);
  std::vector<float> scale_inv(s.stored().scales() + 1, unwritten);
  quantize_tiles(s, x.data(), codes.data(), scale_inv.data());
  EXPECT_EQ(scale_inv.back(), unwritten) << "wrote beyond the scales";

  const bool stored_down = down != transposed;
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t k = 0; k < inner; ++k) {
      const float amax = q.amaxes[i * inner + k],
                  value = q.values[i * inner + k];
      float scale = 1.0f;
      if (amax > 0) {
        int exponent;
        std::frexp(max_finite<T>() * std::ldexp(1.0f, -int(margin)) / amax,
                   &exponent);
        scale = std::ldexp(1.0f, exponent - 1);
      }
      const T expected = from_float<T>(value * scale);
      const T code = codes[stored_down ? k * outer + i : i * inner + k];
      ASSERT_EQ(code.bits, expected.bits) << "at " << i << ", " << k;
      // Square tiles of what is stored [inner, outer] have their rows along k.
      const int64_t place = g == Granularity::block_128x128 && stored_down
                                ? documented_place(g, k, i, inner, outer)
                                : documented_place(g, i, k, outer, inner);
      ASSERT_EQ(scale_inv[place], 1.0f / scale) << "at " << i << ", " << k;
    }
}

constexpr Granularity fine[] = {Granularity::row, Granularity::block_1x128,
                                Granularity::block_128x128};

TEST(Tiles, QuantiseBitForBit) {
  for (Granularity g : fine)
    for (bool down : {false, true})
      for (bool transposed : {false, true}) {
        check_quantize<e4m3>(g, 160, 256, down, transposed, 0);
        check_quantize<e5m2>(g, 144, 640, down, transposed, 2);
      }
}

TEST(Tiles, ScalesThatNoTileHasStay) {
  // 3 blocks along k: rows of scales are 4 long.
  const TileScaling s{tiled(Granularity::block_128x128, 128, 384, false)};
  const auto x = random_values<bf16>(128 * 384, 1);
  std::vector<e4m3> codes(x.size());
  std::vector<float> scale_inv(4, unwritten);
  ASSERT_EQ(s.matrix.scales(), 4);
  quantize_tiles(s, x.data(), codes.data(), scale_inv.data());
  EXPECT_GT(scale_inv[2], 0.0f);
  EXPECT_EQ(scale_inv[3], unwritten);
}

TEST(Tiles, ExactScalesReachTheLargestValue) {
  const auto x = random_values<float>(64 * 128, 1);
  std::vector<e4m3> codes(x.size());
  std::vector<float> scale_inv(64);
  quantize_tiles({tiled(Granularity::row, 64, 128, false)}, x.data(),
                 codes.data(), scale_inv.data());
  for (int64_t i = 0; i < 64; ++i) {
    float largest = 0;
    for (int64_t k = 0; k < 128; ++k)
      largest = std::max(largest, std::abs(load(codes.data(), i * 128 + k)));
    EXPECT_EQ(largest, 448.0f);
  }
}

template <class A, class B, class C>
void check_gemm(Granularity a, Granularity b, bool transpose_a,
                bool transpose_b, bool accumulate) {
  GemmShape s{48, 160, 256, transpose_a, transpose_b};
  s.granularity_a = a;
  s.granularity_b = b;
  struct Operand {
    std::vector<double> values; // [outer, k]
    std::vector<float> scale_inv;
  };
  auto quantise = [&](auto *codes, Granularity g, int64_t outer, bool down,
                      unsigned seed) {
    const auto x = random_values<float>(outer * s.k, seed);
    const TileScaling t{tiled(g, down ? s.k : outer, down ? outer : s.k, down),
                        0, true};
    Operand o{std::vector<double>(outer * s.k),
              std::vector<float>(t.matrix.scales())};
    quantize_tiles(t, x.data(), codes, o.scale_inv.data());
    for (int64_t i = 0; i < outer; ++i)
      for (int64_t k = 0; k < s.k; ++k)
        o.values[i * s.k + k] =
            double(load(codes, down ? k * outer + i : i * s.k + k)) *
            o.scale_inv[down ? t.matrix.scale_of(k, i)
                             : t.matrix.scale_of(i, k)];
    return o;
  };
  std::vector<A> qa(s.m * s.k);
  std::vector<B> qb(s.n * s.k);
  const Operand oa = quantise(qa.data(), a, s.m, transpose_a, 1),
                ob = quantise(qb.data(), b, s.n, !transpose_b, 2);
  auto c = random_values<C>(s.m * s.n, 3);
  auto expected = to_double(c);
  for (int64_t m = 0; m < s.m; ++m)
    for (int64_t n = 0; n < s.n; ++n) {
      double total = 0;
      for (int64_t k = 0; k < s.k; ++k)
        total += oa.values[m * s.k + k] * ob.values[n * s.k + k];
      double &out = expected[m * s.n + n];
      out = (accumulate ? out : 0) + total;
    }
  std::vector<char> workspace(gemm_workspace_bytes<A, B, C>(s));
  gemm(s, qa.data(), qb.data(), c.data(), accumulate, oa.scale_inv.data(),
       ob.scale_inv.data(), workspace.data());
  expect_close(c, expected, 1e-6);
}

TEST(Tiles, Gemm) {
  using G = Granularity;
  for (auto [a, b] : {std::pair(G::row, G::row),
                      {G::block_1x128, G::block_1x128},
                      {G::block_1x128, G::block_128x128},
                      {G::block_128x128, G::block_1x128}})
    for (bool transpose_a : {false, true})
      for (bool transpose_b : {false, true}) {
        check_gemm<e4m3, e4m3, bf16>(a, b, transpose_a, transpose_b, false);
        check_gemm<e4m3, e5m2, float>(a, b, transpose_a, transpose_b, true);
      }
}

} // namespace
