//===- embedding.cuh - Rows of a table by number --------------------------===//

#ifndef FP8C_KERNELS_CUDA_EMBEDDING_CUH
#define FP8C_KERNELS_CUDA_EMBEDDING_CUH

#include "kernels/common/ids.h"
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/library.h"
#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

template <int N, class T, class Out>
__global__ void embedding_kernel(const T *table, const int64_t *ids, Out *out,
                                 int64_t n, int64_t width, int64_t rows) {
  const int64_t packs = width / N;
  const int64_t p = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (p >= n * packs)
    return;
  const int64_t i = p / packs, j = p % packs * N;
  const int64_t row = row_of(ids[i], rows);
  store(out + i * width, Position<N>::at(j),
        load(table + row * width, Position<N>::at(j)));
}

/// Threads that share a column: each adds every fourth row.
constexpr int embedding_lanes = 4, embedding_threads = 192;

/// A block owns the run of equal ids that starts at its position, if one does,
/// and adds up their rows, in the same order every time.
template <int N, class T>
__global__ void embedding_backward_kernel(library::SortedIds sorted,
                                          const T *dy, float *dtable, int64_t n,
                                          int64_t width) {
  const int64_t first = blockIdx.x, id = sorted.ids[first];
  if (first > 0 && sorted.ids[first - 1] == id)
    return;
  int64_t last = first + 1;
  while (last < n && sorted.ids[last] == id)
    ++last;
  __shared__ Pack<N> lanes[embedding_lanes][embedding_threads];
  for (int64_t begin = 0; begin < width;
       begin += int64_t(embedding_threads) * N) {
    const int64_t j = begin + threadIdx.x * N;
    Pack<N> s = {};
    if (j < width)
#pragma unroll 8
      for (int64_t i = first + threadIdx.y; i < last; i += embedding_lanes)
        s = s + load(dy + sorted.positions[i] * width, Position<N>::at(j));
    __syncthreads(); // of the last round's reads
    lanes[threadIdx.y][threadIdx.x] = s;
    __syncthreads();
    if (threadIdx.y || j >= width)
      continue;
    float *out = dtable + id * width + j;
#pragma unroll
    for (int l = 0; l < N; ++l) {
      float t = s.v[l];
#pragma unroll
      for (int y = 1; y < embedding_lanes; ++y)
        t += lanes[y][threadIdx.x].v[l];
      out[l] += t;
    }
  }
}

} // namespace detail

/// out[i] = table[ids[i]] for n rows of `width` from a table of `rows`.
template <class T, class Out>
void embedding(const Stream &stream, const T *table, const int64_t *ids,
               Out *out, int64_t n, int64_t width, int64_t rows) {
  using namespace detail;
  if (width % pack_size == 0)
    launch(stream, embedding_kernel<pack_size, T, Out>,
           blocks_for(n * width / pack_size, 256), 256, 0, table, ids, out, n,
           width, rows);
  else
    launch(stream, embedding_kernel<1, T, Out>, blocks_for(n * width, 256), 256,
           0, table, ids, out, n, width, rows);
}

/// dtable[ids[i]] += dy[i]; without `accumulate` dtable is cleared first. Equal
/// ids add up in the order of their positions.
template <class T>
void embedding_backward(const Stream &stream, const int64_t *ids, const T *dy,
                        float *dtable, int64_t n, int64_t width, int64_t rows,
                        bool accumulate) {
  using namespace detail;
  if (!accumulate)
    fill(stream, dtable, rows * width, 0.0f);
  const library::SortedIds sorted = library::sort_ids(stream, ids, n, rows);
  const auto kernel = width % 4 == 0 ? embedding_backward_kernel<4, T>
                                     : embedding_backward_kernel<1, T>;
  launch(stream, kernel, unsigned(n), dim3(embedding_threads, embedding_lanes),
         0, sorted, dy, dtable, n, width);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_EMBEDDING_CUH
