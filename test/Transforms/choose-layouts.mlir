// RUN: fp8c-opt %s --fp8-choose-layouts=tn=true | FileCheck %s

// The three products of a linear layer. The forward one needs the weight transposed, the weight gradient both operands.
// CHECK-LABEL: func.func @linear(
// CHECK-SAME: %[[X:[^:]*]]: !fp8.scaled<2x16x32xf8E4M3FN>, %[[W:[^:]*]]: !fp8.scaled<32x64xf8E4M3FN>, %[[DY:[^:]*]]: !fp8.scaled<2x16x64xf8E5M2>
func.func @linear(%x: !fp8.scaled<2x16x32xf8E4M3FN>, %w: !fp8.scaled<32x64xf8E4M3FN>, %dy: !fp8.scaled<2x16x64xf8E5M2>)
    -> (tensor<2x16x64xbf16>, tensor<2x16x32xbf16>, tensor<32x64xf32>) {
  // CHECK-DAG: %[[WT:.*]] = fp8.transpose %[[W]] [1, 0] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : !fp8.scaled<32x64xf8E4M3FN> -> !fp8.scaled<64x32xf8E4M3FN>
  // CHECK-DAG: %[[XT:.*]] = fp8.transpose %[[X]] [2, 0, 1] {{.*}} : !fp8.scaled<2x16x32xf8E4M3FN> -> !fp8.scaled<32x2x16xf8E4M3FN>
  // CHECK-DAG: %[[DYT:.*]] = fp8.transpose %[[DY]] [2, 0, 1] {{.*}} : !fp8.scaled<2x16x64xf8E5M2> -> !fp8.scaled<64x2x16xf8E5M2>
  // CHECK: fp8.matmul %[[X]], %[[WT]] contracting [2] x [1] {fast_accum, fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : {{.*}} -> tensor<2x16x64xbf16>
  %y = fp8.matmul %x, %w {fast_accum, fp8.name = "fc", fp8.phase = #fp8.phase<fwd>}
     : !fp8.scaled<2x16x32xf8E4M3FN>, !fp8.scaled<32x64xf8E4M3FN> -> tensor<2x16x64xbf16>
  // CHECK: fp8.matmul %[[DY]], %[[W]] contracting [2] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>}
  %dx = fp8.matmul %dy, %w contracting [2] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>}
     : !fp8.scaled<2x16x64xf8E5M2>, !fp8.scaled<32x64xf8E4M3FN> -> tensor<2x16x32xbf16>
  // CHECK: fp8.matmul %[[XT]], %[[DYT]] contracting [1, 2] x [1, 2] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : {{.*}} -> tensor<32x64xf32>
  %dw = fp8.matmul %x, %dy contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>}
     : !fp8.scaled<2x16x32xf8E4M3FN>, !fp8.scaled<2x16x64xf8E5M2> -> tensor<32x64xf32>
  return %y, %dx, %dw : tensor<2x16x64xbf16>, tensor<2x16x32xbf16>, tensor<32x64xf32>
}

// One transpose serves all users. It stands right after the value and is called after what makes it.
// CHECK-LABEL: func.func @shared(
func.func @shared(%x: tensor<16x32xbf16>, %s: !fp8.scale<f8E4M3FN>, %a: !fp8.scaled<16x48xf8E4M3FN>, %b: !fp8.scaled<16x64xf8E4M3FN>)
    -> (tensor<32x48xf32>, tensor<32x64xf32>) {
  // CHECK: %[[Q:.*]], %{{.*}} = fp8.quantize
  // CHECK-NEXT: %[[QT:.*]] = fp8.transpose %[[Q]] [1, 0] {fp8.name = "x", fp8.phase = #fp8.phase<fwd>}
  // CHECK-NEXT: fp8.matmul %[[QT]], %{{.*}} contracting [1] x [1]
  // CHECK-NEXT: fp8.matmul %[[QT]], %{{.*}} contracting [1] x [1]
  // CHECK-NEXT: return
  %q, %k = fp8.quantize %x, %s {fp8.name = "x", fp8.phase = #fp8.phase<fwd>} : tensor<16x32xbf16> -> !fp8.scaled<16x32xf8E4M3FN>
  %0 = fp8.matmul %q, %a contracting [0] x [0] {fp8.name = "a", fp8.phase = #fp8.phase<wgrad>}
     : !fp8.scaled<16x32xf8E4M3FN>, !fp8.scaled<16x48xf8E4M3FN> -> tensor<32x48xf32>
  %1 = fp8.matmul %q, %b contracting [0] x [0] {fp8.name = "b", fp8.phase = #fp8.phase<wgrad>}
     : !fp8.scaled<16x32xf8E4M3FN>, !fp8.scaled<16x64xf8E4M3FN> -> tensor<32x64xf32>
  return %0, %1 : tensor<32x48xf32>, tensor<32x64xf32>
}

// Scales by tile move with their dimensions.
// CHECK-LABEL: func.func @tiles(
func.func @tiles(%x: !fp8.scaled<256x128xf8E4M3FN, tile<[128, 1]>>, %y: !fp8.scaled<256x64xf8E4M3FN, tile<[128, 1]>>) -> tensor<128x64xf32> {
  // CHECK-DAG: fp8.transpose {{.*}} -> !fp8.scaled<128x256xf8E4M3FN, tile<[1, 128]>>
  // CHECK-DAG: fp8.transpose {{.*}} -> !fp8.scaled<64x256xf8E4M3FN, tile<[1, 128]>>
  %0 = fp8.matmul %x, %y contracting [0] x [0]
     : !fp8.scaled<256x128xf8E4M3FN, tile<[128, 1]>>, !fp8.scaled<256x64xf8E4M3FN, tile<[128, 1]>> -> tensor<128x64xf32>
  return %0 : tensor<128x64xf32>
}

// What contracts last dimensions already, and what is not FP8, stays.
// CHECK-LABEL: func.func @stays(
// CHECK-NOT: transpose
// CHECK: return
func.func @stays(%x: !fp8.scaled<16x32xf8E4M3FN>, %w: !fp8.scaled<64x32xf8E4M3FN>, %a: tensor<16x32xbf16>, %b: tensor<32x64xbf16>)
    -> (tensor<16x64xbf16>, tensor<16x64xbf16>) {
  %0 = fp8.matmul %x, %w contracting [1] x [1] : !fp8.scaled<16x32xf8E4M3FN>, !fp8.scaled<64x32xf8E4M3FN> -> tensor<16x64xbf16>
  %1 = train.matmul %a, %b : tensor<16x32xbf16>, tensor<32x64xbf16> -> tensor<16x64xbf16>
  return %0, %1 : tensor<16x64xbf16>, tensor<16x64xbf16>
}
