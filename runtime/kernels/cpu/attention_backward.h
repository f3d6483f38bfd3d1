//===- attention_backward.h - Gradients of attention ----------------------===//
//
// With p = softmax(scale * q k^T), recomputed from the saved lse, and
// o = p v (Dao et al., "FlashAttention", 2022, appendix B):
//
//   dv = p^T do
//   dp = do v^T
//   ds = scale * p * (dp - delta)      delta_i = sum_j do_ij o_ij
//   dq = ds k
//   dk = ds^T q
//
// A thread takes a (batch, key head) pair with all query heads that share it,
// block by block in a fixed order: dk and dv are sums over those.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_ATTENTION_BACKWARD_H
#define FP8C_KERNELS_CPU_ATTENTION_BACKWARD_H

#include "kernels/cpu/attention.h"

namespace fp8c {
namespace detail {

/// Where a gradient of one head is summed up: float, in place if it can be.
struct HeadSum {
  float *data;
  int64_t stride;
};

inline HeadSum head_sum(float *x, int64_t stride, int64_t, int64_t, Scratch &) {
  return {x, stride};
}
template <class T>
HeadSum head_sum(T *, int64_t, int64_t rows, int64_t cols, Scratch &scratch) {
  return {scratch.take(rows * cols), cols};
}

inline void clear(const HeadSum &x, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; ++i)
    __builtin_memset(x.data + i * x.stride, 0, size_t(cols) * sizeof(float));
}

inline void write_back(const HeadSum &, float *, int64_t, int64_t, int64_t) {}
template <class T>
void write_back(const HeadSum &sum, T *x, int64_t stride, int64_t rows,
                int64_t cols) {
  convert_matrix(sum.data, sum.stride, x, stride, rows, cols);
}

/// One query head: writes dq, adds to dk and dv.
template <class T>
void attention_backward_head(const AttentionIndex &s, const T *q,
                             const HeadView &keys, const HeadView &values,
                             const T *o, const float *lse, const T *d_o, T *dq,
                             const HeadSum &dk, const HeadSum &dv) {
  Scratch scratch;
  const HeadView queries = view(q, s.q_stride, s.seq, s.head_dim, scratch);
  const HeadView d_out = view(d_o, s.o_stride, s.seq, s.v_head_dim, scratch);
  const HeadSum d_queries =
      head_sum(dq, s.q_stride, s.seq, s.head_dim, scratch);
  float *p = scratch.take(attention_block * s.kv_seq);
  float *ds = scratch.take(attention_block * s.kv_seq);

  for (int64_t first = 0; first < s.seq; first += attention_block) {
    const int64_t rows =
        s.seq - first < attention_block ? s.seq - first : attention_block;
    const int64_t cols = s.visible(first + rows - 1);
    const float *q_block = queries.data + first * queries.stride;
    const float *do_block = d_out.data + first * d_out.stride;
    sgemm(false, true, rows, cols, s.head_dim, s.scale, q_block, queries.stride,
          keys.data, keys.stride, 0.0f, p, cols);
    sgemm(false, true, rows, cols, s.v_head_dim, 1.0f, do_block, d_out.stride,
          values.data, values.stride, 0.0f, ds, cols);
    for (int64_t i = 0; i < rows; ++i) {
      const float delta = reduce_sum(0, s.v_head_dim, [&](int64_t j) {
        return do_block[i * d_out.stride + j] *
               load(o, (first + i) * s.o_stride + j);
      });
      const int64_t n = s.visible(first + i);
      float *p_row = p + i * cols, *ds_row = ds + i * cols;
      const float row_lse = lse[first + i];
#pragma GCC ivdep
      for (int64_t j = 0; j < n; ++j) {
        const float probability = exp_nonpositive(p_row[j] - row_lse);
        p_row[j] = probability;
        ds_row[j] = s.scale * probability * (ds_row[j] - delta);
      }
      // The softmax of one score is 1, whatever the score.
      if (n == 1)
        ds_row[0] = 0.0f;
      for (int64_t j = n; j < cols; ++j)
        p_row[j] = ds_row[j] = 0.0f;
    }
    sgemm(true, false, cols, s.v_head_dim, rows, 1.0f, p, cols, do_block,
          d_out.stride, 1.0f, dv.data, dv.stride);
    sgemm(true, false, cols, s.head_dim, rows, 1.0f, ds, cols, q_block,
          queries.stride, 1.0f, dk.data, dk.stride);
    sgemm(false, false, rows, s.head_dim, cols, 1.0f, ds, cols, keys.data,
          keys.stride, 0.0f, d_queries.data + first * d_queries.stride,
          d_queries.stride);
  }
  write_back(d_queries, dq, s.q_stride, s.seq, s.head_dim);
}

} // namespace detail

/// dq, dk, dv are laid out as q, k, v; d_o as o.
template <class T>
void attention_backward(const AttentionShape &shape, const T *q, const T *k,
                        const T *v, const T *o, const float *lse, const T *d_o,
                        T *dq, T *dk, T *dv) {
  using namespace detail;
  const AttentionIndex s(shape);
  SingleThreadedBlas single;
#pragma omp parallel for collapse(2) schedule(dynamic)
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t kv = 0; kv < s.kv_heads; ++kv) {
      Scratch scratch;
      T *dk_head = dk + s.k(b, kv), *dv_head = dv + s.v(b, kv);
      const HeadView keys =
          view(k + s.k(b, kv), s.k_stride, s.kv_seq, s.head_dim, scratch);
      const HeadView values =
          view(v + s.v(b, kv), s.v_stride, s.kv_seq, s.v_head_dim, scratch);
      const HeadSum dk_sum =
          head_sum(dk_head, s.k_stride, s.kv_seq, s.head_dim, scratch);
      const HeadSum dv_sum =
          head_sum(dv_head, s.v_stride, s.kv_seq, s.v_head_dim, scratch);
      clear(dk_sum, s.kv_seq, s.head_dim);
      clear(dv_sum, s.kv_seq, s.v_head_dim);
      for (int64_t h = kv * s.group(); h < (kv + 1) * s.group(); ++h)
        attention_backward_head(s, q + s.q(b, h), keys, values, o + s.o(b, h),
                                lse + s.lse(b, h), d_o + s.o(b, h),
                                dq + s.q(b, h), dk_sum, dv_sum);
      write_back(dk_sum, dk_head, s.k_stride, s.kv_seq, s.head_dim);
      write_back(dv_sum, dv_head, s.v_stride, s.kv_seq, s.v_head_dim);
    }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_ATTENTION_BACKWARD_H
