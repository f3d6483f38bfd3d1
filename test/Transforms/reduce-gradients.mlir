// RUN: fp8c-opt %s -split-input-file --train-reduce-gradients | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --train-reduce-gradients --train-reduce-gradients | FileCheck %s

train.grid @grid [dp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}

// What a micro-batch adds to is this process's.
// CHECK-LABEL: func.func @micro(
// CHECK-NOT: all_reduce
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  %0 = train.read @w.grad accumulated : tensor<8xf32>
  %1 = train.add %0, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  train.assign @w.grad, %1 : tensor<8xf32>
  return
}

// CHECK-LABEL: func.func @update(
func.func @update() -> (tensor<f32>, tensor<8xf32>, tensor<8xf32>) attributes {train.function = #train.function<update>} {
  // CHECK: %[[G:.*]] = train.read @w.grad {train.name = "w"}
  // CHECK-NEXT: %[[SUM:.*]] = train.all_reduce %[[G]] sum over ["dp"] {train.name = "w"} : tensor<8xf32>
  // CHECK-NEXT: train.sum_squares %[[SUM]]
  // CHECK-NOT: all_reduce
  // CHECK: return %{{.*}}, %[[SUM]], %{{.*}}
  %g = train.read @w.grad {train.name = "w"} : tensor<8xf32>
  %s = train.sum_squares %g : tensor<8xf32> -> tensor<f32>
  %w = train.read @w : tensor<8xf32>
  return %s, %g, %w : tensor<f32>, tensor<8xf32>, tensor<8xf32>
}

// -----

// One process along the axis sums nothing.
train.grid @grid [dp = 1, tp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
// CHECK-LABEL: func.func @update(
// CHECK-NOT: all_reduce
func.func @update() -> tensor<8xf32> attributes {train.function = #train.function<update>} {
  %g = train.read @w.grad : tensor<8xf32>
  return %g : tensor<8xf32>
}
