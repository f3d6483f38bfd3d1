//===- RankSums.cpp - FP8 gradients summed over simulated ranks -----------===//

#include "core/RankSums.h"

#include "kernels/common/collectives.h"
#include <algorithm>
#include <cmath>

namespace fp8c::runtime {

RankSums::RankSums(uint64_t elements, int ranks)
    : ranks(ranks), expected(elements) {
  for (std::vector<float> &sum : sums)
    sum.resize(elements);
}

float RankSums::scaleOf(Way way) const {
  switch (way) {
  case Before:
    return sharedScale / float(ranks);
  case After:
  case Exact:
    return sharedScale;
  default:
    return summed_scale(state, sharedScale);
  }
}

bool RankSums::findScale(const float *gradient) {
  if (sharedScale == 0) { // a new step
    stats = {};
    std::fill(expected.begin(), expected.end(), 0);
    for (std::vector<float> &sum : sums)
      std::fill(sum.begin(), sum.end(), 0.0f);
    sharedScale = INFINITY;
  }
  Amax amax;
  for (size_t i = 0; i < expected.size(); ++i)
    amax.add(gradient[i]);
  if (amax.amax_bits)
    sharedScale = std::min(
        sharedScale,
        fp8c::detail::scale_for<e4m3>(from_bits(amax.amax_bits), 0, true));
  return amax.nonfinite == 0;
}

void RankSums::add(const float *gradient) {
  if (std::isinf(sharedScale)) // no rank has anything but zeros
    sharedScale = 1;
  for (size_t i = 0; i < expected.size(); ++i)
    expected[i] += gradient[i];
  for (Way way : {Before, After, Auto, Exact}) {
    const float scale = scaleOf(way);
    for (size_t i = 0; i < expected.size(); ++i) {
      const float term = round_to<e4m3>(gradient[i] * scale);
      stats[way].nonzero += gradient[i] != 0;
      stats[way].zeros += term == 0 && gradient[i] != 0;
      const float sum = sums[way][i] + term;
      sums[way][i] = way == Exact ? sum : round_to<e4m3>(sum);
    }
  }
}

bool RankSums::finish() {
  for (Way way : {Before, After, Auto, Exact}) {
    const float factor = way == Exact ? fp8c::detail::sum_factor(ranks) : 1.0f;
    const double inverse = 1.0 / (scaleOf(way) * factor);
    for (size_t i = 0; i < expected.size(); ++i) {
      const e4m3 sum = from_float<e4m3>(sums[way][i] * factor);
      const double error = to_float(sum) * inverse - expected[i];
      stats[way].beyond += is_saturated(sum);
      stats[way].signal += expected[i] * expected[i];
      stats[way].noise += error * error;
    }
  }
  used = state.mu;
  const uint32_t halvings = state.halvings;
  advance_auto_scale(&state, stats[Auto].beyond, expected.size(), ranks);
  sharedScale = 0;
  return state.halvings == halvings;
}

OrderedJson RankSums::toJson() const {
  OrderedJson json = {{"mu", used}};
  const char *names[] = {"before", "after", "auto", "exact"};
  for (Way way : {Before, After, Auto, Exact})
    json[names[way]] = {
        {"underflow", stats[way].underflow()},
        {"saturated", FormatStats::share(stats[way].beyond, expected.size())},
        {"snr_db", std::round(stats[way].snr() * 100) / 100}};
  return json;
}

} // namespace fp8c::runtime
