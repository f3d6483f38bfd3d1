//===- target.h - What differs between the CPU and CUDA compilers ---------===//
//
// FP8C_FN marks the scalar functions that both targets share. On the CPU they
// must disappear into the caller's loop, or that loop is not vectorised.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_TARGET_H
#define FP8C_KERNELS_COMMON_TARGET_H

#include <stdint.h>

#if defined(__CUDACC__)
#define FP8C_FN __host__ __device__ __forceinline__
#else
#define FP8C_FN inline __attribute__((always_inline))
#endif

namespace fp8c {

FP8C_FN uint32_t bits_of(float v) {
  uint32_t bits;
  __builtin_memcpy(&bits, &v, sizeof(bits));
  return bits;
}

FP8C_FN float from_bits(uint32_t bits) {
  float v;
  __builtin_memcpy(&v, &bits, sizeof(v));
  return v;
}

FP8C_FN uint64_t bits_of(double v) {
  uint64_t bits;
  __builtin_memcpy(&bits, &v, sizeof(bits));
  return bits;
}

FP8C_FN double from_bits(uint64_t bits) {
  double v;
  __builtin_memcpy(&v, &bits, sizeof(v));
  return v;
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_TARGET_H
