//===- collectives.cuh - What GPUs do together ----------------------------===//

#ifndef FP8C_KERNELS_CUDA_COLLECTIVES_CUH
#define FP8C_KERNELS_CUDA_COLLECTIVES_CUH

#include "kernels/common/collectives.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pack.cuh"

namespace fp8c {
namespace detail {

constexpr int join_threads = 256, join_blocks = 264;

/// As many elements as are read at once.
template <class T> struct alignas(16) Lanes { T of[16 / sizeof(T)]; };

/// 16 bytes of every process a thread, then what is left one by one.
template <class T>
__global__ void join_kernel(const PartJoin *parts, int rank, int size,
                            bool is_sum, float factor) {
  constexpr int lanes = 16 / sizeof(T);
  const PartJoin part = parts[blockIdx.y];
  const int64_t thread = int64_t(blockIdx.x) * join_threads + threadIdx.x,
                threads = int64_t(gridDim.x) * join_threads;
  // Parts of odd sizes do not all begin where a pack may.
  const int64_t packs = part.own_stride % 16 ? 0 : part.count / lanes;
  for (int64_t p = thread; p < packs; p += threads) {
    float joined[lanes];
    for (int64_t own = 0; own < part.parts; ++own)
      for (int r = 0; r < size; ++r) {
        const unsigned char *from = part.from(own, r, rank, size);
        const Lanes<T> pack = reinterpret_cast<const Lanes<T> *>(from)[p];
#pragma unroll
        for (int i = 0; i < lanes; ++i) {
          const float x = load(pack.of, i);
          joined[i] = own == 0 && r == 0 ? x
                      : is_sum           ? joined[i] + x
                                         : max(joined[i], x);
        }
      }
    Lanes<T> result;
#pragma unroll
    for (int i = 0; i < lanes; ++i)
      store(result.of, i, joined[i] * factor);
    reinterpret_cast<Lanes<T> *>(part.output)[p] = result;
  }
  for (int64_t i = packs * lanes + thread; i < part.count; i += threads)
    join_element<T>(part, i, rank, size, is_sum, factor);
}

/// Joins the parts of one type.
template <class T>
void join_parts(const Stream &stream, const Fp8cCollectives &with,
                const std::vector<PartJoin> &all, Element element, bool is_sum,
                float factor) {
  std::vector<PartJoin> parts;
  int64_t most = 0;
  for (const PartJoin &part : all)
    if (part.element == element) {
      parts.push_back(part);
      most = part.count > most ? part.count : most;
    }
  if (parts.empty())
    return;
  const PartJoin *table = stream.table(parts);
  const int64_t each = int64_t(join_threads) * (16 / sizeof(T)),
                wanted = (most + each - 1) / each,
                blocks = wanted < 1             ? 1
                         : wanted < join_blocks ? wanted
                                                : join_blocks;
  launch(stream, join_kernel<T>, dim3(unsigned(blocks), unsigned(parts.size())),
         join_threads, 0, table, with.rank, with.size, is_sum, factor);
}

inline void run(const Stream &stream, const Fp8cCollectives &with,
                const Exchange &exchange) {
  if (!stream.planning())
    exchange.run(with, stream.handle());
}

inline const Fp8cCollectives &others_of(const Stream &stream) {
  return expect_others(stream.context->collectives);
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

template <class T>
__global__ void put_part_kernel(const T *input, T *parts, const float *index,
                                int64_t count, int64_t all) {
  const auto at = int64_t(*index);
  if (at < 0 || at >= all)
    return;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += int64_t(gridDim.x) * blockDim.x)
    parts[at * count + i] = input[i];
}

static __global__ void scale_by_kernel(const ScaledScale *scales, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    scale_by(scales[i]);
}

static __global__ void clear_counts_kernel(uint32_t *counts, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    counts[i] = 0;
}
template <class T>
__global__ void count_saturated_kernel(const WatchedSum *sums,
                                       uint32_t *counts) {
  const WatchedSum sum = sums[blockIdx.y];
  const auto *codes = static_cast<const T *>(sum.sum);
  uint32_t saturated = 0;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
       i < sum.count; i += int64_t(gridDim.x) * blockDim.x)
    saturated += is_saturated(codes[i]);
  saturated = __reduce_add_sync(~0u, saturated);
  if (threadIdx.x % 32 == 0 && saturated)
    atomicAdd(counts + blockIdx.y, saturated);
}
static __global__ void adjust_mu_kernel(const WatchedSum *sums,
                                        const uint32_t *counts, int n,
                                        int size) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    adjust_mu(sums[i].mu, counts[i], sums[i].count, size);
}

inline int blocks_of_32(int n) { return (n + 31) / 32; }

inline void join(const Stream &stream, const Fp8cCollectives &with,
                 const JoinPlan &plan, bool is_sum) {
  run(stream, with, plan.scatter);
  join_parts<float>(stream, with, plan.parts, Element::of_float, is_sum, 1.0f);
  join_parts<bf16>(stream, with, plan.parts, Element::of_bf16, is_sum, 1.0f);
  join_parts<f16>(stream, with, plan.parts, Element::of_f16, is_sum, 1.0f);
  if (plan.gathers)
    run(stream, with, plan.gather);
}

/// Sums codes by the steps that `make_plan` gives.
template <class T, class MakePlan>
void sum_codes(const Stream &stream, MakePlan make_plan,
               const SummedCodes *tensors, int n, void *scratch) {
  const Fp8cCollectives &with = others_of(stream);
  const float factor = sum_factor(with, tensors);
  std::vector<SumScale> scales;
  for (int t = 0; t < n; ++t)
    scales.push_back({tensors[t].pair, tensors[t].output_pair});
  const SumScale *scale_table = stream.table(scales);
  const JoinPlan plan = make_plan(with, codes_of<T>(tensors, n), scratch);
  run(stream, with, plan.scatter);
  join_parts<T>(stream, with, plan.parts, element_of<T>(), /*is_sum=*/true,
                factor);
  if (plan.gathers)
    run(stream, with, plan.gather);
  launch(stream, scale_sums_kernel, blocks_of_32(n), 32, 0, scale_table, n,
         factor);
}

inline void move_shares(const Stream &stream, const Fp8cCollectives &with,
                        const MovePlan &plan) {
  if (!stream.planning())
    for (const Moved &kept : plan.kept)
      check(cudaMemcpyAsync(kept.output, kept.input, size_t(kept.bytes),
                            cudaMemcpyDeviceToDevice, stream.handle()),
            "cannot copy");
  run(stream, with, plan.exchange);
}

} // namespace detail

/// See exec.all_reduce.
inline void all_reduce(const Stream &stream, const Joined *tensors, int n,
                       Join how, void *scratch) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  join(stream, with, all_reduce_plan(with, {tensors, tensors + n}, scratch),
       how == Join::sum);
}

/// See exec.reduce_scatter.
inline void reduce_scatter(const Stream &stream, const Joined *tensors, int n,
                           Join how, void *scratch) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  join(stream, with, reduce_scatter_plan(with, {tensors, tensors + n}, scratch),
       how == Join::sum);
}

/// See exec.all_reduce_codes.
template <class T>
void all_reduce_codes(const Stream &stream, const SummedCodes *tensors, int n,
                      void *scratch) {
  detail::sum_codes<T>(stream, detail::all_reduce_plan, tensors, n, scratch);
}

/// See exec.reduce_scatter_codes.
template <class T>
void reduce_scatter_codes(const Stream &stream, const SummedCodes *tensors,
                          int n, void *scratch) {
  detail::sum_codes<T>(stream, detail::reduce_scatter_plan, tensors, n,
                       scratch);
}

/// See exec.all_gather.
inline void all_gather(const Stream &stream, const Moved *tensors, int n) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  move_shares(stream, with, all_gather_plan(with, tensors, n));
}

/// See exec.all_to_all.
inline void all_to_all(const Stream &stream, const Moved *tensors, int n) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  move_shares(stream, with, all_to_all_plan(with, tensors, n));
}

/// See exec.put_part.
template <class T>
void put_part(const Stream &stream, const T *input, T *parts,
              const float *index, int64_t count, int64_t all) {
  using namespace detail;
  const int64_t wanted = (count + join_threads - 1) / join_threads;
  launch(stream, put_part_kernel<T>,
         int(wanted < join_blocks ? wanted : join_blocks), join_threads, 0,
         input, parts, index, count, all);
}

/// See exec.all_reduce_codes, natively.
template <class T>
void sum_natively(const Stream &stream, const SummedCodes *tensors, int n,
                  void *) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  std::vector<SumScale> scales;
  for (int t = 0; t < n; ++t)
    scales.push_back({tensors[t].pair, tensors[t].output_pair});
  const SumScale *scale_table = stream.table(scales);
  constexpr bool is_e5m2 = element_of<T>() == Element::of_e5m2;
  if (stream.planning())
    with.sum_codes(with.self, nullptr, nullptr, 0, is_e5m2, nullptr);
  else
    for (const Joined &one : merge_neighbours(codes_of<T>(tensors, n)))
      with.sum_codes(with.self, one.input, one.output,
                     static_cast<unsigned long long>(one.count), is_e5m2,
                     stream.handle());
  launch(stream, scale_sums_kernel, blocks_of_32(n), 32, 0, scale_table, n,
         1.0f);
}

/// See exec.scale_by.
inline void scale_by(const Stream &stream, const ScaledScale *scales, int n) {
  using namespace detail;
  const ScaledScale *table =
      stream.table(std::vector<ScaledScale>(scales, scales + n));
  launch(stream, scale_by_kernel, blocks_of_32(n), 32, 0, table, n);
}

/// See exec.adjust_mu.
template <class T>
void adjust_mu(const Stream &stream, const WatchedSum *sums, int n,
               void *scratch) {
  using namespace detail;
  const WatchedSum *table =
      stream.table(std::vector<WatchedSum>(sums, sums + n));
  auto *counts = static_cast<uint32_t *>(scratch);
  launch(stream, clear_counts_kernel, blocks_of_32(n), 32, 0, counts, n);
  launch(stream, count_saturated_kernel<T>, dim3(64, unsigned(n)), join_threads,
         0, table, counts);
  launch(stream, adjust_mu_kernel, blocks_of_32(n), 32, 0, table,
         static_cast<const uint32_t *>(counts), n, others_of(stream).size);
}

/// Amaxes become the largest of all processes, counts their sums.
inline void agree_stats(const Stream &stream, Stats *const *stats, int n,
                        void *scratch) {
  using namespace detail;
  const Fp8cCollectives &with = others_of(stream);
  Stats *const *table = stream.table(std::vector<Stats *>(stats, stats + n));
  auto *all = static_cast<Stats *>(scratch);
  launch(stream, pack_stats_kernel, blocks_of_32(n), 32, 0, table, n,
         all + int64_t(n) * with.rank);
  run(stream, with, gather_stats(with, all, n));
  launch(stream, join_stats_kernel, blocks_of_32(n), 32, 0, table, n,
         static_cast<const Stats *>(all), with.size);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_COLLECTIVES_CUH
