//===- Handles.h - Starting the libraries -----------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CUDA_HANDLES_H
#define FP8C_RUNTIME_CUDA_HANDLES_H

namespace fp8c::library {

/// Make the handles of cuBLASLt and cuDNN, which the first call of each would
/// do else. Throw Error if a library cannot start.
void startGemm();
void startAttention();

} // namespace fp8c::library

#endif // FP8C_RUNTIME_CUDA_HANDLES_H
