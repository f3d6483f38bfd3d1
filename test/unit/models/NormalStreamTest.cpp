//===- NormalStreamTest.cpp - The numbers first weights are drawn from ----===//

#include "Models/NormalStream.h"

#include "gtest/gtest.h"
#include <cmath>
#include <vector>

using namespace fp8c;

namespace {

std::vector<float> draw(const char *name, uint64_t seed, uint64_t firstPair,
                        size_t count, float std = 1) {
  std::vector<float> values(count);
  NormalStream(name, seed).draw(firstPair, std, values.data(), count);
  return values;
}

TEST(NormalStream, DependsOnTheIndexAlone) {
  std::vector<float> all = draw("w", 1, 0, 1001);
  std::vector<float> tail = draw("w", 1, 250, 501);
  EXPECT_EQ(std::vector<float>(all.begin() + 500, all.end()), tail);
}

TEST(NormalStream, DiffersByNameAndSeed) {
  EXPECT_NE(draw("w", 1, 0, 4), draw("w", 2, 0, 4));
  EXPECT_NE(draw("w", 1, 0, 4), draw("v", 1, 0, 4));
  EXPECT_NE(NormalStream("w", 1).shortSeed(), NormalStream("v", 1).shortSeed());
}

TEST(NormalStream, IsNormal) {
  constexpr size_t count = 1 << 20;
  double sum = 0, squares = 0, fourth = 0;
  size_t beyondOne = 0;
  for (float x : draw("w", 0, 0, count)) {
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += double(x) * x;
    fourth += double(x) * x * x * x;
    beyondOne += std::fabs(x) > 1;
  }
  // Five standard errors each.
  EXPECT_NEAR(sum / count, 0, 5 / std::sqrt(double(count)));
  EXPECT_NEAR(squares / count, 1, 5 * std::sqrt(2.0 / count));
  EXPECT_NEAR(fourth / count, 3, 5 * std::sqrt(96.0 / count));
  EXPECT_NEAR(double(beyondOne) / count, 0.31731,
              5 * std::sqrt(0.31731 * 0.68269 / count));
}

TEST(NormalStream, ShortSeedIsExactInAFloat) {
  float seed = NormalStream("h.0/attn/qkv.weight", 7).shortSeed();
  EXPECT_EQ(seed, std::floor(seed));
  EXPECT_LT(seed, 0x1p24f);
}

} // namespace
