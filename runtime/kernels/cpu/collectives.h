//===- collectives.h - What processes do together -----------------------===//

#ifndef FP8C_KERNELS_CPU_COLLECTIVES_H
#define FP8C_KERNELS_CPU_COLLECTIVES_H

#include "kernels/common/collectives.h"
#include "kernels/cpu/parallel.h"

namespace fp8c {

namespace detail {
inline const Fp8cCollectives &others_of(const Fp8cCall *call) {
  return expect_others(static_cast<const Fp8cCollectives *>(call->device));
}
} // namespace detail

inline void all_reduce(const Fp8cCall *call, const Fp8cReduced *tensors, int n,
                       Fp8cReduction reduction) {
  const Fp8cCollectives &with = detail::others_of(call);
  with.all_reduce(with.self, tensors, n, reduction, nullptr);
}

/// See exec.all_reduce_codes.
template <class T>
void all_reduce_codes(const Fp8cCall *call, const SummedCodes *tensors, int n,
                      void *scratch) {
  const Fp8cCollectives &with = detail::others_of(call);
  auto *bytes = static_cast<unsigned char *>(scratch);
  const float factor = detail::sum_factor(with.size);
  detail::scatter_codes(with, tensors, n, bytes).run(with, nullptr);
  for (const detail::CodesSum &sum :
       detail::codes_sums(with, tensors, n, bytes)) {
#pragma omp parallel for schedule(static) if (sum.count >= parallel_threshold)
    for (int64_t i = 0; i < sum.count; ++i)
      detail::sum_codes<T>(sum, i, with.rank, with.size, factor);
  }
  detail::gather_codes(with, tensors, n).run(with, nullptr);
  for (int t = 0; t < n; ++t)
    detail::scale_sum(tensors[t].pair, tensors[t].output_pair, factor);
}

/// Amaxes become the largest of all processes, counts their sums.
inline void agree_stats(const Fp8cCall *call, Stats *const *stats, int n,
                        void *scratch) {
  const Fp8cCollectives &with = detail::others_of(call);
  auto *all = static_cast<Stats *>(scratch);
  for (int i = 0; i < n; ++i)
    all[int64_t(n) * with.rank + i] = *stats[i];
  detail::exchange_stats(with, all, n, nullptr);
  for (int i = 0; i < n; ++i)
    *stats[i] = detail::join_stats(all, i, n, with.size);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_COLLECTIVES_H
