// RUN: fp8c-opt %s --fp8-insert-scaling -verify-diagnostics

// expected-error @+1 {{result 0: fp8.uses must be dictionaries with the texts op, gemm and operand, but one is {gemm = "fwd", op = "fc"}}}
func.func @observe(%x: tensor<4xf32>) -> (tensor<4xf32> {fp8.uses = [{gemm = "fwd", op = "fc"}]}) {
  return %x : tensor<4xf32>
}
