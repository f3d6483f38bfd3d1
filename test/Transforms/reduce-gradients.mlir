// RUN: fp8c-opt %s -split-input-file --train-reduce-gradients=bucket=12 | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --train-reduce-gradients=bucket=12 --train-reduce-gradients | FileCheck %s

// Gradients travel together in the order in which they are there, each in its type, and what stores them comes behind. Vectors travel last.
train.grid @grid [dp = 2]
train.variable @a : tensor<2x4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @a.grad : tensor<2x4xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<gradient>, train.wire = f32}
train.variable @b : tensor<2x2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @b.grad : tensor<2x2xbf16> {init = #train.constant<0.0>, of = @b, role = #train.role<gradient>, train.wire = bf16}
train.variable @c : tensor<2x2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @c.grad : !fp8.scaled<2x2xf8E4M3FN> {init = #train.constant<0.0>, of = @c, role = #train.role<gradient>, train.wire = f8E4M3FN}
train.variable @d : tensor<2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @d.grad : tensor<2xf32> {init = #train.constant<0.0>, of = @d, role = #train.role<gradient>}
train.variable @e : tensor<3xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @e.grad : tensor<3xf32> {init = #train.constant<0.0>, of = @e, role = #train.role<gradient>}
train.variable @f : tensor<1xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @f.grad : tensor<1xf32> {init = #train.constant<0.0>, of = @f, role = #train.role<gradient>}

// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<2x4xf32>, %y: tensor<2x2xf32>, %z: tensor<2x2xbf16>, %u: tensor<3xf32>, %v: tensor<1xf32>) attributes {train.function = #train.function<micro>} {
  // CHECK: %[[E:.*]] = train.exp %arg3
  // CHECK-NEXT: %[[B:.*]] = train.exp %arg1
  // CHECK-NEXT: %[[NARROW:.*]] = train.cast %[[B]] : tensor<2x2xf32> -> tensor<2x2xbf16>
  // CHECK-NEXT: %[[A:.*]] = train.exp %arg0
  // CHECK-NEXT: %[[SUM:.*]]:2 = train.all_reduce %[[NARROW]], %[[A]] sum over ["dp"] {fp8.name = ""} : tensor<2x2xbf16>, tensor<2x4xf32>
  // CHECK-NEXT: train.assign @b.grad, %[[SUM]]#0
  // CHECK-NEXT: train.assign @a.grad, %[[SUM]]#1
  // CHECK-NEXT: %[[C:.*]] = train.exp %arg2
  // CHECK-NEXT: %[[SUM:.*]] = train.all_reduce %[[C]] sum over ["dp"] {fp8.name = ""} : tensor<2x2xbf16>
  // CHECK-NEXT: fp8.amax %[[SUM]]
  // CHECK-NEXT: fp8.compute_scale
  // CHECK-NEXT: %[[CODES:.*]], %{{.*}} = fp8.quantize %[[SUM]]
  // CHECK-NEXT: train.assign @c.grad, %[[CODES]]
  // What all have alike is not summed.
  // CHECK-NEXT: constant
  // CHECK-NEXT: train.assign @d.grad
  // CHECK-NEXT: %[[F:.*]] = train.exp %arg4
  // CHECK-NEXT: %[[SUM:.*]]:2 = train.all_reduce %[[E]], %[[F]] sum over ["dp"] {fp8.name = ""} : tensor<3xf32>, tensor<1xf32>
  // CHECK-NEXT: train.assign @e.grad, %[[SUM]]#0
  // CHECK-NEXT: train.assign @f.grad, %[[SUM]]#1
  %e = train.exp %u : tensor<3xf32> -> tensor<3xf32>
  train.assign @e.grad, %e : tensor<3xf32>
  %b = train.exp %y : tensor<2x2xf32> -> tensor<2x2xf32>
  %0 = train.cast %b : tensor<2x2xf32> -> tensor<2x2xbf16>
  train.assign @b.grad, %0 : tensor<2x2xbf16>
  %a = train.exp %x : tensor<2x4xf32> -> tensor<2x4xf32>
  train.assign @a.grad, %a : tensor<2x4xf32>
  %c = train.exp %z : tensor<2x2xbf16> -> tensor<2x2xbf16>
  %1 = fp8.amax %c : tensor<2x2xbf16>
  %2 = fp8.compute_scale %1 {poison, pow2} : !fp8.scale<f8E4M3FN>
  %3, %4 = fp8.quantize %c, %2 : tensor<2x2xbf16> -> !fp8.scaled<2x2xf8E4M3FN>
  train.assign @c.grad, %3 : !fp8.scaled<2x2xf8E4M3FN>
  %d = arith.constant dense<0.0> : tensor<2xf32>
  train.assign @d.grad, %d : tensor<2xf32>
  %f = train.exp %v : tensor<1xf32> -> tensor<1xf32>
  train.assign @f.grad, %f : tensor<1xf32>
  return
}

// -----

// Micro-batches are summed first; the last one joins the sums.
train.grid @grid [dp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}

// CHECK-LABEL: func.func @micro(
// CHECK-NOT: all_reduce
// CHECK-LABEL: func.func @micro_last(
// CHECK-SAME: train.function = #train.function<micro_last>
// CHECK: %[[ADDED:.*]] = train.add
// CHECK-NEXT: %[[SUM:.*]] = train.all_reduce %[[ADDED]] sum over ["dp"] {fp8.name = ""} : tensor<8xf32>
// CHECK-NEXT: train.assign @w.grad, %[[SUM]]
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  %0 = train.read @w.grad accumulated : tensor<8xf32>
  %1 = train.add %0, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  train.assign @w.grad, %1 : tensor<8xf32>
  return
}

// -----

// One process along the axis sums nothing.
train.grid @grid [dp = 1, tp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
// CHECK-LABEL: func.func @micro(
// CHECK-NOT: all_reduce
// CHECK-NOT: @micro_last
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  train.assign @w.grad, %x : tensor<8xf32>
  return
}

// -----

// A gradient may come from outside.
train.grid @grid [dp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
// CHECK-LABEL: func.func @micro(
// CHECK-NEXT: %[[SUM:.*]] = train.all_reduce %arg0 sum over ["dp"] {fp8.name = ""} : tensor<8xf32>
// CHECK-NEXT: train.assign @w.grad, %[[SUM]]
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  train.assign @w.grad, %x : tensor<8xf32>
  return
}
