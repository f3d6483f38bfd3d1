//===- AutoScaleTest.cpp - FP8 gradients summed over simulated ranks ------===//

#include "kernels/common/auto_scale.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace fp8c;

namespace {

constexpr int ranks = 64;
constexpr int64_t count = 1 << 15;
using Gradients = std::vector<std::vector<float>>;

/// Gradients as of data-parallel ranks: a part that all share, noise of their
/// own, sizes over several orders of magnitude.
Gradients make_gradients(int step) {
  std::mt19937 random(step);
  std::normal_distribution<float> normal;
  std::vector<float> size(count), shared(count);
  for (int64_t i = 0; i < count; ++i) {
    size[i] = 1e-4f * std::exp(1.5f * normal(random));
    shared[i] = 0.1f * size[i] * normal(random);
  }
  Gradients all(ranks, std::vector<float>(count));
  for (auto &gradient : all)
    for (int64_t i = 0; i < count; ++i)
      gradient[i] = shared[i] + size[i] * normal(random);
  return all;
}

struct Reduced {
  uint64_t saturated = 0; ///< sums at +-max
  uint64_t lost = 0;      ///< terms that became 0
  double error = 0;       ///< of the means, relative, average over elements
};

/// Each rank quantises with the shared scale; the sums clamp, as NCCL's do.
Reduced all_reduce(const Gradients &all, const AutoScale &state) {
  float shared = INFINITY;
  for (const auto &gradient : all) {
    Amax amax;
    for (const float g : gradient)
      amax.add(g);
    shared = std::min(
        shared, detail::scale_for<e4m3>(from_bits(amax.amax_bits), 0, true));
  }
  const float scale = summed_scale(state, shared);
  const float inverse = mean_scale_inv(state, shared, ranks);
  Reduced result;
  for (int64_t i = 0; i < count; ++i) {
    double exact = 0;
    // Summed wide and converted once: the best that a reduction can do.
    float sum = 0;
    for (const auto &gradient : all) {
      Amax amax;
      const e4m3 q = quantize<e4m3>(gradient[i], scale, amax);
      EXPECT_EQ(amax.saturated, 0u) << "a rank's own value fits";
      result.lost += to_float(q) == 0.0f && gradient[i] != 0.0f;
      sum += to_float(q);
      exact += gradient[i];
    }
    const e4m3 reduced = from_float<e4m3>(sum);
    result.saturated += is_saturated(reduced);
    const double mean = double(to_float(reduced)) * inverse;
    result.error +=
        std::min(1.0, std::abs(mean * ranks / exact - 1)) / double(count);
  }
  return result;
}

TEST(AutoScale, FindsWhatNeitherUnderflowsNorOverflows) {
  const uint64_t tolerated = count / auto_scale_tolerates;
  AutoScale state = {1.0f, 0, 0};
  int settled = 0;
  for (int step = 0; step < 12; ++step) {
    const Reduced now = all_reduce(make_gradients(step), state);
    settled = now.saturated <= tolerated ? settled + 1 : 0;
    advance_auto_scale(&state, now.saturated, count, ranks);
  }
  EXPECT_GE(settled, 4) << "mu has come to rest";
  EXPECT_GT(state.mu, 1.0f / ranks);
  EXPECT_LT(state.mu, 1.0f);

  const Gradients fresh = make_gradients(100);
  const Reduced found = all_reduce(fresh, state);
  const Reduced before = all_reduce(fresh, {1.0f / ranks, 0, 0});
  const Reduced after = all_reduce(fresh, {1.0f, 0, 0});
  EXPECT_LE(found.saturated, tolerated);
  EXPECT_GT(after.saturated, 10u) << "post-scaling overflows";
  EXPECT_GT(before.lost, 3 * found.lost) << "pre-scaling underflows";
  EXPECT_LT(found.error, 0.7 * before.error);
}

TEST(AutoScale, HalvesAboveTheThresholdOnly) {
  AutoScale state = {0.25f, 0, 0};
  advance_auto_scale(&state, 10, 1000000, ranks);
  EXPECT_GT(state.mu, 0.25f) << "0.001 % is tolerated";
  state.mu = 0.25f;
  advance_auto_scale(&state, 11, 1000000, ranks);
  EXPECT_EQ(state.mu, 0.125f);
  EXPECT_EQ(state.halvings, 1u);
  EXPECT_EQ(state.saturated, 11u);
}

TEST(AutoScale, DoublesInThousandCleanSteps) {
  AutoScale state = {0.25f, 0, 0};
  for (int step = 0; step < 1000; ++step)
    advance_auto_scale(&state, 0, 1000, ranks);
  EXPECT_NEAR(state.mu, 0.5f, 1e-4f);
  for (int step = 0; step < 2000; ++step)
    advance_auto_scale(&state, 0, 1000, ranks);
  EXPECT_EQ(state.mu, 1.0f) << "never above 1";
}

TEST(AutoScale, IsInertOnOneRank) {
  AutoScale state = {1.0f, 0, 0};
  advance_auto_scale(&state, 1000, 1000, 1);
  EXPECT_EQ(state.mu, 1.0f);
  EXPECT_EQ(state.halvings, 0u);
}

} // namespace
