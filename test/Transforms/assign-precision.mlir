// RUN: fp8c-opt %s -split-input-file --fp8-assign-precision -verify-diagnostics | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --fp8-assign-precision=recipe=f32 | FileCheck %s --check-prefix=F32
// RUN: fp8c-opt %s -split-input-file --fp8-assign-precision=recipe=bf16 | FileCheck %s --check-prefix=BF16
// RUN: fp8c-opt %s -split-input-file --fp8-assign-precision=recipe=fp8-current 2>/dev/null | FileCheck %s --check-prefix=CURRENT

// A linear layer, forward and backward, and the accumulation of its gradients.

// CHECK: module attributes {fp8.products = {asked = {}, fp8 = 3 : i64, refused = {}}, fp8.recipe = "fp8-delayed"}
// F32: module attributes {fp8.recipe = "f32"}
// BF16: module attributes {fp8.recipe = "bf16"}
// CURRENT: module attributes {fp8.products = {asked = {}, fp8 = 3 : i64, refused = {}}, fp8.recipe = "fp8-current"}
module {
  // CHECK: train.variable @fc.weight {{.*}}fp8.precision = #fp8.precision<storage = <f32>, why = "fp8-delayed.yaml:{{[0-9]+}}">
  // BF16: train.variable @fc.weight {{.*}}fp8.precision = #fp8.precision<storage = <f32>, why = "bf16.yaml:{{[0-9]+}}">
  train.variable @fc.weight : tensor<32x64xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
  train.variable @fc.weight.grad : tensor<32x64xf32> {init = #train.constant<0.0>, of = @fc.weight, role = #train.role<gradient>}
  train.variable @fc.bias.grad : tensor<64xf32> {init = #train.constant<0.0>, role = #train.role<gradient>}
  // A table that no step changes is not the recipe's.
  // CHECK: train.variable @cos : tensor<16x4xf32> {init = #train.constant<1.000000e+00>, role = #train.role<buffer>}
  train.variable @cos : tensor<16x4xf32> {init = #train.constant<1.0>, role = #train.role<buffer>}

  // CHECK-LABEL: func.func @micro(
  // F32-LABEL: func.func @micro(
  // BF16-LABEL: func.func @micro(
  // CURRENT-LABEL: func.func @micro(
  func.func @micro(%x: tensor<2x16x32xf32>, %dy: tensor<2x16x64xf32>) -> tensor<2x16x32xf32> attributes {train.function = #train.function<micro>} {
    %w = train.read @fc.weight : tensor<32x64xf32>
    // CHECK: train.layer_norm
    // CHECK-SAME: fp8.precision = #fp8.precision<result = [bf16, f32, f32], why = "fp8-delayed.yaml:[[#RESULT:]] (result)">
    // F32: train.layer_norm
    // F32-SAME: fp8.precision = #fp8.precision<result = f32, why = "f32.yaml:{{[0-9]+}} (result)">
    %one = arith.constant dense<1.0> : tensor<32xf32>
    %h, %mean, %rstd = train.layer_norm %x, %one, %one {epsilon = 1.0e-5 : f32, fp8.name = "ln", fp8.phase = #fp8.phase<fwd>}
      : tensor<2x16x32xf32>, tensor<32xf32>, tensor<32xf32> -> tensor<2x16x32xf32>, tensor<2x16x1xf32>, tensor<2x16x1xf32>
    // Forward: both sides E4M3; the weight is scaled by a bound.
    // CHECK: train.matmul
    // CHECK-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <f8E4M3FN, scaling = delayed, window = 16, pow2 = true>, rhs = <f8E4M3FN, scaling = bounded, pow2 = true>, fast_accum = true, why = "fp8-delayed.yaml:[[#FWD:]] (lhs), fp8-delayed.yaml:{{[0-9]+}} (rhs), fp8-delayed.yaml:[[#RESULT]] (result)">
    // F32: train.matmul
    // F32-SAME: fp8.precision = #fp8.precision<result = f32, lhs = <f32>, rhs = <f32>, why = {{.*}}>
    // BF16: train.matmul
    // BF16-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <bf16>, rhs = <bf16>, why = {{.*}}>
    // CURRENT: train.matmul
    // CURRENT-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <f8E4M3FN, pow2 = true>, rhs = <f8E4M3FN, pow2 = true>, fast_accum = true, why = {{.*}}>
    %y = train.matmul %h, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<2x16x32xf32>, tensor<32x64xf32> -> tensor<2x16x64xf32>
    // A cotangent is what a backward op computes.
    %g = train.relu %dy {fp8.name = "act", fp8.phase = #fp8.phase<dgrad>} : tensor<2x16x64xf32> -> tensor<2x16x64xf32>
    %g2 = train.reshape %g {fp8.name = "act", fp8.phase = #fp8.phase<dgrad>} : tensor<2x16x64xf32> -> tensor<32x64xf32>
    // CHECK: train.matmul
    // CHECK-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <f8E5M2, scaling = delayed, window = 16, pow2 = true>, rhs = <f8E4M3FN, scaling = bounded, pow2 = true>, why = "fp8-delayed.yaml:[[#GRAD:]] (lhs), fp8-delayed.yaml:[[#BWD:]] (rhs),
    %dh = train.matmul %g2, %w contracting [1] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>} : tensor<32x64xf32>, tensor<32x64xf32> -> tensor<32x32xf32>
    // The weight's gradient is as wide as its accumulator.
    // CHECK: train.matmul
    // CHECK-SAME: fp8.precision = #fp8.precision<result = f32, lhs = <f8E4M3FN, {{[^>]*}}>, rhs = <f8E5M2, scaling = delayed, window = 16, pow2 = true>, why = "fp8-delayed.yaml:[[#BWD]] (lhs), fp8-delayed.yaml:[[#GRAD]] (rhs), storage of fc.weight.grad">
    // BF16: train.matmul
    // BF16: train.matmul
    // BF16-SAME: fp8.precision = #fp8.precision<result = f32, lhs = <bf16>, rhs = <bf16>, why = {{.*}}>
    %dw = train.matmul %h, %g contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : tensor<2x16x32xf32>, tensor<2x16x64xf32> -> tensor<32x64xf32>
    // CHECK: train.reduce_sum {{.*}} fp8.precision = #fp8.precision<result = f32, why = "storage of fc.bias.grad">
    %db = train.reduce_sum %g axes [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : tensor<2x16x64xf32> -> tensor<64xf32>
    %dw0 = train.read @fc.weight.grad accumulated {fp8.phase = #fp8.phase<update>} : tensor<32x64xf32>
    // CHECK: train.add {{.*}} fp8.precision = #fp8.precision<result = f32, why = "storage of fc.weight.grad">
    %dw1 = train.add %dw0, %dw {fp8.phase = #fp8.phase<update>} : tensor<32x64xf32>, tensor<32x64xf32> -> tensor<32x64xf32>
    train.assign @fc.weight.grad, %dw1 : tensor<32x64xf32>
    train.assign @fc.bias.grad, %db : tensor<64xf32>
    %dx = train.reshape %dh : tensor<32x32xf32> -> tensor<2x16x32xf32>
    // The loss is f32 by definition: there is nothing to decide.
    // CHECK: train.sum_squares
    // CHECK-NOT: precision
    // CHECK: return
    %s = train.sum_squares %y : tensor<2x16x64xf32> -> tensor<f32>
    return %dx : tensor<2x16x32xf32>
  }
}

// -----

// What the hardware cannot do stays in bf16, with a remark; sizes that are no multiple of 16 are padded later.

// CHECK: module attributes {exec.target = #exec.target<cpu>, fp8.products = {asked = {bf16 = 1 : i64}, fp8 = 2 : i64, refused = {"it has batch dimensions" = 1 : i64}},
module attributes {exec.target = #exec.target<cpu>} {
// CHECK-LABEL: func.func @forward(
func.func @forward(%x: tensor<16x40xf32>, %w: tensor<40x16xf32>, %q: tensor<4x16x32xf32>, %k: tensor<4x16x32xf32>,
                   %e: tensor<17x16xf32>, %labels: tensor<16xi64>) -> (tensor<17x16xf32>, tensor<f32>) attributes {train.function = #train.function<forward>} {
  // CHECK: train.matmul
  // CHECK-SAME: lhs = <f8E4M3FN
  %y = train.matmul %x, %w {fp8.name = "h.0/fc"} : tensor<16x40xf32>, tensor<40x16xf32> -> tensor<16x16xf32>
  // expected-remark-re@+3 {{stays in bf16: it has batch dimensions (fp8-delayed.yaml:{{[0-9]+}} asks for f8E4M3FN)}}
  // CHECK: train.matmul
  // CHECK-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <bf16>, rhs = <bf16>, why = "stays in bf16: it has batch dimensions (fp8-delayed.yaml:{{[0-9]+}} asks for f8E4M3FN), fp8-delayed.yaml:{{[0-9]+}} (lhs),
  %scores = train.matmul %q, %k contracting [2] x [2] {batch = 1, fp8.name = "h.0/scores"} : tensor<4x16x32xf32>, tensor<4x16x32xf32> -> tensor<4x16x16xf32>
  // CHECK: train.matmul
  // CHECK-SAME: lhs = <f8E4M3FN
  %z = train.matmul %e, %y {fp8.name = "h.0/proj"} : tensor<17x16xf32>, tensor<16x16xf32> -> tensor<17x16xf32>
  // The recipe itself wants the LM head in bf16, whatever it is called: no remark.
  // CHECK: train.matmul {{.*}}fp8.name = "node_linear_8"
  // CHECK-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <bf16>, rhs = <bf16>, why = "fp8-delayed.yaml:
  %l = train.matmul %y, %y {fp8.name = "node_linear_8"} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  %capped = train.tanh %l {fp8.name = "cap"} : tensor<16x16xf32> -> tensor<16x16xf32>
  %loss, %lse, %inv = train.cross_entropy %capped, %labels : tensor<16x16xf32>, tensor<16xi64> -> tensor<f32>, tensor<16xf32>, tensor<f32>
  return %z, %loss : tensor<17x16xf32>, tensor<f32>
}
}
