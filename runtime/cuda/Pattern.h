//===- Pattern.h - Memory with numbers in it --------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CUDA_PATTERN_H
#define FP8C_RUNTIME_CUDA_PATTERN_H

#include <cstdint>
#include <cuda_runtime_api.h>

namespace fp8c::library {

/// Fills memory with bytes that are random finite numbers below 2 in f32, bf16,
/// f16, E4M3 and E5M2 alike: products of zeros would be timed too fast.
void fill_pattern(cudaStream_t stream, unsigned char *memory, uint64_t bytes);

} // namespace fp8c::library

#endif // FP8C_RUNTIME_CUDA_PATTERN_H
