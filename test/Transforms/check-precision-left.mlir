// What was not carried out is not taken away.
// RUN: fp8c-opt %s --fp8-insert-scaling --fp8-check-precision -verify-diagnostics

func.func @forward(%x: tensor<8x8xf32>, %w: tensor<8x8xbf16>) -> tensor<8x8xf32> {
  // expected-error @+1 {{still has the precision}}
  %y = train.matmul %x, %w {fp8.precision = #fp8.precision<result = f32, lhs = <bf16>, rhs = <bf16>>} : tensor<8x8xf32>, tensor<8x8xbf16> -> tensor<8x8xf32>
  // expected-error @+1 {{still has the precision}}
  %z = train.exp %y {fp8.precision = #fp8.precision<result = bf16>} : tensor<8x8xf32> -> tensor<8x8xf32>
  return %z : tensor<8x8xf32>
}
