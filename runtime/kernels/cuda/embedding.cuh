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

//===----------------------------------------------------------------------===//
// Gradient of the table
//===----------------------------------------------------------------------===//

// Ids are sorted, so that equal ones are a run. A group of threads adds up the
// rows of a stretch of positions. Runs may be thousands of positions long (a
// comma), so that what it finds of a run that began before its stretch, or goes
// on after it, is a partial sum; whoever begins a run adds these up, in order.

/// Positions of a stretch.
constexpr int stretch = 16;
constexpr int embedding_threads = 192;

/// Partial sums of stretch s: of the run that it starts in the middle of, and
/// of the one that it ends in the middle of.
template <int N> struct StretchSums {
  float *sums;
  int64_t width;

  FP8C_INLINE float *head(int64_t s, int64_t j) const {
    return sums + 2 * s * width + j;
  }
  FP8C_INLINE float *tail(int64_t s, int64_t j) const {
    return sums + (2 * s + 1) * width + j;
  }
};

template <int N> FP8C_INLINE void put(float *to, const Pack<N> &x) {
#pragma unroll
  for (int l = 0; l < N; ++l)
    to[l] = x.v[l];
}
template <int N, class Table>
FP8C_INLINE void add(Table *to, const Pack<N> &x) {
#pragma unroll
  for (int l = 0; l < N; ++l)
    store(to, l, to_float(to[l]) + x.v[l]);
}

template <int N, class T, class Table>
__global__ void __launch_bounds__(embedding_threads)
    add_stretches_kernel(library::SortedIds sorted, const T *dy, Table *dtable,
                         StretchSums<N> partial, int64_t n, int64_t width) {
  const int64_t s = blockIdx.x, first = s * stretch;
  const int64_t j = (int64_t(blockIdx.y) * embedding_threads + threadIdx.x) * N;
  if (j >= width)
    return;
  const int64_t end = first + stretch < n ? first + stretch : n;
  bool is_head = first > 0 && sorted.ids[first - 1] == sorted.ids[first];
  Pack<N> sum = {};
#pragma unroll
  for (int i = 0; i < stretch; ++i) {
    const int64_t p = first + i;
    if (p >= end)
      break;
    const int64_t id = sorted.ids[p];
    sum = sum + load(dy + sorted.positions[p] * width, Position<N>::at(j));
    const bool goes_on = p + 1 < n && sorted.ids[p + 1] == id;
    if (goes_on && p + 1 < end)
      continue;
    if (is_head)
      put(partial.head(s, j), sum);
    else if (goes_on)
      put(partial.tail(s, j), sum);
    else
      add(dtable + id * width + j, sum);
    is_head = false;
    sum = {};
  }
}

/// Where the run of ids equal to that at `first` ends.
FP8C_INLINE int64_t end_of_run(const int64_t *ids, int64_t first, int64_t n) {
  int64_t low = first, high = n; // low is in the run, high is not
  for (int64_t step = 1; low + step < high; step *= 2)
    (ids[low + step] == ids[first] ? low : high) = low + step;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (ids[middle] == ids[first] ? low : high) = middle;
  }
  return high;
}

/// For each stretch that a run begins in and leaves: the run's sum.
template <int N, class Table>
__global__ void __launch_bounds__(embedding_threads)
    add_partials_kernel(library::SortedIds sorted, Table *dtable,
                        StretchSums<N> partial, int64_t n, int64_t width) {
  const int64_t s = blockIdx.x, end = (s + 1) * stretch;
  const int64_t j = (int64_t(blockIdx.y) * embedding_threads + threadIdx.x) * N;
  if (end >= n || j >= width || sorted.ids[end - 1] != sorted.ids[end])
    return;
  const int64_t id = sorted.ids[end], first = s * stretch;
  if (sorted.ids[first] == id && first > 0 && sorted.ids[first - 1] == id)
    return; // in the middle of it
  auto at = Position<N>::at(0);
  Pack<N> sum = Pack<N>{} + load(partial.tail(s, j), at);
  const int64_t last = end_of_run(sorted.ids, end, n);
#pragma unroll 8
  for (int64_t t = s + 1; t * stretch < last; ++t)
    sum = sum + load(partial.head(t, j), at);
  add(dtable + id * width + j, sum);
}

template <int N, class T, class Table>
void add_rows(const Stream &stream, const library::SortedIds &sorted,
              const T *dy, Table *dtable, int64_t n, int64_t width) {
  const int64_t stretches = (n + stretch - 1) / stretch;
  // Behind what the sorted ids take of the workspace.
  const uint64_t bytes = 2 * stretches * width * sizeof(float);
  const StretchSums<N> partial = {
      reinterpret_cast<float *>(
          stream.workspace<unsigned char>(sorted.workspace_bytes + bytes) +
          sorted.workspace_bytes),
      width};
  const dim3 grid(unsigned(stretches),
                  blocks_for(width, embedding_threads * N));
  launch(stream, add_stretches_kernel<N, T, Table>, grid, embedding_threads, 0,
         sorted, dy, dtable, partial, n, width);
  launch(stream, add_partials_kernel<N, Table>, grid, embedding_threads, 0,
         sorted, dtable, partial, n, width);
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
/// ids add up in the order of their positions, in f32; their sum is added to
/// the table's row and rounded to its format once.
template <class T, class Table>
void embedding_backward(const Stream &stream, const int64_t *ids, const T *dy,
                        Table *dtable, int64_t n, int64_t width, int64_t rows,
                        bool accumulate) {
  using namespace detail;
  if (!accumulate)
    fill(stream, dtable, rows * width, 0.0f);
  const library::SortedIds sorted = library::sort_ids(stream, ids, n, rows);
  if (width % 4 == 0)
    add_rows<4>(stream, sorted, dy, dtable, n, width);
  else
    add_rows<1>(stream, sorted, dy, dtable, n, width);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_EMBEDDING_CUH
