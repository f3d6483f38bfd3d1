//===- attention.cuh - Scaled dot-product attention -----------------------===//
//
// cuDNN where it has an engine; else these plain kernels, which are also the
// reference of its test. They take a block per query row (forward, dq) or key
// row (dk, dv) and keep that row's scores in shared memory. Formulas and names
// as in kernels/cpu/attention_backward.h.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_ATTENTION_CUH
#define FP8C_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/cuda/library.h"
#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

constexpr int attention_threads = 128;

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

template <class T>
__global__ void attention_kernel(AttentionIndex s, const T *q, const T *k,
                                 const T *v, T *o, float *lse) {
  extern __shared__ float scores[];
  const int64_t i = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int64_t kv = h / s.group, n = s.visible(i);
  float m = -INFINITY;
  for (int64_t j = threadIdx.x; j < n; j += attention_threads) {
    scores[j] = dot(q + s.q(b, h, i), k + s.k(b, kv, j), s.head_dim) * s.scale;
    m = max(m, scores[j]);
  }
  m = team_reduce<attention_threads>(
      m, [](float x, float y) { return max(x, y); });
  float sum = 0.0f;
  for (int64_t j = threadIdx.x; j < n; j += attention_threads)
    sum += scores[j] = exp_nonpositive(scores[j] - m);
  sum = team_reduce<attention_threads>(sum,
                                       [](float x, float y) { return x + y; });
  if (threadIdx.x == 0)
    lse[s.lse(b, h, i)] = m + log(sum);
  for (int64_t d = threadIdx.x; d < s.head_dim; d += attention_threads) {
    float out = 0.0f;
    for (int64_t j = 0; j < n; ++j)
      out += scores[j] * load(v + s.v(b, kv, j), d);
    store(o + s.o(b, h, i), d, out / sum);
  }
}

template <class T>
__global__ void attention_dq_kernel(AttentionIndex s, const T *q, const T *k,
                                    const T *v, const T *o, const float *lse,
                                    const T *d_o, T *dq) {
  extern __shared__ float ds[];
  const int64_t i = blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int64_t kv = h / s.group, n = s.visible(i);
  const float delta = dot(d_o + s.o(b, h, i), o + s.o(b, h, i), s.head_dim);
  for (int64_t j = threadIdx.x; j < n; j += attention_threads) {
    const float score =
        dot(q + s.q(b, h, i), k + s.k(b, kv, j), s.head_dim) * s.scale;
    const float p = exp_nonpositive(score - lse[s.lse(b, h, i)]);
    const float dp = dot(d_o + s.o(b, h, i), v + s.v(b, kv, j), s.head_dim);
    ds[j] = s.scale * p * (dp - delta);
  }
  __syncthreads();
  for (int64_t d = threadIdx.x; d < s.head_dim; d += attention_threads) {
    float out = 0.0f;
    for (int64_t j = 0; j < n; ++j)
      out += ds[j] * load(k + s.k(b, kv, j), d);
    store(dq + s.q(b, h, i), d, out);
  }
}

template <class T>
__global__ void attention_dkv_kernel(AttentionIndex s, const T *q, const T *k,
                                     const T *v, const T *o, const float *lse,
                                     const T *d_o, T *dk, T *dv) {
  extern __shared__ float p[]; // and, after `seq` of them, ds
  float *ds = p + s.seq;
  const int64_t j = blockIdx.x, kv = blockIdx.y, b = blockIdx.z;
  const int64_t first = s.causal ? j : 0;
  float dk_sum[2] = {}, dv_sum[2] = {}; // head_dim is at most 256
  for (int64_t h = kv * s.group; h < (kv + 1) * s.group; ++h) {
    __syncthreads();
    for (int64_t i = threadIdx.x; i < s.seq; i += attention_threads) {
      const bool sees = j < s.visible(i);
      const float score =
          dot(q + s.q(b, h, i), k + s.k(b, kv, j), s.head_dim) * s.scale;
      const float delta = dot(d_o + s.o(b, h, i), o + s.o(b, h, i), s.head_dim);
      const float dp = dot(d_o + s.o(b, h, i), v + s.v(b, kv, j), s.head_dim);
      p[i] = sees ? exp_nonpositive(score - lse[s.lse(b, h, i)]) : 0.0f;
      ds[i] = s.scale * p[i] * (dp - delta);
    }
    __syncthreads();
    for (int t = 0; t < 2; ++t) {
      const int64_t d = threadIdx.x + t * attention_threads;
      if (d < s.head_dim)
        for (int64_t i = first; i < s.seq; ++i) {
          dv_sum[t] += p[i] * load(d_o + s.o(b, h, i), d);
          dk_sum[t] += ds[i] * load(q + s.q(b, h, i), d);
        }
    }
  }
  for (int t = 0; t < 2; ++t) {
    const int64_t d = threadIdx.x + t * attention_threads;
    if (d < s.head_dim) {
      store(dk + s.k(b, kv, j), d, dk_sum[t]);
      store(dv + s.v(b, kv, j), d, dv_sum[t]);
    }
  }
}

inline void check_plain_attention(const AttentionIndex &s) {
  if (s.head_dim > 2 * attention_threads || s.seq > 24 * 1024 ||
      s.kv_seq > 48 * 1024)
    throw std::runtime_error(
        "attention without cuDNN takes heads up to 256 wide and sequences up "
        "to 24,576 tokens: install cuDNN 9, or compile with a recipe whose "
        "activations are bf16");
}

} // namespace detail

/// lse is [batch, heads, seq].
template <class T>
void attention(const Stream &stream, const AttentionShape &shape, const T *q,
               const T *k, const T *v, T *o, float *lse) {
  using namespace detail;
  if (library::has_attention(shape, format_of<T>()))
    return library::attention(stream, shape, format_of<T>(), q, k, v, o, lse);
  const AttentionIndex s(shape);
  check_plain_attention(s);
  launch(stream, attention_kernel<T>, dim3(s.seq, s.heads, s.batch),
         attention_threads, s.kv_seq * sizeof(float), s, q, k, v, o, lse);
}

/// dq, dk, dv are laid out as q, k, v; d_o as o. `workspace` is as in
/// library::attention_backward.
template <class T>
void attention_backward(const Stream &stream, const AttentionShape &shape,
                        const T *q, const T *k, const T *v, const T *o,
                        const float *lse, const T *d_o, T *dq, T *dk, T *dv,
                        void *workspace = nullptr,
                        uint64_t workspace_bytes = 0) {
  using namespace detail;
  if (library::has_attention(shape, format_of<T>()))
    return library::attention_backward(stream, shape, format_of<T>(), q, k, v,
                                       o, lse, d_o, dq, dk, dv, workspace,
                                       workspace_bytes);
  const AttentionIndex s(shape);
  check_plain_attention(s);
  launch(stream, attention_dq_kernel<T>, dim3(s.seq, s.heads, s.batch),
         attention_threads, s.kv_seq * sizeof(float), s, q, k, v, o, lse, d_o,
         dq);
  launch(stream, attention_dkv_kernel<T>, dim3(s.kv_seq, s.kv_heads, s.batch),
         attention_threads, 2 * s.seq * sizeof(float), s, q, k, v, o, lse, d_o,
         dk, dv);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_ATTENTION_CUH
