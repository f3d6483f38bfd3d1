// RUN: fp8c-opt %s --fp8-agree-scales | FileCheck %s
// RUN: fp8c-opt %s --fp8-agree-scales --fp8-agree-scales | FileCheck %s

train.grid @grid [dp = 2]
train.variable @a : !fp8.scale_state<f8E4M3FN, 16> {init = #train.constant<1.0>, role = #train.role<scale>}
train.variable @b : !fp8.scale_state<f8E5M2, 16> {init = #train.constant<1.0>, role = #train.role<scale>}

// All states are recorded, then agreed on, then advanced.
// CHECK-LABEL: func.func @calibrate(
func.func @calibrate(%x: !fp8.stats, %y: !fp8.stats) {
  // CHECK: %[[A:.*]] = fp8.record
  // CHECK: %[[B:.*]] = fp8.record
  // CHECK-NOT: fp8.advance
  // CHECK: %[[AGREED:.*]]:2 = fp8.agree %[[A]], %[[B]] over ["dp"]
  // CHECK-NEXT: %[[NEXT:.*]] = fp8.advance %[[AGREED]]#0
  // CHECK-NEXT: train.assign @a, %[[NEXT]]
  // CHECK-NEXT: %[[NEXT:.*]] = fp8.advance %[[AGREED]]#1 {margin = 1 : i64}
  // CHECK-NEXT: train.assign @b, %[[NEXT]]
  // CHECK-NEXT: return
  %0 = train.read @a : !fp8.scale_state<f8E4M3FN, 16>
  %1 = fp8.record %0, %x : !fp8.scale_state<f8E4M3FN, 16>
  %2 = fp8.advance %1 : !fp8.scale_state<f8E4M3FN, 16>
  train.assign @a, %2 : !fp8.scale_state<f8E4M3FN, 16>
  %3 = train.read @b : !fp8.scale_state<f8E5M2, 16>
  %4 = fp8.record %3, %y : !fp8.scale_state<f8E5M2, 16>
  %5 = fp8.advance %4 {margin = 1} : !fp8.scale_state<f8E5M2, 16>
  train.assign @b, %5 : !fp8.scale_state<f8E5M2, 16>
  return
}

// CHECK-LABEL: func.func @nothing_advances(
// CHECK-NOT: fp8.agree
func.func @nothing_advances(%x: tensor<8xf32>) -> tensor<8xf32> {
  return %x : tensor<8xf32>
}

// Current scales: one amax for all, but for that of a gradient, which is summed first.
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : !fp8.scaled<8xf8E4M3FN> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<8xf32>, %g: tensor<8xf32>) -> !fp8.scaled<8xf8E4M3FN> attributes {train.function = #train.function<micro>} {
  // CHECK: %[[A:.*]] = fp8.amax %arg0
  // CHECK-NEXT: %[[B:.*]] = fp8.agree %[[A]] over ["dp"] : tensor<f32>
  // CHECK-NEXT: fp8.compute_scale %[[B]]
  // CHECK-NOT: fp8.agree
  // CHECK: return
  %a = fp8.amax %x : tensor<8xf32>
  %s = fp8.compute_scale %a : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %x, %s : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  %w = train.read @w : tensor<8xf32>
  %b = fp8.amax %w : tensor<8xf32>
  %t = fp8.compute_scale %b : !fp8.scale<f8E4M3FN>
  %c = fp8.amax %g : tensor<8xf32>
  %u = fp8.compute_scale %c : !fp8.scale<f8E4M3FN>
  %r, %l = fp8.quantize %g, %u : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  train.assign @w.grad, %r : !fp8.scaled<8xf8E4M3FN>
  return %q : !fp8.scaled<8xf8E4M3FN>
}
