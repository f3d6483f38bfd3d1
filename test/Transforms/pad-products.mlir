// RUN: fp8c-opt %s -split-input-file --fp8-pad-products | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --fp8-pad-products --fp8-insert-scaling | FileCheck %s --check-prefix=SCALED

// 3 x 33 tokens: rows of zeros behind them, whatever is contracted, once for both products that read the activation.

#e4m3 = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>

// CHECK-LABEL: func.func @tokens(
// CHECK-SAME: %[[X:.*]]: tensor<3x33x128xbf16>, %[[W:.*]]: tensor<128x64xf32>, %[[DY:.*]]: tensor<3x33x64xbf16>
// CHECK: %[[DY2:.*]] = train.reshape %[[DY]] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : tensor<3x33x64xbf16> -> tensor<99x64xbf16>
// CHECK: %[[DYP:.*]] = train.place %[[DY2]] at [0, 0] by [1, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : tensor<99x64xbf16> -> tensor<112x64xbf16>
// CHECK: %[[X2:.*]] = train.reshape %[[X]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<3x33x128xbf16> -> tensor<99x128xbf16>
// CHECK: %[[XP:.*]] = train.place %[[X2]] at [0, 0] by [1, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<99x128xbf16> -> tensor<112x128xbf16>
// CHECK-NOT: train.place
// CHECK: %[[YP:.*]] = train.matmul %[[XP]], %[[W]] {{.*}} : tensor<112x128xbf16>, tensor<128x64xf32> -> tensor<112x64xbf16>
// CHECK: %[[Y2:.*]] = train.slice %[[YP]] at [0, 0] by [1, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<112x64xbf16> -> tensor<99x64xbf16>
// CHECK: %[[Y:.*]] = train.reshape %[[Y2]] {{.*}} -> tensor<3x33x64xbf16>
// A weight's gradient is summed over the padding, and has none.
// CHECK: %[[DW:.*]] = train.matmul %[[XP]], %[[DYP]] contracting [0] x [0] {{.*}} : tensor<112x128xbf16>, tensor<112x64xbf16> -> tensor<128x64xf32>
// CHECK: return %[[Y]], %[[DW]]
// The amax is that of the padded value, whose zeros do not count.
// SCALED-LABEL: func.func @tokens(
// SCALED: fp8.quantize {{.*}} : tensor<112x128xbf16> -> !fp8.scaled<112x128xf8E4M3FN>
// SCALED: fp8.matmul {{.*}} : !fp8.scaled<112x128xf8E4M3FN>, !fp8.scaled<128x64xf8E4M3FN> -> tensor<112x64xbf16>
func.func @tokens(%x: tensor<3x33x128xbf16>, %w: tensor<128x64xf32>, %dy: tensor<3x33x64xbf16>) -> (tensor<3x33x64xbf16>, tensor<128x64xf32>) {
  %y = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #e4m3} : tensor<3x33x128xbf16>, tensor<128x64xf32> -> tensor<3x33x64xbf16>
  %dw = train.matmul %x, %dy contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>, fp8.precision = #e4m3}
    : tensor<3x33x128xbf16>, tensor<3x33x64xbf16> -> tensor<128x64xf32>
  return %y, %dw : tensor<3x33x64xbf16>, tensor<128x64xf32>
}

// -----

// Every size, of operands in either layout.

#e4m3 = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>

// CHECK-LABEL: func.func @all(
// A vector is a matrix of one row.
// CHECK: train.reshape %{{.*}} : tensor<20xbf16> -> tensor<1x20xbf16>
// CHECK: train.matmul {{.*}} contracting [0] x [1] {{.*}} : tensor<32x16xbf16>, tensor<48x32xbf16> -> tensor<16x48xbf16>
// CHECK: train.slice {{.*}} : tensor<16x48xbf16> -> tensor<7x33xbf16>
// CHECK: train.matmul {{.*}} : tensor<16x32xbf16>, tensor<32x48xbf16> -> tensor<16x48xbf16>
// CHECK: train.slice {{.*}} -> tensor<1x33xbf16>
// CHECK: train.reshape {{.*}} : tensor<1x33xbf16> -> tensor<33xbf16>
func.func @all(%a: tensor<20x7xbf16>, %b: tensor<33x20xbf16>, %v: tensor<20xbf16>) -> (tensor<7x33xbf16>, tensor<33xbf16>) {
  %0 = train.matmul %a, %b contracting [0] x [1] {fp8.precision = #e4m3} : tensor<20x7xbf16>, tensor<33x20xbf16> -> tensor<7x33xbf16>
  %bt = train.transpose %b [1, 0] : tensor<33x20xbf16> -> tensor<20x33xbf16>
  %1 = train.matmul %v, %bt contracting [0] x [0] {fp8.precision = #e4m3} : tensor<20xbf16>, tensor<20x33xbf16> -> tensor<33xbf16>
  return %0, %1 : tensor<7x33xbf16>, tensor<33xbf16>
}

// -----

// In blocks a contracted size becomes whole blocks, of rows that cross sequences.

#blocks = #fp8.precision<lhs = <f8E4M3FN, granularity = "1x128">, rhs = <f8E4M3FN, granularity = "1x128">>
#rows = #fp8.precision<lhs = <f8E4M3FN, granularity = row>, rhs = <f8E4M3FN, granularity = row>>

// CHECK-LABEL: func.func @tiles(
// CHECK: train.matmul {{.*}} : tensor<256x128xbf16>, tensor<256x64xbf16> -> tensor<128x64xf32>
// CHECK: train.matmul {{.*}} : tensor<176x128xbf16>, tensor<176x64xbf16> -> tensor<128x64xf32>
// SCALED-LABEL: func.func @tiles(
// SCALED: fp8.quantize_tiles {{.*}} -> !fp8.scaled<256x64xf8E4M3FN, tile<[128, 1]>>
func.func @tiles(%x: tensor<5x33x128xbf16>, %dy: tensor<5x33x64xbf16>) -> (tensor<128x64xf32>, tensor<128x64xf32>) {
  %0 = train.matmul %x, %dy contracting [0, 1] x [0, 1] {fp8.precision = #blocks}
    : tensor<5x33x128xbf16>, tensor<5x33x64xbf16> -> tensor<128x64xf32>
  %1 = train.matmul %x, %dy contracting [0, 1] x [0, 1] {fp8.precision = #rows}
    : tensor<5x33x128xbf16>, tensor<5x33x64xbf16> -> tensor<128x64xf32>
  return %0, %1 : tensor<128x64xf32>, tensor<128x64xf32>
}

// -----

// What is not wanted in FP8, and what has sizes that fit, stays as it is.

#e4m3 = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>

// CHECK-LABEL: func.func @others(
// CHECK-NOT: train.place
// CHECK: return
func.func @others(%a: tensor<7x20xbf16>, %b: tensor<20x33xbf16>, %c: tensor<2x8x16xbf16>, %d: tensor<16x48xbf16>) -> (tensor<7x33xbf16>, tensor<2x8x48xbf16>) {
  %0 = train.matmul %a, %b {fp8.precision = #fp8.precision<lhs = <bf16>, rhs = <bf16>>} : tensor<7x20xbf16>, tensor<20x33xbf16> -> tensor<7x33xbf16>
  %1 = train.matmul %c, %d {fp8.precision = #e4m3} : tensor<2x8x16xbf16>, tensor<16x48xbf16> -> tensor<2x8x48xbf16>
  return %0, %1 : tensor<7x33xbf16>, tensor<2x8x48xbf16>
}
