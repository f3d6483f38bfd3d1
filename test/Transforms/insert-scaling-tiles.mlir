// Scales finer than one per tensor. A value is quantised once for each dimension that a product sums over.
// RUN: fp8c-opt %s -split-input-file --fp8-insert-scaling -verify-diagnostics | FileCheck %s

#fwd = #fp8.precision<lhs = <f8E4M3FN, pow2 = true, granularity = row>, rhs = <f8E4M3FN, pow2 = true, granularity = row>, fast_accum = true>
#bwd = #fp8.precision<lhs = <f8E4M3FN, margin = 1, granularity = row>, rhs = <f8E4M3FN, pow2 = true, granularity = row>>

// CHECK-LABEL: func.func @rows(
func.func @rows(%x: tensor<2x16x32xbf16>, %w: tensor<32x64xf32>, %dy: tensor<2x16x64xbf16>)
    -> (tensor<2x16x64xbf16>, tensor<2x16x32xbf16>, tensor<32x64xf32>) {
  // CHECK-DAG: %[[X:.*]] = fp8.quantize_tiles %arg0 contracting [2] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, pow2} : tensor<2x16x32xbf16> -> !fp8.scaled<2x16x32xf8E4M3FN, tile<[1, 1, ?]>>
  // CHECK-DAG: %[[W:.*]] = fp8.quantize_tiles %arg1 contracting [0] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, pow2} : tensor<32x64xf32> -> !fp8.scaled<32x64xf8E4M3FN, tile<[?, 1]>>
  // CHECK-DAG: %[[DY:.*]] = fp8.quantize_tiles %arg2 contracting [2] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>, margin = 1 : i64} : {{.*}} -> !fp8.scaled<2x16x64xf8E4M3FN, tile<[1, 1, ?]>>
  // CHECK-DAG: %[[WN:.*]] = fp8.quantize_tiles %arg1 contracting [1] {{.*}} -> !fp8.scaled<32x64xf8E4M3FN, tile<[1, ?]>>
  // CHECK-DAG: %[[XT:.*]] = fp8.quantize_tiles %arg0 contracting [0, 1] {{.*}} -> !fp8.scaled<2x16x32xf8E4M3FN, tile<[?, ?, 1]>>
  // CHECK-DAG: %[[DYT:.*]] = fp8.quantize_tiles %arg2 contracting [0, 1] {{.*}} -> !fp8.scaled<2x16x64xf8E4M3FN, tile<[?, ?, 1]>>
  // CHECK: fp8.matmul %[[X]], %[[W]] {fast_accum, fp8.name = "fc", fp8.phase = #fp8.phase<fwd>}
  // CHECK: fp8.matmul %[[DY]], %[[WN]] contracting [2] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>}
  // CHECK: fp8.matmul %[[XT]], %[[DYT]] contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>}
  %y = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fwd} : tensor<2x16x32xbf16>, tensor<32x64xf32> -> tensor<2x16x64xbf16>
  %dx = train.matmul %dy, %w contracting [2] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>, fp8.precision = #bwd} : tensor<2x16x64xbf16>, tensor<32x64xf32> -> tensor<2x16x32xbf16>
  %dw = train.matmul %x, %dy contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>, fp8.precision = #bwd} : tensor<2x16x32xbf16>, tensor<2x16x64xbf16> -> tensor<32x64xf32>
  return %y, %dx, %dw : tensor<2x16x64xbf16>, tensor<2x16x32xbf16>, tensor<32x64xf32>
}

// -----

// Square tiles serve both products of a weight. Blocks of 128 tokens are cut out of [4, 64].

#fwd = #fp8.precision<lhs = <f8E4M3FN, pow2 = true, granularity = "1x128">, rhs = <f8E4M3FN, pow2 = true, granularity = "128x128">>
#wgrad = #fp8.precision<lhs = <f8E4M3FN, pow2 = true, granularity = "1x128">, rhs = <f8E4M3FN, pow2 = true, granularity = "1x128">>

// CHECK-LABEL: func.func @blocks(
func.func @blocks(%x: tensor<4x64x128xbf16>, %w: tensor<128x256xf32>, %dy: tensor<4x64x256xbf16>)
    -> (tensor<4x64x256xbf16>, tensor<4x64x128xbf16>, tensor<128x256xf32>) {
  // CHECK-DAG: %[[X:.*]] = fp8.quantize_tiles %arg0 contracting [2] {{.*}} -> !fp8.scaled<4x64x128xf8E4M3FN, tile<[1, 1, 128]>>
  // CHECK-DAG: %[[W:.*]] = fp8.quantize_tiles %arg1 {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, pow2} : tensor<128x256xf32> -> !fp8.scaled<128x256xf8E4M3FN, tile<[128, 128]>>
  // CHECK-DAG: %[[DY:.*]] = fp8.quantize_tiles %arg2 contracting [2] {{.*}} -> !fp8.scaled<4x64x256xf8E4M3FN, tile<[1, 1, 128]>>
  // CHECK-DAG: %[[XT:.*]] = fp8.quantize_tiles %arg0 contracting [0, 1] {{.*}} -> !fp8.scaled<4x64x128xf8E4M3FN, tile<[2, 64, 1]>>
  // CHECK-DAG: %[[DYT:.*]] = fp8.quantize_tiles %arg2 contracting [0, 1] {{.*}} -> !fp8.scaled<4x64x256xf8E4M3FN, tile<[2, 64, 1]>>
  // CHECK-NOT: fp8.quantize_tiles
  // CHECK: fp8.matmul %[[X]], %[[W]] {
  // CHECK: fp8.matmul %[[DY]], %[[W]] contracting [2] x [1]
  // CHECK: fp8.matmul %[[XT]], %[[DYT]] contracting [0, 1] x [0, 1]
  %y = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fwd} : tensor<4x64x128xbf16>, tensor<128x256xf32> -> tensor<4x64x256xbf16>
  %dx = train.matmul %dy, %w contracting [2] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>, fp8.precision = #fwd} : tensor<4x64x256xbf16>, tensor<128x256xf32> -> tensor<4x64x128xbf16>
  %dw = train.matmul %x, %dy contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>, fp8.precision = #wgrad} : tensor<4x64x128xbf16>, tensor<4x64x256xbf16> -> tensor<128x256xf32>
  return %y, %dx, %dw : tensor<4x64x256xbf16>, tensor<4x64x128xbf16>, tensor<128x256xf32>
}

// -----

// What a recipe's reader would not let through.

#square = #fp8.precision<lhs = <f8E4M3FN, granularity = "128x128">, rhs = <f8E4M3FN, granularity = "128x128">>

func.func @conflict(%x: tensor<128x128xbf16>, %w: tensor<128x128xbf16>) -> tensor<128x128xbf16> {
  // expected-error@+1 {{cannot be done in FP8: both operands would have 128x128 blocks; keep one '1x128'}}
  %y = train.matmul %x, %w {fp8.precision = #square} : tensor<128x128xbf16>, tensor<128x128xbf16> -> tensor<128x128xbf16>
  return %y : tensor<128x128xbf16>
}

// -----

#blocks = #fp8.precision<lhs = <f8E4M3FN, granularity = "1x128">, rhs = <f8E4M3FN, granularity = "1x128">>

func.func @obstacle(%x: tensor<128x64xbf16>, %w: tensor<64x128xbf16>) -> tensor<128x128xbf16> {
  // expected-error@+1 {{cannot be done in FP8: k = 64 is no multiple of the 128 elements of a block}}
  %y = train.matmul %x, %w {fp8.precision = #blocks} : tensor<128x64xbf16>, tensor<64x128xbf16> -> tensor<128x128xbf16>
  return %y : tensor<128x128xbf16>
}
