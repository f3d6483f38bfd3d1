// RUN: fp8c-opt %s -split-input-file --fp8-lower-comm | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --fp8-lower-comm --fp8-lower-comm | FileCheck %s

train.grid @grid [dp = 2]
train.variable @a : tensor<4x2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @a.grad : !fp8.scaled<4x2xf8E4M3FN> {init = #train.constant<0.0>, of = @a, role = #train.role<gradient>, train.wire = f8E4M3FN}
train.variable @b : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @b.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @b, role = #train.role<gradient>, train.wire = f32}
train.variable @c : tensor<2x2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @c.grad : tensor<2x2xf32> {init = #train.constant<0.0>, of = @c, role = #train.role<gradient>, train.wire = f8E5M2}

// One exchange of what travels as it is, one of amaxes, one of codes of each format.
// CHECK-LABEL: func.func @micro(
// CHECK-SAME: %[[A:.*]]: tensor<4x2xbf16>, %[[B:.*]]: tensor<8xf32>, %[[C:.*]]: tensor<2x2xbf16>)
// CHECK-NEXT: %[[SUM_B:.*]] = train.all_reduce %[[B]] sum over ["dp"] : tensor<8xf32>
// CHECK-NEXT: %[[AMAX_A:.*]] = fp8.amax %[[A]]
// CHECK-NEXT: %[[AMAX_C:.*]] = fp8.amax %[[C]]
// CHECK-NEXT: %[[AMAX:.*]]:2 = fp8.agree %[[AMAX_A]], %[[AMAX_C]] over ["dp"]
// CHECK-NEXT: %[[SCALE_A:.*]] = fp8.compute_scale %[[AMAX]]#0 {poison, pow2} : !fp8.scale<f8E4M3FN>
// CHECK-NEXT: %[[SCALE_C:.*]] = fp8.compute_scale %[[AMAX]]#1 {poison, pow2} : !fp8.scale<f8E5M2>
// CHECK-NEXT: %[[CODES_A:.*]], %{{.*}} = fp8.quantize %[[A]], %[[SCALE_A]]
// CHECK-NEXT: %[[CODES_C:.*]], %{{.*}} = fp8.quantize %[[C]], %[[SCALE_C]]
// CHECK-NEXT: %[[SUM_A:.*]] = fp8.all_reduce %[[CODES_A]] over ["dp"] : !fp8.scaled<4x2xf8E4M3FN>
// CHECK-NEXT: %[[SUM_C:.*]] = fp8.all_reduce %[[CODES_C]] over ["dp"] : !fp8.scaled<2x2xf8E5M2>
// CHECK-NEXT: %[[WIDE_C:.*]] = fp8.dequantize %[[SUM_C]] : !fp8.scaled<2x2xf8E5M2> -> tensor<2x2xbf16>
// A variable of that format takes the codes as they are.
// CHECK-NEXT: train.assign @a.grad, %[[SUM_A]]
// CHECK-NEXT: train.assign @b.grad, %[[SUM_B]]
// CHECK-NEXT: %[[STORED:.*]] = train.cast %[[WIDE_C]]
// CHECK-NEXT: train.assign @c.grad, %[[STORED]]
func.func @micro(%a: tensor<4x2xbf16>, %b: tensor<8xf32>, %c: tensor<2x2xbf16>) attributes {train.function = #train.function<micro>} {
  %0:3 = train.all_reduce %a, %b, %c sum over ["dp"] : tensor<4x2xbf16>, tensor<8xf32>, tensor<2x2xbf16>
  %1 = fp8.amax %0#0 : tensor<4x2xbf16>
  %2 = fp8.compute_scale %1 {poison, pow2} : !fp8.scale<f8E4M3FN>
  %3, %4 = fp8.quantize %0#0, %2 : tensor<4x2xbf16> -> !fp8.scaled<4x2xf8E4M3FN>
  train.assign @a.grad, %3 : !fp8.scaled<4x2xf8E4M3FN>
  train.assign @b.grad, %0#1 : tensor<8xf32>
  %5 = train.cast %0#2 : tensor<2x2xbf16> -> tensor<2x2xf32>
  train.assign @c.grad, %5 : tensor<2x2xf32>
  return
}

// -----

// The library's own sums: mu makes room for them, and is adjusted by what they say.
train.grid @grid [dp = 2]
// CHECK: train.variable @a.grad :
// CHECK-NEXT: train.variable @a.grad.mu : tensor<f32> {init = #train.constant<1.000000e+00>, role = #train.role<mu>}
train.variable @a.grad : !fp8.scaled<4x2xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<gradient>, train.wire = f8E4M3FN, train.native_sum}
train.variable @b.grad : !fp8.scaled<2x2xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<gradient>, train.wire = f8E4M3FN}

// CHECK-LABEL: func.func @micro(
// CHECK: %[[SCALE_A:.*]] = fp8.compute_scale
// CHECK: %[[SCALE_B:.*]] = fp8.compute_scale
// CHECK-NEXT: %[[MU:.*]] = train.read @a.grad.mu : tensor<f32>
// CHECK-NEXT: %[[ROOM:.*]] = fp8.scale_by %[[SCALE_A]] by %[[MU]]
// CHECK-NEXT: %[[CODES_A:.*]], %{{.*}} = fp8.quantize %{{.*}}, %[[ROOM]]
// CHECK-NEXT: %[[CODES_B:.*]], %{{.*}} = fp8.quantize %{{.*}}, %[[SCALE_B]]
// CHECK-NEXT: %[[SUM_A:.*]] = fp8.all_reduce %[[CODES_A]] over ["dp"] native
// CHECK-NEXT: %[[MU:.*]] = train.read @a.grad.mu : tensor<f32>
// CHECK-NEXT: %[[NEXT:.*]] = fp8.adjust_mu %[[MU]] by %[[SUM_A]] over ["dp"] : tensor<f32> by !fp8.scaled<4x2xf8E4M3FN>
// CHECK-NEXT: train.assign @a.grad.mu, %[[NEXT]]
// CHECK-NEXT: %[[SUM_B:.*]] = fp8.all_reduce %[[CODES_B]] over ["dp"] :
// CHECK-NEXT: train.assign @a.grad, %[[SUM_A]]
// CHECK-NEXT: train.assign @b.grad, %[[SUM_B]]
func.func @micro(%a: tensor<4x2xbf16>, %b: tensor<2x2xbf16>) attributes {train.function = #train.function<micro>} {
  %0:2 = train.all_reduce %a, %b sum over ["dp"] : tensor<4x2xbf16>, tensor<2x2xbf16>
  %1 = fp8.amax %0#0 : tensor<4x2xbf16>
  %2 = fp8.compute_scale %1 {poison, pow2} : !fp8.scale<f8E4M3FN>
  %3, %4 = fp8.quantize %0#0, %2 : tensor<4x2xbf16> -> !fp8.scaled<4x2xf8E4M3FN>
  train.assign @a.grad, %3 : !fp8.scaled<4x2xf8E4M3FN>
  %5 = fp8.amax %0#1 : tensor<2x2xbf16>
  %6 = fp8.compute_scale %5 {poison, pow2} : !fp8.scale<f8E4M3FN>
  %7, %8 = fp8.quantize %0#1, %6 : tensor<2x2xbf16> -> !fp8.scaled<2x2xf8E4M3FN>
  train.assign @b.grad, %7 : !fp8.scaled<2x2xf8E4M3FN>
  return
}

// -----

// One process has nobody to sum with, but a checkpoint has the same variables.
// CHECK: train.variable @c.grad.mu
train.variable @c.grad : tensor<4x2xf32> {init = #train.constant<0.0>, role = #train.role<gradient>, train.native_sum}
