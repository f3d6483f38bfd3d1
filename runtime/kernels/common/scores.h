//===- scores.h - Attention's scores ----------------------------*- C++ -*-===//
//
// Which keys a query sees, and what becomes of a score before the softmax:
//
//   y = cap(x) + bias        x = scale * q k^T
//   cap(x) = softcap * tanh(x / softcap)
//
// A bias of the lowest float is not added: -3.4e38, which is what is left of a
// score that such a number is added to, takes the score's place.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_SCORES_H
#define FP8C_KERNELS_COMMON_SCORES_H

#include "kernels/common/math.h"
#include "kernels/common/shapes.h"

namespace fp8c::detail {

constexpr float lowest_bias = -0x1.fffffep127f, lowest_score = -3.4e38f;

/// What attention is given besides queries, keys and values, or null: see
/// AttentionShape.
struct ScoreInputs {
  const float *bias;
  const int64_t *lengths;
};

FP8C_FN int64_t bias_size(const AttentionShape &s) {
  return s.bias[0] * s.bias[1] * s.bias[2] * s.bias[3];
}

/// AttentionShape with its defaults filled in.
struct Scores : AttentionShape {
  int64_t group; ///< query heads that share a key head
  int64_t bias_strides[4];

  explicit Scores(const AttentionShape &s)
      : AttentionShape(s), group(s.heads / s.kv_heads) {
    kv_seq = kv_seq ? kv_seq : seq;
    v_head_dim = v_head_dim ? v_head_dim : head_dim;
    int64_t step = 1;
    for (int dim = 4; dim-- > 0; step *= bias[dim])
      bias_strides[dim] = bias[dim] > 1 ? step : 0;
  }

  /// Query i sees the keys from first_key(i) to end_key(b, i), or none.
  FP8C_FN int64_t first_key(int64_t i) const {
    return window && i >= window ? i - window + 1 : 0;
  }
  FP8C_FN int64_t end_key(const ScoreInputs &in, int64_t b, int64_t i) const {
    int64_t end = causal && i + 1 < kv_seq ? i + 1 : kv_seq;
    if (lengths && in.lengths[b] < end)
      end = in.lengths[b];
    return end;
  }

  /// What is added to scores of a query; that of key j is bias_strides[3] * j
  /// further on. Null if nothing is.
  FP8C_FN const float *bias_row(const ScoreInputs &in, int64_t b, int64_t h,
                                int64_t i) const {
    return in.bias ? in.bias + b * bias_strides[0] + h * bias_strides[1] +
                         i * bias_strides[2]
                   : nullptr;
  }

  /// y, and in *slope, where that is asked for, dy / dx.
  FP8C_FN float score(float x, const float *bias_row, int64_t j,
                      float *slope = nullptr) const {
    if (slope)
      *slope = 1.0f;
    if (softcap > 0.0f) {
      const float t = tanh(x / softcap);
      x = softcap * t;
      if (slope)
        *slope = 1.0f - t * t;
    }
    if (!bias_row)
      return x;
    const float bias = bias_row[bias_strides[3] * j];
    if (bias != lowest_bias)
      return x + bias;
    if (slope)
      *slope = 0.0f;
    return lowest_score;
  }

  /// Whether scores are more than the products.
  FP8C_FN bool is_plain() const { return bias[3] == 0 && softcap <= 0.0f; }
};

} // namespace fp8c::detail

#endif // FP8C_KERNELS_COMMON_SCORES_H
