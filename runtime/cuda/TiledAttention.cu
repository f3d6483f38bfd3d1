//===- TiledAttention.cu - Attention by tensor cores ----------------------===//
//
// For what cuDNN has no attention for: capped scores, a window and a bias, a
// bias's gradient, heads of any width. Formulas and names as in
// kernels/cpu/attention_backward.h.
//
// A block owns up to 64 rows, queries (forward, dq) or keys (dk, dv), and goes
// over the others 32 at a time; a warp has 16 of its rows and a lane one of the
// 32 others. Nothing is scaled anew while sums are made (as FlashAttention
// does, arXiv 2205.14135): a row's largest score and sum are found first, by a
// product of their own, so that products can be summed where the tensor cores
// have them. Every result is summed by one block in a fixed order.
//
//===----------------------------------------------------------------------===//

#include "kernels/cuda/attention.cuh"

#include <algorithm>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

namespace fp8c::library {

namespace {

namespace wmma = nvcuda::wmma;
using detail::AttentionIndex;
using detail::ScoreInputs;
using detail::ScoreRow;

template <class T> struct NativeOf;
template <> struct NativeOf<bf16> { using Type = __nv_bfloat16; };
template <> struct NativeOf<f16> { using Type = __half; };

constexpr int loop = 32;             ///< rows that are gone over at a time
constexpr int score_stride = 36;     ///< floats, of a warp's 16 x 32
constexpr int weight_stride = 40;    ///< 16-bit numbers, likewise
constexpr int64_t widest_head = 256; ///< features

/// Heads of up to D features, in tiles that are padded with zeros.
template <class T, int D> struct Tiles {
  using Native = typename NativeOf<T>::Type;
  static constexpr int own = D > 128 ? 32 : 64, warps = own / 16,
                       threads = 32 * warps, stride = D + 8;

  /// Shared memory of a block, of which forward needs the first part and dq all
  /// but the last. `weights` are probabilities, or gradients of scores, of a
  /// warp.
  struct Shared {
    alignas(128) Native own_a[own * stride];
    alignas(128) Native loop_a[loop * stride], loop_b[loop * stride];
    alignas(128) float scores[warps][16 * score_stride];
    alignas(128) Native weights[warps][16 * weight_stride];
    alignas(128) Native own_b[own * stride];
    alignas(128) float products[warps][16 * score_stride];
    alignas(128) Native more_weights[warps][16 * weight_stride];
  };
  static constexpr size_t forward_bytes = offsetof(Shared, own_b),
                          dq_bytes = offsetof(Shared, more_weights),
                          all_bytes = sizeof(Shared);
};

/// `rows` rows of a tile: those behind `count`, and features behind those that
/// heads have, are 0.
template <class T, int D>
__device__ void load_tile(typename Tiles<T, D>::Native *to, int rows,
                          const T *from, int64_t stride, int64_t count,
                          int64_t features) {
  constexpr int pack = 8, packs = D / pack;
  const bool is_aligned = features % pack == 0 && stride % pack == 0 &&
                          reinterpret_cast<uintptr_t>(from) % 16 == 0;
  for (int at = threadIdx.x; at < rows * packs; at += blockDim.x) {
    const int row = at / packs, first = at % packs * pack;
    auto *place = reinterpret_cast<T *>(to + row * Tiles<T, D>::stride + first);
    const T *source = from + row * stride + first;
    if (is_aligned && row < count && first < features) {
      *reinterpret_cast<uint4 *>(place) =
          *reinterpret_cast<const uint4 *>(source);
      continue;
    }
    for (int i = 0; i < pack; ++i)
      place[i] = row < count && first + i < features ? source[i] : T{};
  }
}

/// scores [16, 32] = a [16, D] b [32, D]^T
template <class T, int D>
__device__ void multiply_rows(const typename Tiles<T, D>::Native *a,
                              const typename Tiles<T, D>::Native *b,
                              float *scores) {
  using Native = typename Tiles<T, D>::Native;
  constexpr int stride = Tiles<T, D>::stride;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum[2];
  for (auto &s : sum)
    wmma::fill_fragment(s, 0.0f);
  for (int k = 0; k < D; k += 16) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, Native, wmma::row_major> left;
    wmma::load_matrix_sync(left, a + k, stride);
    for (int n = 0; n < 2; ++n) {
      wmma::fragment<wmma::matrix_b, 16, 16, 16, Native, wmma::col_major> right;
      wmma::load_matrix_sync(right, b + 16 * n * stride + k, stride);
      wmma::mma_sync(sum[n], left, right, sum[n]);
    }
  }
  for (int n = 0; n < 2; ++n)
    wmma::store_matrix_sync(scores + 16 * n, sum[n], score_stride,
                            wmma::mem_row_major);
  __syncwarp();
}

/// Sums [16, Columns] += weights [16, 32] rows [32, Columns], and where they
/// go.
template <class T, int D, int Columns> class Sums {
public:
  using Native = typename Tiles<T, D>::Native;

  __device__ Sums() {
    for (auto &s : sums)
      wmma::fill_fragment(s, 0.0f);
  }
  __device__ void add(const Native *weights, const Native *rows) {
    for (int k = 0; k < loop; k += 16) {
      wmma::fragment<wmma::matrix_a, 16, 16, 16, Native, wmma::row_major> left;
      wmma::load_matrix_sync(left, weights + k, weight_stride);
#pragma unroll
      for (int n = 0; n < Columns / 16; ++n) {
        wmma::fragment<wmma::matrix_b, 16, 16, 16, Native, wmma::row_major>
            right;
        wmma::load_matrix_sync(right, rows + k * Tiles<T, D>::stride + 16 * n,
                               Tiles<T, D>::stride);
        wmma::mma_sync(sums[n], left, right, sums[n]);
      }
    }
  }
  /// Through a warp's `scratch` to the first `count` rows and `features`, each
  /// row times its factor, of which a lane has that of its row.
  __device__ void write(float *scratch, T *to, int64_t stride, int64_t count,
                        int64_t features, float factor = 1.0f) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < Columns / 16; ++n) {
      __syncwarp();
      wmma::store_matrix_sync(scratch, sums[n], score_stride,
                              wmma::mem_row_major);
      __syncwarp();
      for (int at = lane; at < 256; at += 32) {
        const int row = at / 16, column = at % 16;
        const float by = __shfl_sync(~0u, factor, row);
        if (row < count && 16 * n + column < features)
          store(to + row * stride, 16 * n + column,
                scratch[row * score_stride + column] * by);
      }
    }
  }

private:
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sums[Columns / 16];
};

FP8C_INLINE float largest_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2)
    x = max(x, __shfl_xor_sync(~0u, x, step));
  return x;
}
FP8C_INLINE float sum_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2)
    x += __shfl_xor_sync(~0u, x, step);
  return x;
}

/// The queries that a block owns, and the keys that any of them sees.
struct QueryBlock {
  const AttentionIndex &s;
  const ScoreInputs &in;
  int64_t b, h, first, count, first_key, end_key;

  __device__ QueryBlock(const AttentionIndex &s, const ScoreInputs &in,
                        int64_t b, int64_t h, int64_t first, int own)
      : s(s), in(in), b(b), h(h), first(first),
        count(min(int64_t(own), s.seq - first)),
        first_key(s.first_key(first) / loop * loop),
        end_key(s.end_key(in, b, first + count - 1)) {}

  /// Calls f(r, y, slope) for a warp's 16 rows and the lane's key of the tile
  /// that begins with `first_key`; y is -inf if the key is not seen.
  template <class F>
  __device__ void each_score(const float *products, int64_t tile,
                             const F &f) const {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int64_t key = tile + lane, last = first + count - 1;
    // All is seen by all, and nothing done to it.
    if (s.is_plain() && count == int64_t(blockDim.x) / 2 &&
        s.first_key(last) <= tile && tile + loop <= s.end_key(in, b, first)) {
#pragma unroll
      for (int r = 0; r < 16; ++r)
        f(r, products[r * score_stride + lane] * s.scale, 1.0f);
      return;
    }
    const int64_t length = s.end_key(in, b, s.seq - 1), row = first + 16 * warp;
    const float *bias = s.bias_row(in, b, h, row < s.seq ? row : 0);
    // The rows that see the key: from the first to before the last.
    const int begin = s.causal ? int(key - row) : 0,
              rows = int(min(s.seq - row, int64_t(16))),
              end = s.window ? min(rows, int(key - row + s.window)) : rows;
#pragma unroll
    for (int r = 0; r < 16; ++r) {
      float y = -INFINITY, slope = 0.0f;
      if (r >= begin && r < end && key < length)
        y = s.score(products[r * score_stride + lane] * s.scale, bias, key,
                    &slope);
      f(r, y, slope);
      if (bias)
        bias += s.bias_strides[2];
    }
  }
};

/// The largest score and one over the sum of each of a warp's 16 rows.
struct RowSums {
  float largest[16], inverse[16];
};

template <class T, int D>
__device__ RowSums find_sums(const QueryBlock &block,
                             typename Tiles<T, D>::Shared &shared, const T *k,
                             bool only_largest) {
  const AttentionIndex &s = block.s;
  const int warp = threadIdx.x / 32;
  RowSums rows;
  float sum[16];
#pragma unroll
  for (int r = 0; r < 16; ++r) {
    rows.largest[r] = -INFINITY;
    sum[r] = 0.0f;
  }
  for (int64_t first = block.first_key; first < block.end_key; first += loop) {
    __syncthreads();
    load_tile<T, D>(shared.loop_a, loop,
                    k + s.k(block.b, block.h / s.group, first), s.k_stride,
                    s.kv_seq - first, s.head_dim);
    __syncthreads();
    multiply_rows<T, D>(shared.own_a + 16 * warp * Tiles<T, D>::stride,
                        shared.loop_a, shared.scores[warp]);
    block.each_score(shared.scores[warp], first, [&](int r, float y, float) {
      const float m = max(rows.largest[r], y);
      if (!only_largest) {
        const float shift = detail::shift_of(m);
        sum[r] = sum[r] * detail::exp_nonpositive(rows.largest[r] - shift) +
                 detail::exp_nonpositive(y - shift);
      }
      rows.largest[r] = m;
    });
    __syncwarp();
  }
#pragma unroll
  for (int r = 0; r < 16; ++r) {
    const float shift = detail::shift_of(largest_of_warp(rows.largest[r]));
    const float total =
        sum_of_warp(sum[r] * detail::exp_nonpositive(rows.largest[r] - shift));
    rows.largest[r] = shift;
    rows.inverse[r] = total > 0.0f ? 1.0f / total : 0.0f;
  }
  return rows;
}

template <class T, int D>
__global__
__launch_bounds__(128) void forward_kernel(AttentionIndex s, ScoreInputs in,
                                           const T *q, const T *k, const T *v,
                                           T *o, float *lse) {
  using Tile = Tiles<T, D>;
  extern __shared__ __align__(128) unsigned char memory[];
  auto &shared = *reinterpret_cast<typename Tile::Shared *>(memory);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t h = blockIdx.y, b = blockIdx.z, kv = h / s.group;
  const QueryBlock block(s, in, b, h, int64_t(blockIdx.x) * Tile::own,
                         Tile::own);
  load_tile<T, D>(shared.own_a, Tile::own, q + s.q(b, h, block.first),
                  s.q_stride, block.count, s.head_dim);
  const RowSums rows = find_sums<T, D>(block, shared, k, /*only_largest=*/true);
  float sum[16] = {};
  Sums<T, D, D> out;
  for (int64_t first = block.first_key; first < block.end_key; first += loop) {
    __syncthreads();
    load_tile<T, D>(shared.loop_a, loop, k + s.k(b, kv, first), s.k_stride,
                    s.kv_seq - first, s.head_dim);
    load_tile<T, D>(shared.loop_b, loop, v + s.v(b, kv, first), s.v_stride,
                    s.kv_seq - first, s.head_dim);
    __syncthreads();
    multiply_rows<T, D>(shared.own_a + 16 * warp * Tile::stride, shared.loop_a,
                        shared.scores[warp]);
    auto *weights = reinterpret_cast<T *>(shared.weights[warp]);
    block.each_score(shared.scores[warp], first, [&](int r, float y, float) {
      const float p = detail::exp_nonpositive(y - rows.largest[r]);
      sum[r] += p;
      store(weights, r * weight_stride + lane, p);
    });
    __syncwarp();
    out.add(shared.weights[warp], shared.loop_b);
  }
  const int64_t row = block.first + 16 * warp;
  float inverse = 0.0f;
#pragma unroll
  for (int r = 0; r < 16; ++r) {
    const float total = sum_of_warp(sum[r]);
    if (lane != r)
      continue;
    inverse = total > 0.0f ? 1.0f / total : 0.0f;
    if (row + r < s.seq)
      lse[s.row(b, h, row + r)] =
          total > 0.0f ? rows.largest[r] + log(total) : INFINITY;
  }
  out.write(shared.scores[warp], o + s.o(b, h, row), s.o_stride, s.seq - row,
            s.head_dim, inverse);
}

/// Writes what the others need of every row, too; with a null dq only that.
template <class T, int D>
__global__ __launch_bounds__(128) void dq_kernel(
    AttentionIndex s, ScoreInputs in, const T *q, const T *k, const T *v,
    const T *o, const float *lse, const T *d_o, T *dq, ScoreRow *score_rows) {
  using Tile = Tiles<T, D>;
  extern __shared__ __align__(128) unsigned char memory[];
  auto &shared = *reinterpret_cast<typename Tile::Shared *>(memory);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t h = blockIdx.y, b = blockIdx.z, kv = h / s.group;
  const QueryBlock block(s, in, b, h, int64_t(blockIdx.x) * Tile::own,
                         Tile::own);
  const int64_t row = block.first + 16 * warp;
  load_tile<T, D>(shared.own_a, Tile::own, q + s.q(b, h, block.first),
                  s.q_stride, block.count, s.head_dim);
  load_tile<T, D>(shared.own_b, Tile::own, d_o + s.o(b, h, block.first),
                  s.o_stride, block.count, s.head_dim);
  RowSums rows;
  if (in.bias) {
    rows = find_sums<T, D>(block, shared, k, /*only_largest=*/false);
#pragma unroll
    for (int r = 0; r < 16; ++r) // cuDNN writes -inf where it sees no key
      if (row + r < s.seq && lse[s.row(b, h, row + r)] == -INFINITY)
        rows.inverse[r] = 0.0f;
  } else {
#pragma unroll
    for (int r = 0; r < 16; ++r) {
      const float row_lse =
          row + r < s.seq ? lse[s.row(b, h, row + r)] : INFINITY;
      // Where it sees no key cuDNN writes -inf.
      rows.largest[r] = row_lse == -INFINITY ? INFINITY : row_lse;
      rows.inverse[r] = 1.0f;
    }
  }
  float delta[16];
#pragma unroll
  for (int r = 0; r < 16; ++r) {
    float sum = 0.0f;
    if (row + r < s.seq)
      for (int64_t d = lane; d < s.head_dim; d += 32)
        sum +=
            load(d_o + s.o(b, h, row + r), d) * load(o + s.o(b, h, row + r), d);
    delta[r] = sum_of_warp(sum);
    if (lane == r && row + r < s.seq)
      score_rows[s.row(b, h, row + r)] = {rows.largest[r], rows.inverse[r],
                                          delta[r]};
  }
  if (!dq)
    return;
  Sums<T, D, D> out;
  for (int64_t first = block.first_key; first < block.end_key; first += loop) {
    __syncthreads();
    load_tile<T, D>(shared.loop_a, loop, k + s.k(b, kv, first), s.k_stride,
                    s.kv_seq - first, s.head_dim);
    load_tile<T, D>(shared.loop_b, loop, v + s.v(b, kv, first), s.v_stride,
                    s.kv_seq - first, s.head_dim);
    __syncthreads();
    const int at = 16 * warp * Tile::stride;
    multiply_rows<T, D>(shared.own_a + at, shared.loop_a, shared.scores[warp]);
    multiply_rows<T, D>(shared.own_b + at, shared.loop_b,
                        shared.products[warp]);
    auto *weights = reinterpret_cast<T *>(shared.weights[warp]);
    block.each_score(
        shared.scores[warp], first, [&](int r, float y, float slope) {
          const float p =
              detail::exp_nonpositive(y - rows.largest[r]) * rows.inverse[r];
          const float dp = shared.products[warp][r * score_stride + lane];
          store(weights, r * weight_stride + lane,
                s.scale * slope * p * (dp - delta[r]));
        });
    __syncwarp();
    out.add(shared.weights[warp], shared.loop_a);
  }
  out.write(shared.scores[warp], dq + s.q(b, h, row), s.q_stride, s.seq - row,
            s.head_dim);
}

/// A block owns keys; of heads wider than 128 it makes half of the features at
/// a time.
template <class T, int D>
__global__ __launch_bounds__(128) void dkv_kernel(AttentionIndex s,
                                                  ScoreInputs in, const T *q,
                                                  const T *k, const T *v,
                                                  const ScoreRow *score_rows,
                                                  const T *d_o, T *dk, T *dv) {
  using Tile = Tiles<T, D>;
  constexpr int columns = D > 128 ? D / 2 : D;
  extern __shared__ __align__(128) unsigned char memory[];
  auto &shared = *reinterpret_cast<typename Tile::Shared *>(memory);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t kv = blockIdx.y, b = blockIdx.z,
                first_key = int64_t(blockIdx.x) * Tile::own,
                count = min(int64_t(Tile::own), s.kv_seq - first_key),
                key = first_key + 16 * warp;
  load_tile<T, D>(shared.own_a, Tile::own, k + s.k(b, kv, first_key),
                  s.k_stride, count, s.head_dim);
  load_tile<T, D>(shared.own_b, Tile::own, v + s.v(b, kv, first_key),
                  s.v_stride, count, s.head_dim);
  // The queries that see any of these keys.
  const int64_t start = s.causal ? first_key / loop * loop : 0;
  int64_t stop =
      s.window ? min(s.seq, first_key + count - 1 + s.window) : s.seq;
  if (first_key >= s.end_key(in, b, s.seq - 1))
    stop = start;
  for (int column = 0; column < D; column += columns) {
    Sums<T, D, columns> dk_sums, dv_sums;
    for (int64_t h = kv * s.group; h < (kv + 1) * s.group; ++h)
      for (int64_t first = start; first < stop; first += loop) {
        __syncthreads();
        load_tile<T, D>(shared.loop_a, loop, q + s.q(b, h, first), s.q_stride,
                        s.seq - first, s.head_dim);
        load_tile<T, D>(shared.loop_b, loop, d_o + s.o(b, h, first), s.o_stride,
                        s.seq - first, s.head_dim);
        __syncthreads();
        const int at = 16 * warp * Tile::stride;
        multiply_rows<T, D>(shared.own_a + at, shared.loop_a,
                            shared.scores[warp]);
        multiply_rows<T, D>(shared.own_b + at, shared.loop_b,
                            shared.products[warp]);
        const int64_t i = first + lane;
        const bool is_query = i < s.seq;
        const ScoreRow row = is_query ? score_rows[s.row(b, h, i)] : ScoreRow{};
        // Of the warp's rows, which are keys.
        const int first_seen = is_query ? int(s.first_key(i) - key) : 0,
                  end_seen = is_query ? int(s.end_key(in, b, i) - key) : 0;
        const float *bias = is_query ? s.bias_row(in, b, h, i) : nullptr;
        auto *weights = reinterpret_cast<T *>(shared.weights[warp]),
             *more = reinterpret_cast<T *>(shared.more_weights[warp]);
#pragma unroll
        for (int r = 0; r < 16; ++r) {
          const int place = r * score_stride + lane;
          float p = 0.0f, ds = 0.0f;
          if (r >= first_seen && r < end_seen) {
            float slope;
            p = row.probability(s.score(shared.scores[warp][place] * s.scale,
                                        bias, key + r, &slope));
            ds = s.scale * slope * p *
                 (shared.products[warp][place] - row.delta);
          }
          store(weights, r * weight_stride + lane, p);
          store(more, r * weight_stride + lane, ds);
        }
        __syncwarp();
        dv_sums.add(shared.weights[warp], shared.loop_b + column);
        dk_sums.add(shared.more_weights[warp], shared.loop_a + column);
      }
    dk_sums.write(shared.scores[warp], dk + s.k(b, kv, key) + column,
                  s.k_stride, s.kv_seq - key, s.head_dim - column);
    dv_sums.write(shared.scores[warp], dv + s.v(b, kv, key) + column,
                  s.v_stride, s.kv_seq - key, s.head_dim - column);
  }
}

/// A block makes the gradient of 32 keys' numbers, of as many queries as it
/// owns or of all of them where they have the same; `x` is a sequence and head
/// of the bias.
template <class T, int D>
__global__ __launch_bounds__(128) void dbias_kernel(
    AttentionIndex s, ScoreInputs in, const T *q, const T *k, const T *v,
    const ScoreRow *score_rows, const T *d_o, float *d_bias) {
  using Tile = Tiles<T, D>;
  extern __shared__ __align__(128) unsigned char memory[];
  auto &shared = *reinterpret_cast<typename Tile::Shared *>(memory);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const bool sums_b = s.bias[0] == 1, sums_h = s.bias[1] == 1,
             sums_i = s.bias[2] == 1;
  const int64_t own_b = blockIdx.x / s.bias[1], own_h = blockIdx.x % s.bias[1],
                first_key = int64_t(blockIdx.z) * loop, key = first_key + lane;
  float sums[16] = {};
  for (int64_t b = sums_b ? 0 : own_b; b < (sums_b ? s.batch : own_b + 1); ++b)
    for (int64_t h = sums_h ? 0 : own_h; h < (sums_h ? s.heads : own_h + 1);
         ++h)
      for (int64_t first = sums_i ? 0 : int64_t(blockIdx.y) * Tile::own;
           first < s.seq; first += Tile::own) {
        const QueryBlock block(s, in, b, h, first, Tile::own);
        if (first_key + loop > block.first_key && first_key < block.end_key) {
          __syncthreads();
          load_tile<T, D>(shared.own_a, Tile::own, q + s.q(b, h, first),
                          s.q_stride, block.count, s.head_dim);
          load_tile<T, D>(shared.own_b, Tile::own, d_o + s.o(b, h, first),
                          s.o_stride, block.count, s.head_dim);
          load_tile<T, D>(shared.loop_a, loop,
                          k + s.k(b, h / s.group, first_key), s.k_stride,
                          s.kv_seq - first_key, s.head_dim);
          load_tile<T, D>(shared.loop_b, loop,
                          v + s.v(b, h / s.group, first_key), s.v_stride,
                          s.kv_seq - first_key, s.head_dim);
          __syncthreads();
          const int at = 16 * warp * Tile::stride;
          multiply_rows<T, D>(shared.own_a + at, shared.loop_a,
                              shared.scores[warp]);
          multiply_rows<T, D>(shared.own_b + at, shared.loop_b,
                              shared.products[warp]);
          block.each_score(
              shared.scores[warp], first_key, [&](int r, float y, float) {
                const int64_t i = first + 16 * warp + r;
                if (i >= s.seq)
                  return;
                const ScoreRow row = score_rows[s.row(b, h, i)];
                const float dp = shared.products[warp][r * score_stride + lane];
                sums[r] += row.probability(y) * (dp - row.delta);
              });
        }
        if (!sums_i)
          break;
      }
  float *to = d_bias + own_b * s.bias_strides[0] + own_h * s.bias_strides[1];
  if (!sums_i) {
#pragma unroll
    for (int r = 0; r < 16; ++r) {
      const int64_t i = int64_t(blockIdx.y) * Tile::own + 16 * warp + r;
      if (i < s.seq && key < s.kv_seq)
        to[i * s.bias_strides[2] + key] = sums[r];
    }
    return;
  }
  float sum = 0.0f;
#pragma unroll
  for (int r = 0; r < 16; ++r)
    sum += sums[r];
  __syncthreads();
  shared.scores[warp][lane] = sum;
  __syncthreads();
  if (warp == 0 && key < s.kv_seq) {
    for (int w = 1; w < Tile::warps; ++w)
      sum += shared.scores[w][lane];
    to[key] = sum;
  }
}

unsigned blocks(int64_t n, int size) { return unsigned((n + size - 1) / size); }

template <class T, int D>
void forward(const Stream &stream, const AttentionIndex &s,
             const ScoreInputs &in, const void *q, const void *k, const void *v,
             void *o, float *lse) {
  using Tile = Tiles<T, D>;
  auto at = [](const void *p) { return static_cast<const T *>(p); };
  detail::launch(stream, forward_kernel<T, D>,
                 dim3(blocks(s.seq, Tile::own), s.heads, s.batch),
                 Tile::threads, Tile::forward_bytes, s, in, at(q), at(k), at(v),
                 static_cast<T *>(o), lse);
}

template <class T, int D>
void backward(const Stream &stream, const AttentionIndex &s,
              const ScoreInputs &in, const void *q, const void *k,
              const void *v, const void *o, const float *lse, const void *d_o,
              void *dq, void *dk, void *dv, float *d_bias) {
  using Tile = Tiles<T, D>;
  auto at = [](const void *p) { return static_cast<const T *>(p); };
  auto *rows =
      stream.workspace<ScoreRow>(s.batch * s.heads * s.seq * sizeof(ScoreRow));
  detail::launch(stream, dq_kernel<T, D>,
                 dim3(blocks(s.seq, Tile::own), s.heads, s.batch),
                 Tile::threads, Tile::dq_bytes, s, in, at(q), at(k), at(v),
                 at(o), lse, at(d_o), static_cast<T *>(dq), rows);
  if (dq)
    detail::launch(stream, dkv_kernel<T, D>,
                   dim3(blocks(s.kv_seq, Tile::own), s.kv_heads, s.batch),
                   Tile::threads, Tile::all_bytes, s, in, at(q), at(k), at(v),
                   static_cast<const ScoreRow *>(rows), at(d_o),
                   static_cast<T *>(dk), static_cast<T *>(dv));
  // What is the same for all keys changes no probability.
  if (d_bias && s.bias[3] == 1) {
    if (!stream.planning())
      check(cudaMemsetAsync(d_bias, 0,
                            size_t(detail::bias_size(s)) * sizeof(float),
                            stream.handle()),
            "cannot clear a gradient");
  } else if (d_bias)
    detail::launch(stream, dbias_kernel<T, D>,
                   dim3(unsigned(s.bias[0] * s.bias[1]),
                        s.bias[2] == 1 ? 1 : blocks(s.seq, Tile::own),
                        blocks(s.kv_seq, loop)),
                   Tile::threads, Tile::all_bytes, s, in, at(q), at(k), at(v),
                   static_cast<const ScoreRow *>(rows), at(d_o), d_bias);
}

/// Calls f with the type and the width of tiles that a head takes.
template <class F>
void dispatch(const AttentionShape &shape, Format format, const F &f) {
  auto width = [&](auto type) {
    if (shape.head_dim <= 32)
      f(type, std::integral_constant<int, 32>());
    else if (shape.head_dim <= 64)
      f(type, std::integral_constant<int, 64>());
    else if (shape.head_dim <= 128)
      f(type, std::integral_constant<int, 128>());
    else
      f(type, std::integral_constant<int, 256>());
  };
  if (format == Format::bf16)
    width(bf16());
  else
    width(f16());
}

} // namespace

bool has_tiled_attention(const AttentionShape &shape, Format format) {
  return (format == Format::bf16 || format == Format::f16) &&
         shape.head_dim <= widest_head;
}

void tiled_attention(const Stream &stream, const AttentionShape &shape,
                     Format format, const void *q, const void *k, const void *v,
                     void *o, float *lse, const ScoreInputs &in) {
  dispatch(shape, format, [&](auto type, auto width) {
    forward<decltype(type), width>(stream, AttentionIndex(shape), in, q, k, v,
                                   o, lse);
  });
}

void tiled_attention_backward(const Stream &stream, const AttentionShape &shape,
                              Format format, const void *q, const void *k,
                              const void *v, const void *o, const float *lse,
                              const void *d_o, void *dq, void *dk, void *dv,
                              const ScoreInputs &in, float *d_bias) {
  dispatch(shape, format, [&](auto type, auto width) {
    backward<decltype(type), width>(stream, AttentionIndex(shape), in, q, k, v,
                                    o, lse, d_o, dq, dk, dv, d_bias);
  });
}

} // namespace fp8c::library
