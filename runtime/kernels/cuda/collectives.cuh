//===- collectives.cuh - What GPUs do together ----------------------------===//

#ifndef FP8C_KERNELS_CUDA_COLLECTIVES_CUH
#define FP8C_KERNELS_CUDA_COLLECTIVES_CUH

#include "kernels/common/collectives.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pack.cuh"

namespace fp8c {
namespace detail {

constexpr int join_pack = 16, join_threads = 256, join_blocks = 1024;

/// 16 neighbours of every process a thread, then what is left one by one.
template <class T>
__global__ void sum_codes_kernel(const CodesSum *sums, int rank, int size,
                                 float factor) {
  const CodesSum sum = sums[blockIdx.y];
  const int64_t thread = int64_t(blockIdx.x) * join_threads + threadIdx.x,
                threads = int64_t(gridDim.x) * join_threads;
  const int64_t packs = sum.count / join_pack;
  for (int64_t p = thread; p < packs; p += threads) {
    float totals[join_pack] = {};
    for (int r = 0; r < size; ++r) {
      const unsigned char *codes =
          r == rank ? sum.own
                    : sum.others + (r < rank ? r : r - 1) * sum.stride;
      const auto pack = reinterpret_cast<const Codes<T, join_pack> *>(codes)[p];
#pragma unroll
      for (int i = 0; i < join_pack; ++i)
        totals[i] += to_float(pack[i]);
    }
    Codes<T, join_pack> result = {};
#pragma unroll
    for (int i = 0; i < join_pack; ++i)
      result.set(i, from_float<T>(totals[i] * factor));
    reinterpret_cast<Codes<T, join_pack> *>(sum.output)[p] = result;
  }
  for (int64_t i = packs * join_pack + thread; i < sum.count; i += threads)
    sum_codes<T>(sum, i, rank, size, factor);
}

/// A scale of a sum: where it comes from and goes to.
struct SumScale {
  const float *pair;
  float *output_pair;
};
static __global__ void scale_sums_kernel(const SumScale *scales, int n,
                                         float factor) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    scale_sum(scales[i].pair, scales[i].output_pair, factor);
}

static __global__ void pack_stats_kernel(Stats *const *stats, int n,
                                         Stats *packed) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    packed[i] = *stats[i];
}
static __global__ void join_stats_kernel(Stats *const *stats, int n,
                                         const Stats *all, int size) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    *stats[i] = join_stats(all, i, n, size);
}

inline int blocks_of_32(int n) { return (n + 31) / 32; }

inline const Fp8cCollectives &others_of(const Stream &stream) {
  return expect_others(stream.context->collectives);
}

} // namespace detail

inline void all_reduce(const Stream &stream, const Fp8cReduced *tensors, int n,
                       Fp8cReduction reduction) {
  const Fp8cCollectives &with = detail::others_of(stream);
  if (!stream.planning())
    with.all_reduce(with.self, tensors, n, reduction, stream.handle());
}

/// See exec.all_reduce_codes.
template <class T>
void all_reduce_codes(const Stream &stream, const SummedCodes *tensors, int n,
                      void *scratch) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  auto *bytes = static_cast<unsigned char *>(scratch);
  const float factor = sum_factor(with.size);
  std::vector<SumScale> scales;
  int64_t most = 0;
  for (int t = 0; t < n; ++t) {
    scales.push_back({tensors[t].pair, tensors[t].output_pair});
    const int64_t part = part_size(tensors[t].count, with.size);
    most = part > most ? part : most;
  }
  const CodesSum *sum_table = stream.table(codes_sums(with, tensors, n, bytes));
  const SumScale *scale_table = stream.table(scales);
  if (stream.planning())
    return;
  scatter_codes(with, tensors, n, bytes).run(with, stream.handle());
  const int64_t wanted = (most / join_pack + join_threads - 1) / join_threads,
                blocks = wanted < join_blocks ? wanted : join_blocks;
  launch(stream, sum_codes_kernel<T>, dim3(unsigned(blocks), unsigned(n)),
         join_threads, 0, sum_table, with.rank, with.size, factor);
  gather_codes(with, tensors, n).run(with, stream.handle());
  launch(stream, scale_sums_kernel, blocks_of_32(n), 32, 0, scale_table, n,
         factor);
}

/// Amaxes become the largest of all processes, counts their sums.
inline void agree_stats(const Stream &stream, Stats *const *stats, int n,
                        void *scratch) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  Stats *const *table = stream.table(std::vector<Stats *>(stats, stats + n));
  if (stream.planning())
    return;
  auto *all = static_cast<Stats *>(scratch);
  launch(stream, pack_stats_kernel, blocks_of_32(n), 32, 0, table, n,
         all + int64_t(n) * with.rank);
  exchange_stats(with, all, n, stream.handle());
  launch(stream, join_stats_kernel, blocks_of_32(n), 32, 0, table, n,
         static_cast<const Stats *>(all), with.size);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_COLLECTIVES_CUH
