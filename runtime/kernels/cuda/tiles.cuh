//===- tiles.cuh - Element-wise kernels on tiles of a matrix --------------===//
//
//   tiles<Copies, BlockRows>(stream, k, rows, cols)           one matrix
//   tiles_multi<Copies, BlockRows>(stream, k, rows, cols, n)  n in one launch
//
// For row functors that reduce nothing over a row, and may besides
//
//   row.store_transposed(p, j, codes, copy)  write FP8 codes to transposed
//                                            matrices, `Copies` of them
//   row.partial_sum(Slot<I>{}, p, j, v)      sum over every BlockRows rows
//
// A block calls the functor once for a tile of BlockRows rows and 256 columns:
// what stands outside of row.each is done once per tile.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_TILES_CUH
#define FP8C_KERNELS_CUDA_TILES_CUH

#include "kernels/cuda/multi.cuh"
#include "kernels/cuda/tile.cuh"

namespace fp8c {
namespace detail {

constexpr int tile_warps = 8, tile_threads = tile_warps * warp_size;
constexpr int tile_cols = warp_size * pack_size;

/// Shared memory of a block, and what its threads note for the tile's end.
template <int Copies, int Rows> struct TileStorage {
  static constexpr int pitch = int(tile_pitch(tile_cols));
  union {
    unsigned char codes[Copies ? Copies : 1][Rows * pitch];
    float sums[tile_cols];
  };
  unsigned char *transposed[Copies + 1];
  float *targets[PartialSums<1>::max_slots];
};

/// A tile of a matrix of `rows` x `cols`: a warp for a row, in turn.
template <int Copies, int Rows> struct Tile {
  mutable int64_t index; ///< the row that `each` works on
  int64_t first_row, rows, first_col, cols;
  int team, lane;
  TileStorage<Copies, Rows> *storage;
  PartialSums<1> *partial;

  template <class I> FP8C_INLINE auto at(I j) const {
    return shifted(index * cols, j);
  }
  template <class I, class Pitched> FP8C_INLINE auto at(I j, Pitched) const {
    return shifted(Pitched::start(index, cols), j);
  }
  template <class F> FP8C_INLINE void each(const F &f) const {
    const int64_t j = first_col + lane * pack_size;
    if (j >= cols)
      return;
    const int64_t end = first_row + Rows < rows ? first_row + Rows : rows;
    for (index = first_row + team; index < end; index += tile_warps)
      f(TileIndex{{j}, 0});
  }
  /// Asks for what the warp will read at columns j.. of its next row.
  template <class... T>
  FP8C_INLINE void prefetch_next(TileIndex j, T... p) const {
    if (index + tile_warps < rows && index + tile_warps < first_row + Rows)
      (prefetch(row_start(p, index + tile_warps, cols) + j.first), ...);
  }
  FP8C_INLINE void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, stats);
  }
  /// The codes of columns j.. of the row, into rows j.. of column `index` of p.
  template <class T>
  FP8C_INLINE void store_transposed(T *p, TileIndex j,
                                    const Codes<T, pack_size> &codes,
                                    int copy = 0) const {
    put_codes(storage->codes[copy] + (index - first_row) * storage->pitch +
                  (j.first - first_col),
              codes);
    if (lane == 0)
      storage->transposed[copy] = reinterpret_cast<unsigned char *>(p);
  }
  /// Adds v to the sums, over the rows of the tile, of columns j...
  template <int I>
  FP8C_INLINE void partial_sum(Slot<I>, float *target, TileIndex j,
                               const Pack<pack_size> &v) const {
    partial->template add<I>(target, j, v);
  }
};

template <int Copies, int Rows, class K>
FP8C_INLINE void run_tile(const K &k, int64_t rows, int64_t cols,
                          int64_t row_block, int64_t col_block) {
  using Partial = PartialSums<1>;
  extern __shared__ __align__(16) unsigned char tile_storage[];
  auto &storage = *reinterpret_cast<TileStorage<Copies, Rows> *>(tile_storage);
  const int team = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  const int64_t first_row = row_block * Rows, first_col = col_block * tile_cols;
  const int width =
      int(cols - first_col < tile_cols ? cols - first_col : tile_cols);
  if (threadIdx.x < Partial::max_slots)
    storage.targets[threadIdx.x] = nullptr;
  __syncthreads();
  Partial partial = {};
  Tile<Copies, Rows> tile{first_row, first_row, rows,     first_col, cols,
                          team,      lane,      &storage, &partial};
  k(tile);
  __syncthreads();
#pragma unroll
  for (int copy = 0; copy < Copies; ++copy)
    write_transposed<Rows, storage.pitch>(storage.codes[copy],
                                          storage.transposed[copy], first_row,
                                          first_col, width, rows);
    // A warp without rows knows no targets. The codes' memory serves once more.
#pragma unroll
  for (int slot = 0; slot < Partial::max_slots; ++slot)
    if (partial.targets[slot] && lane == 0)
      storage.targets[slot] = partial.targets[slot];
  __syncthreads();
#pragma unroll
  for (int slot = 0; slot < Partial::max_slots; ++slot)
    if (storage.targets[slot])
      write_sums<tile_cols, warp_size>(partial.sums[slot], storage.sums,
                                       storage.targets[slot] +
                                           row_block * cols + first_col,
                                       team, tile_warps, lane, width);
}

/// Four blocks to a multiprocessor, at the price of some spilled sums: these
/// kernels wait for memory, and so for warps. Three or five take 5 to 10 %
/// longer (measured on H100, GELU's VJP). Updates have more values at a time:
/// two.
template <int Copies, int Rows, class K>
__global__ void __launch_bounds__(tile_threads, 4)
    tiles_kernel(K k, int64_t rows, int64_t cols) {
  run_tile<Copies, Rows>(k, rows, cols, blockIdx.x, blockIdx.y);
}

/// The functor comes by way of shared memory: its many pointers would be read
/// from global memory after every store, or fill the registers. One tile for a
/// block, although each then finds its entry and computes anew what a functor
/// does once: blocks that run together read and write neighbouring tiles, and
/// memory is a tenth faster than with four tiles one after the other.
template <int Copies, int Rows, class K>
__global__ void __launch_bounds__(tile_threads, 2)
    tiles_multi_kernel(const MatrixEntry<K> *table, int count) {
  __shared__ K k;
  static_assert(sizeof(K) % sizeof(uint32_t) == 0, "copied by words");
  const MatrixEntry<K> &entry = find_entry(table, count, int64_t(blockIdx.x));
  for (unsigned i = threadIdx.x; i < sizeof(K) / sizeof(uint32_t);
       i += tile_threads)
    reinterpret_cast<uint32_t *>(&k)[i] =
        reinterpret_cast<const uint32_t *>(&entry.k)[i];
  __syncthreads();
  const int64_t cols = entry.cols, place = blockIdx.x - entry.first;
  const int64_t across = (cols + tile_cols - 1) / tile_cols;
  run_tile<Copies, Rows>(k, entry.rows, cols, place / across, place % across);
}

} // namespace detail

template <int Copies, int BlockRows, class K>
void tiles(const Stream &stream, const K &k, int64_t rows, int64_t cols) {
  using namespace detail;
  check_tile(Copies, rows, cols);
  launch(stream, tiles_kernel<Copies, BlockRows, K>,
         dim3(blocks_for(rows, BlockRows), blocks_for(cols, tile_cols)),
         tile_threads, sizeof(TileStorage<Copies, BlockRows>), k, rows, cols);
}

template <int Copies, int BlockRows, class K>
void tiles_multi(const Stream &stream, const K *k, const int64_t *rows,
                 const int64_t *cols, int64_t count) {
  using namespace detail;
  const auto entries =
      matrix_table(k, rows, cols, count, [](int64_t rows, int64_t cols) {
        check_tile(Copies, rows, cols);
        return int64_t(blocks_for(rows, BlockRows)) *
               blocks_for(cols, tile_cols);
      });
  launch(stream, tiles_multi_kernel<Copies, BlockRows, K>,
         dim3(entries.back().first), tile_threads,
         sizeof(TileStorage<Copies, BlockRows>), stream.table(entries),
         int(count));
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_TILES_CUH
