// Every key that a rule can match on; what is expected of each rule is checked on the op it concerns.
// RUN: fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/rules.yaml 2>&1 | FileCheck %s

// CHECK: remark: stays in bf16: only one of its operands is to be FP8 (rules.yaml:9 asks for f8E4M3FN)
// CHECK: train.variable @"h.0/fc.weight" {{.*}}fp8.precision = #fp8.precision<storage = <bf16>, why = "rules.yaml:32">
train.variable @"h.0/fc.weight" : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// CHECK: train.variable @"h.0/fc.bias" {{.*}}fp8.precision = #fp8.precision<storage = <f16>, why = "rules.yaml:34">
train.variable @"h.0/fc.bias" : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// CHECK: train.variable @"h.0/fc.weight.m" {{.*}}fp8.precision = #fp8.precision<storage = <f32>, why = "rules.yaml:6">
train.variable @"h.0/fc.weight.m" : tensor<32x32xf32> {init = #train.constant<0.0>, of = @"h.0/fc.weight", role = #train.role<moment1>}

// CHECK-LABEL: func.func @forward(
func.func @forward(%x: tensor<32x32xf32>) -> tensor<32x32xf32> attributes {train.function = #train.function<forward>} {
  %w = train.read @"h.0/fc.weight" : tensor<32x32xf32>
  %t = train.transpose %w [1, 0] : tensor<32x32xf32> -> tensor<32x32xf32>
  // The first layer is in f16 altogether.
  // CHECK: train.matmul {{.*}}fp8.name = "h.0/fc"
  // CHECK-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <f16>, rhs = <f16>, why = "rules.yaml:26 (lhs), rules.yaml:26 (rhs), rules.yaml:4 (result)">
  %0 = train.matmul %x, %t {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<fwd>} : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  // A transposed parameter is a weight.
  // CHECK: train.matmul {{.*}}fp8.name = "h.1/fc"
  // CHECK-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <f8E4M3FN, scaling = delayed, window = 4>, rhs = <f8E4M3FN, margin = 1>
  %1 = train.matmul %0, %t {fp8.name = "h.1/fc", fp8.phase = #fp8.phase<fwd>} : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  // CHECK: train.gelu
  // CHECK-SAME: fp8.precision = #fp8.precision<result = f32, why = "rules.yaml:20 (result)">
  %2 = train.gelu %1 {fp8.name = "h.1/act", fp8.phase = #fp8.phase<fwd>} : tensor<32x32xf32> -> tensor<32x32xf32>
  // Only one side is to be FP8, which no hardware does.
  // CHECK: train.matmul {{.*}}fp8.name = "h.2/fc"
  // CHECK-SAME: fp8.precision = #fp8.precision<result = bf16, lhs = <bf16>, rhs = <bf16>
  %3 = train.matmul %2, %t {fp8.name = "h.2/fc", fp8.phase = #fp8.phase<fwd>} : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  return %3 : tensor<32x32xf32>
}
