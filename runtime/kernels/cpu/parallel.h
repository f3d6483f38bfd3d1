//===- parallel.h - When threads are worth their start --------------------===//

#ifndef FP8C_KERNELS_CPU_PARALLEL_H
#define FP8C_KERNELS_CPU_PARALLEL_H

#include <stdint.h>

namespace fp8c {

/// Loops over fewer elements than this run in the calling thread: waking the
/// others takes microseconds, about as long as the loop.
constexpr int64_t parallel_threshold = 1 << 14;

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_PARALLEL_H
