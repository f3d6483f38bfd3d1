// RUN: fp8c-opt %s --train-apply-precision --fp8-lower-states | FileCheck %s

// A parameter with a scale that one product reads in bf16, another in FP8: each
// reads what it wants, dequantised once.

train.variable @w : tensor<32x16xf32> {init = #train.constant<0.0>, fp8.precision = #fp8.precision<storage = <f16, scaled = true>>, role = #train.role<parameter>}

// CHECK-LABEL: func.func @forward(
// CHECK: %[[W:.*]] = train.read @w : !fp8.scaled<32x16xf16>
// CHECK-DAG: %[[F32:.*]] = fp8.dequantize %[[W]] : !fp8.scaled<32x16xf16> -> tensor<32x16xf32>
// CHECK-DAG: %[[BF16:.*]] = fp8.dequantize %[[W]] : !fp8.scaled<32x16xf16> -> tensor<32x16xbf16>
// CHECK: train.matmul %{{.*}}, %[[BF16]] {fp8.name = "a"
// CHECK: train.matmul %{{.*}}, %[[F32]] {fp8.name = "b"
// CHECK-NOT: train.cast %[[W]]
func.func @forward(%x: tensor<16x32xf32>) -> (tensor<16x16xf32>, tensor<16x16xf32>) attributes {train.function = #train.function<forward>} {
  %w = train.read @w : tensor<32x16xf32>
  %a = train.matmul %x, %w {fp8.name = "a", fp8.precision = #fp8.precision<result = f32, lhs = <bf16>, rhs = <bf16>>} : tensor<16x32xf32>, tensor<32x16xf32> -> tensor<16x16xf32>
  %b = train.matmul %x, %w {fp8.name = "b", fp8.precision = #fp8.precision<result = f32, lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>} : tensor<16x32xf32>, tensor<32x16xf32> -> tensor<16x16xf32>
  return %a, %b : tensor<16x16xf32>, tensor<16x16xf32>
}
