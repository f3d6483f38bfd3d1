//===- quantize_tiles.cuh - Quantisation with a scale per tile ------------===//
//
// The CUDA side of kernels/cpu/quantize_tiles.h, with the same codes and
// inverse scales if these are powers of two. A block of threads takes 128 x 128
// elements into its registers, so that tiles up to this size are read once.
// Scales of whole rows and columns need their amaxes first, from a kernel that
// reads the matrix once more.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_QUANTIZE_TILES_CUH
#define FP8C_KERNELS_CUDA_QUANTIZE_TILES_CUH

#include "kernels/common/scale_state.h"
#include "kernels/common/tiles.h"
#include "kernels/cuda/tile.cuh"

#include <type_traits>

namespace fp8c {
namespace detail {

/// Rows and columns of what a block of threads quantises.
constexpr int region = 128;
constexpr int region_threads = 256;

/// What shares a scale, and whether its amax is known before.
enum class Tiles { across, down, square, whole_rows, whole_columns };

template <int N> FP8C_INLINE uint32_t finite_amax(const Pack<N> &x) {
  uint32_t m = 0;
#pragma unroll
  for (int i = 0; i < N; ++i)
    m = ::max(m, finite_magnitude_bits(x.v[i]));
  return m;
}

/// The part of a region that a thread holds: eight rows of eight columns, in
/// the format in which they are stored, to have more threads. Half a warp holds
/// whole rows.
template <class X> struct RegionPart {
  int group = threadIdx.x / 16, pack = threadIdx.x % 16;
  int64_t row = int64_t(blockIdx.y) * region + group * 8;
  int64_t col = int64_t(blockIdx.x) * region + pack * pack_size;
  Codes<X, pack_size> stored[8];

  /// Zeros where the matrix ends.
  FP8C_INLINE RegionPart(const X *x, const TiledMatrix &m) {
#pragma unroll
    for (int r = 0; r < 8; ++r)
      stored[r] = row + r < m.rows && col < m.cols
                      ? load_codes<X, pack_size>(x + (row + r) * m.cols + col)
                      : Codes<X, pack_size>{};
  }
  FP8C_INLINE Pack<pack_size> values(int r) const { return decode(stored[r]); }
};

/// The amax of each column of the region, in shared memory.
template <class X>
FP8C_INLINE void column_amaxes(const RegionPart<X> &part,
                               uint32_t (&amaxes)[region]) {
  if (threadIdx.x < region)
    amaxes[threadIdx.x] = 0;
  uint32_t m[pack_size] = {};
#pragma unroll
  for (int r = 0; r < 8; ++r) {
    const Pack<pack_size> values = part.values(r);
#pragma unroll
    for (int c = 0; c < pack_size; ++c)
      m[c] = ::max(m[c], finite_magnitude_bits(values.v[c]));
  }
  __syncthreads();
#pragma unroll
  for (int c = 0; c < pack_size; ++c) {
    // With the warp's other rows.
    const uint32_t both = ::max(m[c], __shfl_xor_sync(all_lanes, m[c], 16));
    if (part.group % 2 == 0)
      atomicMax(&amaxes[part.pack * pack_size + c], both);
  }
  __syncthreads();
}

template <class X>
__global__ void __launch_bounds__(region_threads)
    column_amax_kernel(const X *x, TiledMatrix m, uint32_t *amaxes) {
  const RegionPart<X> part(x, m);
  __shared__ uint32_t columns[region];
  column_amaxes(part, columns);
  const int64_t col = int64_t(blockIdx.x) * region + threadIdx.x;
  if (threadIdx.x < region && col < m.cols)
    atomicMax(&amaxes[col], columns[threadIdx.x]);
}

/// A warp per row.
template <class X>
__global__ void row_amax_kernel(const X *x, TiledMatrix m, uint32_t *amaxes) {
  const int lane = threadIdx.x % warp_size;
  const int64_t row =
      int64_t(blockIdx.x) * (blockDim.x / warp_size) + threadIdx.x / warp_size;
  if (row >= m.rows)
    return;
  uint32_t amax = 0;
  for (int64_t col = lane * pack_size; col < m.cols;
       col += warp_size * pack_size)
    amax =
        ::max(amax, finite_amax(load(x, Index<pack_size>{row * m.cols + col})));
  amax = __reduce_max_sync(all_lanes, amax);
  if (lane == 0)
    amaxes[row] = amax;
}

/// Writes the codes of a region [col, row]: they gather in shared memory, whose
/// rows are an odd number of words.
template <class T, class X>
FP8C_INLINE void store_transposed(const RegionPart<X> &part,
                                  const TiledMatrix &m,
                                  const Codes<T, pack_size> (&codes)[8], T *q) {
  __shared__ uint32_t turned[region][region / 4 + 1];
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int w = 0; w < 2; ++w) {
      uint32_t rows[4], columns[4];
#pragma unroll
      for (int r = 0; r < 4; ++r)
        rows[r] = codes[4 * half + r].words[w];
      transpose4(rows, columns);
#pragma unroll
      for (int c = 0; c < 4; ++c)
        turned[part.pack * pack_size + 4 * w + c][2 * part.group + half] =
            columns[c];
    }
  __syncthreads();
  const int64_t row0 = int64_t(blockIdx.y) * region,
                col0 = int64_t(blockIdx.x) * region;
#pragma unroll
  for (int chunk = threadIdx.x; chunk < region * (region / 16);
       chunk += region_threads) {
    const int c = chunk / (region / 16), r = chunk % (region / 16) * 16;
    if (col0 + c >= m.cols || row0 + r >= m.rows)
      continue;
    const uint32_t *words = &turned[c][r / 4];
    *reinterpret_cast<uint4 *>(q + (col0 + c) * m.rows + row0 + r) =
        make_uint4(words[0], words[1], words[2], words[3]);
  }
}

template <class T, class X, Tiles Kind>
__global__ void __launch_bounds__(region_threads)
    quantize_tiles_kernel(const X *x, T *q, float *scale_inv, TileScaling s,
                          float largest, const uint32_t *amaxes) {
  const TiledMatrix &m = s.matrix;
  const RegionPart<X> part(x, m);
  Codes<T, pack_size> codes[8];
  const auto scale = [&](uint32_t amax) {
    return current_scale(amax, largest, s.pow2);
  };
  const auto keep = [&](int64_t row, int64_t col, float scale) {
    if (row < m.rows && col < m.cols)
      scale_inv[s.transposed ? s.stored().scale_of(col, row)
                             : m.scale_of(row, col)] = 1.0f / scale;
  };

  if constexpr (Kind == Tiles::across || Kind == Tiles::whole_rows) {
#pragma unroll
    for (int r = 0; r < 8; ++r) {
      uint32_t amax = 0;
      if constexpr (Kind == Tiles::across) {
        amax = finite_amax(part.values(r));
#pragma unroll
        for (int distance = 8; distance > 0; distance /= 2)
          amax = ::max(amax, __shfl_xor_sync(all_lanes, amax, distance));
      } else if (part.row + r < m.rows) {
        amax = amaxes[part.row + r];
      }
      const float factor = scale(amax);
      codes[r] = encode<T>(part.values(r) * factor);
      if (part.pack == 0 && (Kind == Tiles::across || blockIdx.x == 0))
        keep(part.row + r, part.col, factor);
    }
  } else if constexpr (Kind == Tiles::square) {
    uint32_t amax = 0;
#pragma unroll
    for (int r = 0; r < 8; ++r)
      amax = ::max(amax, finite_amax(part.values(r)));
    amax = __reduce_max_sync(all_lanes, amax);
    __shared__ uint32_t warps[region_threads / warp_size];
    if (threadIdx.x % warp_size == 0)
      warps[threadIdx.x / warp_size] = amax;
    __syncthreads();
#pragma unroll
    for (uint32_t other : warps)
      amax = ::max(amax, other);
    const float factor = scale(amax);
#pragma unroll
    for (int r = 0; r < 8; ++r)
      codes[r] = encode<T>(part.values(r) * factor);
    if (threadIdx.x == 0)
      keep(part.row, part.col, factor);
  } else {
    if constexpr (Kind == Tiles::down) {
      __shared__ uint32_t columns[region];
      column_amaxes(part, columns);
      amaxes = columns + part.pack * pack_size;
    } else {
      amaxes += part.col;
    }
    const Pack<pack_size> factors = each_lane<pack_size>(
        [&](int c) { return scale(part.col < m.cols ? amaxes[c] : 0); });
#pragma unroll
    for (int r = 0; r < 8; ++r)
      codes[r] = encode<T>(part.values(r) * factors);
    if (part.group == 0 && (Kind == Tiles::down || blockIdx.y == 0))
#pragma unroll
      for (int c = 0; c < pack_size; ++c)
        keep(part.row, part.col + c, factors.v[c]);
  }
  if (s.transposed)
    return store_transposed(part, m, codes, q);
#pragma unroll
  for (int r = 0; r < 8; ++r)
    if (part.row + r < m.rows && part.col < m.cols)
      store_codes(q + (part.row + r) * m.cols + part.col, codes[r]);
}

} // namespace detail

/// Per tile of x, which is rows x cols, both multiples of 16: scale = max(T) *
/// 2^-margin / amax, the codes x * scale, rounded to nearest even and
/// saturated, and 1 / scale. Tiles are whole rows or columns, 1 x 128, 128 x 1
/// or 128 x 128. `scale_inv` has s.stored().scales() numbers; those that no
/// tile has stay as they are.
template <class T, class X>
void quantize_tiles(const Stream &stream, const TileScaling &s, const X *x,
                    T *q, float *scale_inv) {
  using namespace detail;
  const TiledMatrix &m = s.matrix;
  if (m.rows % 16 || m.cols % 16)
    throw std::runtime_error("cannot quantise " + std::to_string(m.rows) +
                             " x " + std::to_string(m.cols) +
                             " in tiles: both must be multiples of 16");
  const dim3 grid(blocks_for(m.cols, region), blocks_for(m.rows, region));
  const auto run = [&](auto kind, const uint32_t *amaxes) {
    launch(stream, quantize_tiles_kernel<T, X, decltype(kind)::value>, grid,
           region_threads, 0, x, q, scale_inv, s, scaled_max<T>(s.margin),
           amaxes);
  };
  const auto is = [&](int64_t tile_rows, int64_t tile_cols) {
    return m.tile_rows == tile_rows && m.tile_cols == tile_cols;
  };
  if (is(1, region))
    return run(std::integral_constant<Tiles, Tiles::across>(), nullptr);
  if (is(region, 1))
    return run(std::integral_constant<Tiles, Tiles::down>(), nullptr);
  if (is(region, region))
    return run(std::integral_constant<Tiles, Tiles::square>(), nullptr);
  if (is(1, m.cols)) {
    uint32_t *amaxes = stream.workspace<uint32_t>(m.rows * sizeof(uint32_t));
    launch(stream, row_amax_kernel<X>, blocks_for(m.rows, 8), 8 * warp_size, 0,
           x, m, amaxes);
    return run(std::integral_constant<Tiles, Tiles::whole_rows>(), amaxes);
  }
  if (is(m.rows, 1)) {
    uint32_t *amaxes = stream.workspace<uint32_t>(m.cols * sizeof(uint32_t));
    if (!stream.planning())
      check(cudaMemsetAsync(amaxes, 0, m.cols * sizeof(uint32_t),
                            stream.handle()),
            "cannot clear amaxes");
    launch(stream, column_amax_kernel<X>, grid, region_threads, 0, x, m,
           amaxes);
    return run(std::integral_constant<Tiles, Tiles::whole_columns>(), amaxes);
  }
  throw std::runtime_error("there is no kernel for tiles of " +
                           std::to_string(m.tile_rows) + " x " +
                           std::to_string(m.tile_cols));
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_QUANTIZE_TILES_CUH
