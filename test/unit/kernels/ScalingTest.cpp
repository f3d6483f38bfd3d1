//===- ScalingTest.cpp - Quantisation, its statistics, and scales ---------===//

#include "TestData.h"
#include "kernels/common/scale_state.h"

#include <limits>

using namespace fp8c;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

TEST(Quantize, CountsAndSaturates) {
  Amax amax;
  EXPECT_EQ(to_float(quantize<e4m3>(1.0f, 2.0f, amax)), 2.0f);
  EXPECT_EQ(to_float(quantize<e4m3>(224.0f, 2.0f, amax)), 448.0f);
  EXPECT_EQ(amax.saturated, 0u) << "exactly the largest value still fits";
  EXPECT_EQ(to_float(quantize<e4m3>(-225.0f, 2.0f, amax)), -448.0f);
  EXPECT_EQ(amax.saturated, 1u);
  EXPECT_EQ(from_bits(amax.amax_bits), 225.0f) << "of the unscaled values";
  EXPECT_EQ(amax.nonfinite, 0u);

  EXPECT_EQ(to_float(quantize<e4m3>(infinity, 2.0f, amax)), 448.0f);
  EXPECT_EQ(to_float(quantize<e4m3>(-infinity, 2.0f, amax)), -448.0f);
  EXPECT_TRUE(std::isnan(to_float(quantize<e4m3>(nan, 2.0f, amax))));
  EXPECT_EQ(amax.nonfinite, 3u);
  EXPECT_EQ(amax.saturated, 1u) << "values that were not finite count apart";
  EXPECT_EQ(from_bits(amax.amax_bits), 225.0f) << "and never enter the amax";

  // Finite, but not any more once scaled.
  EXPECT_EQ(to_float(quantize<e5m2>(1e30f, 1e30f, amax)), 57344.0f);
  EXPECT_EQ(amax.saturated, 2u);
  EXPECT_EQ(amax.nonfinite, 3u);
}

TEST(Quantize, SaturatesWideFormatsToo) {
  Amax amax;
  EXPECT_EQ(to_float(quantize<f16>(70000.0f, 1.0f, amax)), 65504.0f);
  EXPECT_EQ(to_float(quantize<f16>(-infinity, 1.0f, amax)), -65504.0f);
  EXPECT_TRUE(std::isnan(to_float(quantize<f16>(nan, 1.0f, amax))));
  EXPECT_EQ(amax.saturated, 1u);
  EXPECT_EQ(amax.nonfinite, 2u);
  EXPECT_TRUE(std::isinf(round_to<f16>(70000.0f))) << "plain conversion: IEEE";
}

TEST(Quantize, AddFoldsWithoutConverting) {
  Amax amax;
  for (float x : {0.5f, -3.0f, nan, 2.0f, -infinity})
    amax.add(x);
  EXPECT_EQ(from_bits(amax.amax_bits), 3.0f);
  EXPECT_EQ(amax.nonfinite, 2u);
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

constexpr int64_t window = 3;

struct State {
  ScaleState header = {1.0f, {}, 1.0f, {0, 0, 0}, 0};
  float history[window] = {};
};
static_assert(sizeof(State) == 4 * scale_state_words(window),
              "the history follows the header");

void record(State &state, float amax, uint32_t saturated = 0,
            uint32_t nonfinite = 0) {
  const Stats stats = {bits_of(amax), saturated, nonfinite};
  record_stats(&state.header, &stats);
}

TEST(ScaleState, RecordsTheMaximumOfMicroBatches) {
  State state;
  record(state, 2.0f, 1, 2);
  record(state, 7.0f, 10, 20);
  record(state, 3.0f);
  EXPECT_EQ(from_bits(state.header.pending.amax_bits), 7.0f);
  EXPECT_EQ(state.header.pending.saturated, 11u);
  EXPECT_EQ(state.header.pending.nonfinite, 22u);
  EXPECT_EQ(state.header.scale, 1.0f) << "until the step ends";
  advance_scale<e4m3>(&state.header, window, 0.0f, false);
  EXPECT_EQ(from_bits(state.header.last.amax_bits), 7.0f);
  EXPECT_EQ(state.header.last.saturated, 11u);
  EXPECT_EQ(state.header.last.nonfinite, 22u);
}

TEST(ScaleState, TakesTheMaximumOfTheWindow) {
  State state;
  const float amaxes[] = {4.0f, 7.0f, 1.0f, 2.0f, 0.5f};
  const float largest[] = {4.0f, 7.0f, 7.0f, 7.0f, 2.0f};
  for (int i = 0; i < 5; ++i) {
    record(state, amaxes[i]);
    advance_scale<e4m3>(&state.header, window, 0.0f, false);
    EXPECT_EQ(state.header.scale, 448.0f / largest[i]);
    EXPECT_EQ(state.header.scale_inv, 1.0f / state.header.scale);
    EXPECT_EQ(state.header.pending.amax_bits, 0u);
    EXPECT_EQ(state.header.filled, uint32_t(i < 3 ? i + 1 : 3));
    EXPECT_EQ(state.history[0], amaxes[i]) << "newest first";
  }
}

TEST(ScaleState, KeepsTheScaleWithoutAUsableAmax) {
  State state;
  state.header.scale = 3.0f;
  advance_scale<e4m3>(&state.header, window, 0.0f, false);
  EXPECT_EQ(state.header.scale, 3.0f) << "nothing recorded";
  EXPECT_EQ(state.header.filled, 0u);
  record(state, 0.0f, 0, /*nonfinite=*/5);
  advance_scale<e4m3>(&state.header, window, 0.0f, false);
  EXPECT_EQ(state.header.scale, 3.0f) << "only zeros and values not finite";
  EXPECT_EQ(state.header.filled, 0u);
  EXPECT_EQ(state.header.pending.nonfinite, 0u) << "cleared all the same";
}

TEST(ScaleState, MarginAndPowersOfTwo) {
  State state;
  record(state, 3.0f);
  advance_scale<e4m3>(&state.header, window, 2.0f, false);
  EXPECT_EQ(state.header.scale, 112.0f / 3.0f);
  advance_scale<e4m3>(&state.header, window, 2.0f, true);
  EXPECT_EQ(state.header.scale, 32.0f);
  EXPECT_EQ(state.header.scale_inv, 1.0f / 32.0f);
}

TEST(ScaleState, StaysFiniteForTinyAmaxes) {
  State state;
  record(state, 1e-45f);
  advance_scale<e5m2>(&state.header, window, 0.0f, false);
  EXPECT_EQ(state.header.scale, 0x1p126f);
  EXPECT_EQ(state.header.scale_inv, 0x1p-126f);
}

TEST(ComputeScale, FollowsTheTensorAtHand) {
  float pair[scale_inverse_word + 1];
  Stats stats = {bits_of(7.0f), 0, 0};
  compute_scale<e5m2>(&stats, pair, 0.0f, false);
  EXPECT_EQ(pair[0], 8192.0f);
  EXPECT_EQ(pair[scale_inverse_word], 1.0f / 8192.0f);
  stats = {0, 0, 9};
  compute_scale<e5m2>(&stats, pair, 0.0f, false);
  EXPECT_EQ(pair[0], 1.0f) << "no usable amax";
  EXPECT_EQ(pair[scale_inverse_word], 1.0f);
}

TEST(ComputeScale, LeavesNothingInThePair) {
  float pair[scale_inverse_word + 1];
  std::fill(std::begin(pair), std::end(pair), 99.0f);
  const Stats stats = {bits_of(7.0f), 0, 0};
  compute_scale<e5m2>(&stats, pair, 0.0f, false);
  for (int64_t i = 1; i < scale_inverse_word; ++i)
    EXPECT_EQ(pair[i], 0.0f);
}

} // namespace
