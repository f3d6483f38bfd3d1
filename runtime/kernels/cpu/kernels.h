//===- kernels.h - Everything an emitted CPU program needs ----------------===//

#ifndef FP8C_KERNELS_CPU_KERNELS_H
#define FP8C_KERNELS_CPU_KERNELS_H

#include "kernels/common/math.h"
#include "kernels/common/stats.h"
#include "kernels/common/types.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_backward.h"
#include "kernels/cpu/collectives.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/quantize_tiles.h"
#include "kernels/cpu/skeletons.h"
#include "kernels/cpu/tensor_ops.h"

#endif // FP8C_KERNELS_CPU_KERNELS_H
