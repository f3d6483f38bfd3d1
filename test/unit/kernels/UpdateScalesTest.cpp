//===- UpdateScalesTest.cpp - Bounds, and stochastic rounding -------------===//

#include "kernels/common/scale_state.h"
#include "kernels/common/update_scales.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace fp8c;

namespace {

TEST(StochasticRounding, KeepsWhatTheFormatHas) {
  for (int code = 0; code < 256; ++code) {
    const float value = to_float(e4m3{uint8_t(code)});
    if (value != value)
      continue;
    for (const uint32_t random : {0u, 0x7fffffffu, 0xffffffffu})
      EXPECT_EQ(to_float(round_stochastic<e4m3>(value, random)), value);
  }
  for (int code = 0; code < 0x7c00; ++code) {
    const float value = to_float(f16{uint16_t(code)});
    EXPECT_EQ(round_stochastic<f16>(-value, ~0u).bits, code | 0x8000);
  }
}

TEST(StochasticRounding, IsRightOnAverage) {
  for (const float x :
       {1.03f, -3.3f, 0.0007f, 200.1f, 1e-4f, 0.0155f, 447.9f}) {
    double sum = 0;
    constexpr int n = 1 << 18;
    for (int i = 0; i < n; ++i)
      sum += to_float(round_stochastic<e4m3>(x, rounding_bits(5, i, 0)));
    const double unit = std::max(std::abs(x) / 8, 0x1p-9f);
    EXPECT_NEAR(sum / n, x, unit * 4 / std::sqrt(double(n)));
  }
}

TEST(StochasticRounding, StreamsAndKeysDiffer) {
  int same = 0;
  for (int i = 0; i < 4096; ++i)
    same += (rounding_bits(1, i, 0) >> 24 == rounding_bits(1, i, 2) >> 24) +
            (rounding_bits(1, i, 0) >> 24 == rounding_bits(2, i, 0) >> 24);
  EXPECT_LT(same, 70);
}

TEST(StochasticRounding, NeighboursAreIndependent) {
  // Of 4096 pairs of bytes one in 256 is equal, 16 +- 4; and a carry of one
  // says nothing about the other's: 1024 +- 28 of 4096 round up both.
  int same = 0, both = 0;
  for (int i = 0; i < 8192; i += 2) {
    const uint32_t a = rounding_bits(3, i, 0), b = rounding_bits(3, i + 1, 0);
    same += a >> 24 == b >> 24;
    both += a >> 31 && b >> 31;
  }
  EXPECT_NEAR(same, 16, 14);
  EXPECT_NEAR(both, 1024, 4 * 28);
}

TEST(StochasticRounding, KeepsNaN) {
  for (const uint32_t bits : {0x7f800001u, 0x7fc00000u, 0x7fffffffu})
    EXPECT_TRUE(std::isnan(
        to_float(round_stochastic<e4m3>(from_bits(bits), 0xffffffffu))));
}

TEST(Clamp, LimitsAndCounts) {
  Amax amax;
  EXPECT_EQ(fp8c::clamp(0.5f, 1.0f, amax), 0.5f);
  EXPECT_EQ(fp8c::clamp(-3.0f, 1.0f, amax), -1.0f);
  EXPECT_EQ(fp8c::clamp(1.0f, 1.0f, amax), 1.0f);
  EXPECT_EQ(amax.saturated, 1u);
  EXPECT_EQ(from_bits(amax.amax_bits), 3.0f);
  EXPECT_TRUE(std::isnan(fp8c::clamp(NAN, 1.0f, amax)));
  EXPECT_EQ(amax.nonfinite, 1u);
}

TEST(ComputeScale, IsPoisonedByInfinities) {
  float pair[scale_inverse_word + 1];
  const Stats stats = {bits_of(7.0f), 0, 1};
  compute_scale<e4m3>(&stats, pair, 0.0f, true, /*poison=*/true);
  EXPECT_TRUE(std::isnan(pair[0]) && std::isnan(pair[scale_inverse_word]));
  compute_scale<e4m3>(&stats, pair, 0.0f, true);
  EXPECT_EQ(pair[0], 64.0f);
}

struct Scalars {
  float coefficient = 1, lr = 0.01f, beta1 = 0.9f, beta2 = 0.95f;
  float weight_decay = 0.1f, step = 3, seed = 1;
  UpdateScalars get() const {
    return {&coefficient, &lr, &beta1, &beta2, &weight_decay, &step, &seed};
  }
};

struct Update {
  float pair[5] = {8, 0, 0, 0, 0.125f}, previous[5] = {}, gradient = 0.5f;
  Stats stats = {bits_of(2.0f), 3, 0};
  float run(ScaleUpdate::Role role, bool root, float max, const Scalars &s) {
    update_scale(
        {role, true, root, max, &gradient, 0.0f, pair, &stats, previous},
        s.get(), update_bound(s.get()));
    return pair[0];
  }
};

TEST(UpdateScale, BoundsWhatAdamCanMake) {
  Scalars s;
  // 0.9 * 2 + 0.1 * 0.5 = 1.85; 448 / 1.85 = 242.
  Update m;
  EXPECT_EQ(m.run(ScaleUpdate::moment1, false, 448, s), 128.0f);
  EXPECT_EQ(m.pair[4], 1.0f / 128);
  EXPECT_EQ(m.previous[0], 8.0f);
  EXPECT_EQ(m.previous[4], 0.125f);
  EXPECT_EQ(m.stats.amax_bits, 0u);
  // sqrt(0.95 * 4 + 0.05 * 0.25) = 1.95.
  EXPECT_EQ(Update().run(ScaleUpdate::moment2, true, 448, s), 128.0f);
  // 0.95 * 2 + 0.05 * 0.25 = 1.91; 65504 / 1.91 = 34262.
  EXPECT_EQ(Update().run(ScaleUpdate::moment2, false, 65504, s), 32768.0f);
  // 0.999 * 2 + 0.01 * R with R between 1 and 2.
  EXPECT_EQ(Update().run(ScaleUpdate::parameter, false, 65504, s),
            0x1p14f * 2 * 0.5f);
}

TEST(UpdateScale, StaysWhenTheStepIsSkipped) {
  Scalars s;
  s.coefficient = -1;
  Update u;
  EXPECT_EQ(u.run(ScaleUpdate::moment1, false, 448, s), 8.0f);
  EXPECT_EQ(u.pair[4], 0.125f);
  EXPECT_EQ(u.previous[4], 0.125f);
}

TEST(UpdateScale, StaysWhenNothingIsKnown) {
  Update u;
  u.stats = {0, 0, 0};
  u.gradient = 0;
  EXPECT_EQ(u.run(ScaleUpdate::moment1, false, 448, Scalars()), 8.0f);
}

TEST(UpdateBound, IsFiniteWithoutHistory) {
  Scalars s;
  s.beta2 = 0;
  EXPECT_EQ(update_bound(s.get()), 100.0f);
  s.beta2 = 0.81f; // beta1^2 = beta2, nearly
  EXPECT_GT(update_bound(s.get()), 1.0f);
  EXPECT_LT(update_bound(s.get()), 2.0f);
  s = Scalars();
  s.step = 1;
  EXPECT_FLOAT_EQ(update_bound(s.get()), 1.25f);
}

} // namespace
