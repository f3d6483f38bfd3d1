//===- AttentionReference.cuh - Attention as its formula says ---*- C++ -*-===//
//
// O = softmax(cap(scale Q K^T) + bias) V and its gradients in f32, each product
// a thread per element, all scores in memory.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_TEST_UNIT_CUDA_ATTENTIONREFERENCE_CUH
#define FP8C_TEST_UNIT_CUDA_ATTENTIONREFERENCE_CUH

#include "AttentionCases.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>
#include <thrust/device_vector.h>
#include <thrust/host_vector.h>

namespace fp8c::attention_test {

/// random: normal values. negative: so too, but every other query's scores are
/// about 120 lower, so that e^-lse overflows.
enum class Data { random, negative };

// The formats by CUDA's own conversions.
template <class T> __device__ float toFloat(const T *p) {
  if constexpr (std::is_same_v<T, float>)
    return *p;
  else if constexpr (std::is_same_v<T, f16>)
    return __half2float(*reinterpret_cast<const __half *>(p));
  else
    return __bfloat162float(*reinterpret_cast<const __nv_bfloat16 *>(p));
}
template <class T> __device__ void fromFloat(T *p, float x) {
  if constexpr (std::is_same_v<T, float>)
    *p = x;
  else if constexpr (std::is_same_v<T, f16>)
    *reinterpret_cast<__half *>(p) = __float2half(x);
  else
    *reinterpret_cast<__nv_bfloat16 *>(p) = __float2bfloat16(x);
}

/// splitmix64, then Box and Muller.
inline __device__ float normal(uint64_t seed, uint64_t index) {
  auto uniform = [](uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (float((x ^ x >> 31) >> 40) + 0.5f) / float(1 << 24);
  };
  const uint64_t at = seed << 40 | index << 1;
  return sqrtf(-2 * logf(uniform(at))) * cosf(6.2831853f * uniform(at | 1));
}

/// Rows of `heads` x `head_dim` numbers, `stride` apart. With `first` the first
/// number of each head is `first`, in rows of odd index 0 if `alternate`.
template <class T>
__global__ void fillRows(T *to, int64_t rows, int64_t width, int64_t head_dim,
                         int64_t stride, uint64_t seed, bool shifted,
                         float first, bool alternate) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * width)
    return;
  const int64_t row = i / width, column = i % width;
  float x = normal(seed, i);
  if (shifted && column % head_dim == 0)
    x = alternate && row % 2 ? 0.0f : first;
  fromFloat(to + row * stride + column, x);
}

inline unsigned gridOf(int64_t n) { return unsigned((n + 255) / 256); }

template <class T>
void fillInputs(const Case &c, Data data, T *q, int64_t q_stride, T *k, T *v,
                int64_t kv_stride, T *d_o) {
  const bool shifted = data == Data::negative;
  auto fill = [&](T *to, int64_t seq, int64_t heads, int64_t stride,
                  uint64_t seed, bool shift, float first, bool alternate) {
    const int64_t rows = c.batch * seq, width = heads * c.head_dim;
    fillRows<<<gridOf(rows * width), 256>>>(to, rows, width, c.head_dim, stride,
                                            seed + 8 * shifted, shift, first,
                                            alternate);
  };
  fill(q, c.seq, c.heads, q_stride, 1, shifted, 1.0f, true);
  fill(k, c.kv_seq, c.kv_heads, kv_stride, 2, shifted, -120.0f / c.scale(),
       false);
  fill(v, c.kv_seq, c.kv_heads, kv_stride, 3, false, 0, false);
  fill(d_o, c.seq, c.heads, c.heads * c.head_dim, 4, false, 0, false);
  check(cudaDeviceSynchronize(), "cannot fill the inputs");
}

template <class T>
__global__ void gatherRows(const T *from, int64_t rows, int64_t width,
                           int64_t stride, float *to) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < rows * width)
    to[i] = toFloat(from + i / width * stride + i % width);
}

using DeviceFloats = thrust::device_vector<float>;
using Floats = thrust::host_vector<float>;

template <class T>
DeviceFloats gatherOnDevice(const T *from, int64_t rows, int64_t width,
                            int64_t stride) {
  DeviceFloats to(rows * width);
  gatherRows<<<gridOf(rows * width), 256>>>(from, rows, width, stride,
                                            to.data().get());
  check(cudaDeviceSynchronize(), "cannot gather");
  return to;
}

/// Rows that are `stride` apart, as dense f32 on the host.
template <class T>
Floats gather(const T *from, int64_t rows, int64_t width, int64_t stride) {
  return gatherOnDevice(from, rows, width, stride);
}

/// A matrix in memory: element (i, j) is data[i * row + j * column].
struct Matrix {
  float *data;
  int64_t row, column;
  __device__ float &at(int64_t i, int64_t j) const {
    return data[i * row + j * column];
  }
  Matrix transposed() const { return {data, column, row}; }
};

/// c (+)= alpha a b
static __global__ void multiply(int64_t m, int64_t n, int64_t k, float alpha,
                                Matrix a, Matrix b, Matrix c, bool add) {
  const int64_t j = int64_t(blockIdx.x) * blockDim.x + threadIdx.x,
                i = blockIdx.y;
  if (j >= n)
    return;
  float sum = 0;
  for (int64_t l = 0; l < k; ++l)
    sum += a.at(i, l) * b.at(l, j);
  c.at(i, j) = alpha * sum + (add ? c.at(i, j) : 0.0f);
}

/// What is done to the scores of one head.
struct Treatment {
  bool causal;
  int64_t window, length; ///< keys that are seen: of the last ones, at all
  float softcap;
  const float *bias; ///< null, or that of the first query and key
  float lowest;      ///< of its numbers: what is lower hides a key
  int64_t biasRow, biasColumn;
  float *dBias;

  __device__ bool sees(int64_t i, int64_t j) const {
    return j < length && !(causal && j > i) && !(window > 0 && j <= i - window);
  }
};

/// A row's scores become probabilities, and `slope` what their gradient is
/// multiplied by. A row without any key gets 0.
static __global__ void softmaxRows(int64_t n, Treatment t, Matrix p,
                                   Matrix slope, float *lse) {
  const int64_t i = blockIdx.x;
  if (threadIdx.x)
    return;
  float m = -INFINITY;
  for (int64_t j = 0; j < n; ++j) {
    float y = p.at(i, j), u = 1;
    if (t.softcap > 0) {
      const float bounded = tanhf(y / t.softcap);
      y = t.softcap * bounded;
      u = 1 - bounded * bounded;
    }
    if (t.bias) {
      const float bias = t.bias[i * t.biasRow + j * t.biasColumn];
      const bool replaces = bias <= -3.4028234e38f && !isinf(bias);
      y = replaces ? -3.4e38f : y + bias;
      u = replaces ? 0 : u;
    }
    p.at(i, j) = t.sees(i, j) && y >= t.lowest ? y : -INFINITY;
    slope.at(i, j) = u;
    m = fmaxf(m, p.at(i, j));
  }
  const float shift = m > -INFINITY ? m : 0;
  double sum = 0;
  for (int64_t j = 0; j < n; ++j)
    sum += expf(p.at(i, j) - shift);
  for (int64_t j = 0; j < n; ++j)
    p.at(i, j) = sum > 0 ? expf(p.at(i, j) - shift) / float(sum) : 0.0f;
  lse[i] = sum > 0 ? m + logf(float(sum)) : INFINITY;
}

/// dp becomes ds = scale slope p (dp - sum over j of p dp).
static __global__ void softmaxGradient(int64_t n, float scale, Treatment t,
                                       Matrix p, Matrix slope, Matrix dp) {
  const int64_t i = blockIdx.x;
  if (threadIdx.x)
    return;
  double delta = 0;
  for (int64_t j = 0; j < n; ++j)
    delta += double(p.at(i, j)) * dp.at(i, j);
  for (int64_t j = 0; j < n; ++j) {
    const float dy = p.at(i, j) * float(dp.at(i, j) - delta);
    if (t.dBias)
      atomicAdd(t.dBias + i * t.biasRow + j * t.biasColumn, dy);
    dp.at(i, j) = scale * slope.at(i, j) * dy;
  }
}

/// Of the bias every number is normal; where it hides keys, every third is so
/// low that nothing is left of the score, every seventh -inf, and of queries
/// that see none the fourth has only low ones, the eighth only infinite ones.
static __global__ void fillBias(float *to, int64_t count, int64_t rows,
                                int64_t columns, int hides) {
  const int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= count)
    return;
  const int64_t j = at % columns, i = at / columns % rows;
  float x = 2 * normal(9, at);
  if (hides && (j % 3 == 2 || (hides == 2 && i % 16 == 3)))
    x = -3.4028235e38f;
  if (hides && (j % 7 == 6 || (hides == 2 && i % 16 == 7)))
    x = -INFINITY;
  to[at] = x;
}

/// Dense outputs: o and dq [batch, seq, heads, head_dim], dk and dv [batch,
/// kv_seq, kv_heads, head_dim], lse [batch, heads, seq].
struct Reference {
  Floats o, lse, dq, dk, dv, dBias;

  template <class T>
  Reference(const Case &c, const T *q, int64_t q_stride, const T *k, const T *v,
            int64_t kv_stride, const T *d_o, const float *bias,
            const std::vector<int64_t> &lengths, float lowest) {
    const int64_t width = c.heads * c.head_dim,
                  kvWidth = c.kv_heads * c.head_dim, rows = c.batch * c.seq,
                  kvRows = c.batch * c.kv_seq;
    auto fq = gatherOnDevice(q, rows, width, q_stride),
         fk = gatherOnDevice(k, kvRows, kvWidth, kv_stride),
         fv = gatherOnDevice(v, kvRows, kvWidth, kv_stride),
         fd = gatherOnDevice(d_o, rows, width, width);
    DeviceFloats fo(rows * width), fl(c.rows()), gq(rows * width),
        gk(kvRows * kvWidth), gv(kvRows * kvWidth), p(c.seq * c.kv_seq),
        dp(c.seq * c.kv_seq), slope(c.seq * c.kv_seq), gb(c.biasSize());
    const auto n = c.biasShape();
    auto step = [&](int dim) { // 0 where there is one number for all
      int64_t inner = 1;
      for (int i = dim + 1; i < 4; ++i)
        inner *= n[i];
      return n[dim] > 1 ? inner : 0;
    };
    for (int64_t b = 0; b < c.batch; ++b)
      for (int64_t h = 0; h < c.heads; ++h) {
        const int64_t kv = h / (c.heads / c.kv_heads);
        auto query = [&](DeviceFloats &of) {
          return Matrix{of.data().get() + b * c.seq * width + h * c.head_dim,
                        width, 1};
        };
        auto key = [&](DeviceFloats &of) {
          return Matrix{of.data().get() + b * c.kv_seq * kvWidth +
                            kv * c.head_dim,
                        kvWidth, 1};
        };
        auto product = [](int64_t m, int64_t n, int64_t k, float alpha,
                          Matrix a, Matrix b, Matrix c, bool add) {
          multiply<<<dim3(gridOf(n), unsigned(m)), 256>>>(m, n, k, alpha, a, b,
                                                          c, add);
        };
        const Matrix P = {p.data().get(), c.kv_seq, 1},
                     D = {dp.data().get(), c.kv_seq, 1},
                     U = {slope.data().get(), c.kv_seq, 1};
        const int64_t at = b * step(0) + h * step(1);
        const Treatment t = {c.causal,
                             c.window,
                             c.lengths ? lengths[b] : c.kv_seq,
                             c.softcap,
                             c.bias ? bias + at : nullptr,
                             lowest,
                             step(2),
                             step(3),
                             c.bias ? gb.data().get() + at : nullptr};
        const int64_t S = c.seq, K = c.kv_seq, W = c.head_dim;
        const bool add = h % (c.heads / c.kv_heads) != 0; // heads of a group
        product(S, K, W, c.scale(), query(fq), key(fk).transposed(), P, false);
        softmaxRows<<<unsigned(S), 32>>>(
            K, t, P, U, fl.data().get() + (b * c.heads + h) * S);
        product(S, W, K, 1, P, key(fv), query(fo), false);
        product(K, W, S, 1, P.transposed(), query(fd), key(gv), add);
        product(S, K, W, 1, query(fd), key(fv).transposed(), D, false);
        softmaxGradient<<<unsigned(S), 32>>>(K, c.scale(), t, P, U, D);
        product(S, W, K, 1, D, key(fk), query(gq), false);
        product(K, W, S, 1, D.transposed(), query(fq), key(gk), add);
      }
    check(cudaDeviceSynchronize(), "the reference failed");
    o = fo;
    lse = fl;
    dq = gq;
    dk = gk;
    dv = gv;
    dBias = gb;
  }
};

inline float largest(const Floats &values) {
  float most = 0;
  for (float x : values)
    most = std::max(most, std::abs(x));
  return most;
}

/// Shifted scores share one large key number: the gradient of its query number
/// is that number times a sum that is 0 but for rounding. Only that it is
/// finite can be asked.
inline void ignoreFirstColumns(const Case &c, Floats &values,
                               Floats &expected) {
  for (size_t i = 0; i < values.size(); i += c.head_dim)
    if (std::isfinite(values[i]))
      values[i] = expected[i] = 0;
}

/// The cosine is at least 0.999; where `expected` is 0, no value is larger
/// than `limit`.
inline void expectClose(const Floats &values, const Floats &expected,
                        float limit, const std::string &what) {
  ASSERT_EQ(values.size(), expected.size());
  double dot = 0, a = 0, b = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = values[i], y = expected[i];
    ASSERT_TRUE(std::isfinite(x)) << what << "[" << i << "] is " << x;
    dot += x * y;
    a += x * x;
    b += y * y;
  }
  if (largest(expected) <= 1e-5f * limit) {
    EXPECT_LE(largest(values), limit) << what;
    return;
  }
  for (size_t i = 0; i < values.size(); ++i)
    if (expected[i] == 0)
      ASSERT_LE(std::abs(values[i]), limit) << what << "[" << i << "]";
  EXPECT_GE(dot / std::sqrt(a * b), 0.999) << what;
}

} // namespace fp8c::attention_test

#endif // FP8C_TEST_UNIT_CUDA_ATTENTIONREFERENCE_CUH
