//===- scalars.cuh - Kernels that compute a few numbers -------------------===//
//
// Scales and the clip coefficient never leave the device.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_SCALARS_CUH
#define FP8C_KERNELS_CUDA_SCALARS_CUH

#include "kernels/common/clip.h"
#include "kernels/common/scale_state.h"
#include "kernels/common/update_scales.h"
#include "kernels/cuda/skeletons.cuh"

namespace fp8c {

namespace detail {

constexpr int max_sums = 2048;
struct Sums {
  const float *sums[max_sums];
};

static __global__ void clip_kernel(Sums s, int n, const float *max_norm,
                                   float *coef, float *norm) {
  double total = 0.0;
  for (int i = threadIdx.x; i < n; i += 256)
    total += double(*s.sums[i]);
  total = block_total<256>(total);
  if (threadIdx.x == 0)
    clip(total, *max_norm, coef, norm);
}

template <class T>
__global__ void compute_scales_kernel(const Stats *const *stats,
                                      float *const *pairs, int n, float margin,
                                      bool pow2, bool poison) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    compute_scale<T>(stats[i], pairs[i], margin, pow2, poison);
}
/// A thread takes an update, and statistics to clear.
static __global__ void update_scales_kernel(const ScaleUpdate *updates, int n,
                                            Stats *const *cleared,
                                            int cleared_count,
                                            UpdateScalars scalars, float *bound,
                                            float *key) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const float quotient = update_bound(scalars);
  if (i == 0) {
    *bound = quotient;
    *key = rounding_key(scalars);
  }
  if (i < n)
    update_scale(updates[i], scalars, quotient);
  if (i < cleared_count)
    *cleared[i] = Stats{0, 0, 0};
}

static __global__ void record_kernel(ScaleState *state, const Stats *stats) {
  record_stats(state, stats);
}
template <class T>
__global__ void advance_kernel(ScaleState *const *states, int n, int64_t window,
                               float margin, bool pow2) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    advance_scale<T>(states[i], window, margin, pow2);
}

} // namespace detail

/// See detail::clip; `sums` are the sums of squares of n gradients.
inline void clip_coefficient(const Stream &stream, const float *const *sums,
                             int n, const float *max_norm, float *coef,
                             float *norm) {
  if (n > detail::max_sums)
    throw std::runtime_error("a norm over " + std::to_string(n) +
                             " tensors: there is room for " +
                             std::to_string(detail::max_sums));
  detail::Sums list = {};
  for (int i = 0; i < n; ++i)
    list.sums[i] = sums[i];
  detail::launch(stream, detail::clip_kernel, 1, 256, 0, list, n, max_norm,
                 coef, norm);
}

/// compute_scale for each of n tensors.
template <class T>
void compute_scales(const Stream &stream, const Stats *const *stats,
                    float *const *pairs, int n, float margin, bool pow2,
                    bool poison) {
  const Stats *const *stats_table =
      stream.table(std::vector<const Stats *>(stats, stats + n));
  float *const *pairs_table =
      stream.table(std::vector<float *>(pairs, pairs + n));
  detail::launch(stream, detail::compute_scales_kernel<T>,
                 detail::blocks_for(n, 32), 32, 0, stats_table, pairs_table, n,
                 margin, pow2, poison);
}
/// Bound and rounding key of a step, and the scales of all tensors that the
/// optimizer writes; clears the statistics that it will gather.
inline void update_scales(const Stream &stream, const ScaleUpdate *updates,
                          int n, Stats *const *cleared, int cleared_count,
                          const UpdateScalars &scalars, float *bound,
                          float *key) {
  const auto *update_table =
      stream.table(std::vector<ScaleUpdate>(updates, updates + n));
  Stats *const *cleared_table =
      stream.table(std::vector<Stats *>(cleared, cleared + cleared_count));
  const int most = n > cleared_count ? n : cleared_count;
  detail::launch(stream, detail::update_scales_kernel,
                 detail::blocks_for(most > 0 ? most : 1, 64), 64, 0,
                 update_table, n, cleared_table, cleared_count, scalars, bound,
                 key);
}
inline void record_stats(const Stream &stream, ScaleState *state,
                         const Stats *stats) {
  detail::launch(stream, detail::record_kernel, 1, 1, 0, state, stats);
}
/// advance_scale for each of n states.
template <class T>
void advance_scales(const Stream &stream, ScaleState *const *states, int n,
                    int64_t window, float margin, bool pow2) {
  ScaleState *const *table =
      stream.table(std::vector<ScaleState *>(states, states + n));
  detail::launch(stream, detail::advance_kernel<T>, detail::blocks_for(n, 32),
                 32, 0, table, n, window, margin, pow2);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_SCALARS_CUH
