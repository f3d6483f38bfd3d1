//===- auto_scale.h - FP8 gradients that are summed over ranks ------------===//
//
// Automatic scaling after FP8-LM (arXiv 2310.18313, section 2.1). A sum of FP8
// numbers from N ranks is FP8 again, and clamps at its largest value. Dividing
// by N beforehand wastes log2(N) bits at the lower end, dividing afterwards
// clamps. A factor mu in between is found by watching the sums:
//
//   s  = min over ranks of the scales that their own amaxes call for
//   q  = FP8(g * mu * s)   on each rank, never saturated by itself: mu <= 1
//   Q  = sum of q          in FP8, clamped
//   g' = Q / (N * mu * s)  the mean
//
// If more than 0.001 % of the sums are +-max, mu is halved for the next step;
// else it grows so that 1,000 such steps double it. On one rank nothing is
// summed, and mu stays 1.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_AUTO_SCALE_H
#define FP8C_KERNELS_COMMON_AUTO_SCALE_H

#include "kernels/common/scale_state.h"

namespace fp8c {

/// What a run remembers of automatic scaling; part of its checkpoints.
struct AutoScale {
  float mu;
  uint32_t saturated; ///< of the last step's sums
  uint32_t halvings;  ///< so far
};

constexpr uint64_t auto_scale_tolerates =
    100000; ///< one saturated sum in so many
constexpr float auto_scale_growth = 1.0006933874625806f; ///< 2^(1/1000)

/// The factor that a gradient is quantised with on every rank.
FP8C_FN float summed_scale(const AutoScale &state, float shared_scale) {
  return state.mu * shared_scale;
}

/// What brings a sum of `ranks` quantised gradients back to their mean.
FP8C_FN float mean_scale_inv(const AutoScale &state, float shared_scale,
                             int ranks) {
  return 1.0f / (summed_scale(state, shared_scale) * float(ranks));
}

/// Whether a sum stands at the end of the format's range.
template <class T> FP8C_FN bool is_saturated(T sum) {
  return abs(to_float(sum)) >= max_finite<T>();
}

/// Once per step, with the number of sums and how many of them are saturated.
FP8C_FN void advance_auto_scale(AutoScale *state, uint64_t saturated,
                                uint64_t count, int ranks) {
  if (ranks == 1)
    return;
  state->saturated = uint32_t(saturated);
  if (saturated * auto_scale_tolerates > count) {
    state->mu *= 0.5f;
    ++state->halvings;
  } else {
    state->mu = min(state->mu * auto_scale_growth, 1.0f);
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_AUTO_SCALE_H
