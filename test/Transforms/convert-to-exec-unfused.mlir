// RUN: fp8c-opt %s --convert-to-exec -verify-diagnostics

func.func @sum(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{has no lowering to exec; run train-form-fusions before convert-to-exec}}
  %0 = train.add %x, %y : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
