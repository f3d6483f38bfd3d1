//===- rows_tiled.cuh - Row kernels that work on blocks of rows -----------===//
//
//   rows_tiled<Cols, WholeRows, Copies, BlockRows>(stream, k, rows)
//
// As rows, for functors that besides
//
//   row.store_transposed(p, j, code, copy)  write FP8 codes to transposed
//   matrices row.partial_sum(Slot<I>{}, p, j, v)     sum over every BlockRows
//   rows
//
// A block works on all rows of a tile. Transposed codes gather in shared
// memory, from where they go out as 16 bytes down a column; sums stay in
// registers, a team of threads adds those of its rows, and teams add up in
// order. Where nothing is reduced over rows (WholeRows), blocks take a part of
// the columns.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_ROWS_TILED_CUH
#define FP8C_KERNELS_CUDA_ROWS_TILED_CUH

#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

/// Rows of a block, and of the tiles that transposed codes gather in: fewer
/// where 32 would not fit into shared memory.
constexpr int block_rows = 32;
template <int Cols, int Copies>
constexpr int tile_rows = Cols *Copies <= 6400 ? 32 : 16;

/// How a block is laid out: `teams` teams of `team` threads, each on a row of
/// `cols` columns, in `trips` steps.
struct TileShape {
  int cols, team, teams;

  constexpr int packs() const { return cols / pack_size; }
  constexpr int trips() const { return (packs() + team - 1) / team; }
  constexpr int threads() const { return team * teams; }
  /// Per mille of the threads' steps that have a pack to work on.
  constexpr int use() const { return 1000 * packs() / (trips() * team); }
};

/// Part of the columns, a warp for a row: full steps first, then wide ones.
template <int Cols> constexpr TileShape part_shape(int max_cols) {
  TileShape best = {Cols, warp_size, 8};
  bool found = Cols <= max_cols;
  for (int c = pack_size; c <= max_cols; c += pack_size)
    if (Cols % c == 0) {
      const TileShape shape = {c, warp_size, 8};
      if (!found || shape.use() > best.use() ||
          (shape.use() == best.use() && c > best.cols))
        best = shape;
      found = true;
    }
  return best;
}

/// All columns: a team that takes one step where 16 warps suffice. Sums of
/// several steps would take so many registers that few warps fit (at 768
/// columns and three sums 219, one block of 256 threads).
template <int Cols> constexpr TileShape whole_shape() {
  constexpr int packs = (Cols + pack_size - 1) / pack_size;
  constexpr int warps = (packs + warp_size - 1) / warp_size;
  TileShape shape = {Cols, (warps < 16 ? warps : 16) * warp_size, 1};
  while (shape.threads() + shape.team <= 512 && shape.teams < 2)
    ++shape.teams;
  return shape;
}

/// An index that knows in which step of the team it comes.
struct TileIndex : Index<pack_size> {
  int trip;
};

/// What a thread adds up over its rows. Slots that a functor does not use
/// vanish when it is compiled.
template <int Trips> struct PartialSums {
  static constexpr int max_slots = 4;
  float sums[max_slots][Trips][pack_size];
  float *targets[max_slots];
};

/// One row, or a part of it, worked on by a team.
template <int Cols, int TileCols, int Height, int Team> struct TileRow {
  static constexpr int N = pack_size, pitch = TileCols + 4;
  static constexpr int stride = N * Team;
  static constexpr int trips = (TileCols + stride - 1) / stride;
  static constexpr int64_t cols = Cols;

  int64_t index;
  int first_col, lane, team;
  unsigned char *tile;        ///< this row of the first copy's
  unsigned char **transposed; ///< where each copy goes
  float *scratch;             ///< a word per warp of the team
  PartialSums<trips> *partial;

  template <class I> FP8C_INLINE auto at(I j) const {
    return shifted(index * cols, j);
  }
  template <class F> FP8C_INLINE void each(const F &f) const {
#pragma unroll(trips <= 8 ? trips : 4)
    for (int t = 0; t < trips; ++t) {
      const int j = t * stride + lane * N;
      if (TileCols % stride == 0 || j < TileCols)
        f(TileIndex{{first_col + j}, t});
    }
  }

  template <class Combine>
  FP8C_INLINE float reduce(float x, const Combine &combine) const {
    x = warp_reduce(x, combine);
    if constexpr (Team > warp_size) {
      constexpr int warps = Team / warp_size;
      sync(); // of an earlier reduction's reads
      if (lane % warp_size == 0)
        scratch[lane / warp_size] = x;
      sync();
      x = scratch[0];
#pragma unroll
      for (int i = 1; i < warps; ++i)
        x = combine(x, scratch[i]);
    }
    return x;
  }
  template <class F> FP8C_INLINE float sum(const F &f) const {
    float s = 0.0f;
    each([&](auto j) { s += total(f(j)); });
    return reduce(s, [](float a, float b) { return a + b; });
  }
  template <class F> FP8C_INLINE float max(const F &f) const {
    float m = -INFINITY;
    each([&](auto j) { m = fp8c::max(m, largest(f(j))); });
    return reduce(m, [](float a, float b) { return fp8c::max(a, b); });
  }
  FP8C_INLINE void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, stats);
  }

  /// The codes of elements j.. of the row, into column index of rows j.. of p,
  /// which is one for each `copy`.
  template <class T>
  FP8C_INLINE void store_transposed(T *p, TileIndex j, const Codes<T, N> &codes,
                                    int copy = 0) const {
    static_assert(sizeof(T) == 1, "FP8 codes");
    union {
      Codes<T, N> codes;
      uint32_t words[2];
    } u;
    u.codes = codes;
    auto *to = reinterpret_cast<uint32_t *>(tile + copy * Height * pitch +
                                            (j.first - first_col));
    to[0] = u.words[0];
    to[1] = u.words[1];
    if (lane == 0)
      transposed[copy] = reinterpret_cast<unsigned char *>(p);
  }

  /// Adds v to the sums, over the rows of the tile, of columns j...
  template <int I>
  FP8C_INLINE void partial_sum(Slot<I>, float *target, TileIndex j,
                               const Pack<N> &v) const {
    partial->targets[I] = target;
#pragma unroll
    for (int l = 0; l < N; ++l)
      partial->sums[I][j.trip][l] += v.v[l];
  }

private:
  /// The team's threads wait for each other: named barriers, the first is the
  /// block's.
  FP8C_INLINE void sync() const {
    asm volatile("bar.sync %0, %1;" ::"r"(team + 1), "n"(Team) : "memory");
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

/// Writes the tile, `Rows` rows of TileCols bytes, to the transposed matrix. A
/// thread moves 16 rows of 4 columns; neighbours take the rows of one sector.
template <int TileCols, int Rows, int Pitch>
FP8C_INLINE void write_transposed(const unsigned char *tile, unsigned char *p,
                                  int64_t first_row, int first_col,
                                  int64_t rows) {
  constexpr int parts = Rows / 16;
  for (int unit = threadIdx.x; unit < TileCols / 4 * parts;
       unit += blockDim.x) {
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

/// Teams add their sums of a slot in order; the block's go to `target`.
template <int Cols, int TileCols, int Team, int Trips>
FP8C_INLINE void write_sums(const float (&partial)[Trips][pack_size],
                            float *sums, float *target, int team, int teams,
                            int lane, int first_col) {
  for (int turn = 0; turn < teams; ++turn) {
    if (team == turn)
#pragma unroll
      for (int t = 0; t < Trips; ++t) {
        const int j = (t * Team + lane) * pack_size;
        if (j < TileCols)
#pragma unroll
          for (int l = 0; l < pack_size; ++l)
            sums[j + l] = turn ? sums[j + l] + partial[t][l] : partial[t][l];
      }
    __syncthreads();
  }
  target += int64_t(blockIdx.x) * Cols + first_col;
  for (int j = 4 * threadIdx.x; j < TileCols; j += 4 * blockDim.x)
    *reinterpret_cast<float4 *>(target + j) =
        *reinterpret_cast<const float4 *>(sums + j);
  __syncthreads();
}

/// Blocks that shall fit into a multiprocessor, at the price of some spilled
/// sums: these kernels wait for memory, and so for warps (measured on H100).
template <int Team, int Teams>
constexpr int
    resident_blocks = (Team == warp_size ? 1280 : 768) / (Team * Teams) > 1
                          ? (Team == warp_size ? 1280 : 768) / (Team * Teams)
                          : 1;

template <int Cols, int TileCols, int Copies, int Team, int Teams, class K>
__global__ void __launch_bounds__(Team *Teams, resident_blocks<Team, Teams>)
    rows_tiled_kernel(K k, int64_t rows) {
  constexpr int height = tile_rows<TileCols, Copies>;
  using Row = TileRow<Cols, TileCols, height, Team>;
  using Partial = PartialSums<Row::trips>;
  extern __shared__ __align__(16) unsigned char tile[];
  __shared__ unsigned char *transposed[Copies + 1];
  __shared__ float *targets[Partial::max_slots];
  __shared__ float scratch[Teams][Team / warp_size];
  const int team = threadIdx.x / Team, lane = threadIdx.x % Team;
  const int first_col = blockIdx.y * TileCols;
  if (threadIdx.x < Partial::max_slots)
    targets[threadIdx.x] = nullptr;
  Partial partial = {};
  for (int first = 0; first < block_rows; first += height) {
    const int64_t first_row = int64_t(blockIdx.x) * block_rows + first;
    __syncthreads();
    for (int r = team; r < height && first_row + r < rows; r += Teams) {
      Row row{first_row + r,         first_col,  lane,          team,
              tile + r * Row::pitch, transposed, scratch[team], &partial};
      k(row);
    }
    __syncthreads();
    if (first_row < rows)
#pragma unroll
      for (int copy = 0; copy < Copies; ++copy)
        write_transposed<TileCols, height, Row::pitch>(
            tile + copy * height * Row::pitch, transposed[copy], first_row,
            first_col, rows);
  }
  // A team without rows knows no targets. The tile's memory serves once more.
#pragma unroll
  for (int slot = 0; slot < Partial::max_slots; ++slot)
    if (partial.targets[slot] && lane == 0)
      targets[slot] = partial.targets[slot];
  __syncthreads();
#pragma unroll
  for (int slot = 0; slot < Partial::max_slots; ++slot)
    if (targets[slot])
      write_sums<Cols, TileCols, Team>(
          partial.sums[slot], reinterpret_cast<float *>(tile), targets[slot],
          team, Teams, lane, first_col);
}

} // namespace detail

template <int Cols, bool WholeRows, int Copies, int BlockRows, class K>
void rows_tiled(const Stream &stream, const K &k, int64_t rows) {
  using namespace detail;
  static_assert(BlockRows == block_rows, "rows of a block of threads");
  static_assert(Cols % pack_size == 0, "tiles are made of packs");
  constexpr TileShape shape =
      WholeRows ? whole_shape<Cols>() : part_shape<Cols>(256);
  constexpr int codes =
      Copies * tile_rows<shape.cols, Copies> * (shape.cols + 4);
  constexpr int sums = shape.cols * int(sizeof(float));
  constexpr int bytes = codes > sums ? codes : sums;
  static_assert(bytes <= 220 * 1024, "more than shared memory holds");
  if (Copies && rows % 16)
    throw std::runtime_error("a transposed FP8 copy of " +
                             std::to_string(rows) +
                             " rows: FP8 needs multiples of 16");
  launch(
      stream,
      rows_tiled_kernel<Cols, shape.cols, Copies, shape.team, shape.teams, K>,
      dim3(blocks_for(rows, block_rows), Cols / shape.cols), shape.threads(),
      bytes, k, rows);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_ROWS_TILED_CUH
