// RUN: fp8c-opt %s --train-add-optimizer -split-input-file | FileCheck %s

// CHECK: train.variable @fc.weight : tensor<8x16xf32>
// CHECK-NEXT: train.variable @fc.weight.grad : tensor<8x16xf32> {init = #train.constant<0.000000e+00>, of = @fc.weight, role = #train.role<gradient>}
// CHECK-NEXT: train.variable @fc.weight.m : tensor<8x16xf32> {{.*}} of = @fc.weight, role = #train.role<moment1>
// CHECK-NEXT: train.variable @fc.weight.v : tensor<8x16xf32> {{.*}} of = @fc.weight, role = #train.role<moment2>
train.variable @fc.weight : tensor<8x16xf32> {init = #train.normal<mean = 0.0, stddev = 0.02>, role = #train.role<parameter>}
// CHECK-NEXT: train.variable @frozen
// CHECK-NEXT: train.variable @fc.bias : tensor<16xbf16>
train.variable @frozen : tensor<16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// State is f32, whatever the parameter is.
// CHECK-NEXT: train.variable @fc.bias.grad : tensor<16xf32>
// CHECK-NEXT: train.variable @fc.bias.m : tensor<16xf32>
// CHECK-NEXT: train.variable @fc.bias.v : tensor<16xf32>
train.variable @fc.bias : tensor<16xbf16> {init = #train.constant<0.0>, role = #train.role<parameter>}

// Each gradient is added where it is computed.
// CHECK-LABEL: func.func @micro(
// CHECK-SAME: -> (tensor<f32> {fp8.name = "loss"}) attributes {train.function = #train.function<micro>} {
func.func @micro(%loss: tensor<f32>, %x: tensor<8x16xf32>)
    -> (tensor<f32> {fp8.name = "loss"},
        tensor<8x16xf32> {train.gradient_of = @fc.weight},
        tensor<16xbf16> {train.gradient_of = @fc.bias}) attributes {train.function = #train.function<micro>} {
  // CHECK-NEXT: %[[DW:.*]] = train.exp
  %dw = train.exp %x : tensor<8x16xf32> -> tensor<8x16xf32>
  // CHECK-NEXT: %[[G:.*]] = train.read @fc.weight.grad accumulated {fp8.name = "fc.weight", fp8.phase = #fp8.phase<update>} : tensor<8x16xf32>
  // CHECK-NEXT: %[[SUM:.*]] = train.add %[[G]], %[[DW]] {fp8.name = "fc.weight", fp8.phase = #fp8.phase<update>}
  // CHECK-NEXT: train.assign @fc.weight.grad, %[[SUM]] {fp8.name = "fc.weight", fp8.phase = #fp8.phase<update>}
  // CHECK-NEXT: %[[DB:.*]] = train.reduce_sum
  %db = train.reduce_sum %x axes [0] : tensor<8x16xf32> -> tensor<16xbf16>
  // CHECK-NEXT: %[[G:.*]] = train.read @fc.bias.grad accumulated
  // CHECK-NEXT: %[[SUM:.*]] = train.add %[[G]], %[[DB]] {{.*}} : tensor<16xf32>, tensor<16xbf16> -> tensor<16xf32>
  // CHECK-NEXT: train.assign @fc.bias.grad, %[[SUM]]
  // CHECK-NEXT: return %{{.*}} : tensor<f32>
  return %loss, %dw, %db : tensor<f32>, tensor<8x16xf32>, tensor<16xbf16>
}

// CHECK-LABEL: func.func @update() -> (tensor<f32> {fp8.name = "grad_norm"})
// CHECK-NEXT: %[[GW:.*]] = train.read @fc.weight.grad {fp8.name = "fc.weight", fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: %[[SW:.*]] = train.sum_squares %[[GW]] {fp8.name = "fc.weight", fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: %[[GB:.*]] = train.read @fc.bias.grad
// CHECK-NEXT: %[[SB:.*]] = train.sum_squares %[[GB]]
// CHECK-NEXT: %[[MAX:.*]] = train.hyper "clip_norm" {fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: %[[C:.*]], %[[NORM:.*]] = train.clip_coefficient %[[MAX]] of %[[SW]], %[[SB]] {fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: %[[LR:.*]] = train.hyper "lr"
// CHECK-NEXT: %[[BETA1:.*]] = train.hyper "beta1"
// CHECK-NEXT: %[[BETA2:.*]] = train.hyper "beta2"
// CHECK-NEXT: %[[EPS:.*]] = train.hyper "eps"
// CHECK-NEXT: %[[DECAY:.*]] = train.hyper "weight_decay"
// CHECK-NEXT: %[[STEP:.*]] = train.hyper "step"
// CHECK-NEXT: %[[P:.*]] = train.read @fc.weight {
// CHECK-NEXT: %[[M:.*]] = train.read @fc.weight.m {
// CHECK-NEXT: %[[V:.*]] = train.read @fc.weight.v {
// CHECK-NEXT: %[[P1:.*]], %[[M1:.*]], %[[V1:.*]] = train.adamw %[[P]], %[[GW]], %[[M]], %[[V]](%[[C]], %[[LR]], %[[BETA1]], %[[BETA2]], %[[EPS]], %[[DECAY]], %[[STEP]]) {decay, fp8.name = "fc.weight", fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: train.assign @fc.weight, %[[P1]] {
// CHECK-NEXT: train.assign @fc.weight.m, %[[M1]] {
// CHECK-NEXT: train.assign @fc.weight.v, %[[V1]] {
// The first micro-batch of the next step writes over the gradients.
// CHECK-NOT: train.assign @fc.weight.grad
// A bias does not decay.
// CHECK: train.adamw {{.*}} {fp8.name = "fc.bias", fp8.phase = #fp8.phase<update>}
// CHECK: return %[[NORM]]

// -----

train.variable @wte : tensor<4x8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// The terms of a sum are added where each is computed, so that none has to be
// kept until the last one is known.
// CHECK-LABEL: func.func @micro(
func.func @micro(%loss: tensor<f32>, %x: tensor<4x8xf32>) -> (tensor<f32>, tensor<4x8xf32> {train.gradient_of = @wte}) attributes {train.function = #train.function<micro>} {
  // CHECK-NEXT: %[[HEAD:.*]] = train.exp
  %head = train.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK-NEXT: %[[G0:.*]] = train.read @wte.grad accumulated
  // CHECK-NEXT: %[[G1:.*]] = train.add %[[G0]], %[[HEAD]] {fp8.name = "wte", fp8.phase = #fp8.phase<update>}
  // CHECK-NEXT: %[[BODY:.*]] = train.tanh
  %body = train.tanh %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK-NEXT: %[[G2:.*]] = train.add %[[G1]], %[[BODY]]
  // CHECK-NEXT: %[[EMBED:.*]] = train.abs
  %embed = train.abs %body : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK-NEXT: %[[G3:.*]] = train.add %[[G2]], %[[EMBED]]
  // CHECK-NEXT: train.assign @wte.grad, %[[G3]]
  // CHECK-NEXT: return
  %0 = train.add %head, %body : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %1 = train.add %0, %embed : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %loss, %1 : tensor<f32>, tensor<4x8xf32>
}

// -----

train.variable @w : tensor<4x2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// Terms of one op, and one term twice.
// CHECK-LABEL: func.func @micro(
func.func @micro(%loss: tensor<f32>, %x: tensor<4x4xf32>) -> (tensor<f32>, tensor<4x2xf32> {train.gradient_of = @w}) attributes {train.function = #train.function<micro>} {
  // CHECK-NEXT: %[[A:.*]]:2 = train.split
  %a, %b = train.split %x axis 1 : tensor<4x4xf32> -> tensor<4x2xf32>, tensor<4x2xf32>
  // CHECK-NEXT: %[[G0:.*]] = train.read @w.grad accumulated
  // CHECK-NEXT: %[[G1:.*]] = train.add %[[G0]], %[[A]]#
  // CHECK-NEXT: %[[G2:.*]] = train.add %[[G1]], %[[A]]#
  // CHECK-NEXT: %[[G3:.*]] = train.add %[[G2]], %[[A]]#
  // CHECK-NEXT: train.assign @w.grad, %[[G3]]
  // CHECK-NEXT: return
  %0 = train.add %a, %b : tensor<4x2xf32>, tensor<4x2xf32> -> tensor<4x2xf32>
  %1 = train.add %0, %a : tensor<4x2xf32>, tensor<4x2xf32> -> tensor<4x2xf32>
  return %loss, %1 : tensor<f32>, tensor<4x2xf32>
}
