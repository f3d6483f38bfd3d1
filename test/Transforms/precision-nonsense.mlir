// Ops whose interface says what cannot be: nothing is lowered, nobody crashes.
// RUN: fp8c-test-opt %s --split-input-file --fp8-assign-precision=recipe=fp8-current --fp8-insert-scaling --verify-diagnostics | FileCheck %s
// CHECK-NOT: fp8.quantize

func.func @dims(%a: tensor<16x32xf32>, %b: tensor<32x16xf32>, %s: tensor<f32>, %v: memref<16x32xf32>) {
  // expected-remark @+1 {{its operands are no matrices with respect to the dimensions it contracts}}
  %0 = test.says %a, %b {batch = 0 : i64, lhs = array<i64: 2>, rhs = array<i64: 0>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  // expected-remark @+1 {{its operands are no matrices}}
  %1 = test.says %a, %b {batch = 0 : i64, lhs = array<i64: -1>, rhs = array<i64: 0>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  // expected-remark @+1 {{its operands are no matrices}}
  %2 = test.says %a, %b {batch = 0 : i64, lhs = array<i64>, rhs = array<i64>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  // expected-remark @+1 {{its operands are no matrices}}
  %3 = test.says %a, %b {batch = 0 : i64, lhs = array<i64: 0, 1>, rhs = array<i64: 0>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  // expected-remark @+1 {{its operands are no matrices}}
  %4 = test.says %a, %b {batch = 0 : i64, lhs = array<i64: 1, 0>, rhs = array<i64: 0, 1>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<f32>
  // expected-remark @+1 {{its operands are no matrices}}
  %5 = test.says %a, %b {batch = 3 : i64, lhs = array<i64: 1>, rhs = array<i64: 0>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  // expected-remark @+1 {{its operands are no matrices}}
  %6 = test.says %a, %b {batch = -1 : i64, lhs = array<i64: 1>, rhs = array<i64: 0>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  // expected-remark @+1 {{its operands are no matrices}}
  %7 = test.says %a, %b {batch = 0 : i64, lhs = array<i64: 1>, rhs = array<i64: 0>} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x32xf32>
  // expected-remark @+1 {{its operands are no matrices}}
  %8 = test.says %s, %s {batch = 0 : i64, lhs = array<i64: 0>, rhs = array<i64: 0>} : (tensor<f32>, tensor<f32>) -> tensor<f32>
  // expected-remark @+1 {{its types are not tensors of static shape}}
  %9 = test.says %v, %b {batch = 0 : i64, lhs = array<i64: 1>, rhs = array<i64: 0>} : (memref<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  // expected-remark @+1 {{what its sum is added to has another type than its result}}
  %10 = test.says %a, %b, %a {batch = 0 : i64, lhs = array<i64: 1>, rhs = array<i64: 0>} : (tensor<16x32xf32>, tensor<32x16xf32>, tensor<16x32xf32>) -> tensor<16x16xf32>
  return
}

// -----

func.func @sum(%a: tensor<16x32xf32>, %b: tensor<32x16xf32>) {
  // expected-error @+1 {{'test.says' op implements buildSum of FP8ContractionOpInterface, which must give a value of the type of the result}}
  %0 = test.says %a, %b {batch = 0 : i64, lhs = array<i64: 1>, rhs = array<i64: 0>, no_sum} : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  return
}
