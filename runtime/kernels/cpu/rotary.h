//===- rotary.h - Rotary position embedding -------------------------------===//
//
// Pairs of elements of a head are rotated by an angle that depends on the
// token's position (Su et al., "RoFormer", 2021), as in the ONNX operator
// RotaryEmbedding. A pair is (2 i, 2 i + 1) if interleaved, otherwise
// (i, i + rotary_dim / 2). Elements from rotary_dim on are copied.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_ROTARY_H
#define FP8C_KERNELS_CPU_ROTARY_H

#include "kernels/common/shapes.h"
#include "kernels/common/types.h"
#include "kernels/cpu/parallel.h"

namespace fp8c {

/// y may be x.
template <class T>
void rotary(const T *x, const float *cos, const float *sin, T *y,
            const RotaryShape &s) {
  const int64_t half = s.rotary_dim / 2;
  const int64_t tokens = s.batch * s.seq;
  const int64_t step = s.interleaved ? 2 : 1;
  const int64_t partner = s.interleaved ? 1 : half;
  const float direction = s.inverse ? -1.0f : 1.0f;
#pragma omp parallel for schedule(static) if (tokens * s.heads * s.head_dim >= \
                                              parallel_threshold)
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t angles = (s.batched_angles ? t : t % s.seq) * half;
    for (int64_t h = 0; h < s.heads; ++h) {
      const T *from = x + t * s.x_stride + h * s.head_dim;
      T *to = y + t * s.y_stride + h * s.head_dim;
#pragma GCC ivdep
      for (int64_t i = 0; i < half; ++i) {
        const float c = cos[angles + i], d = direction * sin[angles + i];
        const float first = load(from, i * step);
        const float second = load(from, i * step + partner);
        store(to, i * step, first * c - second * d);
        store(to, i * step + partner, second * c + first * d);
      }
      for (int64_t i = s.rotary_dim; i < s.head_dim; ++i)
        to[i] = from[i];
    }
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_ROTARY_H
