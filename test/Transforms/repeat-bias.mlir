// RUN: fp8c-opt --train-repeat-bias %s | FileCheck %s

train.variable @b : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// The kernel of the VJP adds the bias again.
// CHECK-LABEL: func.func @micro
func.func @micro(%x: tensor<4x16xf32>, %w: tensor<16x32xf32>, %dy: tensor<4x32xf32>) -> (tensor<4x32xf32>, tensor<4x32xf32>) attributes {train.function = #train.function<micro>} {
  // CHECK: %[[B:.*]] = train.read @b
  %b = train.read @b : tensor<32xf32>
  // CHECK: %[[FC:.*]] = train.matmul
  %fc = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  // CHECK-NEXT: %[[H:.*]] = train.add %[[FC]], %[[B]] {fp8.name = "fc.bias", fp8.phase = #fp8.phase<fwd>}
  %h = train.add %fc, %b {fp8.name = "fc.bias", fp8.phase = #fp8.phase<fwd>} : tensor<4x32xf32>, tensor<32xf32> -> tensor<4x32xf32>
  // CHECK-NEXT: train.gelu %[[H]]
  %y = train.gelu %h {fp8.name = "gelu", fp8.phase = #fp8.phase<fwd>, tanh} : tensor<4x32xf32> -> tensor<4x32xf32>
  // CHECK-NEXT: %[[AGAIN:.*]] = train.add %[[FC]], %[[B]] {fp8.name = "fc.bias", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: train.gelu_vjp %[[AGAIN]]
  %dh = train.gelu_vjp %h, %dy {fp8.name = "gelu", fp8.phase = #fp8.phase<dgrad>, tanh} : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %y, %dh : tensor<4x32xf32>, tensor<4x32xf32>
}

// Something needs the sum in memory: it is read from there.
// CHECK-LABEL: func.func @kept
func.func @kept(%x: tensor<4x16xf32>, %w: tensor<16x32xf32>, %dy: tensor<4x32xf32>) -> (tensor<4x32xf32>, tensor<4x32xf32>) {
  %b = train.read @b : tensor<32xf32>
  %fc = train.matmul %x, %w {fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  // CHECK: train.add
  // CHECK-NOT: train.add
  %h = train.add %fc, %b {fp8.phase = #fp8.phase<fwd>} : tensor<4x32xf32>, tensor<32xf32> -> tensor<4x32xf32>
  %dh = train.gelu_vjp %h, %dy {fp8.phase = #fp8.phase<dgrad>, tanh} : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %h, %dh : tensor<4x32xf32>, tensor<4x32xf32>
}

// Behind a barrier the product is kept instead of the sum.
// CHECK-LABEL: func.func @recomputed
// CHECK: %[[PRODUCT:.*]] = train.matmul
// CHECK: %[[SUM:.*]] = train.add %[[PRODUCT]]
// CHECK: train.gelu %[[SUM]]
// CHECK: %[[KEPT:.*]] = train.barrier %[[PRODUCT]]
// CHECK-NEXT: %[[AGAIN:.*]] = train.add %[[KEPT]], {{.*}} {fp8.phase = #fp8.phase<recompute>}
// CHECK-NEXT: train.gelu %[[AGAIN]]
train.variable @recomputed.bias : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @recomputed(%x: tensor<4x16xf32>, %w: tensor<16x32xf32>) -> (tensor<4x32xf32>, tensor<4x32xf32>) {
  %b = train.read @recomputed.bias : tensor<32xf32>
  %p = train.matmul %x, %w : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  %s = train.add %p, %b {fp8.phase = #fp8.phase<fwd>} : tensor<4x32xf32>, tensor<32xf32> -> tensor<4x32xf32>
  %g = train.gelu %s {fp8.phase = #fp8.phase<fwd>} : tensor<4x32xf32> -> tensor<4x32xf32>
  %k = train.barrier %s : tensor<4x32xf32>
  %r = train.gelu %k {fp8.phase = #fp8.phase<recompute>} : tensor<4x32xf32> -> tensor<4x32xf32>
  return %g, %r : tensor<4x32xf32>, tensor<4x32xf32>
}
