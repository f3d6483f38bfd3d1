//===- attention.h - Scaled dot-product attention -------------------------===//
//
//   o = softmax(y) v         per batch and head; scores y:
//   kernels/common/scores.h
//
// Works on blocks of query rows: the scores of a block stay in the cache
// between two calls of sgemm, and keys that none of its queries sees (those
// behind, and those before a window) are left out. Threads take whole (batch,
// head) pairs, BLAS is single-threaded inside, so the result does not depend on
// their number.
//
// The logarithm of the softmax's denominator (lse) is saved: with it the
// backward pass recomputes the probabilities in one step instead of storing
// them (Dao et al., "FlashAttention", 2022, appendix B).
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_ATTENTION_H
#define FP8C_KERNELS_CPU_ATTENTION_H

#include "kernels/common/scores.h"
#include "kernels/common/types.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/convert.h"
#include "kernels/cpu/reduce.h"
#include "kernels/cpu/scratch.h"

namespace fp8c {

namespace detail {

constexpr int64_t attention_block = 64; ///< query rows at a time

/// Where each head begins.
struct AttentionIndex : Scores {
  explicit AttentionIndex(const AttentionShape &s) : Scores(s) {
    assert(heads % kv_heads == 0 && "query heads share key heads evenly");
  }

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
};

/// A block of queries of one head, and the keys that any of them sees.
struct ScoreBlock {
  const AttentionIndex &s;
  const ScoreInputs &in;
  int64_t b, h, first, rows, first_key, cols;

  ScoreBlock(const AttentionIndex &s, const ScoreInputs &in, int64_t b,
             int64_t h, int64_t first)
      : s(s), in(in), b(b), h(h), first(first),
        rows(s.seq - first < attention_block ? s.seq - first : attention_block),
        first_key(s.first_key(first)) {
    const int64_t last = s.end_key(in, b, first + rows - 1);
    cols = last > first_key ? last - first_key : 0;
  }

  /// The columns that query `first + i` sees: from begin(i) to end(i).
  int64_t begin(int64_t i) const {
    const int64_t b = s.first_key(first + i) - first_key;
    return b < cols ? b : cols; // fewer keys than queries
  }
  int64_t end(int64_t i) const {
    const int64_t e = s.end_key(in, b, first + i) - first_key;
    return e < begin(i) ? begin(i) : e;
  }

  /// Products with their scale become scores; slopes where they are asked for.
  void finish(int64_t i, float *row, float *slopes = nullptr) const {
    if (s.is_plain())
      return;
    const float *bias = s.bias_row(in, b, h, first + i);
    for (int64_t j = begin(i), e = end(i); j < e; ++j)
      row[j] =
          s.score(row[j], bias, first_key + j, slopes ? slopes + j : nullptr);
  }

  /// Calls f(j) for the columns that the query does not see.
  template <class F> void each_hidden(int64_t i, const F &f) const {
    for (int64_t j = 0; j < begin(i); ++j)
      f(j);
    for (int64_t j = end(i); j < cols; ++j)
      f(j);
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
/// max; *inverse gets one over the sum. If there is nothing to see, that is 0,
/// and the log infinite, so that exp(score - log) is 0 too.
inline float softmax_numerators(float *scores, int64_t n, float *inverse) {
  const float largest = reduce_max(0, n, [&](int64_t j) { return scores[j]; });
  if (n == 0 || largest == -__builtin_inff()) {
    *inverse = 0.0f;
    for (int64_t j = 0; j < n; ++j)
      scores[j] = 0.0f;
    return __builtin_inff();
  }
  const float total = reduce_sum(0, n, [&](int64_t j) {
    return scores[j] = exp_nonpositive(scores[j] - largest);
  });
  *inverse = 1.0f / total;
  return largest + log(total);
}

template <class T>
void attention_head(const AttentionIndex &s, const ScoreInputs &in, int64_t b,
                    int64_t h, const T *q, const T *k, const T *v, T *o,
                    float *lse) {
  Scratch scratch;
  const HeadView keys = view(k, s.k_stride, s.kv_seq, s.head_dim, scratch);
  const HeadView values = view(v, s.v_stride, s.kv_seq, s.v_head_dim, scratch);
  const HeadView queries = view(q, s.q_stride, s.seq, s.head_dim, scratch);
  float *scores = scratch.take(attention_block * s.kv_seq);
  float *out = scratch.take(attention_block * s.v_head_dim);

  for (int64_t first = 0; first < s.seq; first += attention_block) {
    const ScoreBlock block(s, in, b, h, first);
    const int64_t rows = block.rows, cols = block.cols;
    sgemm(false, true, rows, cols, s.head_dim, s.scale,
          queries.data + first * queries.stride, queries.stride,
          keys.data + block.first_key * keys.stride, keys.stride, 0.0f, scores,
          cols);
    float inverse[attention_block];
    for (int64_t i = 0; i < rows; ++i) {
      float *row = scores + i * cols;
      block.finish(i, row);
      lse[first + i] = softmax_numerators(
          row + block.begin(i), block.end(i) - block.begin(i), &inverse[i]);
      block.each_hidden(i, [&](int64_t j) { row[j] = 0.0f; });
    }
    sgemm(false, false, rows, s.v_head_dim, cols, 1.0f, scores, cols,
          values.data + block.first_key * values.stride, values.stride, 0.0f,
          out, s.v_head_dim);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < s.v_head_dim; ++j)
        store(o, (first + i) * s.o_stride + j,
              out[i * s.v_head_dim + j] * inverse[i]);
  }
}

} // namespace detail

/// lse is [batch, heads, seq]; `bias` and `lengths` as the shape says.
template <class T>
void attention(const AttentionShape &shape, const T *q, const T *k, const T *v,
               T *o, float *lse, const float *bias = nullptr,
               const int64_t *lengths = nullptr) {
  const detail::AttentionIndex s(shape);
  const detail::ScoreInputs in{bias, lengths};
  detail::SingleThreadedBlas single;
#pragma omp parallel for collapse(2) schedule(dynamic)
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t kv = h / s.group;
      detail::attention_head(s, in, b, h, q + s.q(b, h), k + s.k(b, kv),
                             v + s.v(b, kv), o + s.o(b, h), lse + s.lse(b, h));
    }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_ATTENTION_H
