// RUN: fp8c-opt %s --train-form-fusions | FileCheck %s

// The transposed copy is a second output of the kernel that quantises, which then runs over rows.
// CHECK-LABEL: func.func @transposed_copy(
// CHECK-NEXT: %[[F:.*]]:3 = train.fusion rows({{.*}} {fp8.name = "gelu + fc", fp8.phase = #fp8.phase<fwd>, train.result_names = ["fc", "fc.stats", "fc.t"], train.saved_bytes = 5120 : i64} {
// CHECK-NEXT:   %[[G:.*]] = train.gelu
// CHECK-NEXT:   %[[Q:.*]], %[[K:.*]] = fp8.quantize %[[G]]
// CHECK-NEXT:   %[[T:.*]] = fp8.transpose %[[Q]] [2, 0, 1]
// CHECK-NEXT:   train.yield %[[Q]], %[[K]], %[[T]]
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @transposed_copy(%x: tensor<2x16x32xbf16>, %s: !fp8.scale<f8E4M3FN>)
    -> (!fp8.scaled<2x16x32xf8E4M3FN>, !fp8.stats, !fp8.scaled<32x2x16xf8E4M3FN>) {
  %g = train.gelu %x {fp8.name = "gelu", fp8.phase = #fp8.phase<fwd>} : tensor<2x16x32xbf16> -> tensor<2x16x32xbf16>
  %q, %k = fp8.quantize %g, %s {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<2x16x32xbf16> -> !fp8.scaled<2x16x32xf8E4M3FN>
  %t = fp8.transpose %q [2, 0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : !fp8.scaled<2x16x32xf8E4M3FN> -> !fp8.scaled<32x2x16xf8E4M3FN>
  return %q, %k, %t : !fp8.scaled<2x16x32xf8E4M3FN>, !fp8.stats, !fp8.scaled<32x2x16xf8E4M3FN>
}

// Where nobody reads the row-major copy, the kernel does not yield it.
// CHECK-LABEL: func.func @only_transposed(
// CHECK-NEXT: train.fusion rows(
// CHECK-NEXT:   %[[Q:.*]], %{{.*}} = fp8.quantize
// CHECK-NEXT:   %[[T:.*]] = fp8.transpose %[[Q]] [1, 0]
// CHECK-NEXT:   train.yield %[[T]] :
func.func @only_transposed(%x: tensor<16x32xbf16>, %s: !fp8.scale<f8E4M3FN>) -> !fp8.scaled<32x16xf8E4M3FN> {
  %q, %k = fp8.quantize %x, %s : tensor<16x32xbf16> -> !fp8.scaled<16x32xf8E4M3FN>
  %t = fp8.transpose %q [1, 0] : !fp8.scaled<16x32xf8E4M3FN> -> !fp8.scaled<32x16xf8E4M3FN>
  return %t : !fp8.scaled<32x16xf8E4M3FN>
}

// No kernel writes other permutations, or transposes what is quantised already.
// CHECK-LABEL: func.func @outside(
// CHECK: train.fusion map(
// CHECK: }
// CHECK: fp8.transpose %{{.*}} [0, 2, 1]
// CHECK: fp8.transpose %arg2 [1, 0]
func.func @outside(%x: tensor<2x16x32xbf16>, %s: !fp8.scale<f8E4M3FN>, %given: !fp8.scaled<16x32xf8E4M3FN>)
    -> (!fp8.scaled<2x32x16xf8E4M3FN>, !fp8.scaled<32x16xf8E4M3FN>) {
  %q, %k = fp8.quantize %x, %s : tensor<2x16x32xbf16> -> !fp8.scaled<2x16x32xf8E4M3FN>
  %0 = fp8.transpose %q [0, 2, 1] : !fp8.scaled<2x16x32xf8E4M3FN> -> !fp8.scaled<2x32x16xf8E4M3FN>
  %1 = fp8.transpose %given [1, 0] : !fp8.scaled<16x32xf8E4M3FN> -> !fp8.scaled<32x16xf8E4M3FN>
  return %0, %1 : !fp8.scaled<2x32x16xf8E4M3FN>, !fp8.scaled<32x16xf8E4M3FN>
}

// What is computed anew joins the VJP that reads the same tensor, which becomes
// one input of the kernel, and brings a transposed copy of its own.

// CHECK-LABEL: func.func @siblings
// CHECK-SAME: %[[X:.*]]: tensor<32x16xbf16>, %[[DY:.*]]: tensor<32x16xbf16>, %[[SCALE:.*]]: !fp8.scale<f8E4M3FN>
func.func @siblings(%x: tensor<32x16xbf16>, %dy: tensor<32x16xbf16>, %scale: !fp8.scale<f8E4M3FN>) -> (!fp8.scaled<16x32xf8E4M3FN>, tensor<32x16xbf16>) {
  // CHECK: %[[F:.*]]:2 = train.fusion rows(%[[A:.*]] = %[[X]] : tensor<32x16xbf16>, %{{.*}} = %[[SCALE]] : {{.*}}, %[[B:.*]] = %[[DY]] : tensor<32x16xbf16>)
  // CHECK-NEXT: train.gelu %[[A]]
  // CHECK-NEXT: fp8.quantize
  // CHECK-NEXT: fp8.transpose
  // CHECK-NEXT: train.gelu_vjp %[[A]], %[[B]]
  %again = train.barrier %x : tensor<32x16xbf16>
  %g = train.gelu %again {tanh} : tensor<32x16xbf16> -> tensor<32x16xbf16>
  %q, %stats = fp8.quantize %g, %scale : tensor<32x16xbf16> -> !fp8.scaled<32x16xf8E4M3FN>
  %qt = fp8.transpose %q [1, 0] : !fp8.scaled<32x16xf8E4M3FN> -> !fp8.scaled<16x32xf8E4M3FN>
  %dx = train.gelu_vjp %x, %dy {tanh} : tensor<32x16xbf16>, tensor<32x16xbf16> -> tensor<32x16xbf16>
  return %qt, %dx : !fp8.scaled<16x32xf8E4M3FN>, tensor<32x16xbf16>
}

// One kernel takes no more time than two. A norm goes over its row three times, so that GELU in front would be computed three times: more instructions
// than its result has bytes.
// CHECK-LABEL: func.func @gelu_norm(
// CHECK: train.fusion map(
// CHECK-NEXT: train.gelu
// CHECK: train.fusion rows(
// CHECK-NEXT: train.layer_norm
func.func @gelu_norm(%x: tensor<32x64xbf16>, %w: tensor<64xf32>, %b: tensor<64xf32>) -> tensor<32x64xbf16> {
  %g = train.gelu %x : tensor<32x64xbf16> -> tensor<32x64xbf16>
  %y, %mean, %rstd = train.layer_norm %g, %w, %b {epsilon = 1.0e-05 : f32} : tensor<32x64xbf16>, tensor<64xf32>, tensor<64xf32> -> tensor<32x64xbf16>, tensor<32x1xf32>, tensor<32x1xf32>
  return %y : tensor<32x64xbf16>
}

// An addition costs next to nothing. What is saved: the sum, written and read once each, 2 * 32 * 64 * 2 bytes.
// CHECK-LABEL: func.func @add_norm(
// CHECK: train.fusion rows({{.*}} {train.result_names = [""], train.saved_bytes = 8192 : i64}
// CHECK-NEXT: train.add
// CHECK-NEXT: train.layer_norm
func.func @add_norm(%x: tensor<32x64xbf16>, %z: tensor<32x64xbf16>, %w: tensor<64xf32>, %b: tensor<64xf32>) -> tensor<32x64xbf16> {
  %g = train.add %x, %z : tensor<32x64xbf16>, tensor<32x64xbf16> -> tensor<32x64xbf16>
  %y, %mean, %rstd = train.layer_norm %g, %w, %b {epsilon = 1.0e-05 : f32} : tensor<32x64xbf16>, tensor<64xf32>, tensor<64xf32> -> tensor<32x64xbf16>, tensor<32x1xf32>, tensor<32x1xf32>
  return %y : tensor<32x64xbf16>
}

// One more pass costs an exponential less than its result in memory.
// CHECK-LABEL: func.func @exp_sum(
// CHECK: train.fusion rows(
// CHECK-NEXT: train.exp
// CHECK-NEXT: train.reduce_sum
func.func @exp_sum(%x: tensor<32x64xf32>) -> tensor<32x1xf32> {
  %e = train.exp %x : tensor<32x64xf32> -> tensor<32x64xf32>
  %s = train.reduce_sum %e axes [1] {keepdims} : tensor<32x64xf32> -> tensor<32x1xf32>
  return %s : tensor<32x1xf32>
}
