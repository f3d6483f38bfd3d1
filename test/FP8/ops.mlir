// RUN: fp8c-opt %s | fp8c-opt | FileCheck %s
// RUN: fp8c-opt %s --mlir-print-op-generic | fp8c-opt | FileCheck %s

// CHECK-LABEL: func.func @types(
// CHECK-SAME: !fp8.scaled<4x8xf8E4M3FN>
// CHECK-SAME: !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>
// CHECK-SAME: !fp8.scaled<256x256xf8E4M3FN, tile<[128, 128]>>
// CHECK-SAME: !fp8.scaled<8xf16>
// CHECK-SAME: !fp8.scale_state<f8E5M2, 16>
// CHECK-SAME: !fp8.stats
// CHECK-SAME: !fp8.scale<f16>
func.func @types(%a: !fp8.scaled<4x8xf8E4M3FN>, %b: !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>,
                 %c: !fp8.scaled<256x256xf8E4M3FN, tile<[128, 128]>>, %d: !fp8.scaled<8xf16>,
                 %e: !fp8.scale_state<f8E5M2, 16>, %f: !fp8.stats, %g: !fp8.scale<f16>) {
  return
}

// CHECK-LABEL: func.func @current(
func.func @current(%x: tensor<4x8xbf16>) -> tensor<4x8xf32> {
  // CHECK: %[[A:.*]] = fp8.amax %{{.*}} : tensor<4x8xbf16>
  %a = fp8.amax %x : tensor<4x8xbf16>
  // CHECK: %[[S:.*]] = fp8.compute_scale %[[A]] {margin = 1 : i64, pow2} : !fp8.scale<f8E4M3FN>
  %s = fp8.compute_scale %a {margin = 1, pow2} : !fp8.scale<f8E4M3FN>
  // CHECK: %[[Q:.*]], %{{.*}} = fp8.quantize %{{.*}}, %[[S]] : tensor<4x8xbf16> -> !fp8.scaled<4x8xf8E4M3FN>
  %q, %k = fp8.quantize %x, %s : tensor<4x8xbf16> -> !fp8.scaled<4x8xf8E4M3FN>
  // CHECK: fp8.dequantize %[[Q]] : !fp8.scaled<4x8xf8E4M3FN> -> tensor<4x8xf32>
  %y = fp8.dequantize %q : !fp8.scaled<4x8xf8E4M3FN> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @delayed(
func.func @delayed(%x: tensor<4x8xf32>, %st: !fp8.scale_state<f8E5M2, 16>)
    -> (!fp8.scaled<4x8xf8E5M2>, !fp8.scale_state<f8E5M2, 16>) {
  // CHECK: fp8.current_scale %{{.*}} : !fp8.scale_state<f8E5M2, 16>
  %s = fp8.current_scale %st : !fp8.scale_state<f8E5M2, 16>
  // CHECK: %{{.*}}, %[[K:.*]] = fp8.quantize
  %q, %k = fp8.quantize %x, %s : tensor<4x8xf32> -> !fp8.scaled<4x8xf8E5M2>
  // CHECK: %[[R:.*]] = fp8.record %{{.*}}, %[[K]] : !fp8.scale_state<f8E5M2, 16>
  %st1 = fp8.record %st, %k : !fp8.scale_state<f8E5M2, 16>
  // CHECK: fp8.advance %[[R]] {pow2} : !fp8.scale_state<f8E5M2, 16>
  %st2 = fp8.advance %st1 {pow2} : !fp8.scale_state<f8E5M2, 16>
  return %q, %st2 : !fp8.scaled<4x8xf8E5M2>, !fp8.scale_state<f8E5M2, 16>
}

// CHECK-LABEL: func.func @initial(
func.func @initial() -> !fp8.scale_state<f8E5M2, 16> {
  // CHECK: fp8.initial_state : !fp8.scale_state<f8E5M2, 16>
  %st = fp8.initial_state : !fp8.scale_state<f8E5M2, 16>
  return %st : !fp8.scale_state<f8E5M2, 16>
}

// CHECK-LABEL: func.func @collectives(
func.func @collectives(%q: !fp8.scaled<4x8xf8E5M2>, %a: tensor<f32>, %s: !fp8.scale_state<f8E5M2, 16>) {
  // CHECK: fp8.agree %{{.*}}, %{{.*}} over ["dp"] : tensor<f32>, !fp8.scale_state<f8E5M2, 16>
  %0:2 = fp8.agree %a, %s over ["dp"] : tensor<f32>, !fp8.scale_state<f8E5M2, 16>
  // CHECK: %[[C:.*]]:2 = fp8.scale_by %{{.*}}, %{{.*}} by %{{.*}}, %{{.*}} : !fp8.scale<f8E5M2>, !fp8.scale<f8E5M2>
  %c = fp8.compute_scale %a : !fp8.scale<f8E5M2>
  %d:2 = fp8.scale_by %c, %c by %a, %a : !fp8.scale<f8E5M2>, !fp8.scale<f8E5M2>
  // CHECK: %[[SUM:.*]] = fp8.all_reduce %{{.*}} over ["dp"] native : !fp8.scaled<4x8xf8E5M2>
  %e = fp8.all_reduce %q over ["dp"] native : !fp8.scaled<4x8xf8E5M2>
  // CHECK: fp8.adjust_mu %{{.*}}, %{{.*}} by %[[SUM]], %[[SUM]] over ["dp"] : tensor<f32>, tensor<f32> by !fp8.scaled<4x8xf8E5M2>, !fp8.scaled<4x8xf8E5M2>
  %f:2 = fp8.adjust_mu %a, %a by %e, %e over ["dp"] : tensor<f32>, tensor<f32> by !fp8.scaled<4x8xf8E5M2>, !fp8.scaled<4x8xf8E5M2>
  // CHECK: fp8.all_reduce %{{.*}}, %{{.*}} over ["dp", "tp"] : !fp8.scaled<4x8xf8E5M2>, !fp8.scaled<4x8xf8E5M2>
  %1:2 = fp8.all_reduce %q, %q over ["dp", "tp"] : !fp8.scaled<4x8xf8E5M2>, !fp8.scaled<4x8xf8E5M2>
  return
}

// CHECK-LABEL: func.func @matmul(
func.func @matmul(%x: !fp8.scaled<2x16x32xf8E4M3FN>, %w: !fp8.scaled<32x64xf8E4M3FN>,
                  %dy: !fp8.scaled<2x16x64xf8E5M2>)
    -> (tensor<2x16x64xbf16>, tensor<2x16x32xbf16>, tensor<32x64xf32>) {
  // CHECK: fp8.matmul %{{.*}}, %{{.*}} {fast_accum} : !fp8.scaled<2x16x32xf8E4M3FN>, !fp8.scaled<32x64xf8E4M3FN> -> tensor<2x16x64xbf16>
  %y = fp8.matmul %x, %w {fast_accum} : !fp8.scaled<2x16x32xf8E4M3FN>, !fp8.scaled<32x64xf8E4M3FN> -> tensor<2x16x64xbf16>
  // CHECK: fp8.matmul %{{.*}}, %{{.*}} contracting [2] x [1] :
  %dx = fp8.matmul %dy, %w contracting [2] x [1] : !fp8.scaled<2x16x64xf8E5M2>, !fp8.scaled<32x64xf8E4M3FN> -> tensor<2x16x32xbf16>
  // CHECK: fp8.matmul %{{.*}}, %{{.*}} contracting [0, 1] x [0, 1] :
  %dw = fp8.matmul %x, %dy contracting [0, 1] x [0, 1] : !fp8.scaled<2x16x32xf8E4M3FN>, !fp8.scaled<2x16x64xf8E5M2> -> tensor<32x64xf32>
  return %y, %dx, %dw : tensor<2x16x64xbf16>, tensor<2x16x32xbf16>, tensor<32x64xf32>
}

// CHECK-LABEL: func.func @quantize_tiles(
func.func @quantize_tiles(%x: tensor<2x128x256xbf16>, %w: tensor<256x384xf32>) {
  // CHECK: fp8.quantize_tiles %{{.*}} contracting [2] {margin = 1 : i64, pow2} : tensor<2x128x256xbf16> -> !fp8.scaled<2x128x256xf8E4M3FN, tile<[1, 1, 128]>>
  %0 = fp8.quantize_tiles %x contracting [2] {margin = 1, pow2} : tensor<2x128x256xbf16> -> !fp8.scaled<2x128x256xf8E4M3FN, tile<[1, 1, 128]>>
  // CHECK: fp8.quantize_tiles %{{.*}} contracting [0, 1] : tensor<2x128x256xbf16> -> !fp8.scaled<2x128x256xf8E5M2, tile<[?, ?, 1]>>
  %1 = fp8.quantize_tiles %x contracting [0, 1] : tensor<2x128x256xbf16> -> !fp8.scaled<2x128x256xf8E5M2, tile<[?, ?, 1]>>
  // CHECK: fp8.quantize_tiles %{{.*}} {pow2} : tensor<256x384xf32> -> !fp8.scaled<256x384xf8E4M3FN, tile<[128, 128]>>
  %2 = fp8.quantize_tiles %w {pow2} : tensor<256x384xf32> -> !fp8.scaled<256x384xf8E4M3FN, tile<[128, 128]>>
  return
}

// Rows scaled each by its own maximum stay rows when both operands' are contracted.
// CHECK-LABEL: func.func @tiles(
func.func @tiles(%x: !fp8.scaled<16x32xf8E4M3FN, tile<[1, ?]>>, %w: !fp8.scaled<64x32xf8E4M3FN, tile<[1, ?]>>)
    -> (tensor<16x64xbf16>, !fp8.scaled<32x64xf8E4M3FN, tile<[?, 1]>>) {
  // CHECK: fp8.matmul
  %y = fp8.matmul %x, %w contracting [1] x [1]
    : !fp8.scaled<16x32xf8E4M3FN, tile<[1, ?]>>, !fp8.scaled<64x32xf8E4M3FN, tile<[1, ?]>> -> tensor<16x64xbf16>
  // CHECK: fp8.transpose %{{.*}} [1, 0] : !fp8.scaled<64x32xf8E4M3FN, tile<[1, ?]>> -> !fp8.scaled<32x64xf8E4M3FN, tile<[?, 1]>>
  %t = fp8.transpose %w [1, 0] : !fp8.scaled<64x32xf8E4M3FN, tile<[1, ?]>> -> !fp8.scaled<32x64xf8E4M3FN, tile<[?, 1]>>
  return %y, %t : tensor<16x64xbf16>, !fp8.scaled<32x64xf8E4M3FN, tile<[?, 1]>>
}

// CHECK-LABEL: func.func @stochastic(
func.func @stochastic(%x: tensor<4x8xf32>, %s: !fp8.scale<f16>, %n: tensor<f32>) -> (!fp8.scaled<4x8xf16>, tensor<4x8xf32>) {
  // CHECK: fp8.quantize %{{.*}}, %{{.*}} key %{{.*}} {stochastic = 2 : i64} : tensor<4x8xf32> -> !fp8.scaled<4x8xf16>
  %q, %k = fp8.quantize %x, %s key %n {stochastic = 2} : tensor<4x8xf32> -> !fp8.scaled<4x8xf16>
  // CHECK: fp8.clamp %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %y, %stats = fp8.clamp %x, %n : tensor<4x8xf32>
  return %q, %y : !fp8.scaled<4x8xf16>, tensor<4x8xf32>
}

// CHECK-LABEL: func.func @joined(
func.func @joined(%a: !fp8.scaled<4x16xf8E5M2>, %b: !fp8.scaled<4x32xf8E5M2>) -> !fp8.scaled<4x48xf8E5M2> {
  // CHECK: fp8.concat %{{.*}}, %{{.*}} axis 1 : !fp8.scaled<4x16xf8E5M2>, !fp8.scaled<4x32xf8E5M2> -> !fp8.scaled<4x48xf8E5M2>
  %c = fp8.concat %a, %b axis 1 : !fp8.scaled<4x16xf8E5M2>, !fp8.scaled<4x32xf8E5M2> -> !fp8.scaled<4x48xf8E5M2>
  return %c : !fp8.scaled<4x48xf8E5M2>
}
