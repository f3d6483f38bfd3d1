//===- tensor_ops.h - Operations that are not fused kernels ---------------===//

#ifndef FP8C_KERNELS_CPU_TENSOR_OPS_H
#define FP8C_KERNELS_CPU_TENSOR_OPS_H

#include "kernels/common/buffers.h"
#include "kernels/cpu/copy.h"
#include "kernels/cpu/cross_entropy.h"
#include "kernels/cpu/embedding.h"
#include "kernels/cpu/gather.h"
#include "kernels/cpu/optimizer.h"
#include "kernels/cpu/rotary.h"

#endif // FP8C_KERNELS_CPU_TENSOR_OPS_H
