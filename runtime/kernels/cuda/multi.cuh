//===- multi.cuh - One launch for many tensors ----------------------------===//
//
//   map_multi(stream, k, sizes, count)           element-wise over each tensor
//   columns_multi(stream, k, rows, cols, count)  reductions over rows of each
//   sum_multi(stream, k, sizes, out, count)      one number from each tensor
//
// Tensors are cut into pieces of one size, matrices into columns; a block takes
// one piece. Which tensor it is of a block finds in a table that is written to
// the device once.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_MULTI_CUH
#define FP8C_KERNELS_CUDA_MULTI_CUH

#include "kernels/cuda/skeletons.cuh"

#include <vector>

namespace fp8c {
namespace detail {

constexpr int multi_threads = 256;
constexpr int64_t multi_piece = multi_threads * pack_size * 4;

/// A functor, the size of its tensor, and its first block.
template <class K> struct MultiEntry {
  K k;
  int64_t size;
  int64_t first;
};

/// The entries, and one more that only says how many blocks there are.
template <class K>
std::vector<MultiEntry<K>> multi_table(const K *k, const int64_t *sizes,
                                       int64_t count) {
  std::vector<MultiEntry<K>> table;
  int64_t blocks = 0;
  for (int64_t t = 0; t < count; ++t) {
    table.push_back({k[t], sizes[t], blocks});
    blocks += (sizes[t] + multi_piece - 1) / multi_piece;
  }
  table.push_back({k[0], 0, blocks});
  return table;
}

/// The entry that block or tile `index` of a launch belongs to.
template <class Entry>
FP8C_INLINE const Entry &find_entry(const Entry *table, int count,
                                    int64_t index) {
  int low = 0, high = count; // the entry is in [low, high)
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table[middle].first <= index)
      low = middle;
    else
      high = middle;
  }
  return table[low];
}

template <int N, class K>
FP8C_INLINE void map_piece(const K &k, int64_t first, int64_t last) {
  Chunk<N> chunk{first + int64_t(threadIdx.x) * N, last, multi_threads * N};
  k(chunk);
}

template <class K>
__global__ void map_multi_kernel(const MultiEntry<K> *table, int count) {
  const MultiEntry<K> &entry = find_entry(table, count, blockIdx.x);
  const int64_t first = (blockIdx.x - entry.first) * multi_piece;
  const int64_t last =
      first + multi_piece < entry.size ? first + multi_piece : entry.size;
  if (entry.size % pack_size == 0)
    map_piece<pack_size>(entry.k, first, last);
  else
    map_piece<1>(entry.k, first, last);
}

/// A functor, its matrix, and the first block or tile of it. One more entry
/// only says how many there are.
template <class K> struct MatrixEntry {
  K k;
  int64_t rows, cols;
  int64_t first;
};

/// The entries, and that last one. pieces(rows, cols): how many blocks or tiles
/// a matrix has.
template <class K, class Pieces>
std::vector<MatrixEntry<K>> matrix_table(const K *k, const int64_t *rows,
                                         const int64_t *cols, int64_t count,
                                         const Pieces &pieces) {
  std::vector<MatrixEntry<K>> table;
  int64_t first = 0;
  for (int64_t t = 0; t < count; ++t) {
    table.push_back({k[t], rows[t], cols[t], first});
    first += pieces(rows[t], cols[t]);
  }
  table.push_back({k[0], 0, 0, first});
  return table;
}

template <class K>
__global__ void columns_multi_kernel(const MatrixEntry<K> *table, int count) {
  const MatrixEntry<K> &entry = find_entry(table, count, blockIdx.x);
  FewRows block{entry.rows, entry.cols,
                int64_t(blockIdx.x - entry.first) * column_lanes};
  entry.k(block);
}

template <int N, class K>
FP8C_INLINE float sum_piece(const K &k, int64_t first, int64_t last) {
  float s = 0.0f;
#pragma unroll 4
  for (int64_t i = first + int64_t(threadIdx.x) * N; i < last;
       i += multi_threads * N)
    s += total(k(Position<N>::at(i)));
  return s;
}

template <class K>
__global__ void sum_multi_kernel(const MultiEntry<K> *table, int count,
                                 double *partials) {
  const MultiEntry<K> &entry = find_entry(table, count, blockIdx.x);
  const int64_t first = (blockIdx.x - entry.first) * multi_piece;
  const int64_t last =
      first + multi_piece < entry.size ? first + multi_piece : entry.size;
  float s = entry.size % pack_size == 0
                ? sum_piece<pack_size>(entry.k, first, last)
                : sum_piece<1>(entry.k, first, last);
  s = team_reduce<multi_threads>(s, [](float a, float b) { return a + b; });
  if (threadIdx.x == 0)
    partials[blockIdx.x] = s;
}

/// A block adds up the pieces of one tensor.
template <class K>
__global__ void sum_multi_total_kernel(const MultiEntry<K> *table,
                                       float *const *out,
                                       const double *partials) {
  const int64_t first = table[blockIdx.x].first;
  const int64_t last = table[blockIdx.x + 1].first;
  double s = 0.0;
  for (int64_t i = first + threadIdx.x; i < last; i += multi_threads)
    s += partials[i];
  s = block_total<multi_threads>(s);
  if (threadIdx.x == 0)
    *out[blockIdx.x] = float(s);
}

} // namespace detail

template <class K>
void map_multi(const Stream &stream, const K *k, const int64_t *sizes,
               int64_t count) {
  using namespace detail;
  const auto entries = multi_table(k, sizes, count);
  const MultiEntry<K> *table = stream.table(entries);
  launch(stream, map_multi_kernel<K>, unsigned(entries.back().first),
         multi_threads, 0, table, int(count));
}

template <class K>
void columns_multi(const Stream &stream, const K *k, const int64_t *rows,
                   const int64_t *cols, int64_t count) {
  using namespace detail;
  const auto entries =
      matrix_table(k, rows, cols, count, [](int64_t, int64_t cols) {
        return int64_t(blocks_for(cols, column_lanes));
      });
  launch(stream, columns_multi_kernel<K>, unsigned(entries.back().first),
         dim3(column_lanes, few_row_lanes), 0, stream.table(entries),
         int(count));
}

template <class K>
void sum_multi(const Stream &stream, const K *k, const int64_t *sizes,
               float *const *out, int64_t count) {
  using namespace detail;
  const auto entries = multi_table(k, sizes, count);
  const MultiEntry<K> *table = stream.table(entries);
  float *const *outs = stream.table(std::vector<float *>(out, out + count));
  const int64_t blocks = entries.back().first;
  double *partials = stream.workspace<double>(blocks * sizeof(double));
  launch(stream, sum_multi_kernel<K>, unsigned(blocks), multi_threads, 0, table,
         int(count), partials);
  launch(stream, sum_multi_total_kernel<K>, unsigned(count), multi_threads, 0,
         table, outs, static_cast<const double *>(partials));
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_MULTI_CUH
