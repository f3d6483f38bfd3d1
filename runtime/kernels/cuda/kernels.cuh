//===- kernels.cuh - Everything an emitted CUDA program needs -------------===//

#ifndef FP8C_KERNELS_CUDA_KERNELS_CUH
#define FP8C_KERNELS_CUDA_KERNELS_CUH

#include "kernels/common/buffers.h"
#include "kernels/cuda/collectives.cuh"
#include "kernels/cuda/library.h"
#include "kernels/cuda/multi.cuh"
#include "kernels/cuda/quantize_tiles.cuh"
#include "kernels/cuda/rows_tiled.cuh"
#include "kernels/cuda/skeletons.cuh"
#include "kernels/cuda/tensor_ops.cuh"
#include "kernels/cuda/tiles.cuh"

#endif // FP8C_KERNELS_CUDA_KERNELS_CUH
