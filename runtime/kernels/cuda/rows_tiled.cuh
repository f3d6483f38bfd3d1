//===- rows_tiled.cuh - Row kernels that work on blocks of rows -----------===//
//
//   rows_tiled<Cols, Copies, BlockRows>(stream, k, rows)
//
// As rows, for functors that reduce over a row and besides
//
//   row.store_transposed(p, j, codes, copy)  write FP8 codes to transposed
//                                            matrices, `Copies` of them
//   row.partial_sum(Slot<I>{}, p, j, v)      sum over every BlockRows rows
//
// A block works on all columns of a tile of rows, a team of its threads on one
// row after the other.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_ROWS_TILED_CUH
#define FP8C_KERNELS_CUDA_ROWS_TILED_CUH

#include "kernels/cuda/tile.cuh"

namespace fp8c {
namespace detail {

/// Threads that work on a row, one step each where 16 warps suffice. Sums of
/// several steps would take so many registers that few warps fit (at 768
/// columns and three sums 219, one block of 256 threads).
template <int Cols> constexpr int row_team() {
  constexpr int packs = (Cols + pack_size - 1) / pack_size;
  constexpr int warps = (packs + warp_size - 1) / warp_size;
  return (warps < 16 ? warps : 16) * warp_size;
}
/// Teams of a block, and blocks that shall fit into a multiprocessor: more cost
/// registers, and change nothing at 768 columns and 12 % at 1,600.
template <int Cols> constexpr int row_teams = row_team<Cols>() <= 128 ? 2 : 1;
template <int Threads>
constexpr int resident_blocks = (448 + Threads / 2) / Threads;

/// Statistics that a functor may gather.
constexpr int max_stats = 8;

/// What the threads of a block share besides codes.
template <int Copies, int Team, int Teams> struct BlockNotes {
  unsigned char *transposed[Copies + 1]; ///< where each copy goes
  float *targets[PartialSums<1>::max_slots];
  float scratch[Teams][Team / warp_size];
  Stats stats[max_stats]; ///< of the block so far
  Stats *stats_targets[max_stats];
};

/// One row, worked on by a team.
template <int Cols, int Copies, int Team, int Teams> struct TileRow {
  static constexpr int N = pack_size, pitch = int(tile_pitch(Cols));
  static constexpr int height = gathered_rows(Cols, Copies, max_launch_bytes);
  static constexpr int stride = N * Team;
  static constexpr int trips = (Cols + stride - 1) / stride;
  static constexpr int64_t cols = Cols;

  int64_t index, rows;
  int lane, team;
  unsigned char *codes; ///< this row of the first copy's
  BlockNotes<Copies, Team, Teams> *notes;
  PartialSums<trips> *partial;
  mutable int committed = 0; ///< a constant, once all is inlined

  template <class I> FP8C_INLINE auto at(I j) const {
    return shifted(index * cols, j);
  }
  template <class I, class Pitched> FP8C_INLINE auto at(I j, Pitched) const {
    return shifted(Pitched::start(index, cols), j);
  }
  /// Asks for what the team will read of its next row, in matrices of `cols`.
  template <class... T> FP8C_INLINE void prefetch_next(T... p) const {
    if (index + Teams >= rows)
      return;
#pragma unroll
    for (int t = 0; t < trips; ++t) {
      const int j = t * stride + lane * N;
      if (Cols % stride == 0 || j < Cols)
        (prefetch(row_start(p, index + Teams, cols) + j), ...);
    }
  }
  template <class F> FP8C_INLINE void each(const F &f) const {
#pragma unroll(trips <= 8 ? trips : 4)
    for (int t = 0; t < trips; ++t) {
      const int j = t * stride + lane * N;
      if (Cols % stride == 0 || j < Cols)
        f(TileIndex{{j}, t});
    }
  }

  template <class Combine>
  FP8C_INLINE float reduce(float x, const Combine &combine) const {
    x = warp_reduce(x, combine);
    if constexpr (Team > warp_size) {
      constexpr int warps = Team / warp_size;
      float *scratch = notes->scratch[team];
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
  /// The block gathers statistics first: a row would wait for global memory.
  FP8C_INLINE void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, &notes->stats[committed]);
    if (lane == 0)
      notes->stats_targets[committed] = stats;
    ++committed;
  }

  /// The codes of elements j.. of the row, into column `index` of rows j.. of
  /// p.
  template <class T>
  FP8C_INLINE void store_transposed(T *p, TileIndex j, const Codes<T, N> &c,
                                    int copy = 0) const {
    put_codes(codes + copy * height * pitch + j.first, c);
    if (lane == 0)
      notes->transposed[copy] = reinterpret_cast<unsigned char *>(p);
  }

  /// Adds v to the sums, over the rows of the tile, of columns j...
  template <int I>
  FP8C_INLINE void partial_sum(Slot<I>, float *target, TileIndex j,
                               const Pack<N> &v) const {
    partial->template add<I>(target, j, v);
  }

private:
  /// The team's threads wait for each other: named barriers, the first is the
  /// block's.
  FP8C_INLINE void sync() const {
    asm volatile("bar.sync %0, %1;" ::"r"(team + 1), "n"(Team) : "memory");
  }
};

template <int Cols, int Copies, int BlockRows, int Team, int Teams, class K>
__global__ void __launch_bounds__(Team *Teams, resident_blocks<Team * Teams>)
    rows_tiled_kernel(K k, int64_t rows) {
  using Row = TileRow<Cols, Copies, Team, Teams>;
  using Partial = PartialSums<Row::trips>;
  extern __shared__ __align__(16) unsigned char codes[];
  __shared__ BlockNotes<Copies, Team, Teams> notes;
  const int team = threadIdx.x / Team, lane = threadIdx.x % Team;
  if (threadIdx.x < Partial::max_slots)
    notes.targets[threadIdx.x] = nullptr;
  if (threadIdx.x < max_stats) {
    notes.stats[threadIdx.x] = Stats{0, 0, 0};
    notes.stats_targets[threadIdx.x] = nullptr;
  }
  Partial partial = {};
  for (int first = 0; first < BlockRows; first += Row::height) {
    const int64_t first_row = int64_t(blockIdx.x) * BlockRows + first;
    __syncthreads();
    for (int r = team; r < Row::height && first_row + r < rows; r += Teams) {
      Row row{first_row + r,          rows,   lane,    team,
              codes + r * Row::pitch, &notes, &partial};
      k(row);
    }
    __syncthreads();
    if (first_row < rows)
#pragma unroll
      for (int copy = 0; copy < Copies; ++copy)
        write_transposed<Row::height, Row::pitch>(
            codes + copy * Row::height * Row::pitch, notes.transposed[copy],
            first_row, 0, Cols, rows);
  }
  if (threadIdx.x < max_stats && notes.stats_targets[threadIdx.x])
    merge(notes.stats[threadIdx.x], notes.stats_targets[threadIdx.x]);

    // A team without rows knows no targets. The codes' memory serves once more.
#pragma unroll
  for (int slot = 0; slot < Partial::max_slots; ++slot)
    if (partial.targets[slot] && lane == 0)
      notes.targets[slot] = partial.targets[slot];
  __syncthreads();
#pragma unroll
  for (int slot = 0; slot < Partial::max_slots; ++slot)
    if (notes.targets[slot])
      write_sums<Cols, Team>(partial.sums[slot],
                             reinterpret_cast<float *>(codes),
                             notes.targets[slot] + int64_t(blockIdx.x) * Cols,
                             team, Teams, lane, Cols);
}

} // namespace detail

template <int Cols, int Copies, int BlockRows, class K>
void rows_tiled(const Stream &stream, const K &k, int64_t rows) {
  using namespace detail;
  static_assert(BlockRows % 32 == 0, "rows gather by 16 or 32");
  static_assert(Cols % pack_size == 0, "tiles are made of packs");
  constexpr int team = row_team<Cols>(), teams = row_teams<Cols>;
  constexpr int64_t bytes = rows_tiled_bytes(Cols, Copies, max_launch_bytes);
  static_assert(bytes <= max_launch_bytes, "more than shared memory holds");
  static_assert(sizeof(BlockNotes<Copies, team, teams>) <=
                    declared_shared_bytes,
                "the table of shared memory counts on less");
  check_tile(Copies, rows, Cols);
  launch(stream, rows_tiled_kernel<Cols, Copies, BlockRows, team, teams, K>,
         blocks_for(rows, BlockRows), team * teams, bytes, k, rows);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_ROWS_TILED_CUH
