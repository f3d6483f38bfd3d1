//===- attention.cuh - Scaled dot-product attention -----------------------===//
//
// cuDNN where it has an engine; else these plain kernels, for any length and
// width. They take a block per query row (forward, dq) or key row (dk, dv) and
// keep some of that row's scores in shared memory. Formulas and names as in
// kernels/cpu/attention_backward.h.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_ATTENTION_CUH
#define FP8C_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/cuda/library.h"
#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

constexpr int attention_threads = 128;
constexpr int attention_block = 1024; ///< scores in shared memory at a time
constexpr int attention_columns = 2;  ///< that a thread sums at a time

struct AttentionIndex : AttentionShape {
  int64_t group;

  explicit AttentionIndex(const AttentionShape &s)
      : AttentionShape(s), group(s.heads / s.kv_heads) {
    kv_seq = kv_seq ? kv_seq : seq;
  }
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
  FP8C_INLINE int64_t lse(int64_t b, int64_t h, int64_t i) const {
    return (b * heads + h) * seq + i;
  }
  /// Keys that query row i sees.
  FP8C_INLINE int64_t visible(int64_t i) const {
    return causal && i + 1 < kv_seq ? i + 1 : kv_seq;
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

/// Softmax over blocks of keys, as in FlashAttention (arXiv 2205.14135, section
/// 3.1): sums so far are scaled to the new maximum.
template <class T>
__global__ void attention_kernel(AttentionIndex s, const T *q, const T *k,
                                 const T *v, T *o, float *lse) {
  __shared__ float p[attention_block];
  const int64_t i = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int64_t kv = h / s.group, n = s.visible(i);
  for_columns(s.head_dim, [&](int64_t column) {
    float m = -INFINITY, sum = 0.0f, out[attention_columns] = {};
    for (int64_t first = 0; first < n; first += attention_block) {
      const int64_t end = min(n, first + attention_block);
      __syncthreads(); // the last block has been read
      float largest = m;
      for (int64_t j = first + threadIdx.x; j < end; j += attention_threads) {
        p[j - first] =
            dot(q + s.q(b, h, i), k + s.k(b, kv, j), s.head_dim) * s.scale;
        largest = max(largest, p[j - first]);
      }
      largest = team_reduce<attention_threads>(
          largest, [](float x, float y) { return max(x, y); });
      const float rescale = exp_nonpositive(m - largest);
      m = largest;
      float part = 0.0f;
      for (int64_t j = first + threadIdx.x; j < end; j += attention_threads)
        part += p[j - first] = exp_nonpositive(p[j - first] - m);
      sum = sum * rescale + team_reduce<attention_threads>(
                                part, [](float x, float y) { return x + y; });
      __syncthreads();
      each_column(column, s.head_dim, [&](int t, int64_t d) {
        out[t] *= rescale;
        for (int64_t j = first; j < end; ++j)
          out[t] += p[j - first] * load(v + s.v(b, kv, j), d);
      });
    }
    if (threadIdx.x == 0)
      lse[s.lse(b, h, i)] = m + log(sum);
    each_column(column, s.head_dim, [&](int t, int64_t d) {
      store(o + s.o(b, h, i), d, out[t] / sum);
    });
  });
}

template <class T>
__global__ void attention_dq_kernel(AttentionIndex s, const T *q, const T *k,
                                    const T *v, const T *o, const float *lse,
                                    const T *d_o, T *dq) {
  __shared__ float ds[attention_block];
  const int64_t i = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int64_t kv = h / s.group, n = s.visible(i);
  const float delta = dot(d_o + s.o(b, h, i), o + s.o(b, h, i), s.head_dim);
  for_columns(s.head_dim, [&](int64_t column) {
    float out[attention_columns] = {};
    for (int64_t first = 0; first < n; first += attention_block) {
      const int64_t end = min(n, first + attention_block);
      __syncthreads();
      for (int64_t j = first + threadIdx.x; j < end; j += attention_threads) {
        const float score =
            dot(q + s.q(b, h, i), k + s.k(b, kv, j), s.head_dim) * s.scale;
        const float p = exp_nonpositive(score - lse[s.lse(b, h, i)]);
        const float dp = dot(d_o + s.o(b, h, i), v + s.v(b, kv, j), s.head_dim);
        ds[j - first] = s.scale * p * (dp - delta);
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
__global__ void attention_dkv_kernel(AttentionIndex s, const T *q, const T *k,
                                     const T *v, const T *o, const float *lse,
                                     const T *d_o, T *dk, T *dv) {
  __shared__ float p[attention_block], ds[attention_block];
  const int64_t j = blockIdx.x, kv = blockIdx.y, b = blockIdx.z;
  const int64_t start = s.causal ? j : 0; // earlier queries do not see key j
  for_columns(s.head_dim, [&](int64_t column) {
    float dk_sum[attention_columns] = {}, dv_sum[attention_columns] = {};
    for (int64_t h = kv * s.group; h < (kv + 1) * s.group; ++h)
      for (int64_t first = start; first < s.seq; first += attention_block) {
        const int64_t end = min(s.seq, first + attention_block);
        __syncthreads();
        for (int64_t i = first + threadIdx.x; i < end; i += attention_threads) {
          const float score =
              dot(q + s.q(b, h, i), k + s.k(b, kv, j), s.head_dim) * s.scale;
          const float delta =
              dot(d_o + s.o(b, h, i), o + s.o(b, h, i), s.head_dim);
          const float dp =
              dot(d_o + s.o(b, h, i), v + s.v(b, kv, j), s.head_dim);
          p[i - first] = exp_nonpositive(score - lse[s.lse(b, h, i)]);
          ds[i - first] = s.scale * p[i - first] * (dp - delta);
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

template <class T>
void plain_attention(const Stream &stream, const AttentionShape &shape,
                     const T *q, const T *k, const T *v, T *o, float *lse) {
  const AttentionIndex s(shape);
  launch(stream, attention_kernel<T>, dim3(s.seq, s.heads, s.batch),
         attention_threads, 0, s, q, k, v, o, lse);
}

template <class T>
void plain_attention_backward(const Stream &stream, const AttentionShape &shape,
                              const T *q, const T *k, const T *v, const T *o,
                              const float *lse, const T *d_o, T *dq, T *dk,
                              T *dv) {
  const AttentionIndex s(shape);
  launch(stream, attention_dq_kernel<T>, dim3(s.seq, s.heads, s.batch),
         attention_threads, 0, s, q, k, v, o, lse, d_o, dq);
  launch(stream, attention_dkv_kernel<T>, dim3(s.kv_seq, s.kv_heads, s.batch),
         attention_threads, 0, s, q, k, v, o, lse, d_o, dk, dv);
}

} // namespace detail

/// lse is [batch, heads, seq].
template <class T>
void attention(const Stream &stream, const AttentionShape &shape, const T *q,
               const T *k, const T *v, T *o, float *lse) {
  if (library::has_attention(shape, format_of<T>()))
    library::attention(stream, shape, format_of<T>(), q, k, v, o, lse);
  else
    detail::plain_attention(stream, shape, q, k, v, o, lse);
}

/// dq, dk, dv are laid out as q, k, v; d_o as o. `workspace` is as in
/// library::attention_backward.
template <class T>
void attention_backward(const Stream &stream, const AttentionShape &shape,
                        const T *q, const T *k, const T *v, const T *o,
                        const float *lse, const T *d_o, T *dq, T *dk, T *dv,
                        void *workspace = nullptr,
                        uint64_t workspace_bytes = 0) {
  if (library::has_attention_backward(shape, format_of<T>()))
    library::attention_backward(stream, shape, format_of<T>(), q, k, v, o, lse,
                                d_o, dq, dk, dv, workspace, workspace_bytes);
  else
    detail::plain_attention_backward(stream, shape, q, k, v, o, lse, d_o, dq,
                                     dk, dv);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_ATTENTION_CUH
