// RUN: fp8c-opt %s -split-input-file --train-pad-vocabulary=multiple=16 | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --train-pad-vocabulary=multiple=1 | FileCheck %s --check-prefix=NONE
// RUN: fp8c-opt %s -split-input-file --train-pad-vocabulary=multiple=16 --train-materialize-compute-weights | FileCheck %s --check-prefix=ONE

// A tied head of 33 classes. Of all products the copy of the weight is one, of 48 rows, the gradient's is cut.

// NONE-NOT: train.place
// ONE-COUNT-1: role = #train.role<compute_weight>
// ONE-NOT: role = #train.role<compute_weight>
// CHECK: train.variable @wte : tensor<33x8xf32>
train.variable @wte : tensor<33x8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @wte.grad : tensor<33x8xf32> {init = #train.constant<0.0>, of = @wte, role = #train.role<gradient>}

// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<2x4x8xbf16>, %targets: tensor<8xi64>, %dloss: tensor<f32>) -> (tensor<f32>, tensor<2x4x8xbf16>) attributes {train.function = #train.function<micro>} {
  // CHECK: %[[W:.*]] = train.cast
  // CHECK: %[[WP:.*]] = train.place %[[W]] at [0, 0] by [1, 1] {fp8.name = "lm_head", fp8.phase = #fp8.phase<fwd>} : tensor<33x8xbf16> -> tensor<48x8xbf16>
  %w32 = train.read @wte : tensor<33x8xf32>
  %w = train.cast %w32 : tensor<33x8xf32> -> tensor<33x8xbf16>
  // CHECK: %[[L:.*]] = train.matmul %arg0, %[[WP]] contracting [2] x [1] {fp8.name = "lm_head", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x8xbf16>, tensor<48x8xbf16> -> tensor<2x4x48xbf16>
  %l = train.matmul %x, %w contracting [2] x [1] {fp8.name = "lm_head", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x8xbf16>, tensor<33x8xbf16> -> tensor<2x4x33xbf16>
  // CHECK: %[[LR:.*]] = train.reshape %[[L]] {{.*}}-> tensor<8x48xbf16>
  %lr = train.reshape %l : tensor<2x4x33xbf16> -> tensor<8x33xbf16>
  // CHECK: train.cross_entropy %[[LR]], %arg1 {classes = 33 : i64}
  %loss, %lse, %count = train.cross_entropy %lr, %targets : tensor<8x33xbf16>, tensor<8xi64> -> tensor<f32>, tensor<8xf32>, tensor<f32>
  // CHECK: %[[D:.*]] = train.cross_entropy_vjp %arg2, %[[LR]], {{.*}} {classes = 33 : i64} : {{.*}} -> tensor<8x48xbf16>
  %d = train.cross_entropy_vjp %dloss, %lr, %targets, %lse, %count
    : tensor<f32>, tensor<8x33xbf16>, tensor<8xi64>, tensor<8xf32>, tensor<f32> -> tensor<8x33xbf16>
  // CHECK: %[[DR:.*]] = train.reshape %[[D]] {{.*}}-> tensor<2x4x48xbf16>
  %dr = train.reshape %d : tensor<8x33xbf16> -> tensor<2x4x33xbf16>
  // CHECK: train.matmul %[[DR]], %[[WP]] {fp8.phase = #fp8.phase<dgrad>} : tensor<2x4x48xbf16>, tensor<48x8xbf16> -> tensor<2x4x8xbf16>
  %dx = train.matmul %dr, %w {fp8.phase = #fp8.phase<dgrad>} : tensor<2x4x33xbf16>, tensor<33x8xbf16> -> tensor<2x4x8xbf16>
  // CHECK: %[[DWP:.*]] = train.matmul %[[DR]], %arg0 contracting [0, 1] x [0, 1] {fp8.phase = #fp8.phase<wgrad>} : {{.*}} -> tensor<48x8xf32>
  // CHECK: %[[DW:.*]] = train.slice %[[DWP]] at [0, 0] by [1, 1] {fp8.phase = #fp8.phase<wgrad>} : tensor<48x8xf32> -> tensor<33x8xf32>
  %dw = train.matmul %dr, %x contracting [0, 1] x [0, 1] {fp8.phase = #fp8.phase<wgrad>} : tensor<2x4x33xbf16>, tensor<2x4x8xbf16> -> tensor<33x8xf32>
  // CHECK: train.assign @wte.grad, %[[DW]]
  train.assign @wte.grad, %dw : tensor<33x8xf32>
  return %loss, %dx : tensor<f32>, tensor<2x4x8xbf16>
}

// Logits are returned as they were, from a part of the same copy.
// CHECK-LABEL: func.func @infer(
func.func @infer(%x: tensor<1x4x8xbf16>) -> tensor<1x4x33xbf16> attributes {train.function = #train.function<infer>} {
  %w32 = train.read @wte : tensor<33x8xf32>
  %w = train.cast %w32 : tensor<33x8xf32> -> tensor<33x8xbf16>
  // CHECK: %[[WP:.*]] = train.place
  // CHECK: %[[WV:.*]] = train.slice %[[WP]] at [0, 0] by [1, 1] {fp8.name = "lm_head"} : tensor<48x8xbf16> -> tensor<33x8xbf16>
  // CHECK: train.matmul %arg0, %[[WV]] {{.*}} -> tensor<1x4x33xbf16>
  %l = train.matmul %x, %w contracting [2] x [1] {fp8.name = "lm_head"} : tensor<1x4x8xbf16>, tensor<33x8xbf16> -> tensor<1x4x33xbf16>
  return %l : tensor<1x4x33xbf16>
}

// -----

// A head of its own, [features, classes], whose logits are read by others too.

train.variable @head : tensor<8x33xbf16> {init = #train.constant<0.0>, role = #train.role<parameter>}

// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<4x8xbf16>, %targets: tensor<4xi64>, %dloss: tensor<f32>) -> (tensor<f32>, tensor<8x33xf32>, tensor<33xf32>, tensor<4x33xbf16>) attributes {train.function = #train.function<micro>} {
  %w = train.read @head : tensor<8x33xbf16>
  // CHECK: train.place {{.*}} : tensor<8x33xbf16> -> tensor<8x48xbf16>
  // CHECK: %[[L:.*]] = train.matmul {{.*}} -> tensor<4x48xbf16>
  %l = train.matmul %x, %w : tensor<4x8xbf16>, tensor<8x33xbf16> -> tensor<4x33xbf16>
  // CHECK: train.cross_entropy %[[L]]
  %loss, %lse, %count = train.cross_entropy %l, %targets : tensor<4x33xbf16>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  // CHECK: %[[D:.*]] = train.cross_entropy_vjp {{.*}} -> tensor<4x48xbf16>
  // CHECK: %[[DN:.*]] = train.slice %[[D]] {{.*}} -> tensor<4x33xbf16>
  %d = train.cross_entropy_vjp %dloss, %l, %targets, %lse, %count
    : tensor<f32>, tensor<4x33xbf16>, tensor<4xi64>, tensor<4xf32>, tensor<f32> -> tensor<4x33xbf16>
  // CHECK: %[[DWP:.*]] = train.matmul %arg0, %[[D]] contracting [0] x [0] : {{.*}} -> tensor<8x48xf32>
  // CHECK: train.slice %[[DWP]] at [0, 0] by [1, 1] : tensor<8x48xf32> -> tensor<8x33xf32>
  %dw = train.matmul %x, %d contracting [0] x [0] : tensor<4x8xbf16>, tensor<4x33xbf16> -> tensor<8x33xf32>
  // CHECK: train.reduce_sum %[[DN]]
  %db = train.reduce_sum %d axes [0] : tensor<4x33xbf16> -> tensor<33xf32>
  return %loss, %dw, %db, %l : tensor<f32>, tensor<8x33xf32>, tensor<33xf32>, tensor<4x33xbf16>
}

// An FP8 product needs the padding.
// CHECK-LABEL: func.func @infer(
func.func @infer(%x: tensor<1x4x8xbf16>) -> tensor<1x4x33xbf16> attributes {train.function = #train.function<infer>} {
  %w = train.read @head : tensor<8x33xbf16>
  // CHECK: %[[L:.*]] = train.matmul {{.*}} -> tensor<1x4x48xbf16>
  // CHECK: %[[Y:.*]] = train.slice %[[L]] at [0, 0, 0] by [1, 1, 1] : tensor<1x4x48xbf16> -> tensor<1x4x33xbf16>
  // CHECK: return %[[Y]]
  %l = train.matmul %x, %w {fp8.precision = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>} : tensor<1x4x8xbf16>, tensor<8x33xbf16> -> tensor<1x4x33xbf16>
  return %l : tensor<1x4x33xbf16>
}

// -----

// Products in f32, of what is no parameter, and of sizes that fit stay as they are.

train.variable @f32 : tensor<8x33xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @fits : tensor<8x32xbf16> {init = #train.constant<0.0>, role = #train.role<parameter>}

// CHECK-LABEL: func.func @eval(
// CHECK-NOT: train.place
// CHECK: return
func.func @eval(%x: tensor<4x8xf32>, %y: tensor<4x8xbf16>, %v: tensor<8x33xbf16>, %targets: tensor<4xi64>) -> (tensor<f32>, tensor<f32>, tensor<f32>) attributes {train.function = #train.function<eval>} {
  %w = train.read @f32 : tensor<8x33xf32>
  %0 = train.matmul %x, %w : tensor<4x8xf32>, tensor<8x33xf32> -> tensor<4x33xf32>
  %1 = train.matmul %y, %v : tensor<4x8xbf16>, tensor<8x33xbf16> -> tensor<4x33xbf16>
  %u = train.read @fits : tensor<8x32xbf16>
  %2 = train.matmul %y, %u : tensor<4x8xbf16>, tensor<8x32xbf16> -> tensor<4x32xbf16>
  %a, %lse, %count = train.cross_entropy %0, %targets : tensor<4x33xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  %b, %lse1, %count1 = train.cross_entropy %1, %targets : tensor<4x33xbf16>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  %c, %lse2, %count2 = train.cross_entropy %2, %targets : tensor<4x32xbf16>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  return %a, %b, %c : tensor<f32>, tensor<f32>, tensor<f32>
}
