//===- Attention.h - Attention by cuDNN -------------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CUDA_ATTENTION_H
#define FP8C_RUNTIME_CUDA_ATTENTION_H

namespace fp8c::library {

/// Makes cuDNN's handle, which the first attention would do else. Throws Error
/// if cuDNN cannot start.
void startAttention();

} // namespace fp8c::library

#endif // FP8C_RUNTIME_CUDA_ATTENTION_H
