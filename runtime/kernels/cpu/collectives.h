//===- collectives.h - What processes do together -----------------------===//

#ifndef FP8C_KERNELS_CPU_COLLECTIVES_H
#define FP8C_KERNELS_CPU_COLLECTIVES_H

#include "core/ProgramABI.h"
#include "kernels/common/scale_state.h"

#include <stdexcept>
#include <vector>

namespace fp8c {

inline void all_reduce(const Fp8cCall *call, const float *input, float *output,
                       int64_t count, Fp8cReduction reduction) {
  const auto *with = static_cast<const Fp8cCollectives *>(call->device);
  if (!with)
    throw std::runtime_error("this function needs the other processes of the "
                             "program: only training has them");
  with->all_reduce(with->self, input, output,
                   static_cast<unsigned long long>(count), reduction);
}

/// The pending amax of every state becomes the largest of all processes, and
/// the counts become sums. Counts are f32 on the way: exact up to 2^24, and
/// beyond that nobody counts one by one.
inline void agree_scales(const Fp8cCall *call, ScaleState *const *states,
                         int64_t n) {
  std::vector<float> amaxes, counts;
  for (int64_t i = 0; i < n; ++i) {
    const Stats &stats = states[i]->pending;
    amaxes.push_back(from_bits(stats.amax_bits));
    counts.push_back(static_cast<float>(stats.saturated));
    counts.push_back(static_cast<float>(stats.nonfinite));
  }
  all_reduce(call, amaxes.data(), amaxes.data(), n, Fp8cReduction_max);
  all_reduce(call, counts.data(), counts.data(), 2 * n, Fp8cReduction_sum);
  for (int64_t i = 0; i < n; ++i)
    states[i]->pending =
        Stats{bits_of(amaxes[static_cast<size_t>(i)]),
              static_cast<uint32_t>(counts[static_cast<size_t>(2 * i)]),
              static_cast<uint32_t>(counts[static_cast<size_t>(2 * i + 1)])};
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_COLLECTIVES_H
