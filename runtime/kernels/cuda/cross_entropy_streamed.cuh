//===- cross_entropy_streamed.cuh - Rows that stream through a block ------===//
//
// Loss and gradient of the rows of logits, where two rows fit into a
// multiprocessor's shared memory: one is computed with while the other is
// written back and the next one comes in, by the bulk copies of Hopper and
// later. A warp moves rows, the other threads compute; each buffer has a
// barrier for "the row is here" and one for "its gradient is done".
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_CROSS_ENTROPY_STREAMED_CUH
#define FP8C_KERNELS_CUDA_CROSS_ENTROPY_STREAMED_CUH

#include "kernels/cuda/softmax.cuh"

#include <cuda/ptx>

namespace fp8c {
namespace detail {

#if defined(__CUDA_ARCH_LIST__) && __CUDA_ARCH_LIST__ >= 900
constexpr bool has_bulk_copies = true;
#else
constexpr bool has_bulk_copies = false;
#endif

template <class T> bool can_stream(int64_t width) {
  return has_bulk_copies && width % pack_size == 0 &&
         2 * width * int64_t(sizeof(T)) <= max_launch_bytes;
}

struct StreamBarriers {
  uint64_t here[2], done[2];
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

/// Waits for the n-th completion of a barrier, counted from 0.
FP8C_INLINE void wait(uint64_t *barrier, int64_t n) {
  while (!cuda::ptx::mbarrier_try_wait_parity(barrier, uint32_t(n & 1)))
    ;
}

/// Brings this block's rows in and takes their gradients out; one thread.
template <class T>
FP8C_INLINE void move_rows(T *const (&rows_in)[2], StreamBarriers &barriers,
                           const T *logits, T *dlogits, int64_t rows,
                           int64_t width) {
  namespace ptx = cuda::ptx;
  const uint32_t bytes = uint32_t(width * sizeof(T));
  auto bring = [&](int64_t row, int b) {
    if (row >= rows)
      return;
    ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta,
                                   ptx::space_shared, &barriers.here[b], bytes);
    ptx::cp_async_bulk(ptx::space_cluster, ptx::space_global, rows_in[b],
                       logits + row * width, bytes, &barriers.here[b]);
  };
  bring(blockIdx.x, 0);
  bring(int64_t(blockIdx.x) + gridDim.x, 1);
  int64_t turn = 0;
  for (int64_t i = blockIdx.x; i < rows; i += gridDim.x, ++turn) {
    const int b = int(turn & 1);
    wait(&barriers.done[b], turn / 2);
    ptx::cp_async_bulk(ptx::space_global, ptx::space_shared,
                       dlogits + i * width, rows_in[b], bytes);
    ptx::cp_async_bulk_commit_group();
    ptx::cp_async_bulk_wait_group_read(ptx::n32_t<0>());
    bring(i + 2 * int64_t(gridDim.x), b);
  }
}

#endif

template <class T, class Row>
__global__ void __launch_bounds__(loss_threads + warp_size)
    cross_entropy_streamed_kernel(const T *logits, const int64_t *labels,
                                  const int64_t *count, const float *dloss,
                                  float *losses, T *dlogits, int64_t rows,
                                  Row shape, int64_t ignore_index) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  namespace ptx = cuda::ptx;
  const int64_t width = shape.width();
  extern __shared__ __align__(32) unsigned char shared[];
  __shared__ StreamBarriers barriers;
  T *const buffers[2] = {reinterpret_cast<T *>(shared),
                         reinterpret_cast<T *>(shared) + width};
  if (threadIdx.x == 0) {
    for (int b = 0; b < 2; ++b) {
      ptx::mbarrier_init(&barriers.here[b], 1);
      ptx::mbarrier_init(&barriers.done[b], loss_threads);
    }
    ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
  }
  __syncthreads();
  if (threadIdx.x >= loss_threads) {
    if (threadIdx.x == loss_threads)
      move_rows(buffers, barriers, logits, dlogits, rows, width);
    return;
  }
  constexpr int N = pack_size;
  const float factor = *dloss * (1.0f / float(*count));
  int64_t turn = 0;
  for (int64_t i = blockIdx.x; i < rows; i += gridDim.x, ++turn) {
    const int b = int(turn & 1);
    T *row = buffers[b];
    const int64_t label = labels[i];
    wait(&barriers.here[b], turn / 2);
    if (counts(label, ignore_index)) {
      const float at_label = load(row, label);
      // Not through load() and store(), which are for global memory.
      auto codes_at = [&](int64_t j) -> Codes<T, N> & {
        return *reinterpret_cast<Codes<T, N> *>(row + j);
      };
      auto logits_at = [&](int64_t j) {
        return masked(decode(codes_at(j)), j, shape);
      };
      Softmax s;
      for (int64_t j = threadIdx.x * N; j < width; j += loss_threads * N)
        s.add(logits_at(j));
      const float lse = s.reduce();
      if (threadIdx.x == 0)
        losses[i] = lse - at_label;
      for (int64_t j = threadIdx.x * N; j < width; j += loss_threads * N)
        codes_at(j) = encode<T>(loss_gradient(
            Softmax::exponentials(logits_at(j), lse), j, label, factor));
    } else {
      for (int64_t j = threadIdx.x * N; j < width; j += loss_threads * N)
        *reinterpret_cast<Codes<T, N> *>(row + j) = {};
      if (threadIdx.x == 0)
        losses[i] = 0.0f;
    }
    ptx::fence_proxy_async(ptx::space_shared); // for the copy to see it
    ptx::mbarrier_arrive(&barriers.done[b]);
  }
#endif
}

template <class T, class Row>
void stream_cross_entropy(const Stream &stream, const T *logits,
                          const int64_t *labels, const int64_t *count,
                          const float *dloss, float *row_losses, T *dlogits,
                          int64_t rows, Row shape, int64_t ignore_index) {
  static const int64_t multiprocessors = [] {
    int device = 0, number = 0;
    check(cudaGetDevice(&device), "no device");
    check(
        cudaDeviceGetAttribute(&number, cudaDevAttrMultiProcessorCount, device),
        "no number of multiprocessors");
    return int64_t(number);
  }();
  launch(stream, cross_entropy_streamed_kernel<T, Row>,
         unsigned(rows < multiprocessors ? rows : multiprocessors),
         loss_threads + warp_size, 2 * shape.width() * sizeof(T), logits,
         labels, count, dloss, row_losses, dlogits, rows, shape, ignore_index);
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_CROSS_ENTROPY_STREAMED_CUH
