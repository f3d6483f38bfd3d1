// RUN: fp8c-opt %S/Inputs/states.mlir --fp8-lower-states | FileCheck %s
// RUN: fp8c-opt %s --fp8-lower-states | FileCheck %s --check-prefix=SUM

// CHECK: train.variable @w : !fp8.scaled<32x16xf16>
// CHECK-NOT: precision
// CHECK: train.variable @w.grad : !fp8.scaled<32x16xf8E4M3FN>
// CHECK: train.variable @w.v : !fp8.scaled<32x16xf8E4M3FN>

// CHECK-LABEL: func.func @micro(
// A cast of what is read becomes the type that it is dequantised to.
// CHECK: %[[W:.*]] = train.read @w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : !fp8.scaled<32x16xf16>
// CHECK-NEXT: fp8.dequantize %[[W]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : !fp8.scaled<32x16xf16> -> tensor<32x16xbf16>
// A gradient is quantised from what the product gives; infinities in it poison the scale.
// CHECK: %[[DW:.*]] = train.matmul {{.*}} fp8.phase = #fp8.phase<wgrad>
// CHECK-NEXT: %[[A:.*]] = fp8.amax %[[DW]]
// CHECK-NEXT: %[[S:.*]] = fp8.compute_scale %[[A]] {fp8.name = "w", fp8.phase = #fp8.phase<update>, poison, pow2} : !fp8.scale<f8E4M3FN>
// CHECK-NEXT: %[[Q:.*]], %{{.*}} = fp8.quantize %[[DW]], %[[S]]
// CHECK-NEXT: train.assign @w.grad, %[[Q]]

// CHECK-LABEL: func.func @update(
// The norm reads the storage itself.
// CHECK: %[[G:.*]] = train.read @w.grad
// CHECK-NEXT: %[[GD:.*]] = fp8.dequantize %[[G]]
// CHECK-NEXT: train.sum_squares %[[G]] {{.*}} : !fp8.scaled<32x16xf8E4M3FN> -> tensor<f32>
// A second moment is kept as its root.
// CHECK: train.read @w.v
// CHECK-NEXT: %[[R:.*]] = fp8.dequantize
// CHECK-NEXT: %[[V:.*]] = train.mul %[[R]], %[[R]]
// CHECK: train.adamw %{{.*}}, %[[GD]], %{{.*}}, %[[V]](
// CHECK-NEXT: %[[ROOT:.*]] = train.sqrt %new_moment2
// CHECK-NEXT: %[[RA:.*]] = fp8.amax %[[ROOT]]
// CHECK-NEXT: %[[RS:.*]] = fp8.compute_scale %[[RA]] {bounded, fp8.name = "w", fp8.phase = #fp8.phase<update>, pow2} : !fp8.scale<f8E4M3FN>
// CHECK-NEXT: fp8.quantize %[[ROOT]], %[[RS]] {fp8.name = "w", fp8.phase = #fp8.phase<update>, stochastic = 3 : i64}

// A sum over micro-batches stays f32. It is quantised where it is read when it is complete.
// SUM: train.variable @p.grad : tensor<8xf32> {init = #train.constant<0.000000e+00>, role = #train.role<gradient>}
train.variable @p.grad : tensor<8xf32> {init = #train.constant<0.0>, fp8.precision = #fp8.precision<storage = <f8E4M3FN, scaled = true>>, role = #train.role<gradient>}
// SUM-LABEL: func.func @micro(
// SUM-NEXT: train.read @p.grad
// SUM-NEXT: train.add
// SUM-NEXT: train.assign @p.grad
func.func @micro(%g: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  %0 = train.read @p.grad accumulated : tensor<8xf32>
  %1 = train.add %0, %g : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  train.assign @p.grad, %1 : tensor<8xf32>
  return
}
// SUM-LABEL: func.func @update(
// SUM-NEXT: %[[G:.*]] = train.read @p.grad : tensor<8xf32>
// SUM-NEXT: %[[A:.*]] = fp8.amax %[[G]]
// SUM-NEXT: %[[S:.*]] = fp8.compute_scale %[[A]] {poison, pow2} : !fp8.scale<f8E4M3FN>
// SUM-NEXT: %[[Q:.*]], %{{.*}} = fp8.quantize %[[G]], %[[S]]
// SUM-NEXT: %[[D:.*]] = fp8.dequantize %[[Q]]
// SUM-NEXT: train.sum_squares %[[Q]]
// SUM-NEXT: train.neg %[[D]]
func.func @update() -> (tensor<f32>, tensor<8xf32>) attributes {train.function = #train.function<update>} {
  %0 = train.read @p.grad : tensor<8xf32>
  %1 = train.sum_squares %0 : tensor<8xf32> -> tensor<f32>
  %2 = train.neg %0 : tensor<8xf32> -> tensor<8xf32>
  return %1, %2 : tensor<f32>, tensor<8xf32>
}
