//===- optimizer.h - Scalars that all parameter updates share -------------===//

#ifndef FP8C_KERNELS_CPU_OPTIMIZER_H
#define FP8C_KERNELS_CPU_OPTIMIZER_H

#include "kernels/common/update_scales.h"

namespace fp8c {

/// What the update reads instead of a coefficient when the step is skipped.
constexpr float skip_step = -1.0f;

/// The gradients' norm from the sums of their squares, and the coefficient that
/// clips it (Pascanu et al., 2013; *max_norm <= 0: no clipping). A norm that is
/// not finite yields skip_step: one bad batch must not spoil the parameters.
inline void clip_coefficient(const float *const *sums, int n,
                             const float *max_norm, float *coef, float *norm) {
  double total = 0.0;
  for (int i = 0; i < n; ++i)
    total += double(*sums[i]);
  *norm = float(__builtin_sqrt(total));
  if (!__builtin_isfinite(*norm))
    *coef = skip_step;
  else if (*max_norm <= 0.0f || *norm + 1e-6f <= *max_norm)
    *coef = 1.0f;
  else
    *coef = *max_norm / (*norm + 1e-6f);
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

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_OPTIMIZER_H
