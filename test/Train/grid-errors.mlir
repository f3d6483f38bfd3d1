// RUN: fp8c-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{has two axes 'dp'}}
train.grid @grid [dp = 2, dp = 2]

// -----

// expected-error @+1 {{has 0 processes along 'dp': a grid has 1 to 1048576}}
train.grid @grid [dp = 0]

// -----

// expected-error @+1 {{has 1048576 processes along 'tp': a grid has 1 to 1048576}}
train.grid @grid [dp = 2, tp = 1048576]

// -----

// expected-error @+1 {{names 1 axes, but has 2 sizes}}
"train.grid"() {sym_name = "grid", axes = ["dp"], sizes = array<i64: 2, 2>} : () -> ()

// -----

// expected-error @+1 {{is a second grid: a module has one}}
train.grid @grid [dp = 2]
train.grid @other [dp = 2]

// -----

func.func @no_grid(%g: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{joins processes, but the module has no train.grid}}
  %h = train.all_reduce %g sum over ["dp"] : tensor<8xf32>
  return %h : tensor<8xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @no_axis(%g: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{is over 'tp', which is no axis of the grid}}
  %h = train.all_reduce %g sum over ["tp"] : tensor<8xf32>
  return %h : tensor<8xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @axis_twice(%g: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{is over 'dp' twice}}
  %h = train.all_reduce %g sum over ["dp", "dp"] : tensor<8xf32>
  return %h : tensor<8xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @over_nothing(%g: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{is over no axis}}
  %h = train.all_reduce %g sum over [] : tensor<8xf32>
  return %h : tensor<8xf32>
}
