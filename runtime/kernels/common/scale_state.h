//===- scale_state.h - Scales from amaxes ---------------------------------===//
//
// Delayed scaling keeps, per quantisation site, the amaxes of the last steps
// and derives the next scale from them (Micikevicius et al., "FP8 Formats for
// Deep Learning", 2022; the window as in Transformer Engine). Current scaling
// derives it from the tensor at hand.
//
//   scale = max(T) * 2^-margin / amax
//
// An amax of 0 says nothing about a scale; infinities and NaN never reach one
// (Stats counts them apart). A delayed scale then stays, a current one is 1.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_SCALE_STATE_H
#define FP8C_KERNELS_COMMON_SCALE_STATE_H

#include "kernels/common/stats.h"

#include <stddef.h>

namespace fp8c {

/// Memory layout of a value of type !fp8.scale_state: this header, then
/// `window` floats of amax history, newest first.
struct ScaleState {
  float scale;
  Stats last;      ///< of the step that the last advance ended
  float scale_inv; ///< 16 bytes on: cuBLASLt wants it aligned
  Stats pending;   ///< of the micro-batches since the last advance
  uint32_t filled;

  FP8C_FN float *history() { return reinterpret_cast<float *>(this + 1); }
};

/// 32-bit words of a ScaleState with its window.
constexpr int64_t scale_state_words(int64_t window) {
  return int64_t(sizeof(ScaleState) / 4) + window;
}

/// Where the inverse stands after a scale, in words.
constexpr int64_t scale_inverse_word = 4;
static_assert(offsetof(ScaleState, scale_inv) == 4 * scale_inverse_word, "");

namespace detail {

/// Writes a scale and its inverse, and what lies between: pairs are copied to
/// variables whole, and all processes must have the same bits.
FP8C_FN void store_pair(float *pair, float scale, float inverse) {
  pair[0] = scale;
  for (int64_t i = 1; i < scale_inverse_word; ++i)
    pair[i] = 0.0f;
  pair[scale_inverse_word] = inverse;
}

/// What an amax is scaled to: max(T) * 2^-margin.
template <class T> FP8C_FN float scaled_max(float margin) {
  return max_finite<T>() * pow(2.0f, -margin);
}

/// largest / amax, bounded so that its inverse is a normal number.
FP8C_FN float scale_to(float largest, float amax, bool power_of_two) {
  const float scale = min(largest / amax, 0x1p126f);
  return power_of_two ? from_bits(bits_of(scale) & 0xff800000u) : scale;
}

template <class T>
FP8C_FN float scale_for(float amax, float margin, bool power_of_two) {
  return scale_to(scaled_max<T>(margin), amax, power_of_two);
}

/// The scale of values whose largest finite magnitude is known: 1 if it is 0.
FP8C_FN float current_scale(uint32_t amax_bits, float largest,
                            bool power_of_two) {
  const float amax = from_bits(amax_bits);
  return amax > 0.0f ? scale_to(largest, amax, power_of_two) : 1.0f;
}

} // namespace detail

/// Adds the statistics of one micro-batch.
FP8C_FN void record_stats(ScaleState *state, const Stats *stats) {
  Stats &sum = state->pending;
  sum.amax_bits =
      sum.amax_bits > stats->amax_bits ? sum.amax_bits : stats->amax_bits;
  sum.saturated += stats->saturated;
  sum.nonfinite += stats->nonfinite;
}

/// Once per step: the recorded amax enters the window and the scale follows.
template <class T>
FP8C_FN void advance_scale(ScaleState *state, int64_t window, float margin,
                           bool power_of_two) {
  float *history = state->history();
  if (state->pending.amax_bits) {
    for (int64_t i = window - 1; i > 0; --i)
      history[i] = history[i - 1];
    history[0] = from_bits(state->pending.amax_bits);
    if (state->filled < window)
      ++state->filled;
  }
  float amax = 0.0f;
  for (int64_t i = 0; i < state->filled; ++i)
    amax = max(amax, history[i]);
  if (amax > 0.0f) {
    state->scale = detail::scale_for<T>(amax, margin, power_of_two);
    state->scale_inv = 1.0f / state->scale;
  }
  state->last = state->pending;
  state->pending = Stats{0, 0, 0};
}

/// Current scaling: the scale, and at `scale_inverse_word` its inverse, of the
/// tensor that was measured. `poison`: NaN if it has values that are not
/// finite, which saturation would hide.
template <class T>
FP8C_FN void compute_scale(const Stats *stats, float *scale_and_inverse,
                           float margin, bool power_of_two,
                           bool poison = false) {
  float scale = detail::current_scale(
      stats->amax_bits, detail::scaled_max<T>(margin), power_of_two);
  if (poison && stats->nonfinite)
    scale = from_bits(0x7fc00000u);
  detail::store_pair(scale_and_inverse, scale, 1.0f / scale);
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_SCALE_STATE_H
