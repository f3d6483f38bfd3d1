//===- attention_backward.h - Gradients of attention ----------------------===//
//
// With scores y = cap(x) + bias of x = scale * q k^T (kernels/common/scores.h),
// p = softmax(y) and o = p v (Dao et al., "FlashAttention", 2022, appendix B):
//
//   dv = p^T do
//   dp = do v^T
//   dy = p * (dp - delta)      delta_i = sum_j do_ij o_ij
//   ds = scale * cap'(x) * dy
//   dq = ds k
//   dk = ds^T q
//
// p comes from the saved lse, except where there is a bias: that may be so
// large that nothing of the sum is left in lse.
//
// A thread takes a (batch, key head) pair with all query heads that share it,
// block by block in a fixed order: dk and dv are sums over those. The bias's
// gradient is dy, summed over what the bias broadcasts to: where that are
// batches or heads, a thread takes all of them.
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

/// One query head: writes dq, adds to dk, dv and, unless it is null, d_bias.
template <class T>
void attention_backward_head(const AttentionIndex &s, const ScoreInputs &in,
                             int64_t b, int64_t h, const T *q,
                             const HeadView &keys, const HeadView &values,
                             const T *o, const float *lse, const T *d_o, T *dq,
                             const HeadSum &dk, const HeadSum &dv,
                             float *d_bias) {
  Scratch scratch;
  const HeadView queries = view(q, s.q_stride, s.seq, s.head_dim, scratch);
  const HeadView d_out = view(d_o, s.o_stride, s.seq, s.v_head_dim, scratch);
  const HeadSum d_queries =
      head_sum(dq, s.q_stride, s.seq, s.head_dim, scratch);
  float *p = scratch.take(attention_block * s.kv_seq);
  float *ds = scratch.take(attention_block * s.kv_seq);
  float *slopes = s.is_plain() ? nullptr : scratch.take(s.kv_seq);

  for (int64_t first = 0; first < s.seq; first += attention_block) {
    const ScoreBlock block(s, in, b, h, first);
    const int64_t rows = block.rows, cols = block.cols;
    const float *q_block = queries.data + first * queries.stride;
    const float *do_block = d_out.data + first * d_out.stride;
    const float *k_block = keys.data + block.first_key * keys.stride;
    sgemm(false, true, rows, cols, s.head_dim, s.scale, q_block, queries.stride,
          k_block, keys.stride, 0.0f, p, cols);
    sgemm(false, true, rows, cols, s.v_head_dim, 1.0f, do_block, d_out.stride,
          values.data + block.first_key * values.stride, values.stride, 0.0f,
          ds, cols);
    for (int64_t i = 0; i < rows; ++i) {
      const float delta = reduce_sum(0, s.v_head_dim, [&](int64_t j) {
        return do_block[i * d_out.stride + j] *
               load(o, (first + i) * s.o_stride + j);
      });
      const int64_t begin = block.begin(i), end = block.end(i);
      float *p_row = p + i * cols, *ds_row = ds + i * cols;
      block.finish(i, p_row, slopes);
      float row_lse = lse[first + i], inverse = 1.0f;
      if (in.bias) {
        softmax_numerators(p_row + begin, end - begin, &inverse);
#pragma GCC ivdep
        for (int64_t j = begin; j < end; ++j)
          p_row[j] *= inverse;
      } else {
#pragma GCC ivdep
        for (int64_t j = begin; j < end; ++j)
          p_row[j] = exp_nonpositive(p_row[j] - row_lse);
      }
      // The softmax of one score is 1, whatever the score.
      if (end - begin == 1)
        ds_row[begin] = delta;
      if (d_bias) {
        float *sums = d_bias + (first + i) * s.bias_strides[2];
        for (int64_t j = begin; j < end; ++j)
          sums[block.first_key + j] += p_row[j] * (ds_row[j] - delta);
      }
#pragma GCC ivdep
      for (int64_t j = begin; j < end; ++j) {
        const float factor = slopes ? s.scale * slopes[j] : s.scale;
        ds_row[j] = factor * p_row[j] * (ds_row[j] - delta);
      }
      block.each_hidden(i, [&](int64_t j) { p_row[j] = ds_row[j] = 0.0f; });
    }
    sgemm(true, false, cols, s.v_head_dim, rows, 1.0f, p, cols, do_block,
          d_out.stride, 1.0f, dv.data + block.first_key * dv.stride, dv.stride);
    sgemm(true, false, cols, s.head_dim, rows, 1.0f, ds, cols, q_block,
          queries.stride, 1.0f, dk.data + block.first_key * dk.stride,
          dk.stride);
    sgemm(false, false, rows, s.head_dim, cols, 1.0f, ds, cols, k_block,
          keys.stride, 0.0f, d_queries.data + first * d_queries.stride,
          d_queries.stride);
  }
  write_back(d_queries, dq, s.q_stride, s.seq, s.head_dim);
}

} // namespace detail

/// dq, dk, dv are laid out as q, k, v; d_o as o; d_bias, which may be null, as
/// the bias.
template <class T>
void attention_backward(const AttentionShape &shape, const T *q, const T *k,
                        const T *v, const T *o, const float *lse, const T *d_o,
                        T *dq, T *dk, T *dv, const float *bias = nullptr,
                        const int64_t *lengths = nullptr,
                        float *d_bias = nullptr) {
  using namespace detail;
  const AttentionIndex s(shape);
  const ScoreInputs in{bias, lengths};
  SingleThreadedBlas single;
  auto do_heads = [&](int64_t b, int64_t kv) {
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
    for (int64_t h = kv * s.group; h < (kv + 1) * s.group; ++h)
      attention_backward_head(
          s, in, b, h, q + s.q(b, h), keys, values, o + s.o(b, h),
          lse + s.lse(b, h), d_o + s.o(b, h), dq + s.q(b, h), dk_sum, dv_sum,
          // What is the same for all keys changes no probability.
          d_bias && s.bias[3] > 1
              ? d_bias + b * s.bias_strides[0] + h * s.bias_strides[1]
              : nullptr);
    write_back(dk_sum, dk_head, s.k_stride, s.kv_seq, s.head_dim);
    write_back(dv_sum, dv_head, s.v_stride, s.kv_seq, s.v_head_dim);
  };
  // How many of them one thread takes.
  const int64_t batches = d_bias && s.bias[0] == 1 ? s.batch : 1,
                heads = d_bias && s.bias[1] == 1 ? s.kv_heads : 1;
  if (d_bias)
    __builtin_memset(d_bias, 0, size_t(bias_size(s)) * sizeof(float));
#pragma omp parallel for collapse(2) schedule(dynamic)
  for (int64_t first_b = 0; first_b < s.batch; first_b += batches)
    for (int64_t first_kv = 0; first_kv < s.kv_heads; first_kv += heads)
      for (int64_t b = first_b; b < first_b + batches; ++b)
        for (int64_t kv = first_kv; kv < first_kv + heads; ++kv)
          do_heads(b, kv);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_ATTENTION_BACKWARD_H
