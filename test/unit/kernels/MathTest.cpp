//===- MathTest.cpp - Accuracy of the elementary functions ----------------===//
//
// Every function is compared with the double version of libm over floats of
// all magnitudes, in units in the last place of the result.
//
//===----------------------------------------------------------------------===//

#include "kernels/common/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// |actual - exact| in units of the last place of the float nearest to exact.
double ulps(float actual, double exact) {
  const float nearest = float(exact);
  if (std::isnan(exact) || std::isinf(nearest))
    return std::isnan(exact) ? (std::isnan(actual) ? 0 : INFINITY)
                             : (actual == nearest ? 0 : INFINITY);
  int exponent;
  std::frexp(nearest, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - 24, -149));
  return std::abs(double(actual) - exact) / unit;
}

/// The largest error over every `step`th float, both signs, and where it is.
template <class F, class Exact>
void expect_ulps(F function, Exact exact, double limit, uint64_t step = 331) {
  double worst = 0;
  float where = 0;
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += step) {
    const float x = fp8c::from_bits(uint32_t(bits));
    const double error = ulps(function(x), exact(double(x)));
    if (!(error <= worst)) {
      worst = error;
      where = x;
    }
  }
  EXPECT_LE(worst, limit) << "at " << std::hexfloat << where;
  printf("  %.3f ulp at %a\n", worst, double(where));
}

TEST(Math, Exp) {
  expect_ulps([](float x) { return fp8c::exp(x); },
              [](double x) { return std::exp(x); }, 1.05);
  EXPECT_EQ(fp8c::exp(0.0f), 1.0f);
  EXPECT_EQ(fp8c::exp(-infinity), 0.0f);
  EXPECT_EQ(fp8c::exp(infinity), infinity);
  EXPECT_TRUE(std::isnan(fp8c::exp(nan)));
}

TEST(Math, Log) {
  expect_ulps([](float x) { return fp8c::log(x); },
              [](double x) { return std::log(x); }, 1.0);
  // Where the result passes zero, every float.
  expect_ulps(
      [](float x) { return fp8c::log(1.0f + x * 0x1p-20f); },
      [](double x) { return std::log(double(1.0f + float(x) * 0x1p-20f)); },
      1.0);
  EXPECT_EQ(fp8c::log(1.0f), 0.0f);
  EXPECT_EQ(fp8c::log(0.0f), -infinity);
  EXPECT_EQ(fp8c::log(infinity), infinity);
  EXPECT_TRUE(std::isnan(fp8c::log(-1.0f)));
  EXPECT_TRUE(std::isnan(fp8c::log(nan)));
}

TEST(Math, Tanh) {
  expect_ulps([](float x) { return fp8c::tanh(x); },
              [](double x) { return std::tanh(x); }, 2.5);
  EXPECT_EQ(fp8c::tanh(infinity), 1.0f);
  EXPECT_EQ(fp8c::tanh(-infinity), -1.0f);
  EXPECT_EQ(fp8c::bits_of(fp8c::tanh(-0.0f)), 0x80000000u);
  EXPECT_TRUE(std::isnan(fp8c::tanh(nan)));
}

TEST(Math, Sigmoid) {
  expect_ulps([](float x) { return fp8c::sigmoid(x); },
              [](double x) { return 1.0 / (1.0 + std::exp(-x)); }, 2.5);
  EXPECT_EQ(fp8c::sigmoid(0.0f), 0.5f);
  EXPECT_TRUE(std::isnan(fp8c::sigmoid(nan)));
}

TEST(Math, Erf) {
  expect_ulps([](float x) { return fp8c::erf(x); },
              [](double x) { return std::erf(x); }, 2.0);
  EXPECT_EQ(fp8c::erf(infinity), 1.0f);
  EXPECT_EQ(fp8c::bits_of(fp8c::erf(-0.0f)), 0x80000000u);
  EXPECT_TRUE(std::isnan(fp8c::erf(nan)));
}

TEST(Math, Roots) {
  expect_ulps([](float x) { return fp8c::sqrt(x); },
              [](double x) { return std::sqrt(x); }, 0.5);
  expect_ulps([](float x) { return fp8c::rsqrt(x); },
              [](double x) { return 1.0 / std::sqrt(x); }, 1.5);
  expect_ulps([](float x) { return fp8c::reciprocal(x); },
              [](double x) { return 1.0 / x; }, 0.5);
}

TEST(Math, Pow) {
  for (const float y : {2.0f, 3.0f, -1.0f, 0.5f, -0.75f, 1.0f / 3, 17.0f,
                        -33.5f, 1000.0f, 0.0f, infinity, -infinity, nan})
    expect_ulps([y](float x) { return fp8c::pow(x, y); },
                [y](double x) { return std::pow(x, double(y)); }, 0.51, 4999);
  for (const float x : {0.9f, 0.999f, 2.0f, 10.0f, 1e-20f, -2.0f, -1.0f, 1.0f,
                        0.0f, -0.0f, infinity, -infinity, nan})
    expect_ulps([x](float y) { return fp8c::pow(x, y); },
                [x](double y) { return std::pow(double(x), y); }, 0.51, 4999);
}

TEST(Math, Angles) {
  expect_ulps([](float x) { return fp8c::sin(x); },
              [](double x) { return std::sin(x); }, 1.0);
  expect_ulps([](float x) { return fp8c::cos(x); },
              [](double x) { return std::cos(x); }, 1.0);
}

TEST(Math, Steps) {
  const float halves[] = {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 3.7f};
  const float even[] = {-2, -2, 0, 0, 2, 2, 4};
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(fp8c::round_to_even(halves[i]), even[i]);
    EXPECT_EQ(fp8c::floor(halves[i]), std::floor(halves[i]));
    EXPECT_EQ(fp8c::ceil(halves[i]), std::ceil(halves[i]));
  }
  EXPECT_TRUE(std::isnan(fp8c::round_to_even(nan)));
}

TEST(Math, Selections) {
  EXPECT_EQ(fp8c::max(1.0f, 2.0f), 2.0f);
  EXPECT_EQ(fp8c::min(1.0f, 2.0f), 1.0f);
  EXPECT_EQ(fp8c::abs(-3.0f), 3.0f);
  EXPECT_EQ(fp8c::select(true, 1.0f, nan), 1.0f);
  EXPECT_EQ(fp8c::select(false, nan, 2.0f), 2.0f);
  for (const float other : {1.0f, infinity, -infinity, nan}) {
    EXPECT_TRUE(std::isnan(fp8c::max(nan, other)));
    EXPECT_TRUE(std::isnan(fp8c::max(other, nan)));
    EXPECT_TRUE(std::isnan(fp8c::min(nan, other)));
    EXPECT_TRUE(std::isnan(fp8c::min(other, nan)));
  }
}

} // namespace
