//===- clip.h - The coefficient that clips gradients ----------------------===//

#ifndef FP8C_KERNELS_COMMON_CLIP_H
#define FP8C_KERNELS_COMMON_CLIP_H

#include "kernels/common/update_scales.h"

namespace fp8c {

/// What the update reads instead of a coefficient when the step is skipped.
constexpr float skip_step = -1.0f;

namespace detail {

/// The gradients' norm from the sum of their squares, and the coefficient that
/// clips it (Pascanu et al., 2013; max_norm <= 0: no clipping). A norm that is
/// not finite yields skip_step: one bad batch must not spoil the parameters.
FP8C_FN void clip(double sum_of_squares, float max_norm, float *coef,
                  float *norm) {
  const float length = float(sqrt_double(sum_of_squares));
  *norm = length;
  if (magnitude_bits(length) > largest_finite_bits)
    *coef = skip_step;
  else if (max_norm <= 0.0f || length + 1e-6f <= max_norm)
    *coef = 1.0f;
  else
    *coef = max_norm / (length + 1e-6f);
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_CLIP_H
