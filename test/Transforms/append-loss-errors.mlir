// RUN: fp8c-opt %s --train-append-loss -verify-diagnostics -split-input-file

// expected-error @+1 {{needs a function with train.function = #train.function<forward>: mark the function of the model so}}
module {}

// -----

// expected-error @+1 {{has a symbol @eval already: was a loss appended before?}}
module {
  func.func @forward(%x: tensor<f32>) -> tensor<f32> attributes {train.function = #train.function<forward>} {
    return %x : tensor<f32>
  }
  func.func private @eval()
}

// -----

// expected-error @+1 {{returns neither a loss, a scalar float, nor logits of rank 2 or more}}
func.func @forward(%x: tensor<4x8xi64>, %y: tensor<8xf32>) -> (tensor<4x8xi64>, tensor<8xf32>) attributes {train.function = #train.function<forward>} {
  return %x, %y : tensor<4x8xi64>, tensor<8xf32>
}
