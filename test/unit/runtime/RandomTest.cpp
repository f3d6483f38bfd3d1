//===- RandomTest.cpp -----------------------------------------------------===//

#include "core/Random.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace fp8c::runtime;

// The known answers of the generator's authors.
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                       {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, StreamsDifferBySeedAndName) {
  auto first = RandomStream(1, "a").bits(0);
  EXPECT_EQ(first, RandomStream(1, "a").bits(0));
  EXPECT_NE(first, RandomStream(2, "a").bits(0));
  EXPECT_NE(first, RandomStream(1, "b").bits(0));
  EXPECT_NE(first, RandomStream(1, "a").bits(1));
  EXPECT_NE(first, RandomStream(1, "a").bits(0, 1));
  EXPECT_NE(first, RandomStream(1, "a").bits(0, 0, 1));
}

TEST(Random, NormalMoments) {
  RandomStream stream(7, "moments");
  constexpr int pairs = 200000;
  double sum = 0, squares = 0, cubes = 0, fourths = 0, product = 0;
  for (int i = 0; i < pairs; ++i) {
    auto [a, b] = stream.normals(static_cast<uint64_t>(i));
    product += a * b;
    for (double x : {a, b}) {
      ASSERT_TRUE(std::isfinite(x));
      sum += x;
      squares += x * x;
      cubes += x * x * x;
      fourths += x * x * x * x;
    }
  }
  // Within five standard errors of 0, 1, 0, 3 and 0.
  double n = 2.0 * pairs;
  EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(1 / n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(cubes / n, 0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(fourths / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(product / pairs, 0, 5 * std::sqrt(1.0 / pairs));
}

TEST(Random, BelowCoversItsRange) {
  RandomStream stream(7, "below");
  int counts[10] = {};
  for (uint64_t i = 0; i < 10000; ++i) {
    uint64_t value = stream.below(10, i);
    ASSERT_LT(value, 10u);
    ++counts[value];
  }
  for (int count : counts)
    EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(stream.below(1, 0), 0u);
}
