//===- RankSums.cpp - FP8 gradients summed over simulated ranks -----------===//

#include "core/RankSums.h"

#include <algorithm>
#include <cmath>

namespace fp8c::runtime {

RankSums::RankSums(uint64_t elements, int ranks)
    : ranks(ranks), exact(elements) {
  for (std::vector<float> &sum : sums)
    sum.resize(elements);
}

float RankSums::scaleOf(Way way) const {
  switch (way) {
  case Before:
    return sharedScale / float(ranks);
  case After:
    return sharedScale;
  default:
    return summed_scale(state, sharedScale);
  }
}

bool RankSums::findScale(const float *gradient) {
  if (sharedScale == 0) { // a new step
    stats = {};
    std::fill(exact.begin(), exact.end(), 0);
    for (std::vector<float> &sum : sums)
      std::fill(sum.begin(), sum.end(), 0.0f);
    sharedScale = INFINITY;
  }
  Amax amax;
  for (size_t i = 0; i < exact.size(); ++i)
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
  for (size_t i = 0; i < exact.size(); ++i)
    exact[i] += gradient[i];
  for (Way way : {Before, After, Auto}) {
    const float scale = scaleOf(way);
    for (size_t i = 0; i < exact.size(); ++i) {
      const float term = round_to<e4m3>(gradient[i] * scale);
      stats[way].nonzero += gradient[i] != 0;
      stats[way].zeros += term == 0 && gradient[i] != 0;
      sums[way][i] += term;
    }
  }
}

bool RankSums::finish() {
  for (Way way : {Before, After, Auto}) {
    const double inverse = 1.0 / scaleOf(way);
    for (size_t i = 0; i < exact.size(); ++i) {
      const e4m3 sum = from_float<e4m3>(sums[way][i]);
      const double error = to_float(sum) * inverse - exact[i];
      stats[way].beyond += is_saturated(sum);
      stats[way].signal += exact[i] * exact[i];
      stats[way].noise += error * error;
    }
  }
  used = state.mu;
  const uint32_t halvings = state.halvings;
  advance_auto_scale(&state, stats[Auto].beyond, exact.size(), ranks);
  sharedScale = 0;
  return state.halvings == halvings;
}

OrderedJson RankSums::toJson() const {
  OrderedJson json = {{"mu", used}};
  const char *names[] = {"before", "after", "auto"};
  for (Way way : {Before, After, Auto})
    json[names[way]] = {
        {"underflow", stats[way].underflow()},
        {"saturated", FormatStats::share(stats[way].beyond, exact.size())},
        {"snr_db", std::round(stats[way].snr() * 100) / 100}};
  return json;
}

} // namespace fp8c::runtime
