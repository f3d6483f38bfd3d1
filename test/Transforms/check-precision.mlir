// RUN: fp8c-opt %s --fp8-check-precision -verify-diagnostics -split-input-file
// RUN: fp8c-opt %s --train-apply-precision --fp8-lower-states --fp8-insert-scaling --fp8-check-precision -split-input-file | FileCheck %s

// The passes before take all of it away; of a product in bf16 the reason stays.
// CHECK-NOT: precision
// CHECK: train.variable @w : tensor<8x8xbf16> {{.*}}why = "w"
// expected-error @+1 {{still has the precision #fp8.precision<storage = <bf16>, why = "w">, which no pass has carried out: run fp8-insert-scaling before, in a training program train-apply-precision and fp8-lower-states too}}
train.variable @w : tensor<8x8xf32> {init = #train.constant<0.0>, fp8.precision = #fp8.precision<storage = <bf16>, why = "w">, role = #train.role<parameter>}
func.func @forward(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %w = train.read @w : tensor<8x8xf32>
  // CHECK: train.matmul {{.*}}{fp8.why = "y"}
  // expected-error @+1 {{still has the precision}}
  %y = train.matmul %x, %w {fp8.precision = #fp8.precision<result = f32, lhs = <bf16>, rhs = <bf16>, why = "y">} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}
