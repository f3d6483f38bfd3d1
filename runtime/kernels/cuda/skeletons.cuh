//===- skeletons.cuh - Grids that run fused kernels -----------------------===//
//
// The CUDA side of kernels/cpu/skeletons.h: the same functors, run for packs of
// 8 neighbouring elements where the width allows, else for single ones.
//
//   map(stream, k, n)                element-wise over n elements
//   rows<Cols>(stream, k, rows)      per row: element-wise steps and reductions
//   columns(stream, k, rows, cols)   reductions over rows
//   sum(stream, k, n, out)           one number from n elements
//
// Sums over many rows or over everything have two steps: blocks write partial
// sums to the workspace, a second launch adds them in order. No floating-point
// atomics: results do not depend on which block runs first.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_SKELETONS_CUH
#define FP8C_KERNELS_CUDA_SKELETONS_CUH

#include "kernels/common/pitched.h"
#include "kernels/cuda/lanes.cuh"
#include "kernels/cuda/launch.cuh"

namespace fp8c {
namespace detail {

constexpr int warp_size = 32;
constexpr int pack_size = 8;
constexpr unsigned all_lanes = 0xffffffffu;

/// Adds statistics to those of the tensor. Most change nothing there, and then
/// no atomic write is needed.
FP8C_INLINE void merge(const Stats &local, Stats *stats) {
  if (local.amax_bits >
      *reinterpret_cast<volatile uint32_t *>(&stats->amax_bits))
    atomicMax(&stats->amax_bits, local.amax_bits);
  if (local.saturated)
    atomicAdd(&stats->saturated, local.saturated);
  if (local.nonfinite)
    atomicAdd(&stats->nonfinite, local.nonfinite);
}

/// Adds the statistics of a warp's threads.
FP8C_INLINE void commit(const Amax &local, Stats *stats) {
  Stats warp = {__reduce_max_sync(all_lanes, local.amax_bits), 0, 0};
  if (__any_sync(all_lanes, local.saturated | local.nonfinite)) {
    warp.saturated = __reduce_add_sync(all_lanes, local.saturated);
    warp.nonfinite = __reduce_add_sync(all_lanes, local.nonfinite);
  }
  if (threadIdx.x % warp_size == 0)
    merge(warp, stats);
}

FP8C_INLINE float total(float x) { return x; }
template <int N> FP8C_INLINE float total(const Pack<N> &x) {
  float t[N];
#pragma unroll
  for (int i = 0; i < N; ++i)
    t[i] = x.v[i];
#pragma unroll
  for (int half = N / 2; half > 0; half /= 2)
#pragma unroll
    for (int i = 0; i < half; ++i)
      t[i] += t[i + half];
  return t[0];
}
FP8C_INLINE float largest(float x) { return x; }
template <int N> FP8C_INLINE float largest(const Pack<N> &x) {
  float m = x.v[0];
#pragma unroll
  for (int i = 1; i < N; ++i)
    m = max(m, x.v[i]);
  return m;
}

template <class Combine>
FP8C_INLINE float warp_reduce(float x, const Combine &combine) {
#pragma unroll
  for (int distance = warp_size / 2; distance > 0; distance /= 2)
    x = combine(x, __shfl_xor_sync(all_lanes, x, distance));
  return x;
}

/// Waits for the first `Threads` threads of the block. (Barrier 0 is that of
/// __syncthreads, for all threads.)
template <int Threads> FP8C_INLINE void sync_team() {
  asm volatile("bar.sync 1, %0;" ::"n"(Threads) : "memory");
}

/// Reduces over a team of `Threads` threads: a warp, or the first threads of
/// the block.
template <int Threads, class Combine>
FP8C_INLINE float team_reduce(float x, const Combine &combine) {
  x = warp_reduce(x, combine);
  if constexpr (Threads > warp_size) {
    constexpr int warps = Threads / warp_size;
    __shared__ float partial[warps];
    sync_team<Threads>(); // of an earlier reduction's reads
    if (threadIdx.x % warp_size == 0)
      partial[threadIdx.x / warp_size] = x;
    sync_team<Threads>();
    x = partial[0];
#pragma unroll
    for (int i = 1; i < warps; ++i)
      x = combine(x, partial[i]);
  }
  return x;
}

/// The sum of a number per thread, in a fixed order; thread 0 has it.
template <int Threads> FP8C_INLINE double block_total(double x) {
  __shared__ double lanes[Threads];
  lanes[threadIdx.x] = x;
  __syncthreads();
  for (int half = Threads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half)
      lanes[threadIdx.x] += lanes[threadIdx.x + half];
    __syncthreads();
  }
  return lanes[0];
}

/// Position of a thread's element(s): a number, or an Index.
template <int N> struct Position {
  static FP8C_INLINE Index<N> at(int64_t i) { return {i}; }
};
template <> struct Position<1> {
  static FP8C_INLINE int64_t at(int64_t i) { return i; }
};

/// Where i stands when it is moved on by `offset`.
FP8C_INLINE int64_t shifted(int64_t offset, int64_t i) { return offset + i; }
template <int N> FP8C_INLINE Index<N> shifted(int64_t offset, Index<N> i) {
  return offset + i;
}

} // namespace detail

/// Statistics start from nothing.
inline void clear(const Stream &stream, Stats *stats) {
  if (!stream.planning())
    check(cudaMemsetAsync(stats, 0, sizeof(Stats), stream.handle()),
          "cannot clear statistics");
}

//===----------------------------------------------------------------------===//
// map
//===----------------------------------------------------------------------===//

namespace detail {

/// The elements of a flat tensor that one thread works on: every `step`th pack.
template <int N> struct Chunk {
  int64_t first, size, step;

  template <class I> FP8C_INLINE I at(I i) const { return i; }

  template <class F> FP8C_INLINE void each(const F &f) const {
#pragma unroll 2
    for (int64_t i = first; i < size; i += step)
      f(Position<N>::at(i));
  }
  FP8C_INLINE void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, stats);
  }
};

template <int N, class K> __global__ void map_kernel(K k, int64_t n) {
  Chunk<N> chunk{(int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N, n,
                 int64_t(gridDim.x) * blockDim.x * N};
  k(chunk);
}

} // namespace detail

template <class K> void map(const Stream &stream, const K &k, int64_t n) {
  using namespace detail;
  constexpr int threads = 256, packs = 2;
  if (n % pack_size == 0)
    launch(stream, map_kernel<pack_size, K>,
           blocks_for(n, threads * pack_size * packs), threads, 0, k, n);
  else
    launch(stream, map_kernel<1, K>, blocks_for(n, threads), threads, 0, k, n);
}

//===----------------------------------------------------------------------===//
// rows
//===----------------------------------------------------------------------===//

namespace detail {

/// One row of a row-major matrix, worked on by a team of threads.
template <int Cols, int N, int Threads> struct Row {
  int64_t index;
  int lane;
  static constexpr int64_t cols = Cols;
  static constexpr int stride = N * Threads;
  static constexpr int trips = (Cols + stride - 1) / stride;

  template <class I> FP8C_INLINE auto at(I j) const {
    return shifted(index * cols, j);
  }
  template <class I, class Pitched> FP8C_INLINE auto at(I j, Pitched) const {
    return shifted(Pitched::start(index, cols), j);
  }

  template <class F> FP8C_INLINE void each(const F &f) const {
#pragma unroll(trips <= 8 ? trips : 4)
    for (int t = 0; t < trips; ++t) {
      const int j = t * stride + lane * N;
      if (Cols % stride == 0 || j < Cols)
        f(Position<N>::at(j));
    }
  }
  template <class F> FP8C_INLINE float sum(const F &f) const {
    float s = 0.0f;
    each([&](auto j) { s += total(f(j)); });
    return team_reduce<Threads>(s, [](float a, float b) { return a + b; });
  }
  template <class F> FP8C_INLINE float max(const F &f) const {
    float m = -INFINITY;
    each([&](auto j) { m = fp8c::max(m, largest(f(j))); });
    return team_reduce<Threads>(
        m, [](float a, float b) { return fp8c::max(a, b); });
  }
  FP8C_INLINE void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, stats);
  }
};

/// Threads of one row: a warp where its share of the row fits in registers.
template <int Cols, int N> constexpr int team_size() {
  constexpr int packs = (Cols + N - 1) / N;
  constexpr int warps = (packs + 2 * warp_size - 1) / (2 * warp_size);
  return packs <= 4 * warp_size ? warp_size
                                : (warps < 32 ? warps : 32) * warp_size;
}

template <int Cols, int N, int Threads, class K>
__global__ void rows_kernel(K k, int64_t rows) {
  if constexpr (Threads > warp_size) {
    Row<Cols, N, Threads> row{blockIdx.x, int(threadIdx.x)};
    k(row);
  } else {
    const int64_t warps = blockDim.x / warp_size;
    const int64_t i = blockIdx.x * warps + threadIdx.x / warp_size;
    if (i >= rows)
      return;
    Row<Cols, N, Threads> row{i, int(threadIdx.x % warp_size)};
    k(row);
  }
}

} // namespace detail

template <int Cols, class K>
void rows(const Stream &stream, const K &k, int64_t rows) {
  using namespace detail;
  constexpr int N = Cols % pack_size == 0 ? pack_size : 1;
  constexpr int threads = team_size<Cols, N>();
  if constexpr (threads > warp_size)
    launch(stream, rows_kernel<Cols, N, threads, K>, unsigned(rows), threads, 0,
           k, rows);
  else
    launch(stream, rows_kernel<Cols, N, threads, K>, blocks_for(rows, 8),
           8 * warp_size, 0, k, rows);
}

//===----------------------------------------------------------------------===//
// columns
//===----------------------------------------------------------------------===//

namespace detail {

/// Columns that a block works on, and how many threads share one.
constexpr int column_lanes = 32, row_lanes = 8;

/// The sum over threadIdx.y, in order; threads of the first lane have it.
template <int Lanes, class V> FP8C_INLINE V add_lanes(V s) {
  __shared__ V lanes[Lanes][column_lanes];
  __syncthreads(); // of an earlier sum's reads
  lanes[threadIdx.y][threadIdx.x] = s;
  __syncthreads();
  if (threadIdx.y == 0)
#pragma unroll
    for (int l = 1; l < Lanes; ++l)
      s = s + lanes[l][threadIdx.x];
  return s;
}

/// A slab of rows of a few neighbouring columns; partial sums go to
/// `partials[sum of the functor][slab][cols]`.
template <int N> struct Slab {
  int64_t rows, cols; ///< of the matrix
  int64_t begin, end; ///< rows of the slab
  float *partials;
  int64_t slabs;
  int sums;

  template <class I> FP8C_INLINE I at(int64_t i, I j) const {
    return shifted(i * cols, j);
  }

  template <class T, class F> FP8C_INLINE void sum(T *, bool, const F &f) {
    const int64_t j = (int64_t(blockIdx.x) * column_lanes + threadIdx.x) * N;
    Pack<N> s{};
    if (j < cols)
#pragma unroll 4
      for (int64_t i = begin + threadIdx.y; i < end; i += row_lanes)
        s = added(s, f(i, Position<N>::at(j)));
    s = add_lanes<row_lanes>(s);
    if (threadIdx.y == 0 && j < cols) {
      float *out = partials + (sums * slabs + blockIdx.y) * cols + j;
#pragma unroll
      for (int l = 0; l < N; ++l)
        out[l] = s.v[l];
    }
    ++sums;
  }

private:
  static FP8C_INLINE Pack<N> added(const Pack<N> &s, const Pack<N> &x) {
    return s + x;
  }
  static FP8C_INLINE Pack<N> added(const Pack<N> &s, float x) { return s + x; }
};

/// Adds the partial sums of one column in order.
struct SlabTotal {
  int64_t cols, j;
  const float *partials;
  int64_t slabs;
  int sums;

  template <class T, class F>
  FP8C_INLINE void sum(T *dst, bool accumulate, const F &) {
    const float *p = partials + sums * slabs * cols + j;
    float s = 0.0f;
#pragma unroll 8
    for (int64_t i = 0; i < slabs; ++i)
      s += p[i * cols];
    store(dst, j, accumulate ? load(dst, j) + s : s);
    ++sums;
  }
  int64_t rows = 0;
  template <class I> FP8C_INLINE I at(int64_t, I j) const { return j; }
};

template <int N, class K>
__global__ void columns_kernel(K k, int64_t rows, int64_t cols,
                               int64_t rows_per_slab, float *partials) {
  const int64_t begin = blockIdx.y * rows_per_slab;
  const int64_t end = begin + rows_per_slab;
  Slab<N> slab{rows,     cols,      begin, end < rows ? end : rows,
               partials, gridDim.y, 0};
  k(slab);
}

template <class K>
__global__ void columns_total_kernel(K k, int64_t cols, const float *partials,
                                     int64_t slabs) {
  const int64_t j = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (j >= cols)
    return;
  SlabTotal total{cols, j, partials, slabs, 0};
  k(total);
}

/// Sums that one functor may have.
constexpr int max_column_sums = 4;

/// All rows of 32 columns, few enough for one block: no second launch.
constexpr int few_rows = 2048, few_cols = 1 << 14, few_row_lanes = 32;
struct FewRows {
  int64_t rows, cols;
  int64_t first_col;

  FP8C_INLINE int64_t at(int64_t i, int64_t j) const { return i * cols + j; }

  template <class T, class F>
  FP8C_INLINE void sum(T *dst, bool accumulate, const F &f) {
    const int64_t j = first_col + threadIdx.x;
    float s = 0.0f;
    if (j < cols)
#pragma unroll 8
      for (int64_t i = threadIdx.y; i < rows; i += few_row_lanes)
        s += f(i, j);
    s = add_lanes<few_row_lanes>(s);
    if (threadIdx.y == 0 && j < cols)
      store(dst, j, accumulate ? load(dst, j) + s : s);
  }
};

template <class K>
__global__ void few_rows_kernel(K k, int64_t rows, int64_t cols) {
  FewRows block{rows, cols, int64_t(blockIdx.x) * column_lanes};
  k(block);
}

} // namespace detail

template <class K>
void columns(const Stream &stream, const K &k, int64_t rows, int64_t cols) {
  using namespace detail;
  if (rows <= few_rows && cols <= few_cols) {
    launch(stream, few_rows_kernel<K>, blocks_for(cols, column_lanes),
           dim3(column_lanes, few_row_lanes), 0, k, rows, cols);
    return;
  }
  // Slabs of at least 64 rows, as many as fill the device.
  const bool wide = cols % pack_size == 0;
  const int64_t across = column_lanes * (wide ? pack_size : 1);
  const int64_t column_blocks = (cols + across - 1) / across;
  int64_t slabs = 2048 / column_blocks;
  slabs = slabs < 1 ? 1 : slabs > 512 ? 512 : slabs;
  int64_t rows_per_slab = (rows + slabs - 1) / slabs;
  rows_per_slab = rows_per_slab < 64 ? 64 : rows_per_slab;
  slabs = (rows + rows_per_slab - 1) / rows_per_slab;
  float *partials =
      stream.workspace<float>(max_column_sums * slabs * cols * sizeof(float));
  const dim3 grid(column_blocks, slabs), block(column_lanes, row_lanes);
  if (wide)
    launch(stream, columns_kernel<pack_size, K>, grid, block, 0, k, rows, cols,
           rows_per_slab, partials);
  else
    launch(stream, columns_kernel<1, K>, grid, block, 0, k, rows, cols,
           rows_per_slab, partials);
  launch(stream, columns_total_kernel<K>, blocks_for(cols, 128), 128, 0, k,
         cols, static_cast<const float *>(partials), slabs);
}

//===----------------------------------------------------------------------===//
// sum
//===----------------------------------------------------------------------===//

namespace detail {

constexpr int sum_threads = 256, sum_blocks = 1024;

template <int N, class K>
__global__ void sum_kernel(K k, int64_t n, double *partials) {
  const int64_t step = int64_t(gridDim.x) * sum_threads * N;
  float s = 0.0f;
#pragma unroll 4
  for (int64_t i = (int64_t(blockIdx.x) * sum_threads + threadIdx.x) * N; i < n;
       i += step)
    s += total(k(Position<N>::at(i)));
  s = team_reduce<sum_threads>(s, [](float a, float b) { return a + b; });
  if (threadIdx.x == 0)
    partials[blockIdx.x] = s;
}

static __global__ void sum_total_kernel(const double *partials, int blocks,
                                        float *out, bool accumulate) {
  double s = 0.0;
  for (int i = threadIdx.x; i < blocks; i += sum_threads)
    s += partials[i];
  s = block_total<sum_threads>(s);
  if (threadIdx.x == 0)
    *out = float(accumulate ? *out + s : s);
}

} // namespace detail

/// *out (+)= the sum of k(i). Blocks sum in float, their sums add in double.
template <class K>
void sum(const Stream &stream, const K &k, int64_t n, float *out,
         bool accumulate = false) {
  using namespace detail;
  const bool wide = n % pack_size == 0;
  const int64_t per_block = sum_threads * (wide ? pack_size : 1) * 4;
  const int64_t wanted = (n + per_block - 1) / per_block;
  const int blocks = int(wanted < sum_blocks ? wanted : sum_blocks);
  double *partials = stream.workspace<double>(sum_blocks * sizeof(double));
  if (wide)
    launch(stream, sum_kernel<pack_size, K>, blocks, sum_threads, 0, k, n,
           partials);
  else
    launch(stream, sum_kernel<1, K>, blocks, sum_threads, 0, k, n, partials);
  launch(stream, sum_total_kernel, 1, sum_threads, 0,
         static_cast<const double *>(partials), blocks, out, accumulate);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_SKELETONS_CUH
