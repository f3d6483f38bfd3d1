// RUN: fp8c-opt %s --fp8-merge-products=recipe=%S/Inputs/merge-apart.yaml --verify-diagnostics | FileCheck %s

// CHECK-NOT: train.joined
train.variable @q : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @k : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @forward(%x: tensor<4x32xf32>) -> (tensor<4x32xf32>, tensor<4x16xf32>) attributes {train.function = #train.function<forward>} {
  %wq = train.read @q : tensor<32x32xf32>
  // expected-remark @+1 {{stays apart from 'h.0/k', a product of the same input: the recipe does not say the same of both}}
  %q = train.matmul %x, %wq {fp8.name = "h.0/q"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %wk = train.read @k : tensor<32x16xf32>
  %k = train.matmul %x, %wk {fp8.name = "h.0/k"} : tensor<4x32xf32>, tensor<32x16xf32> -> tensor<4x16xf32>
  %a = train.neg %q : tensor<4x32xf32> -> tensor<4x32xf32>
  %b = train.neg %k : tensor<4x16xf32> -> tensor<4x16xf32>
  return %a, %b : tensor<4x32xf32>, tensor<4x16xf32>
}
