// All scales are known before the first parameter is updated, so that one kernel does everything.
// RUN: fp8c-opt %S/Inputs/states.mlir --fp8-lower-states --train-fuse-optimizer | FileCheck %s
// RUN: fp8c-opt %S/Inputs/states.mlir --fp8-lower-states --train-fuse-optimizer --cse --train-form-fusions | FileCheck %s --check-prefix=FUSED
// RUN: fp8c-opt %s --train-fuse-optimizer | FileCheck %s --check-prefix=WEIGHT

// CHECK: train.variable @w.clamps : !fp8.stats {init = #train.constant<0.000000e+00>, role = #train.role<scale>}
// CHECK: train.variable @w.amax : !fp8.stats {init = #train.constant<0.000000e+00>, of = @w, role = #train.role<scale>}
// CHECK: train.variable @w.m.amax : !fp8.stats {{.*}} of = @w.m,
// CHECK: train.variable @w.v.amax : !fp8.stats {{.*}} of = @w.v,

// CHECK-LABEL: func.func @update(
// CHECK: %[[G:.*]] = train.read @w.grad
// CHECK-DAG: %[[VA:.*]] = train.read @w.v.amax
// CHECK-DAG: %[[MA:.*]] = train.read @w.m.amax
// CHECK-DAG: %[[PA:.*]] = train.read @w.amax
// CHECK: %[[BOUND:.*]], %[[KEY:.*]], %[[S:.*]]:3 = train.update_scales(%coefficient, {{.*}}) amaxes(%[[VA]], %[[MA]], %[[PA]]) gradients(%[[G]], %[[G]], %[[PA]] : {{.*}}) {decays = array<i1: true, true, true>, fp8.phase = #fp8.phase<update>, roots = array<i1: true, false, false>, variables = [@w.v, @w.m, @w]} -> !fp8.scale<f8E4M3FN>, !fp8.scale<f8E4M3FN>, !fp8.scale<f16>
// CHECK-NEXT: %{{.*}}, %{{.*}}, %{{.*}}, %[[CLAMPS:.*]] = train.adamw {{.*}}, bound %[[BOUND]]) {decay, fp8.name = "w", fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: train.assign @w.clamps, %[[CLAMPS]]
// CHECK-NOT: fp8.amax
// CHECK-NOT: fp8.compute_scale
// CHECK: fp8.quantize %{{.*}}, %[[S]]#0 key %[[KEY]] {fp8.name = "w", fp8.phase = #fp8.phase<update>, stochastic = 3 : i64}
// CHECK: fp8.quantize %{{.*}}, %[[S]]#1 {
// CHECK: %{{.*}}, %[[STATS:.*]] = fp8.quantize %{{.*}}, %[[S]]#2 {
// CHECK-NEXT: train.assign @w.amax, %[[STATS]]

// FUSED-LABEL: func.func @update(
// FUSED: train.fusion map({{.*}}!fp8.scaled<32x16xf8E4M3FN>{{.*}}) -> ({{.*}}!fp8.scaled<32x16xf16>, !fp8.stats) attributes
// FUSED: train.adamw
// FUSED-NOT: train.fusion

// A compute weight's scale is bounded too, and read back when the program starts. A parameter's bound does not depend on the gradient.
// WEIGHT: train.variable @p.e4m3.amax : !fp8.stats {{.*}} of = @p,
train.variable @p : tensor<8x8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @p.e4m3 : !fp8.scaled<8x8xf8E4M3FN> {init = #train.constant<0.0>, of = @p, role = #train.role<compute_weight>}
train.variable @p.m : tensor<8x8xf32> {init = #train.constant<0.0>, of = @p, role = #train.role<moment1>}
train.variable @p.v : tensor<8x8xf32> {init = #train.constant<0.0>, of = @p, role = #train.role<moment2>}
// WEIGHT-LABEL: func.func @update(
// WEIGHT-NOT: fp8.amax
// WEIGHT: %[[A:.*]] = train.read @p.e4m3.amax
// WEIGHT: train.update_scales{{.*}} amaxes(%[[A]]) gradients(%[[A]] : !fp8.stats) {{.*}}variables = [@p.e4m3]} -> !fp8.scale<f8E4M3FN>
// WEIGHT-NOT: fp8.compute_scale
// WEIGHT: train.assign @p.e4m3.amax
func.func @update(%g: tensor<8x8xf32>, %h: tensor<f32>) attributes {train.function = #train.function<update>} {
  %p = train.read @p : tensor<8x8xf32>
  %m = train.read @p.m : tensor<8x8xf32>
  %v = train.read @p.v : tensor<8x8xf32>
  %p1, %m1, %v1 = train.adamw %p, %g, %m, %v(%h, %h, %h, %h, %h, %h, %h) {fp8.name = "p", fp8.phase = #fp8.phase<update>}
    : tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>, tensor<f32>, tensor<f32>, tensor<f32>,
      tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>
  train.assign @p, %p1 : tensor<8x8xf32>
  %a = fp8.amax %p1 : tensor<8x8xf32>
  %s = fp8.compute_scale %a {bounded, pow2} : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %p1, %s : tensor<8x8xf32> -> !fp8.scaled<8x8xf8E4M3FN>
  train.assign @p.e4m3, %q : !fp8.scaled<8x8xf8E4M3FN>
  return
}
// WEIGHT-LABEL: func.func @init(
// WEIGHT: %[[S:.*]] = train.stored_scale @p.e4m3 {{.*}}: !fp8.scale<f8E4M3FN>
// WEIGHT-NEXT: fp8.quantize %{{.*}}, %[[S]]
func.func @init() attributes {train.function = #train.function<init>} {
  %p = train.read @p : tensor<8x8xf32>
  %a = fp8.amax %p : tensor<8x8xf32>
  %s = fp8.compute_scale %a {bounded, pow2} : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %p, %s : tensor<8x8xf32> -> !fp8.scaled<8x8xf8E4M3FN>
  train.assign @p.e4m3, %q : !fp8.scaled<8x8xf8E4M3FN>
  return
}
