//===- attention.h - Scaled dot-product attention -------------------------===//
//
//   o = softmax(scale * q k^T) v         per batch and head, softmax in float
//
// Works on blocks of query rows: the scores of a block stay in the cache
// between two calls of sgemm, and with a causal mask the columns above the
// diagonal are never computed. Threads take whole (batch, head) pairs, BLAS is
// single-threaded inside, so the result does not depend on their number.
//
// The logarithm of the softmax's denominator (lse) is saved: with it the
// backward pass recomputes the probabilities in one step instead of storing
// them (Dao et al., "FlashAttention", 2022, appendix B).
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_ATTENTION_H
#define FP8C_KERNELS_CPU_ATTENTION_H

#include "kernels/common/math.h"
#include "kernels/common/shapes.h"
#include "kernels/common/types.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/convert.h"
#include "kernels/cpu/reduce.h"
#include "kernels/cpu/scratch.h"

namespace fp8c {

namespace detail {

constexpr int64_t attention_block = 64; ///< query rows at a time

/// AttentionShape with its defaults filled in, and where each head begins.
struct AttentionIndex : AttentionShape {
  explicit AttentionIndex(const AttentionShape &s) : AttentionShape(s) {
    kv_seq = kv_seq ? kv_seq : seq;
    v_head_dim = v_head_dim ? v_head_dim : head_dim;
    assert(heads % kv_heads == 0 && "query heads share key heads evenly");
  }

  int64_t group() const { return heads / kv_heads; }
  int64_t q(int64_t b, int64_t h) const {
    return b * seq * q_stride + h * head_dim;
  }
  int64_t k(int64_t b, int64_t kv) const {
    return b * kv_seq * k_stride + kv * head_dim;
  }
  int64_t v(int64_t b, int64_t kv) const {
    return b * kv_seq * v_stride + kv * v_head_dim;
  }
  int64_t o(int64_t b, int64_t h) const {
    return b * seq * o_stride + h * v_head_dim;
  }
  int64_t lse(int64_t b, int64_t h) const { return (b * heads + h) * seq; }

  /// Keys that query row i sees.
  int64_t visible(int64_t i) const {
    return causal && i + 1 < kv_seq ? i + 1 : kv_seq;
  }
};

/// One head as a float matrix: in place if it is float already.
struct HeadView {
  const float *data;
  int64_t stride;
};

inline HeadView view(const float *x, int64_t stride, int64_t, int64_t,
                     Scratch &) {
  return {x, stride};
}
template <class T>
HeadView view(const T *x, int64_t stride, int64_t rows, int64_t cols,
              Scratch &scratch) {
  float *copy = scratch.take(rows * cols);
  convert_matrix(x, stride, copy, cols, rows, cols);
  return {copy, cols};
}

/// Replaces n scores by exp(score - max) and returns the log of their sum plus
/// max; *inverse gets one over the sum.
inline float softmax_numerators(float *scores, int64_t n, float *inverse) {
  const float largest = reduce_max(0, n, [&](int64_t j) { return scores[j]; });
  const float total = reduce_sum(0, n, [&](int64_t j) {
    return scores[j] = exp_nonpositive(scores[j] - largest);
  });
  *inverse = 1.0f / total;
  return largest + log(total);
}

template <class T>
void attention_head(const AttentionIndex &s, const T *q, const T *k, const T *v,
                    T *o, float *lse) {
  Scratch scratch;
  const HeadView keys = view(k, s.k_stride, s.kv_seq, s.head_dim, scratch);
  const HeadView values = view(v, s.v_stride, s.kv_seq, s.v_head_dim, scratch);
  const HeadView queries = view(q, s.q_stride, s.seq, s.head_dim, scratch);
  float *scores = scratch.take(attention_block * s.kv_seq);
  float *out = scratch.take(attention_block * s.v_head_dim);

  for (int64_t first = 0; first < s.seq; first += attention_block) {
    const int64_t rows =
        s.seq - first < attention_block ? s.seq - first : attention_block;
    const int64_t cols = s.visible(first + rows - 1);
    sgemm(false, true, rows, cols, s.head_dim, s.scale,
          queries.data + first * queries.stride, queries.stride, keys.data,
          keys.stride, 0.0f, scores, cols);
    float inverse[attention_block];
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t n = s.visible(first + i);
      float *row = scores + i * cols;
      lse[first + i] = softmax_numerators(row, n, &inverse[i]);
      for (int64_t j = n; j < cols; ++j)
        row[j] = 0.0f;
    }
    sgemm(false, false, rows, s.v_head_dim, cols, 1.0f, scores, cols,
          values.data, values.stride, 0.0f, out, s.v_head_dim);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < s.v_head_dim; ++j)
        store(o, (first + i) * s.o_stride + j,
              out[i * s.v_head_dim + j] * inverse[i]);
  }
}

} // namespace detail

/// lse is [batch, heads, seq].
template <class T>
void attention(const AttentionShape &shape, const T *q, const T *k, const T *v,
               T *o, float *lse) {
  const detail::AttentionIndex s(shape);
  detail::SingleThreadedBlas single;
#pragma omp parallel for collapse(2) schedule(dynamic)
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t kv = h / s.group();
      detail::attention_head(s, q + s.q(b, h), k + s.k(b, kv), v + s.v(b, kv),
                             o + s.o(b, h), lse + s.lse(b, h));
    }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_ATTENTION_H
