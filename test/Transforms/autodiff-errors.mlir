// RUN: fp8c-opt %s --train-autodiff -verify-diagnostics -split-input-file

// expected-error @+1 {{needs a function with train.function = #train.function<eval>: run train-append-loss before train-autodiff}}
module {}

// -----

// expected-error @+1 {{has a symbol @micro already: was it differentiated before?}}
module {
  func.func @eval(%x: tensor<f32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
    return %x : tensor<f32>
  }
  func.func private @micro()
}

// -----

// expected-error @+1 {{must return the loss, a 'tensor<f32>'}}
func.func @eval(%x: tensor<4xf32>) -> tensor<4xf32> attributes {train.function = #train.function<eval>} {
  return %x : tensor<4xf32>
}

// -----

// expected-remark @+1 {{the loss does not depend on this parameter: it stays as it is}}
train.variable @unused : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// expected-remark @+1 {{the loss does not depend on this parameter: it stays as it is}}
train.variable @stepped : tensor<f32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// expected-error @+1 {{returns a loss that depends on no parameter}}
func.func @eval(%x: tensor<f32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %w = train.read @stepped : tensor<f32>
  %s = train.step %w : tensor<f32> -> tensor<f32>
  %y = train.mul %x, %s : tensor<f32>, tensor<f32> -> tensor<f32>
  return %y : tensor<f32>
}

// -----

train.variable @w : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @eval() -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %w = train.read @w : tensor<4xf32>
  // expected-error @+1 {{'train.sum_squares' op 'h.0/pool' has no gradient, but the loss depends on a parameter through it}}
  %y = train.sum_squares %w {fp8.name = "h.0/pool"} : tensor<4xf32> -> tensor<f32>
  return %y : tensor<f32>
}

// -----

train.variable @w : tensor<f32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func private @block(tensor<f32>) -> tensor<f32>
func.func @eval(%x: tensor<f32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  // expected-error @+1 {{'func.call' op has no gradient, but the loss depends on a parameter through it}}
  %y = call @block(%x) : (tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
}

// -----

train.variable @q : tensor<1x2x4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @eval() -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %q = train.read @q : tensor<1x2x4xf32>
  // expected-error @+1 {{has no gradient through its result lse}}
  %o, %lse = train.attention %q, %q, %q {heads = 1, kv_heads = 1, scale = 1.0 : f32}
    : tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32> -> tensor<1x2x4xf32>, tensor<1x1x2xf32>
  %y = train.reduce_sum %lse axes [0, 1, 2] : tensor<1x1x2xf32> -> tensor<f32>
  return %y : tensor<f32>
}

// -----

train.variable @cos : tensor<2x2xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @eval(%x: tensor<1x2x4xf32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %cos = train.read @cos : tensor<2x2xf32>
  // expected-error @+1 {{takes constant tables only: they have no gradient}}
  %r = train.rotary %x, %cos, %cos {heads = 1, rotary_dim = 4}
    : tensor<1x2x4xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<1x2x4xf32>
  %y = train.reduce_sum %r axes [0, 1, 2] : tensor<1x2x4xf32> -> tensor<f32>
  return %y : tensor<f32>
}

// -----

train.variable @w : tensor<f32> {init = #train.constant<0.0>, role = #train.role<frozen>}
// expected-error @+1 {{returns a loss that depends on no parameter that is trained: all that it depends on are frozen}}
func.func @eval(%x: tensor<f32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %w = train.read @w : tensor<f32>
  %y = train.mul %x, %w : tensor<f32>, tensor<f32> -> tensor<f32>
  return %y : tensor<f32>
}
