// RUN: fp8c-opt %s --train-recompute=values=quantize | FileCheck %s

// A weight gradient reads a value that backward keeps anyway behind a barrier: its FP8 copy can be made there. What nothing
// else keeps (@b's input) it reads as before: the copy is smaller.
train.variable @a : tensor<16x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @b : tensor<16x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// CHECK-LABEL: func.func @micro(
// CHECK-SAME: %[[X:.*]]: tensor<4x16xf32>, %[[DZ:.*]]: tensor<4x16xf32>
func.func @micro(%x: tensor<4x16xf32>, %dz: tensor<4x16xf32>) -> tensor<4x16xf32> attributes {train.function = #train.function<micro>} {
  %a = train.read @a {fp8.name = "a", fp8.phase = #fp8.phase<fwd>} : tensor<16x16xf32>
  %b = train.read @b {fp8.name = "b", fp8.phase = #fp8.phase<fwd>} : tensor<16x16xf32>
  // CHECK: %[[H:.*]] = train.tanh
  %h = train.tanh %x {fp8.name = "tanh", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32> -> tensor<4x16xf32>
  // CHECK: %[[Y:.*]] = train.matmul %[[H]]
  %y = train.matmul %h, %a {fp8.name = "a", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
  %z = train.matmul %y, %b {fp8.name = "b", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>

  // CHECK: train.matmul %[[Y]], %[[DZ]] {{.*}} fp8.phase = #fp8.phase<wgrad>
  %db = train.matmul %y, %dz contracting [0] x [0] {fp8.name = "b", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<16x16xf32>
  // CHECK: %[[DY:.*]] = train.matmul %[[DZ]]
  %dy = train.matmul %dz, %b contracting [1] x [1] {fp8.name = "b", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
  // CHECK-NEXT: %[[H1:.*]] = train.barrier %[[H]]
  // CHECK-NEXT: train.matmul %[[H1]], %[[DY]] {{.*}} fp8.phase = #fp8.phase<wgrad>
  %da = train.matmul %h, %dy contracting [0] x [0] {fp8.name = "a", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<16x16xf32>
  %dh = train.matmul %dy, %a contracting [1] x [1] {fp8.name = "a", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
  // CHECK: train.mul %{{.*}}, %[[H]] {fp8.name = "tanh", fp8.phase = #fp8.phase<dgrad>}
  %dx = train.mul %dh, %h {fp8.name = "tanh", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  train.assign @a, %da : tensor<16x16xf32>
  train.assign @b, %db : tensor<16x16xf32>
  return %z : tensor<4x16xf32>
}
