//===- optimizer.h - Scalars that all parameter updates share -------------===//

#ifndef FP8C_KERNELS_CPU_OPTIMIZER_H
#define FP8C_KERNELS_CPU_OPTIMIZER_H

#include "kernels/common/clip.h"
#include "kernels/common/update_scales.h"

namespace fp8c {

/// See detail::clip; `sums` are the sums of squares of n gradients.
inline void clip_coefficient(const float *const *sums, int n,
                             const float *max_norm, float *coef, float *norm) {
  double total = 0.0;
  for (int i = 0; i < n; ++i)
    total += double(*sums[i]);
  detail::clip(total, *max_norm, coef, norm);
}

/// Bound and rounding key of a step, and the scales of all tensors that the
/// optimizer writes; clears the statistics that it will gather.
inline void update_scales(const ScaleUpdate *updates, int n,
                          Stats *const *cleared, int cleared_count,
                          const UpdateScalars &scalars, float *bound,
                          float *key) {
  *bound = update_bound(scalars);
  *key = rounding_key(scalars);
  for (int i = 0; i < n; ++i)
    update_scale(updates[i], scalars, *bound);
  for (int i = 0; i < cleared_count; ++i)
    *cleared[i] = Stats{0, 0, 0};
}

/// compute_scale for each of n tensors.
template <class T>
void compute_scales(const Stats *const *stats, float *const *pairs, int n,
                    float margin, bool pow2, bool poison) {
  for (int i = 0; i < n; ++i)
    compute_scale<T>(stats[i], pairs[i], margin, pow2, poison);
}
/// advance_scale for each of n states.
template <class T>
void advance_scales(ScaleState *const *states, int n, int64_t window,
                    float margin, bool pow2) {
  for (int i = 0; i < n; ++i)
    advance_scale<T>(states[i], window, margin, pow2);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_OPTIMIZER_H
