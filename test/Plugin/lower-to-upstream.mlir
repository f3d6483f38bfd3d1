// Down to upstream's dialects, and on by upstream's tools alone, as docs/other-compilers.md says.
// RUN: %mlir-opt-fp8c %s --pass-pipeline='builtin.module(fp8-assign-precision{recipe=fp8-current},fp8-insert-scaling,fp8-lower-to-upstream)' -o %t.upstream.mlir
// RUN: mlir-opt %t.upstream.mlir --one-shot-bufferize='bufferize-function-boundaries allow-return-allocs-from-loops function-boundary-type-conversion=identity-layout-map' \
// RUN:   --convert-linalg-to-loops --expand-strided-metadata --lower-affine --convert-scf-to-cf --convert-arith-to-apfloat --convert-math-to-llvm \
// RUN:   --finalize-memref-to-llvm --convert-arith-to-llvm --convert-func-to-llvm --convert-cf-to-llvm --reconcile-unrealized-casts -o %t.llvm.mlir
// RUN: mlir-runner %t.llvm.mlir -e main --entry-point-result=void \
// RUN:   --shared-libs=%llvm-lib/libmlir_runner_utils.so,%llvm-lib/libmlir_c_runner_utils.so,%llvm-lib/libmlir_apfloat_wrappers.so | FileCheck %s

// Each step is quantised with the scale of the steps before: 1, then 448 / 500,
// floored to a power of two.
func.func @step(%state: !fp8.scale_state<f8E4M3FN, 4>, %x: tensor<4xf32>) -> (!fp8.scaled<4xf8E4M3FN>, !fp8.scale_state<f8E4M3FN, 4>) {
  %scale = fp8.current_scale %state : !fp8.scale_state<f8E4M3FN, 4>
  %q, %stats = fp8.quantize %x, %scale : tensor<4xf32> -> !fp8.scaled<4xf8E4M3FN>
  %recorded = fp8.record %state, %stats : !fp8.scale_state<f8E4M3FN, 4>
  %next = fp8.advance %recorded {pow2} : !fp8.scale_state<f8E4M3FN, 4>
  return %q, %next : !fp8.scaled<4xf8E4M3FN>, !fp8.scale_state<f8E4M3FN, 4>
}

// A product that the recipe chose: 16 times 3 * 0.5.
func.func @product(%x: tensor<16x16xf32>, %w: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %init = tensor.empty() : tensor<16x16xf32>
  %y = linalg.matmul ins(%x, %w : tensor<16x16xf32>, tensor<16x16xf32>) outs(%init : tensor<16x16xf32>) -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}

// CHECK: [1,  -3,  448,  0.00976562]
// CHECK: [1,  -3,  512,  0.0117188]
// CHECK-COUNT-16: [{{(24, +)+}}24]
func.func @main() {
  %state = fp8.initial_state : !fp8.scale_state<f8E4M3FN, 4>
  %x = arith.constant dense<[1.0, -3.0, 500.0, 0.01]> : tensor<4xf32>
  %q0, %state1 = call @step(%state, %x) : (!fp8.scale_state<f8E4M3FN, 4>, tensor<4xf32>) -> (!fp8.scaled<4xf8E4M3FN>, !fp8.scale_state<f8E4M3FN, 4>)
  %q1, %state2 = call @step(%state1, %x) : (!fp8.scale_state<f8E4M3FN, 4>, tensor<4xf32>) -> (!fp8.scaled<4xf8E4M3FN>, !fp8.scale_state<f8E4M3FN, 4>)
  %y0 = fp8.dequantize %q0 : !fp8.scaled<4xf8E4M3FN> -> tensor<4xf32>
  %y1 = fp8.dequantize %q1 : !fp8.scaled<4xf8E4M3FN> -> tensor<4xf32>
  %u0 = tensor.cast %y0 : tensor<4xf32> to tensor<*xf32>
  %u1 = tensor.cast %y1 : tensor<4xf32> to tensor<*xf32>
  call @printMemrefF32(%u0) : (tensor<*xf32>) -> ()
  call @printMemrefF32(%u1) : (tensor<*xf32>) -> ()
  %a = arith.constant dense<3.0> : tensor<16x16xf32>
  %b = arith.constant dense<0.5> : tensor<16x16xf32>
  %p = call @product(%a, %b) : (tensor<16x16xf32>, tensor<16x16xf32>) -> tensor<16x16xf32>
  %u2 = tensor.cast %p : tensor<16x16xf32> to tensor<*xf32>
  call @printMemrefF32(%u2) : (tensor<*xf32>) -> ()
  return
}
func.func private @printMemrefF32(tensor<*xf32>)
