//===- tile.cuh - What kernels on tiles of rows have in common ------------===//
//
// FP8 products read both operands along the contracted dimension, so that most
// FP8 tensors are written twice, once transposed. Codes of a tile gather in
// shared memory, from where they go out as 16 bytes down a column. Sums over
// the rows of a tile (biases' and gains' gradients) stay in the threads'
// registers until the tile is done.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_TILE_CUH
#define FP8C_KERNELS_CUDA_TILE_CUH

#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

/// An index that knows in which step of the team it comes.
struct TileIndex : Index<pack_size> {
  int trip;
};

/// Where a row starts of what is given by a pointer, or by a Pitched one.
template <class T>
FP8C_INLINE const T *row_start(const T *p, int64_t row, int64_t cols) {
  return p + row * cols;
}
template <class P>
FP8C_INLINE auto row_start(const P &p, int64_t row, int64_t cols)
    -> decltype(p.row(row, cols)) {
  return p.row(row, cols);
}

/// Asks for the cache line at p.
FP8C_INLINE void prefetch(const void *p) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}

/// What a thread adds up over its rows. Slots that a functor does not use
/// vanish when it is compiled.
template <int Trips> struct PartialSums {
  static constexpr int max_slots = 4;
  float sums[max_slots][Trips][pack_size];
  float *targets[max_slots];

  /// Adds v to the sums of columns j...
  template <int I>
  FP8C_INLINE void add(float *target, TileIndex j, const Pack<pack_size> &v) {
    targets[I] = target;
#pragma unroll
    for (int l = 0; l < pack_size; ++l)
      sums[I][j.trip][l] += v.v[l];
  }
};

/// The codes of a pack, into the shared memory of a tile.
template <class T>
FP8C_INLINE void put_codes(unsigned char *to,
                           const Codes<T, pack_size> &codes) {
  static_assert(sizeof(T) == 1, "FP8 codes");
  auto *words = reinterpret_cast<uint32_t *>(to);
  words[0] = codes.words[0];
  words[1] = codes.words[1];
}

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

/// Writes the tile, `Rows` rows of `width` bytes, to the transposed matrix of
/// `rows` columns. A thread moves 16 rows of 4 columns; neighbours take the
/// rows of one sector.
template <int Rows, int Pitch>
FP8C_INLINE void write_transposed(const unsigned char *tile, unsigned char *p,
                                  int64_t first_row, int64_t first_col,
                                  int width, int64_t rows) {
  constexpr int parts = Rows / 16;
  for (int unit = threadIdx.x; unit < width / 4 * parts; unit += blockDim.x) {
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
            tile + (16 * part + 4 * q + i) * Pitch + 4 * group);
      transpose4(in, out);
#pragma unroll
      for (int c = 0; c < 4; ++c)
        columns[c][q] = out[c];
    }
#pragma unroll
    for (int c = 0; c < 4; ++c)
      *reinterpret_cast<uint4 *>(p + (first_col + 4 * group + c) * rows +
                                 first_row + 16 * part) =
          uint4{columns[c][0], columns[c][1], columns[c][2], columns[c][3]};
  }
}

/// Teams add their sums of a slot in order; the tile's go to `target`.
template <int Width, int Team, int Trips>
FP8C_INLINE void write_sums(const float (&partial)[Trips][pack_size],
                            float *sums, float *target, int team, int teams,
                            int lane, int width) {
  for (int turn = 0; turn < teams; ++turn) {
    if (team == turn)
#pragma unroll
      for (int t = 0; t < Trips; ++t) {
        const int j = (t * Team + lane) * pack_size;
        if (j < Width)
#pragma unroll
          for (int l = 0; l < pack_size; ++l)
            sums[j + l] = turn ? sums[j + l] + partial[t][l] : partial[t][l];
      }
    __syncthreads();
  }
  for (int j = 4 * threadIdx.x; j < width; j += 4 * blockDim.x)
    *reinterpret_cast<float4 *>(target + j) =
        *reinterpret_cast<const float4 *>(sums + j);
  __syncthreads();
}

/// Threads take packs of columns, and transposed copies are written 16 rows at
/// a time.
inline void check_tile(int copies, int64_t rows, int64_t cols) {
  if ((copies && rows % 16) || cols % pack_size)
    throw std::runtime_error(
        "a kernel on tiles of " + std::to_string(rows) + " x " +
        std::to_string(cols) + ": FP8 copies need rows that are multiples of " +
        "16, and all need columns that are multiples of 8");
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_TILE_CUH
