//===- cross_entropy.cuh - Softmax cross entropy with class labels --------===//
//
// See kernels/cpu/cross_entropy.h for what is computed.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_CROSS_ENTROPY_CUH
#define FP8C_KERNELS_CUDA_CROSS_ENTROPY_CUH

#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

constexpr int loss_threads = 512;

FP8C_INLINE bool counts(int64_t label, int64_t ignore_index) {
  return label >= 0 && label != ignore_index;
}

/// A running log-sum-exp: sum of e^(x - largest).
struct Softmax {
  float largest = -INFINITY, sum = 0.0f;

  template <class X> FP8C_INLINE void add(const X &x) {
    const float m = fp8c::max(largest, detail::largest(x));
    sum = sum * exp_nonpositive(largest - m) + total(exponentials(x, m));
    largest = m;
  }
  template <int N>
  static FP8C_INLINE Pack<N> exponentials(const Pack<N> &x, float m) {
    return each_lane<N>([&](int i) { return exp_nonpositive(x.v[i] - m); });
  }
  static FP8C_INLINE float exponentials(float x, float m) {
    return exp_nonpositive(x - m);
  }
};

/// The log-sum-exp of a row, in all threads of the block.
template <int N, class T>
FP8C_INLINE float block_log_sum_exp(const T *x, int64_t classes) {
  Softmax s;
  for (int64_t j = threadIdx.x * N; j < classes; j += loss_threads * N)
    s.add(load(x, Position<N>::at(j)));
  const float m = team_reduce<loss_threads>(
      s.largest, [](float a, float b) { return fp8c::max(a, b); });
  // A thread without elements has -inf - -inf.
  const float mine =
      s.sum == 0.0f ? 0.0f : s.sum * exp_nonpositive(s.largest - m);
  const float sum = team_reduce<loss_threads>(
      mine, [](float a, float b) { return a + b; });
  return m + log(sum);
}

template <int N, class T>
__global__ void cross_entropy_kernel(const T *logits, const int64_t *labels,
                                     float *lse, float *losses,
                                     int64_t classes, int64_t ignore_index) {
  const int64_t i = blockIdx.x;
  const T *x = logits + i * classes;
  const float row_lse = block_log_sum_exp<N>(x, classes);
  if (threadIdx.x == 0) {
    const int64_t label = labels[i];
    lse[i] = row_lse;
    losses[i] = counts(label, ignore_index) ? row_lse - load(x, label) : 0.0f;
  }
}

/// The mean of the losses of the rows that count, in order and in double.
static __global__ void mean_loss_kernel(const float *losses,
                                        const int64_t *labels, float *loss,
                                        float *inv_count, int64_t rows,
                                        int64_t ignore_index) {
  __shared__ double sums[1024];
  __shared__ int counted[1024];
  double sum = 0.0;
  int count = 0;
  for (int64_t i = threadIdx.x; i < rows; i += 1024) {
    sum += losses ? losses[i] : 0.0f;
    count += counts(labels[i], ignore_index);
  }
  sums[threadIdx.x] = sum;
  counted[threadIdx.x] = count;
  __syncthreads();
  for (int half = 512; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
      counted[threadIdx.x] += counted[threadIdx.x + half];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    if (loss)
      *loss = counted[0] ? float(sums[0] / double(counted[0])) : 0.0f;
    if (inv_count)
      *inv_count = counted[0] ? 1.0f / float(counted[0]) : 0.0f;
  }
}

template <int N, class T, class Out>
__global__ void
cross_entropy_backward_kernel(const T *logits, const int64_t *labels,
                              const float *lse, const float *inv_count,
                              const float *dloss, Out *dlogits,
                              int64_t classes, int64_t ignore_index) {
  const int64_t i = blockIdx.x;
  const T *x = logits + i * classes;
  Out *dx = dlogits + i * classes;
  const int64_t label = labels[i];
  const bool count = counts(label, ignore_index);
  const float factor = count ? *dloss * *inv_count : 0.0f, row_lse = lse[i];
  for (int64_t j = threadIdx.x * N; j < classes; j += loss_threads * N) {
    const auto at = Position<N>::at(j);
    auto p = Softmax::exponentials(load(x, at), row_lse);
    if constexpr (N > 1) {
#pragma unroll
      for (int l = 0; l < N; ++l)
        p.v[l] = (p.v[l] - (j + l == label ? 1.0f : 0.0f)) * factor;
    } else {
      p = (p - (j == label ? 1.0f : 0.0f)) * factor;
    }
    store(dx, at, p);
  }
}

} // namespace detail

/// lse is saved per row and 1 / count once, for the backward pass.
template <class T>
void cross_entropy(const Stream &stream, const T *logits, const int64_t *labels,
                   float *loss, float *lse, float *inv_count, int64_t rows,
                   int64_t classes, int64_t ignore_index) {
  using namespace detail;
  float *losses = stream.workspace<float>(rows * sizeof(float));
  if (classes % pack_size == 0)
    launch(stream, cross_entropy_kernel<pack_size, T>, unsigned(rows),
           loss_threads, 0, logits, labels, lse, losses, classes, ignore_index);
  else
    launch(stream, cross_entropy_kernel<1, T>, unsigned(rows), loss_threads, 0,
           logits, labels, lse, losses, classes, ignore_index);
  launch(stream, mean_loss_kernel, 1, 1024, 0,
         static_cast<const float *>(losses), labels, loss, inv_count, rows,
         ignore_index);
}

/// dlogits may be logits.
template <class T, class Out>
void cross_entropy_backward(const Stream &stream, const T *logits,
                            const int64_t *labels, const float *lse,
                            const float *inv_count, const float *dloss,
                            Out *dlogits, int64_t rows, int64_t classes,
                            int64_t ignore_index) {
  using namespace detail;
  if (classes % pack_size == 0)
    launch(stream, cross_entropy_backward_kernel<pack_size, T, Out>,
           unsigned(rows), loss_threads, 0, logits, labels, lse, inv_count,
           dloss, dlogits, classes, ignore_index);
  else
    launch(stream, cross_entropy_backward_kernel<1, T, Out>, unsigned(rows),
           loss_threads, 0, logits, labels, lse, inv_count, dloss, dlogits,
           classes, ignore_index);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_CROSS_ENTROPY_CUH
