// Matrix products of another dialect, which the passes know by their interface alone.
// RUN: fp8c-test-opt %s --fp8-assign-precision=recipe=fp8-current -verify-diagnostics | FileCheck %s --check-prefix=ASSIGN
// RUN: fp8c-test-opt %s --fp8-assign-precision=recipe=fp8-current --train-apply-precision --fp8-insert-scaling 2>/dev/null | FileCheck %s

// ASSIGN-LABEL: func.func @forward(
// CHECK-LABEL: func.func @forward(
func.func @forward(%x: tensor<16x32xf32>, %w: tensor<64x32xf32>, %v: tensor<64x48xf32>, %b: tensor<48xf32>)
    -> (tensor<16x48xf32>, tensor<16x48xf32>) attributes {train.function = #train.function<forward>} {
  // ASSIGN: test.matmul {{.*}}fp8.precision = #fp8.precision<lhs = <f8E4M3FN, pow2 = true>, rhs = <f8E4M3FN, pow2 = true>, fast_accum = true
  // CHECK-DAG: %[[X:.*]], %{{.*}} = fp8.quantize %arg0
  // CHECK-DAG: %[[W:.*]], %{{.*}} = fp8.quantize %arg1
  // CHECK: fp8.matmul %[[X]], %[[W]] contracting [1] x [1] {fast_accum, fp8.name = "a", fp8.why = "{{.*}}"} : !fp8.scaled<16x32xf8E4M3FN>, !fp8.scaled<64x32xf8E4M3FN> -> tensor<16x64xf32>
  %0 = test.matmul %x, %w {fp8.name = "a", transpose_b} : (tensor<16x32xf32>, tensor<64x32xf32>) -> tensor<16x64xf32>
  // CHECK: fp8.matmul {{.*}} {fast_accum, fp8.name = "b", fp8.why = "{{.*}}"}
  %1 = test.matmul %0, %v {fp8.name = "b"} : (tensor<16x64xf32>, tensor<64x48xf32>) -> tensor<16x48xf32>
  // ASSIGN: test.matmul_bias
  // ASSIGN-SAME: why = "stays as it is: it does more than contract two operands into one result (fp8-current.yaml:{{[0-9]+}} asks for f8E4M3FN)"
  // CHECK: test.matmul_bias
  // expected-remark @+1 {{stays as it is: it does more than contract two operands into one result}}
  %2 = test.matmul_bias %0, %v, %b {fp8.name = "c"} : (tensor<16x64xf32>, tensor<64x48xf32>, tensor<48xf32>) -> tensor<16x48xf32>
  return %1, %2 : tensor<16x48xf32>, tensor<16x48xf32>
}
