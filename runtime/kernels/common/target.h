//===- target.h - What differs between the CPU and CUDA compilers ---------===//
//
// FP8C_FN marks the scalar functions that both targets share. On the CPU they
// must disappear into the caller's loop, or that loop is not vectorised.
//
// FP8C_DEVICE marks what only ever runs on the target, such as kernel bodies.
//
// The few operations that need a builtin of the target are here as well.
//
// Emitted kernels live in namespace fp8c, not behind a using-directive: CUDA
// declares exp, log and others for float in the global namespace too.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_TARGET_H
#define FP8C_KERNELS_COMMON_TARGET_H

#include <stdint.h>

#if defined(__CUDACC__)
#define FP8C_FN __host__ __device__ __forceinline__
#define FP8C_DEVICE __device__
#else
#define FP8C_DEVICE
#define FP8C_FN inline __attribute__((always_inline))
#endif

namespace fp8c {

#if defined(__CUDA_ARCH__)

FP8C_FN uint32_t bits_of(float v) { return __float_as_uint(v); }
FP8C_FN float from_bits(uint32_t bits) { return __uint_as_float(bits); }
FP8C_FN uint64_t bits_of(double v) { return __double_as_longlong(v); }
FP8C_FN double from_bits(uint64_t bits) { return __longlong_as_double(bits); }

/// Rounded once, to nearest even, whatever the compiler's flags say.
FP8C_FN float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
FP8C_FN float sqrt(float x) { return __fsqrt_rn(x); }

#else

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

/// a * b + c, rounded once where the machine can. Contraction is off
/// everywhere else: only this function fuses, on both targets.
FP8C_FN float fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
FP8C_FN float sqrt(float x) { return __builtin_sqrtf(x); }

#endif

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_TARGET_H
