// RUN: fp8c-opt %s --train-reduce-gradients | FileCheck %s
// RUN: fp8c-opt %s --train-reduce-gradients --train-check-layout
// RUN: fp8c-opt %s --train-reduce-gradients --fp8-lower-comm --train-check-layout | FileCheck %s --check-prefix=CODES

// Where a training has to be reproducible, gradients of micro-batches are kept apart, and the last one sums all parts.
module attributes {train.micro_batches = 3 : i64, train.reproducible} {
train.grid @grid [dp = 1]
train.variable @a : tensor<2x4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// CHECK: train.variable @a.grad.parts_0 : tensor<3x2x4xbf16> {{.*}}of = @a, role = #train.role<gradient_parts>
train.variable @a.grad : tensor<2x4xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<gradient>, train.wire = bf16}
// Somebody's own.
// CHECK: train.variable @a.grad.parts : tensor<3x2x4xbf16> {{.*}}role = #train.role<buffer>
train.variable @a.grad.parts : tensor<3x2x4xbf16> {init = #train.constant<0.0>, role = #train.role<buffer>}
train.variable @c : tensor<2x2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @c.grad : !fp8.scaled<2x2xf8E4M3FN> {init = #train.constant<0.0>, of = @c, role = #train.role<gradient>, train.wire = f8E4M3FN}

// CHECK-LABEL: func.func @micro(
// What stands before is the same as in the last one, also what can be fused.
// CHECK: %[[A:.*]] = train.exp %arg0
// CHECK-NEXT: %[[C:.*]] = train.exp %arg1
// CHECK-NEXT: %[[NARROW:.*]] = train.cast %[[A]]
// CHECK-NEXT: %[[OTHERS:.*]] = train.read @a.grad.parts_0
// CHECK-NEXT: %[[NUMBER:.*]] = train.hyper "micro_batch"
// CHECK-NEXT: %[[ALL:.*]] = train.put_part %[[NARROW]] into %[[OTHERS]] at %[[NUMBER]]
// CHECK-NEXT: train.assign @a.grad.parts_0, %[[ALL]]
// CHECK: train.put_part %[[C]]
// CHECK-NEXT: train.assign @c.grad.parts
// CHECK-NOT: fp8
// CHECK-NOT: .grad,
// CHECK-LABEL: func.func @micro_last(
// CHECK: %[[ALL_A:.*]] = train.put_part
// CHECK: train.assign @a.grad.parts_0, %[[ALL_A]]
// CHECK: %[[ALL_C:.*]] = train.put_part
// CHECK: %[[SUM:.*]]:2 = train.all_reduce %[[ALL_A]], %[[ALL_C]] sum over ["dp"] {{.*}} : tensor<3x2x4xbf16>, tensor<3x2x2xbf16> -> tensor<2x4xbf16>, tensor<2x2xbf16>
// CHECK: train.assign @a.grad,
// CHECK: train.assign @c.grad,

// All parts are quantised by one scale.
// CODES-LABEL: func.func @micro_last(
// CODES: %[[AMAX:.*]] = fp8.amax %[[ALL:.*]] : tensor<3x2x2xbf16>
// CODES-NEXT: %[[AGREED:.*]] = fp8.agree %[[AMAX]]
// CODES-NEXT: %[[SCALE:.*]] = fp8.compute_scale %[[AGREED]]
// CODES-NEXT: %[[Q:.*]], %{{.*}} = fp8.quantize %[[ALL]], %[[SCALE]]
// CODES-NEXT: %[[SUM:.*]] = fp8.all_reduce %[[Q]] over ["dp"] {{.*}}: !fp8.scaled<3x2x2xf8E4M3FN> -> !fp8.scaled<2x2xf8E4M3FN>
// CODES: train.assign @c.grad, %[[SUM]]
func.func @micro(%x: tensor<2x4xf32>, %z: tensor<2x2xbf16>) attributes {train.function = #train.function<micro>} {
  %a = train.exp %x : tensor<2x4xf32> -> tensor<2x4xf32>
  train.assign @a.grad, %a : tensor<2x4xf32>
  %c = train.exp %z : tensor<2x2xbf16> -> tensor<2x2xbf16>
  %1 = fp8.amax %c : tensor<2x2xbf16>
  %2 = fp8.compute_scale %1 {poison, pow2} : !fp8.scale<f8E4M3FN>
  %3, %4 = fp8.quantize %c, %2 : tensor<2x2xbf16> -> !fp8.scaled<2x2xf8E4M3FN>
  train.assign @c.grad, %3 : !fp8.scaled<2x2xf8E4M3FN>
  return
}
}
