//===- attention.cuh - Scaled dot-product attention -----------------------===//
//
// cuDNN where it has an engine; else the library's kernels for tensor cores;
// else these plain ones, for any type and width. They take a block per query
// row (forward, dq) or key row (dk, dv) and keep some of that row's scores in
// shared memory. Formulas and names as in kernels/cpu/attention_backward.h.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_ATTENTION_CUH
#define FP8C_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/common/scores.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

constexpr int attention_threads = 128;
constexpr int attention_block = 1024; ///< scores in shared memory at a time
constexpr int attention_columns = 2;  ///< that a thread sums at a time

struct AttentionIndex : Scores {
  using Scores::Scores;

  FP8C_INLINE int64_t q(int64_t b, int64_t h, int64_t i) const {
    return (b * seq + i) * q_stride + h * head_dim;
  }
  FP8C_INLINE int64_t k(int64_t b, int64_t kv, int64_t j) const {
    return (b * kv_seq + j) * k_stride + kv * head_dim;
  }
  FP8C_INLINE int64_t v(int64_t b, int64_t kv, int64_t j) const {
    return (b * kv_seq + j) * v_stride + kv * head_dim;
  }
  FP8C_INLINE int64_t o(int64_t b, int64_t h, int64_t i) const {
    return (b * seq + i) * o_stride + h * head_dim;
  }
  FP8C_INLINE int64_t row(int64_t b, int64_t h, int64_t i) const {
    return (b * heads + h) * seq + i;
  }
};

/// Of a query's row of scores: a probability is exp(y - max) * inverse. With a
/// bias they are not taken from lse, see kernels/cpu/attention_backward.h.
struct ScoreRow {
  float max, inverse, delta;

  FP8C_INLINE float probability(float y) const {
    return exp_nonpositive(y - max) * inverse;
  }
};

template <class T> FP8C_INLINE float dot(const T *a, const T *b, int64_t n) {
  float s = 0.0f;
  for (int64_t d = 0; d < n; ++d)
    s += load(a, d) * load(b, d);
  return s;
}

/// Runs `f(first)` for every `attention_columns` columns that a thread sums at
/// a time, of a head of any width.
template <class F> FP8C_INLINE void for_columns(int64_t head_dim, const F &f) {
  for (int64_t first = 0; first < head_dim;
       first += attention_columns * attention_threads)
    f(first);
}

/// Runs `f(t, d)` for the columns of a thread from `first` on.
template <class F>
FP8C_INLINE void each_column(int64_t first, int64_t head_dim, const F &f) {
#pragma unroll
  for (int t = 0; t < attention_columns; ++t) {
    const int64_t d = first + threadIdx.x + t * attention_threads;
    if (d < head_dim)
      f(t, d);
  }
}

/// y of query i and key j, and cap'(x) if it is asked for.
template <class T>
FP8C_INLINE float score_of(const AttentionIndex &s, const ScoreInputs &in,
                           const T *q, const T *k, int64_t b, int64_t h,
                           int64_t i, int64_t j, float *slope = nullptr) {
  const float x =
      dot(q + s.q(b, h, i), k + s.k(b, h / s.group, j), s.head_dim) * s.scale;
  return s.score(x, s.bias_row(in, b, h, i), j, slope);
}

FP8C_INLINE float largest_of_team(float x) {
  return team_reduce<attention_threads>(
      x, [](float a, float b) { return max(a, b); });
}
FP8C_INLINE float sum_of_team(float x) {
  return team_reduce<attention_threads>(x,
                                        [](float a, float b) { return a + b; });
}

/// What scores are shifted by before they are raised: the largest, unless all
/// are hidden.
FP8C_INLINE float shift_of(float largest) {
  return largest > -INFINITY ? largest : 0.0f;
}

/// Softmax over blocks of keys, as in FlashAttention (arXiv 2205.14135, section
/// 3.1): sums so far are scaled to the new maximum.
template <class T>
__global__ void attention_kernel(AttentionIndex s, ScoreInputs in, const T *q,
                                 const T *k, const T *v, T *o, float *lse) {
  __shared__ float p[attention_block];
  const int64_t i = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int64_t kv = h / s.group, n = s.end_key(in, b, i);
  for_columns(s.head_dim, [&](int64_t column) {
    float m = -INFINITY, sum = 0.0f, out[attention_columns] = {};
    for (int64_t first = s.first_key(i); first < n; first += attention_block) {
      const int64_t end = min(n, first + attention_block);
      __syncthreads(); // the last block has been read
      float largest = m;
      for (int64_t j = first + threadIdx.x; j < end; j += attention_threads) {
        p[j - first] = score_of(s, in, q, k, b, h, i, j);
        largest = max(largest, p[j - first]);
      }
      largest = largest_of_team(largest);
      const float shift = shift_of(largest),
                  rescale = exp_nonpositive(m - shift);
      m = largest;
      float part = 0.0f;
      for (int64_t j = first + threadIdx.x; j < end; j += attention_threads)
        part += p[j - first] = exp_nonpositive(p[j - first] - shift);
      sum = sum * rescale + sum_of_team(part);
      __syncthreads();
      each_column(column, s.head_dim, [&](int t, int64_t d) {
        out[t] *= rescale;
        for (int64_t j = first; j < end; ++j)
          out[t] += p[j - first] * load(v + s.v(b, kv, j), d);
      });
    }
    const bool is_blind = !(sum > 0.0f);
    if (threadIdx.x == 0)
      lse[s.row(b, h, i)] = is_blind ? INFINITY : m + log(sum);
    each_column(column, s.head_dim, [&](int t, int64_t d) {
      store(o + s.o(b, h, i), d, is_blind ? 0.0f : out[t] / sum);
    });
  });
}

template <class T>
__global__ void score_rows_kernel(AttentionIndex s, ScoreInputs in, const T *q,
                                  const T *k, const T *o, const float *lse,
                                  const T *d_o, ScoreRow *rows) {
  const int64_t i = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  float delta = 0.0f;
  for (int64_t d = threadIdx.x; d < s.head_dim; d += attention_threads)
    delta += load(d_o + s.o(b, h, i), d) * load(o + s.o(b, h, i), d);
  delta = sum_of_team(delta);
  const float row_lse = lse[s.row(b, h, i)];
  ScoreRow row = {row_lse, 1.0f, delta};
  if (in.bias) {
    const int64_t first = s.first_key(i) + threadIdx.x, n = s.end_key(in, b, i);
    float largest = -INFINITY, sum = 0.0f;
    for (int64_t j = first; j < n; j += attention_threads)
      largest = max(largest, score_of(s, in, q, k, b, h, i, j));
    row.max = shift_of(largest_of_team(largest));
    for (int64_t j = first; j < n; j += attention_threads)
      sum += exp_nonpositive(score_of(s, in, q, k, b, h, i, j) - row.max);
    sum = sum_of_team(sum);
    // The library writes -inf where it saw no key.
    row.inverse = sum > 0.0f && row_lse > -INFINITY ? 1.0f / sum : 0.0f;
  }
  if (threadIdx.x == 0)
    rows[s.row(b, h, i)] = row;
}

template <class T>
__global__ void attention_dq_kernel(AttentionIndex s, ScoreInputs in,
                                    const T *q, const T *k, const T *v,
                                    const ScoreRow *rows, const T *d_o, T *dq) {
  __shared__ float ds[attention_block];
  const int64_t i = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int64_t kv = h / s.group, n = s.end_key(in, b, i);
  const ScoreRow row = rows[s.row(b, h, i)];
  for_columns(s.head_dim, [&](int64_t column) {
    float out[attention_columns] = {};
    for (int64_t first = s.first_key(i); first < n; first += attention_block) {
      const int64_t end = min(n, first + attention_block);
      __syncthreads();
      for (int64_t j = first + threadIdx.x; j < end; j += attention_threads) {
        float slope;
        const float p =
            row.probability(score_of(s, in, q, k, b, h, i, j, &slope));
        const float dp = dot(d_o + s.o(b, h, i), v + s.v(b, kv, j), s.head_dim);
        ds[j - first] = s.scale * slope * p * (dp - row.delta);
      }
      __syncthreads();
      each_column(column, s.head_dim, [&](int t, int64_t d) {
        for (int64_t j = first; j < end; ++j)
          out[t] += ds[j - first] * load(k + s.k(b, kv, j), d);
      });
    }
    each_column(column, s.head_dim,
                [&](int t, int64_t d) { store(dq + s.q(b, h, i), d, out[t]); });
  });
}

template <class T>
__global__ void attention_dkv_kernel(AttentionIndex s, ScoreInputs in,
                                     const T *q, const T *k, const T *v,
                                     const ScoreRow *rows, const T *d_o, T *dk,
                                     T *dv) {
  __shared__ float p[attention_block], ds[attention_block];
  const int64_t j = blockIdx.x, kv = blockIdx.y, b = blockIdx.z;
  // The queries that see key j.
  const int64_t start = s.causal ? j : 0;
  int64_t stop = s.window ? min(s.seq, j + s.window) : s.seq;
  if (j >= s.end_key(in, b, s.seq - 1))
    stop = start;
  for_columns(s.head_dim, [&](int64_t column) {
    float dk_sum[attention_columns] = {}, dv_sum[attention_columns] = {};
    for (int64_t h = kv * s.group; h < (kv + 1) * s.group; ++h)
      for (int64_t first = start; first < stop; first += attention_block) {
        const int64_t end = min(stop, first + attention_block);
        __syncthreads();
        for (int64_t i = first + threadIdx.x; i < end; i += attention_threads) {
          const ScoreRow row = rows[s.row(b, h, i)];
          float slope;
          p[i - first] =
              row.probability(score_of(s, in, q, k, b, h, i, j, &slope));
          const float dp =
              dot(d_o + s.o(b, h, i), v + s.v(b, kv, j), s.head_dim);
          ds[i - first] = s.scale * slope * p[i - first] * (dp - row.delta);
        }
        __syncthreads();
        each_column(column, s.head_dim, [&](int t, int64_t d) {
          for (int64_t i = first; i < end; ++i) {
            dv_sum[t] += p[i - first] * load(d_o + s.o(b, h, i), d);
            dk_sum[t] += ds[i - first] * load(q + s.q(b, h, i), d);
          }
        });
      }
    each_column(column, s.head_dim, [&](int t, int64_t d) {
      store(dk + s.k(b, kv, j), d, dk_sum[t]);
      store(dv + s.v(b, kv, j), d, dv_sum[t]);
    });
  });
}

/// A thread sums up all that one number of the bias is added to, in a fixed
/// order: all of a dimension where it has one number. What is the same for all
/// keys changes no probability.
template <class T>
__global__ void attention_dbias_kernel(AttentionIndex s, ScoreInputs in,
                                       const T *q, const T *k, const T *v,
                                       const ScoreRow *rows, const T *d_o,
                                       float *d_bias) {
  int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= bias_size(s))
    return;
  float *to = d_bias + at;
  const int64_t sizes[3] = {s.batch, s.heads, s.seq};
  const int64_t j = at % s.bias[3];
  at /= s.bias[3];
  int64_t first[3], stop[3];
  for (int dim = 3; dim-- > 0; at /= s.bias[dim]) {
    const bool is_whole = s.bias[dim] == 1;
    first[dim] = is_whole ? 0 : at % s.bias[dim];
    stop[dim] = is_whole ? sizes[dim] : first[dim] + 1;
  }
  float sum = 0.0f;
  for (int64_t b = first[0]; b < stop[0] && s.bias[3] > 1; ++b)
    for (int64_t h = first[1]; h < stop[1]; ++h)
      for (int64_t i = first[2]; i < stop[2]; ++i) {
        if (j < s.first_key(i) || j >= s.end_key(in, b, i))
          continue;
        const ScoreRow row = rows[s.row(b, h, i)];
        const float p = row.probability(score_of(s, in, q, k, b, h, i, j));
        const float dp =
            dot(d_o + s.o(b, h, i), v + s.v(b, h / s.group, j), s.head_dim);
        sum += p * (dp - row.delta);
      }
  *to = sum;
}

/// A bias for each query and key, of one that is the same for some.
static __global__ void widen_bias_kernel(Scores s, Scores wide,
                                         const float *bias, float *to) {
  const int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= bias_size(wide))
    return;
  const int64_t j = at % wide.kv_seq, row = at / wide.kv_seq,
                i = row % wide.seq, head = row / wide.seq,
                h = head % wide.bias[1], b = head / wide.bias[1];
  const ScoreInputs in{bias, nullptr};
  to[at] = s.bias_row(in, b, h, i)[s.bias_strides[3] * j];
}

static __global__ void narrow_lengths_kernel(const int64_t *lengths,
                                             int64_t count, int64_t most,
                                             int32_t *to) {
  const int64_t b = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (b < count)
    to[b] = int32_t(min(most, max(lengths[b], int64_t(1))));
}

/// Writes `value` to the rows of sequences without keys: a block per row.
template <class T>
__global__ void fill_empty_kernel(const int64_t *lengths, int64_t rows,
                                  int64_t width, int64_t stride, float value,
                                  T *x) {
  const int64_t row = blockIdx.x, b = blockIdx.y;
  if (lengths[b] > 0)
    return;
  for (int64_t d = threadIdx.x; d < width; d += attention_threads)
    store(x + (b * rows + row) * stride, d, value);
}

template <class T>
void fill_empty(const Stream &stream, const AttentionShape &s,
                const int64_t *lengths, int64_t rows, int64_t width,
                int64_t stride, T *x, float value = 0.0f) {
  if (s.lengths)
    launch(stream, fill_empty_kernel<T>,
           dim3(unsigned(rows), unsigned(s.batch)), attention_threads, 0,
           lengths, rows, width, stride, value, x);
}

/// What the library takes, made in the stream's workspace where it is other
/// than what is given: `library_shape` has that of the bias.
inline library::PreparedInputs prepare(const Stream &stream,
                                       const AttentionShape &shape,
                                       const AttentionShape &library_shape,
                                       const ScoreInputs &in) {
  library::PreparedInputs out{in.bias, nullptr, 0};
  const int64_t size = bias_size(library_shape),
                bias_floats =
                    size != bias_size(shape) ? (size + 63) / 64 * 64 : 0;
  if (!bias_floats && !shape.lengths)
    return out;
  out.reserved = uint64_t(bias_floats + shape.batch) * sizeof(float);
  auto *place = stream.workspace<float>(out.reserved);
  auto blocks = [](int64_t n) { return dim3(unsigned((n + 255) / 256)); };
  if (bias_floats) {
    launch(stream, widen_bias_kernel, blocks(size), 256, 0, Scores(shape),
           Scores(library_shape), in.bias, place);
    out.bias = place;
  }
  if (shape.lengths) {
    auto *lengths =
        place ? reinterpret_cast<int32_t *>(place + bias_floats) : nullptr;
    launch(stream, narrow_lengths_kernel, blocks(shape.batch), 256, 0,
           in.lengths, shape.batch, Scores(shape).kv_seq, lengths);
    out.lengths = lengths;
  }
  return out;
}

template <class T>
void plain_attention(const Stream &stream, const AttentionShape &shape,
                     const T *q, const T *k, const T *v, T *o, float *lse,
                     const ScoreInputs &in = {}) {
  const AttentionIndex s(shape);
  launch(stream, attention_kernel<T>, dim3(s.seq, s.heads, s.batch),
         attention_threads, 0, s, in, q, k, v, o, lse);
}

/// What backward needs of every row of scores, in the stream's workspace.
template <class T>
const ScoreRow *score_rows(const Stream &stream, const AttentionIndex &s,
                           const ScoreInputs &in, const T *q, const T *k,
                           const T *o, const float *lse, const T *d_o) {
  auto *rows =
      stream.workspace<ScoreRow>(s.batch * s.heads * s.seq * sizeof(ScoreRow));
  launch(stream, score_rows_kernel<T>, dim3(s.seq, s.heads, s.batch),
         attention_threads, 0, s, in, q, k, o, lse, d_o, rows);
  return rows;
}

template <class T>
void plain_attention_backward(const Stream &stream, const AttentionShape &shape,
                              const T *q, const T *k, const T *v, const T *o,
                              const float *lse, const T *d_o, T *dq, T *dk,
                              T *dv, const ScoreInputs &in = {}) {
  const AttentionIndex s(shape);
  const ScoreRow *rows = score_rows(stream, s, in, q, k, o, lse, d_o);
  launch(stream, attention_dq_kernel<T>, dim3(s.seq, s.heads, s.batch),
         attention_threads, 0, s, in, q, k, v, rows, d_o, dq);
  launch(stream, attention_dkv_kernel<T>, dim3(s.kv_seq, s.kv_heads, s.batch),
         attention_threads, 0, s, in, q, k, v, rows, d_o, dk, dv);
}

template <class T>
void plain_attention_dbias(const Stream &stream, const AttentionShape &shape,
                           const T *q, const T *k, const T *v, const T *o,
                           const float *lse, const T *d_o,
                           const ScoreInputs &in, float *d_bias) {
  const AttentionIndex s(shape);
  const ScoreRow *rows = score_rows(stream, s, in, q, k, o, lse, d_o);
  const int64_t cells = bias_size(s);
  launch(stream, attention_dbias_kernel<T>,
         dim3(unsigned((cells + attention_threads - 1) / attention_threads)),
         attention_threads, 0, s, in, q, k, v, rows, d_o, d_bias);
}

} // namespace detail

/// lse is [batch, heads, seq]; `bias` and `lengths` as the shape says.
template <class T>
void attention(const Stream &stream, const AttentionShape &shape, const T *q,
               const T *k, const T *v, T *o, float *lse,
               const float *bias = nullptr, const int64_t *lengths = nullptr) {
  const detail::ScoreInputs in{bias, lengths};
  constexpr Format format = format_of<T>();
  if (!library::has_attention(shape, format)) {
    if (library::has_tiled_attention(shape, format))
      library::tiled_attention(stream, shape, format, q, k, v, o, lse, in);
    else
      detail::plain_attention(stream, shape, q, k, v, o, lse, in);
    return;
  }
  library::attention(stream, shape, format, q, k, v, o, lse,
                     detail::prepare(stream, shape, shape, in));
  detail::fill_empty(stream, shape, lengths, shape.seq,
                     shape.heads * shape.head_dim, shape.o_stride, o);
  detail::fill_empty(stream, shape, lengths, shape.heads, shape.seq, shape.seq,
                     lse, INFINITY);
}

/// dq, dk, dv are laid out as q, k, v; d_o as o; d_bias, which may be null, as
/// the bias. `workspace` is as in library::attention_backward.
template <class T>
void attention_backward(const Stream &stream, const AttentionShape &shape,
                        const T *q, const T *k, const T *v, const T *o,
                        const float *lse, const T *d_o, T *dq, T *dk, T *dv,
                        void *workspace = nullptr, uint64_t workspace_bytes = 0,
                        const float *bias = nullptr,
                        const int64_t *lengths = nullptr,
                        float *d_bias = nullptr) {
  const detail::ScoreInputs in{bias, lengths};
  constexpr Format format = format_of<T>();
  const bool is_tiled = library::has_tiled_attention(shape, format);
  if (library::has_attention_backward(shape, format)) {
    const AttentionShape wide = library::with_wide_bias(shape);
    library::attention_backward(stream, wide, format, q, k, v, o, lse, d_o, dq,
                                dk, dv, workspace, workspace_bytes,
                                detail::prepare(stream, shape, wide, in));
    const int64_t keys = shape.kv_seq ? shape.kv_seq : shape.seq,
                  width = shape.kv_heads * shape.head_dim;
    detail::fill_empty(stream, shape, lengths, shape.seq,
                       shape.heads * shape.head_dim, shape.q_stride, dq);
    detail::fill_empty(stream, shape, lengths, keys, width, shape.k_stride, dk);
    detail::fill_empty(stream, shape, lengths, keys, width, shape.v_stride, dv);
    if (d_bias && is_tiled)
      library::tiled_attention_backward(stream, shape, format, q, k, v, o, lse,
                                        d_o, nullptr, nullptr, nullptr, in,
                                        d_bias);
  } else if (is_tiled) {
    library::tiled_attention_backward(stream, shape, format, q, k, v, o, lse,
                                      d_o, dq, dk, dv, in, d_bias);
  } else {
    detail::plain_attention_backward(stream, shape, q, k, v, o, lse, d_o, dq,
                                     dk, dv, in);
  }
  if (d_bias && !is_tiled)
    detail::plain_attention_dbias(stream, shape, q, k, v, o, lse, d_o, in,
                                  d_bias);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_ATTENTION_CUH
