// The same passes decide by the module's target. What a user sets overrules it.
// RUN: fp8c-opt %s --exec-set-target=target=cpu --train-round-bias --train-form-fusions --convert-to-exec --exec-plan-workspace | FileCheck %s --check-prefix=CPU
// RUN: fp8c-opt %s --train-round-bias --train-form-fusions --convert-to-exec --exec-plan-workspace | FileCheck %s --check-prefix=CPU
// RUN: fp8c-opt %s --exec-set-target=target=cuda --train-form-fusions --convert-to-exec --exec-plan-workspace 2>&1 | FileCheck %s --check-prefix=SM90
// RUN: fp8c-opt %s --exec-set-target="target=cuda gpu=sm_89" --train-form-fusions --convert-to-exec --exec-plan-workspace 2>&1 | FileCheck %s --check-prefix=SM89
// RUN: fp8c-opt %s --exec-set-target=target=cuda --train-form-fusions --convert-to-exec=gemm-workspace=true | FileCheck %s --check-prefix=COPIES

train.variable @b : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// OpenBLAS multiplies f32 and adds no bias; cuBLASLt multiplies every format.
// CPU-LABEL: func.func @products
// CPU: exec.gemm
// CPU-SAME: workspace
// SM90-LABEL: func.func @products
// SM90: exec.gemm
// SM90-NOT: workspace
// SM90-LABEL: func.func @attention
// COPIES-LABEL: func.func @products
// COPIES: exec.gemm
// COPIES-SAME: workspace
func.func @products(%x: tensor<16x16xbf16>, %w: tensor<16x32xbf16>) -> (tensor<16x16xbf16>, tensor<16x16xbf16>) {
  %b = train.read @b : tensor<32xf32>
  %fc = train.matmul %x, %w : tensor<16x16xbf16>, tensor<16x32xbf16> -> tensor<16x32xbf16>
  %h = train.add %fc, %b : tensor<16x32xbf16>, tensor<32xf32> -> tensor<16x32xbf16>
  %p, %q = train.split %h axis 1 : tensor<16x32xbf16> -> tensor<16x16xbf16>, tensor<16x16xbf16>
  return %p, %q : tensor<16x16xbf16>, tensor<16x16xbf16>
}

// Scratch is cuDNN's, which has heads of 256 on Hopper; on Ada its backward pass ends at 128.
// CPU-LABEL: func.func @attention
// CPU-NOT: exec.alloc
// SM90: exec.alloc {{.*}}memref<16810240xi8>
// SM89: warning: cuDNN has no attention for this shape on sm_89 (heads of 256 are wider than 128)
// SM89-LABEL: func.func @attention
// SM89-NOT: exec.alloc
func.func @attention(%x: memref<2x1000x1024xbf16>, %lse: memref<2x4x1000xf32>, %dx: memref<2x1000x1024xbf16>) attributes {exec.inputs = 2 : i64} {
  exec.attention_backward %x, %x, %x, %x, %x, %lse into %dx, %dx, %dx {heads = 4 : i64, kv_heads = 4 : i64, scale = 0.125 : f32} : memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x4x1000xf32> into memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>
  return
}
