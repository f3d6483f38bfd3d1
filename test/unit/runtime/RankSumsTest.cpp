//===- RankSumsTest.cpp - FP8 gradients summed over simulated ranks -------===//

#include "core/RankSums.h"

#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>
#include <random>

using namespace fp8c;
using namespace fp8c::runtime;

namespace {

/// One step; whether mu has come to rest.
bool step(RankSums &sums, const std::vector<std::vector<float>> &ranks) {
  for (const auto &gradient : ranks)
    sums.findScale(gradient.data());
  for (const auto &gradient : ranks)
    sums.add(gradient.data());
  return sums.finish();
}

/// The shared scale is 1. Half of 0.001 is below half of E4M3's smallest
/// number, 2^-9; twice 400 is above its largest, 448.
const std::vector<std::vector<float>> two = {{400, 1, 0.001f, 0},
                                             {400, -1, 0.001f, 0}};

TEST(RankSums, CountsWhatIsLost) {
  RankSums sums(4, 2);
  EXPECT_FALSE(step(sums, two)) << "mu is 1 at first, which saturates";
  OrderedJson json = sums.toJson();
  EXPECT_EQ(json["mu"], 1);
  EXPECT_EQ(json["before"]["underflow"], 2.0 / 6);
  EXPECT_EQ(json["before"]["saturated"], 0);
  for (const char *way : {"after", "auto"}) {
    EXPECT_EQ(json[way]["underflow"], 0);
    EXPECT_EQ(json[way]["saturated"], 0.25);
  }
  // 800 is kept as 448: the noise is 352 of 800.
  EXPECT_NEAR(json["after"]["snr_db"], 20 * std::log10(800.0 / 352), 0.01);
}

TEST(RankSums, HalvesMuUntilNothingSaturates) {
  RankSums sums(4, 2);
  EXPECT_FALSE(step(sums, two));
  EXPECT_TRUE(step(sums, two));
  OrderedJson json = sums.toJson();
  EXPECT_EQ(json["mu"], 0.5);
  EXPECT_EQ(json["auto"]["saturated"], 0);
  EXPECT_EQ(json["auto"], json["before"]) << "of two ranks a half is all";
}

TEST(RankSums, TakesTheSmallestScaleOfAllRanks) {
  RankSums sums(1, 2);
  step(sums, {{1.0f}, {256.0f}}); // scales of 256 and 1
  EXPECT_EQ(sums.toJson()["after"]["saturated"], 0);
  EXPECT_GT(sums.toJson()["after"]["snr_db"], 40);
}

TEST(RankSums, TellsWhatIsNotFinite) {
  RankSums sums(2, 2);
  const float infinite[] = {1, INFINITY}, finite[] = {1, 2};
  EXPECT_FALSE(sums.findScale(infinite));
  EXPECT_TRUE(sums.findScale(finite));
}

/// Gradients as trainings have them: a Student-t distribution with three
/// degrees of freedom, rows of sizes that span a factor of a hundred, and a
/// part that all ranks have in common.
std::vector<std::vector<float>> heavyTailed(int ranks, size_t elements,
                                            double common) {
  std::mt19937 draw(static_cast<unsigned>(ranks));
  std::student_t_distribution<double> values(3);
  std::vector<double> shared(elements), sizes(elements);
  for (size_t i = 0; i < elements; ++i) {
    shared[i] = common * values(draw);
    sizes[i] = 1e-3 * std::pow(100.0, double(i * 16 / elements) / 15);
  }
  std::vector<std::vector<float>> all(static_cast<size_t>(ranks));
  for (std::vector<float> &gradient : all)
    for (size_t i = 0; i < elements; ++i)
      gradient.push_back(float(sizes[i] * (shared[i] + values(draw))));
  return all;
}

/// What the sum of all codes, in f32 and then rounded once, would be worth if
/// its scale were the best one.
double roundedOnce(const std::vector<std::vector<float>> &ranks) {
  const size_t elements = ranks.front().size();
  float amax = 0;
  for (const auto &gradient : ranks)
    for (const float x : gradient)
      amax = std::max(amax, std::abs(x));
  auto scaleFor = [](float largest) {
    return std::exp2(std::floor(std::log2(448.0f / largest)));
  };
  const float scale = scaleFor(amax);
  std::vector<float> sums(elements);
  std::vector<double> expected(elements);
  for (const auto &gradient : ranks)
    for (size_t i = 0; i < elements; ++i) {
      sums[i] += to_float(from_float<e4m3>(gradient[i] * scale)) / scale;
      expected[i] += gradient[i];
    }
  float largest = 0;
  for (const float sum : sums)
    largest = std::max(largest, std::abs(sum));
  const float best = scaleFor(largest);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < elements; ++i) {
    const double error =
        to_float(from_float<e4m3>(sums[i] * best)) / best - expected[i];
    signal += expected[i] * expected[i];
    noise += error * error;
  }
  return 10 * std::log10(signal / noise);
}

TEST(RankSums, ExactOnesDoNotLoseWithTheNumberOfRanks) {
  constexpr size_t elements = 1 << 14;
  std::printf("ranks  common   exact  once, best scale    ring with mu\n");
  for (const double common : {0.0, 1.0})
    for (const int ranks : {2, 3, 4, 8, 16, 32, 64, 128}) {
      const auto gradients = heavyTailed(ranks, elements, common);
      RankSums sums(elements, ranks);
      for (int tries = 0; !step(sums, gradients) && tries < 20; ++tries) {
      }
      const OrderedJson json = sums.toJson();
      const double exact = json["exact"]["snr_db"],
                   ring = json["auto"]["snr_db"], once = roundedOnce(gradients);
      std::printf("%5d %7.1f %7.2f %17.2f %15.2f\n", ranks, common, exact, once,
                  ring);
      EXPECT_GE(exact, 27) << ranks << " ranks";
      EXPECT_GE(exact, once - 0.5) << ranks << " ranks";
      EXPECT_EQ(json["exact"]["saturated"], 0);
      if (ranks > 2) {
        EXPECT_LT(ring, exact) << ranks << " ranks";
      }
    }
}

TEST(RankSums, OfZerosLoseNothing) {
  RankSums sums(2, 4);
  EXPECT_TRUE(step(sums, {{0, 0}, {0, 0}, {0, 0}, {0, 0}}));
  OrderedJson json = sums.toJson();
  EXPECT_EQ(json["before"]["underflow"], 0);
  EXPECT_EQ(json["auto"]["saturated"], 0);
  EXPECT_EQ(json["auto"]["snr_db"], 200);
}

} // namespace
