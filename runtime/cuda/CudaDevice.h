//===- CudaDevice.h - Running programs on an NVIDIA GPU ---------*- C++ -*-===//
//
// Built as a shared library of its own, which the runtime loads when a program
// for CUDA is opened: the runtime works where there is no CUDA. Programs take
// their library calls (kernels/cuda/library.h) from it too.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CUDA_CUDADEVICE_H
#define FP8C_RUNTIME_CUDA_CUDADEVICE_H

#include "core/Device.h"

/// The GPU that CUDA counts as number `localRank`, or the only one. Throws
/// Error if it is missing or not usable. The caller owns the result.
extern "C" fp8c::runtime::Device *fp8c_create_cuda_device(int localRank);

#endif // FP8C_RUNTIME_CUDA_CUDADEVICE_H
