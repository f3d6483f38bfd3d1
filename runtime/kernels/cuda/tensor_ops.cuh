//===- tensor_ops.cuh - Operations that are not fused kernels -------------===//

#ifndef FP8C_KERNELS_CUDA_TENSOR_OPS_CUH
#define FP8C_KERNELS_CUDA_TENSOR_OPS_CUH

#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/cross_entropy.cuh"
#include "kernels/cuda/embedding.cuh"
#include "kernels/cuda/gather.cuh"
#include "kernels/cuda/rotary.cuh"
#include "kernels/cuda/scalars.cuh"

#endif // FP8C_KERNELS_CUDA_TENSOR_OPS_CUH
