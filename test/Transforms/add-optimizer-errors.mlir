// RUN: fp8c-opt %s --train-add-optimizer -verify-diagnostics -split-input-file

// expected-error @+1 {{needs a function with train.function = #train.function<micro>: run train-autodiff before train-add-optimizer}}
module {}

// -----

// expected-error @+1 {{has a symbol @update already: was an optimizer added before?}}
module {
  func.func @micro(%x: tensor<f32>) -> tensor<f32> attributes {train.function = #train.function<micro>} {
    return %x : tensor<f32>
  }
  func.func private @update()
}

// -----

// expected-error @+1 {{returns no gradients: run train-autodiff before train-add-optimizer}}
func.func @micro(%x: tensor<f32>) -> tensor<f32> attributes {train.function = #train.function<micro>} {
  return %x : tensor<f32>
}

// -----

// expected-error @+1 {{result 1 must name the parameter that it is the gradient of in train.gradient_of}}
func.func @micro(%x: tensor<f32>) -> (tensor<f32>, tensor<f32> {train.gradient_of = @w}) attributes {train.function = #train.function<micro>} {
  return %x, %x : tensor<f32>, tensor<f32>
}

// -----

// expected-error @+1 {{needs the name @"w.m" for its moment1, but it is taken}}
train.variable @w : tensor<f32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.m : tensor<f32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @micro(%x: tensor<f32>) -> (tensor<f32>, tensor<f32> {train.gradient_of = @w}) attributes {train.function = #train.function<micro>} {
  return %x, %x : tensor<f32>, tensor<f32>
}
