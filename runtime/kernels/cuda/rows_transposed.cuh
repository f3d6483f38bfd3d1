//===- rows_transposed.cuh - Row kernels that also write a transposed copy ===//
//
//   rows_transposed<Cols, WholeRows, Copies>(stream, k, rows)
//
// As rows, for functors that call row.store_transposed(p, j, code, copy) with
// FP8 codes, for copies 0 to Copies - 1. A block works on 32 rows: their codes
// gather in shared memory, from where they go out as 16 bytes down a column.
// Where nothing is reduced over rows, blocks take a part of the columns.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_ROWS_TRANSPOSED_CUH
#define FP8C_KERNELS_CUDA_ROWS_TRANSPOSED_CUH

#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

/// Columns that a block works on.
template <int Cols, bool WholeRows> constexpr int tile_cols() {
  if (WholeRows || Cols <= 1280)
    return Cols;
  int best = Cols;
  for (int c = warp_size * pack_size; c <= 1280; c += pack_size)
    // Full warps before wide tiles.
    if (Cols % c == 0 && (best == Cols || best % 256 || c % 256 == 0))
      best = c;
  return best;
}

/// Rows that a block works on: 32, unless they do not fit.
template <int TileCols, int Copies> constexpr int tile_rows() {
  static_assert(TileCols * Copies <= 12288, "more than shared memory holds");
  return TileCols * Copies <= 6144 ? 32 : 16;
}

/// One row, worked on by a warp, of which a block has some columns.
template <int Cols, int TileCols, int Rows> struct TileRow {
  static constexpr int N = pack_size, pitch = TileCols + 4;
  static constexpr int stride = N * warp_size;
  static constexpr int trips = (TileCols + stride - 1) / stride;
  static constexpr int64_t cols = Cols;

  int64_t index;
  int first_col, lane;
  unsigned char *tile; ///< this row of the first copy's
  unsigned char **transposed; ///< where each copy goes

  template <class I> FP8C_INLINE auto at(I j) const {
    return shifted(index * cols, j);
  }
  template <class F> FP8C_INLINE void each(const F &f) const {
#pragma unroll(trips <= 8 ? trips : 4)
    for (int t = 0; t < trips; ++t) {
      const int j = t * stride + lane * N;
      if (TileCols % stride == 0 || j < TileCols)
        f(Index<N>{first_col + j});
    }
  }
  template <class F> FP8C_INLINE float sum(const F &f) const {
    float s = 0.0f;
    each([&](auto j) { s += total(f(j)); });
    return warp_reduce(s, [](float a, float b) { return a + b; });
  }
  template <class F> FP8C_INLINE float max(const F &f) const {
    float m = -INFINITY;
    each([&](auto j) { m = fp8c::max(m, largest(f(j))); });
    return warp_reduce(m, [](float a, float b) { return fp8c::max(a, b); });
  }
  FP8C_INLINE void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, stats);
  }

  /// The codes of elements j.. of the row, into column index of rows j.. of p,
  /// which is one for each `copy`.
  template <class T>
  FP8C_INLINE void store_transposed(T *p, Index<N> j, const Codes<T, N> &codes,
                                    int copy = 0) const {
    static_assert(sizeof(T) == 1, "FP8 codes");
    union {
      Codes<T, N> codes;
      uint32_t words[2];
    } u;
    u.codes = codes;
    auto *to = reinterpret_cast<uint32_t *>(tile + copy * Rows * pitch +
                                            (j.first - first_col));
    to[0] = u.words[0];
    to[1] = u.words[1];
    if (lane == 0)
      transposed[copy] = reinterpret_cast<unsigned char *>(p);
  }
};

/// Four words, byte by byte: word i of the result has byte i of each.
FP8C_INLINE void transpose4(const uint32_t (&in)[4], uint32_t (&out)[4]) {
  const uint32_t low01 = __byte_perm(in[0], in[1], 0x5140);
  const uint32_t high01 = __byte_perm(in[0], in[1], 0x7362);
  const uint32_t low23 = __byte_perm(in[2], in[3], 0x5140);
  const uint32_t high23 = __byte_perm(in[2], in[3], 0x7362);
  out[0] = __byte_perm(low01, low23, 0x5410);
  out[1] = __byte_perm(low01, low23, 0x7632);
  out[2] = __byte_perm(high01, high23, 0x5410);
  out[3] = __byte_perm(high01, high23, 0x7632);
}

template <int Cols, int TileCols, int Rows, int Copies, int Threads, class K>
__global__ void __launch_bounds__(Threads)
    rows_transposed_kernel(K k, int64_t rows) {
  using Row = TileRow<Cols, TileCols, Rows>;
  extern __shared__ __align__(16) unsigned char tile[];
  __shared__ unsigned char *transposed[Copies];
  const int warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  const int64_t first_row = int64_t(blockIdx.x) * Rows;
  const int first_col = blockIdx.y * TileCols;
  for (int r = warp; r < Rows; r += Threads / warp_size) {
    if (first_row + r >= rows)
      break;
    Row row{first_row + r, first_col, lane, tile + r * Row::pitch, transposed};
    k(row);
  }
  __syncthreads();

  // A thread moves 16 rows of 4 columns; neighbours take the rows of one sector.
  constexpr int parts = Rows / 16, units = TileCols / 4 * parts;
  for (int u = threadIdx.x; u < Copies * units; u += Threads) {
    const int copy = Copies == 1 ? 0 : u / units, unit = u - copy * units;
    const int part = unit % parts, group = unit / parts;
    if (first_row + 16 * part >= rows)
      continue;
    uint32_t columns[4][4];
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      uint32_t in[4], out[4];
#pragma unroll
      for (int i = 0; i < 4; ++i)
        in[i] = *reinterpret_cast<const uint32_t *>(
            tile + (copy * Rows + 16 * part + 4 * q + i) * Row::pitch +
            4 * group);
      transpose4(in, out);
#pragma unroll
      for (int c = 0; c < 4; ++c)
        columns[c][q] = out[c];
    }
#pragma unroll
    for (int c = 0; c < 4; ++c)
      *reinterpret_cast<uint4 *>(
          transposed[copy] + (first_col + 4 * group + c) * rows + first_row +
          16 * part) = uint4{columns[c][0], columns[c][1], columns[c][2],
                             columns[c][3]};
  }
}

} // namespace detail

template <int Cols, bool WholeRows, int Copies = 1, class K>
void rows_transposed(const Stream &stream, const K &k, int64_t rows) {
  using namespace detail;
  static_assert(Cols % 16 == 0, "FP8 dimensions are multiples of 16");
  if (rows % 16)
    throw std::runtime_error("a transposed FP8 copy of " +
                             std::to_string(rows) +
                             " rows: FP8 needs multiples of 16");
  constexpr int cols = tile_cols<Cols, WholeRows>();
  constexpr int height = tile_rows<cols, Copies>();
  constexpr int bytes = Copies * height * TileRow<Cols, cols, height>::pitch;
  constexpr int threads = bytes <= 56 * 1024 ? 256 : 512;
  launch(stream, rows_transposed_kernel<Cols, cols, height, Copies, threads, K>,
         dim3(blocks_for(rows, height), Cols / cols), threads, bytes, k, rows);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_ROWS_TRANSPOSED_CUH
