//===- SamplerTest.cpp ----------------------------------------------------===//

#include "core/Sampler.h"

#include "TestFiles.h"

#include <cmath>

using namespace fp8c::runtime;

namespace {

const std::vector<float> logits = {0.0f, std::log(2.0f), std::log(5.0f),
                                   -1e30f};

Token pick(double temperature, int64_t topK, double uniform) {
  SampleOptions options;
  options.temperature = temperature;
  options.topK = topK;
  return pickToken(logits.data(), static_cast<int64_t>(logits.size()), options,
                   uniform);
}

} // namespace

TEST(Sampler, PicksByProbability) {
  // Probabilities 1/8, 2/8, 5/8, 0.
  EXPECT_EQ(pick(1, 0, 0), 0);
  EXPECT_EQ(pick(1, 0, 0.124), 0);
  EXPECT_EQ(pick(1, 0, 0.126), 1);
  EXPECT_EQ(pick(1, 0, 0.374), 1);
  EXPECT_EQ(pick(1, 0, 0.376), 2);
  EXPECT_EQ(pick(1, 0, std::nextafter(1.0, 0.0)), 2);
}

TEST(Sampler, TemperatureSharpens) {
  EXPECT_EQ(pick(0, 0, 0), 2);
  EXPECT_EQ(pick(0.5, 0, 0.034), 1); // 1/30, 4/30, 25/30
}

TEST(Sampler, TopKLeavesTheRestOut) {
  EXPECT_EQ(pick(1, 1, 0), 2);
  EXPECT_EQ(pick(1, 2, 0), 1);
  EXPECT_EQ(pick(1, 100, 0), 0);
}

TEST(Sampler, RefusesNaN) {
  float bad[] = {0, NAN};
  EXPECT_ERROR("logit of token 1 is not finite",
               pickToken(bad, 2, SampleOptions(), 0.5));
}
