//===- RankSumsTest.cpp - FP8 gradients summed over simulated ranks -------===//

#include "core/RankSums.h"

#include <gtest/gtest.h>

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

TEST(RankSums, OfZerosLoseNothing) {
  RankSums sums(2, 4);
  EXPECT_TRUE(step(sums, {{0, 0}, {0, 0}, {0, 0}, {0, 0}}));
  OrderedJson json = sums.toJson();
  EXPECT_EQ(json["before"]["underflow"], 0);
  EXPECT_EQ(json["auto"]["saturated"], 0);
  EXPECT_EQ(json["auto"]["snr_db"], 200);
}

} // namespace
