//===- collectives.h - What processes do together -----------------------===//

#ifndef FP8C_KERNELS_CPU_COLLECTIVES_H
#define FP8C_KERNELS_CPU_COLLECTIVES_H

#include "kernels/common/collectives.h"
#include "kernels/cpu/parallel.h"

#include <cstring>

namespace fp8c {
namespace detail {

inline const Fp8cCollectives &others_of(const Fp8cCall *call) {
  return expect_others(static_cast<const Fp8cCollectives *>(call->device));
}

template <class T>
void join_part(const PartJoin &part, int rank, int size, bool is_sum,
               float factor) {
#pragma omp parallel for schedule(static) if (part.count >= parallel_threshold)
  for (int64_t i = 0; i < part.count; ++i)
    join_element<T>(part, i, rank, size, is_sum, factor);
}

inline void join(const Fp8cCollectives &with, const JoinPlan &plan, bool is_sum,
                 float factor) {
  plan.scatter.run(with, nullptr);
  for (const PartJoin &part : plan.parts)
    switch (part.element) {
    case Element::of_float:
      join_part<float>(part, with.rank, with.size, is_sum, factor);
      break;
    case Element::of_bf16:
      join_part<bf16>(part, with.rank, with.size, is_sum, factor);
      break;
    case Element::of_f16:
      join_part<f16>(part, with.rank, with.size, is_sum, factor);
      break;
    case Element::of_e4m3:
      join_part<e4m3>(part, with.rank, with.size, is_sum, factor);
      break;
    case Element::of_e5m2:
      join_part<e5m2>(part, with.rank, with.size, is_sum, factor);
      break;
    }
  if (plan.gathers)
    plan.gather.run(with, nullptr);
}

/// Sums codes by the steps that `make_plan` gives.
template <class T, class MakePlan>
void sum_codes(const Fp8cCall *call, MakePlan make_plan,
               const SummedCodes *tensors, int n, void *scratch) {
  const Fp8cCollectives &with = others_of(call);
  const float factor = sum_factor(with, tensors);
  join(with, make_plan(with, codes_of<T>(tensors, n), scratch), /*is_sum=*/true,
       factor);
  for (int t = 0; t < n; ++t)
    scale_sum(tensors[t].pair, tensors[t].output_pair, factor);
}

inline void move_shares(const Fp8cCollectives &with, const MovePlan &plan) {
  for (const Moved &kept : plan.kept)
    std::memcpy(kept.output, kept.input, size_t(kept.bytes));
  plan.exchange.run(with, nullptr);
}

} // namespace detail

/// See exec.all_reduce.
inline void all_reduce(const Fp8cCall *call, const Joined *tensors, int n,
                       Join how, void *scratch) {
  const Fp8cCollectives &with = detail::others_of(call);
  detail::join(with,
               detail::all_reduce_plan(with, {tensors, tensors + n}, scratch),
               how == Join::sum, 1.0f);
}

/// See exec.reduce_scatter.
inline void reduce_scatter(const Fp8cCall *call, const Joined *tensors, int n,
                           Join how, void *scratch) {
  const Fp8cCollectives &with = detail::others_of(call);
  detail::join(
      with, detail::reduce_scatter_plan(with, {tensors, tensors + n}, scratch),
      how == Join::sum, 1.0f);
}

/// See exec.all_reduce_codes.
template <class T>
void all_reduce_codes(const Fp8cCall *call, const SummedCodes *tensors, int n,
                      void *scratch) {
  detail::sum_codes<T>(call, detail::all_reduce_plan, tensors, n, scratch);
}

/// See exec.reduce_scatter_codes.
template <class T>
void reduce_scatter_codes(const Fp8cCall *call, const SummedCodes *tensors,
                          int n, void *scratch) {
  detail::sum_codes<T>(call, detail::reduce_scatter_plan, tensors, n, scratch);
}

/// See exec.all_gather.
inline void all_gather(const Fp8cCall *call, const Moved *tensors, int n) {
  const Fp8cCollectives &with = detail::others_of(call);
  detail::move_shares(with, detail::all_gather_plan(with, tensors, n));
}

/// See exec.all_to_all.
inline void all_to_all(const Fp8cCall *call, const Moved *tensors, int n) {
  const Fp8cCollectives &with = detail::others_of(call);
  detail::move_shares(with, detail::all_to_all_plan(with, tensors, n));
}

/// See exec.put_part.
template <class T>
void put_part(const T *input, T *parts, const float *index, int64_t count,
              int64_t all) {
  const auto at = int64_t(*index);
  if (at >= 0 && at < all)
    std::memcpy(parts + at * count, input, size_t(count) * sizeof(T));
}

/// See exec.all_reduce_codes, natively.
template <class T>
void sum_natively(const Fp8cCall *call, const SummedCodes *tensors, int n,
                  void *scratch) {
  const Fp8cCollectives &with = detail::others_of(call);
  for (int t = 0; t < n; ++t)
    if (tensors[t].input != tensors[t].output)
      std::memcpy(tensors[t].output, tensors[t].input,
                  size_t(tensors[t].count));
  std::vector<Joined> codes = detail::codes_of<T>(tensors, n);
  for (Joined &one : codes)
    one.input = one.output;
  for (const detail::RingStep &step :
       detail::ring_steps(with, codes, scratch)) {
    step.exchange.run(with, nullptr);
    for (const detail::PartJoin &part : step.parts)
      detail::join_part<T>(part, /*rank=*/0, /*size=*/2, /*is_sum=*/true, 1.0f);
  }
  for (int t = 0; t < n; ++t)
    detail::scale_sum(tensors[t].pair, tensors[t].output_pair, 1.0f);
}

/// See exec.scale_by.
inline void scale_by(const ScaledScale *scales, int n) {
  for (int i = 0; i < n; ++i)
    detail::scale_by(scales[i]);
}

/// See exec.adjust_mu.
template <class T>
void adjust_mu(const Fp8cCall *call, const WatchedSum *sums, int n, void *) {
  for (int i = 0; i < n; ++i) {
    const auto *codes = static_cast<const T *>(sums[i].sum);
    int64_t saturated = 0;
    for (int64_t j = 0; j < sums[i].count; ++j)
      saturated += is_saturated(codes[j]);
    detail::adjust_mu(sums[i].mu, uint64_t(saturated), sums[i].count,
                      detail::others_of(call).size);
  }
}

/// Amaxes become the largest of all processes, counts their sums.
inline void agree_stats(const Fp8cCall *call, Stats *const *stats, int n,
                        void *scratch) {
  const Fp8cCollectives &with = detail::others_of(call);
  auto *all = static_cast<Stats *>(scratch);
  for (int i = 0; i < n; ++i)
    all[int64_t(n) * with.rank + i] = *stats[i];
  detail::gather_stats(with, all, n).run(with, nullptr);
  for (int i = 0; i < n; ++i)
    *stats[i] = detail::join_stats(all, i, n, with.size);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_COLLECTIVES_H
