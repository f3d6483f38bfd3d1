// RUN: fp8c-opt %s -split-input-file -allow-unregistered-dialect --train-apply-precision | FileCheck %s

// CHECK: train.variable @w : tensor<32x64xbf16>
// CHECK-NOT: precision
train.variable @w : tensor<32x64xf32> {init = #train.constant<0.0>, fp8.precision = #fp8.precision<storage = <bf16>>, role = #train.role<parameter>}
// CHECK: train.variable @w.grad : tensor<32x64xf32>
train.variable @w.grad : tensor<32x64xf32> {init = #train.constant<0.0>, fp8.precision = #fp8.precision<storage = <f32>>, role = #train.role<gradient>}

// CHECK-LABEL: func.func @micro(
// CHECK-SAME: -> tensor<2x16x64xf32>
func.func @micro(%x: tensor<2x16x32xf32>, %dy: tensor<2x16x64xf32>) -> tensor<2x16x64xf32> attributes {train.function = #train.function<micro>} {
  // CHECK: %[[CAST:.*]] = train.cast %arg1 {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : tensor<2x16x64xf32> -> tensor<2x16x64xbf16>
  // Reading gives the variable's type.
  // CHECK: %[[W:.*]] = train.read @w : tensor<32x64xbf16>
  %w = train.read @w : tensor<32x64xf32>
  // A type changes, no cast is needed; statistics stay f32, whatever is asked for.
  // CHECK: %[[H:.*]], %{{.*}}, %{{.*}} = train.layer_norm %arg0, %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32}
  // CHECK-SAME: -> tensor<2x16x32xbf16>, tensor<2x16x1xf32>, tensor<2x16x1xf32>
  %one = arith.constant dense<1.0> : tensor<32xf32>
  %h, %mean, %rstd = train.layer_norm %x, %one, %one {epsilon = 1.0e-5 : f32, fp8.precision = #fp8.precision<result = bf16>}
    : tensor<2x16x32xf32>, tensor<32xf32>, tensor<32xf32> -> tensor<2x16x32xf32>, tensor<2x16x1xf32>, tensor<2x16x1xf32>
  // Ops that only move values keep their operand's type.
  // CHECK: %[[R:.*]] = train.reshape %[[H]] : tensor<2x16x32xbf16> -> tensor<32x32xbf16>
  %r = train.reshape %h : tensor<2x16x32xf32> -> tensor<32x32xf32>
  // CHECK: train.concat %{{.*}}, %{{.*}} axis 0 : tensor<2x16x32xbf16>, tensor<2x16x32xf32> -> tensor<4x16x32xf32>
  %c = train.concat %h, %x axis 0 : tensor<2x16x32xf32>, tensor<2x16x32xf32> -> tensor<4x16x32xf32>
  // Nothing to cast: the operands are bf16 as they are. What was decided stays readable.
  // CHECK: %[[Y:.*]] = train.matmul %[[H]], %[[W]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fp8.precision<{{.*}}>} : tensor<2x16x32xbf16>, tensor<32x64xbf16> -> tensor<2x16x64xbf16>
  %y = train.matmul %h, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fp8.precision<result = bf16, lhs = <bf16>, rhs = <bf16>>}
    : tensor<2x16x32xf32>, tensor<32x64xf32> -> tensor<2x16x64xf32>
  // Other ops compute in f32 from any type.
  // CHECK: %[[Z:.*]] = train.add %[[Y]], %arg1 : tensor<2x16x64xbf16>, tensor<2x16x64xf32> -> tensor<2x16x64xf16>
  %z = train.add %y, %dy {fp8.precision = #fp8.precision<result = f16>} : tensor<2x16x64xf32>, tensor<2x16x64xf32> -> tensor<2x16x64xf32>
  // CHECK: %[[DW:.*]] = train.matmul %[[H]], %[[CAST]] contracting {{.*}} : tensor<2x16x32xbf16>, tensor<2x16x64xbf16> -> tensor<32x64xf32>
  %dw = train.matmul %h, %dy contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>, fp8.precision = #fp8.precision<result = f32, lhs = <bf16>, rhs = <bf16>>}
    : tensor<2x16x32xf32>, tensor<2x16x64xf32> -> tensor<32x64xf32>
  // The second contraction takes the same cast.
  // CHECK: train.matmul %[[CAST]], %[[W]] contracting
  %dx = train.matmul %dy, %w contracting [2] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>, fp8.precision = #fp8.precision<result = bf16, lhs = <bf16>, rhs = <bf16>>}
    : tensor<2x16x64xf32>, tensor<32x64xf32> -> tensor<2x16x32xf32>
  // CHECK: train.assign @w.grad, %[[DW]] : tensor<32x64xf32>
  train.assign @w.grad, %dw : tensor<32x64xf32>
  // A function's type is a promise.
  // CHECK: return %[[OUT:.*]] : tensor<2x16x64xf32>
  return %z : tensor<2x16x64xf32>
}

// -----

// FP8 is the business of fp8-insert-scaling, which quantises from the value's own type.
// CHECK-LABEL: func.func @fp8(
func.func @fp8(%x: tensor<16x32xf32>, %w: tensor<32x16xf32>) -> tensor<16x16xf32> {
  // CHECK-NEXT: %[[Y:.*]] = train.matmul %arg0, %arg1 {fp8.precision = #fp8.precision<{{.*}}lhs = <f8E4M3FN>{{.*}}>} : tensor<16x32xf32>, tensor<32x16xf32> -> tensor<16x16xbf16>
  %y = train.matmul %x, %w {fp8.precision = #fp8.precision<result = bf16, lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>}
    : tensor<16x32xf32>, tensor<32x16xf32> -> tensor<16x16xf32>
  // CHECK-NEXT: %[[Z:.*]] = train.cast %[[Y]] : tensor<16x16xbf16> -> tensor<16x16xf32>
  // CHECK-NEXT: return %[[Z]]
  return %y : tensor<16x16xf32>
}

// -----

// Results of several types, and variables narrower than what is assigned.
// CHECK: train.variable @p : tensor<8xf32>
train.variable @p : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// CHECK: train.variable @m : tensor<8xbf16>
train.variable @m : tensor<8xf32> {init = #train.constant<0.0>, fp8.precision = #fp8.precision<storage = <bf16>>, role = #train.role<moment1>}
// CHECK-LABEL: func.func @update(
func.func @update(%g: tensor<8xf32>, %s: tensor<f32>) attributes {train.function = #train.function<update>} {
  %p = train.read @p : tensor<8xf32>
  // CHECK: %[[M:.*]] = train.read @m : tensor<8xbf16>
  %m = train.read @m : tensor<8xf32>
  // CHECK: train.adamw
  // CHECK-SAME: -> tensor<8xf32>, tensor<8xbf16>, tensor<8xf32>
  %p1, %m1, %v1 = train.adamw %p, %g, %m, %g (%s, %s, %s, %s, %s, %s, %s) {fp8.precision = #fp8.precision<result = [f32, bf16, f32]>}
    : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  train.assign @p, %p1 : tensor<8xf32>
  // CHECK: train.assign @m, %{{.*}} : tensor<8xbf16>
  train.assign @m, %m1 : tensor<8xf32>
  return
}

// -----

// Zeros that clear a narrow gradient are zeros of its type.
train.variable @g : tensor<8xf32> {init = #train.constant<0.0>, fp8.precision = #fp8.precision<storage = <bf16>>, role = #train.role<gradient>}
// CHECK-LABEL: func.func @clear(
func.func @clear() {
  // CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<8xbf16>
  // CHECK: train.assign @g, %[[ZERO]] : tensor<8xbf16>
  %zero = arith.constant dense<0.0> : tensor<8xf32>
  train.assign @g, %zero : tensor<8xf32>
  return
}

// -----

// Ops that know nothing of precision get what they had.
// CHECK-LABEL: func.func @foreign(
func.func @foreign(%x: tensor<8xf32>) {
  // CHECK-NEXT: %[[E:.*]] = train.exp %arg0 : tensor<8xf32> -> tensor<8xbf16>
  // CHECK-NEXT: %[[CAST:.*]] = train.cast %[[E]] : tensor<8xbf16> -> tensor<8xf32>
  %e = train.exp %x {fp8.precision = #fp8.precision<result = bf16>} : tensor<8xf32> -> tensor<8xf32>
  // CHECK-NEXT: "other.op"(%[[CAST]]) : (tensor<8xf32>) -> ()
  "other.op"(%e) : (tensor<8xf32>) -> ()
  // CHECK-NEXT: "other.op"(%[[CAST]]) : (tensor<8xf32>) -> ()
  "other.op"(%e) : (tensor<8xf32>) -> ()
  return
}
