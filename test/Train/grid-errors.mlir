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

// -----

train.grid @grid [dp = 2]
func.func @other_type(%g: tensor<3x8xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{makes 'tensor<4xf32>' of 'tensor<3x8xf32>'}}
  %h = train.all_reduce %g sum over ["dp"] : tensor<3x8xf32> -> tensor<4xf32>
  return %h : tensor<4xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @other_parts(%g: tensor<3x8xf32>, %f: tensor<2x4xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{joins values of 3 parts and of 2}}
  %h:2 = train.all_reduce %g, %f sum over ["dp"] : tensor<3x8xf32>, tensor<2x4xf32> -> tensor<8xf32>, tensor<4xf32>
  return %h#0 : tensor<8xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @fewer(%g: tensor<8xf32>) {
  // expected-error @+1 {{joins 1 values, but 0 come out}}
  "train.all_reduce"(%g) {reduction = #train<reduction sum>, axes = ["dp"]} : (tensor<8xf32>) -> ()
  return
}

// -----

train.grid @grid [dp = 2]
func.func @codes_of_another_format(%g: !fp8.scaled<3x8xf8E4M3FN>) -> !fp8.scaled<8xf8E5M2> {
  // expected-error @+1 {{makes '!fp8.scaled<8xf8E5M2>' of '!fp8.scaled<3x8xf8E4M3FN>'}}
  %h = fp8.all_reduce %g over ["dp"] : !fp8.scaled<3x8xf8E4M3FN> -> !fp8.scaled<8xf8E5M2>
  return %h : !fp8.scaled<8xf8E5M2>
}

// -----

func.func @no_part(%g: tensor<4xf32>, %p: tensor<3x8xf32>, %i: tensor<f32>) -> tensor<3x8xf32> {
  // expected-error @+1 {{puts 'tensor<4xf32>' into parts of 'tensor<3x8xf32>'}}
  %q = train.put_part %g into %p at %i : tensor<4xf32> into tensor<3x8xf32>
  return %q : tensor<3x8xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @odd_rows(%g: tensor<7xf32>) -> tensor<7xf32> {
  // expected-error @+1 {{divides 'tensor<7xf32>' among 2 processes: its first dimension must be a multiple of that}}
  %h = train.all_to_all %g over ["dp"] : tensor<7xf32>
  return %h : tensor<7xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @other_shares(%g: tensor<12x2xf32>) -> tensor<4x2xf32> {
  // expected-error @+1 {{has 'tensor<4x2xf32>' for each of 2 processes, but 'tensor<12x2xf32>' of all}}
  %h = train.reduce_scatter %g sum over ["dp"] : tensor<12x2xf32> -> tensor<4x2xf32>
  return %h : tensor<4x2xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @not_all(%g: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{has 'tensor<4xf32>' for each of 2 processes, but 'tensor<4xf32>' of all}}
  %h = train.all_gather %g over ["dp"] : tensor<4xf32>
  return %h : tensor<4xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @other_rows(%g: tensor<4x3xf32>) -> tensor<8x2xf32> {
  // expected-error @+1 {{has 'tensor<8x2xf32>', which no number of 'tensor<4x3xf32>' makes}}
  %h = train.all_gather %g over ["dp"] : tensor<4x3xf32> -> tensor<8x2xf32>
  return %h : tensor<8x2xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @other_type(%g: tensor<4xf32>) -> tensor<8xbf16> {
  // expected-error @+1 {{has 'tensor<8xbf16>', which no number of 'tensor<4xf32>' makes}}
  %h = train.all_gather %g over ["dp"] : tensor<4xf32> -> tensor<8xbf16>
  return %h : tensor<8xbf16>
}

// -----

train.grid @grid [dp = 2]
func.func @several(%g: tensor<4xf32>, %h: tensor<6xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{divides values into 2 shares and into 3}}
  %s:2 = train.reduce_scatter %g, %h sum over ["dp"] : tensor<4xf32>, tensor<6xf32> -> tensor<2xf32>, tensor<2xf32>
  return %s#0 : tensor<2xf32>
}

// -----

train.grid @grid [dp = 2]
func.func @no_rows(%g: tensor<f32>) -> tensor<f32> {
  // expected-error @+1 {{has 'tensor<f32>', which no number of 'tensor<f32>' makes}}
  %h = train.all_to_all %g over ["dp"] : tensor<f32>
  return %h : tensor<f32>
}

// -----

train.grid @grid [dp = 2]
func.func @fewer() {
  // expected-error @+1 {{moves nothing}}
  "train.all_gather"() {axes = ["dp"]} : () -> ()
  return
}

// -----

train.grid @grid [dp = 2]
func.func @more(%g: tensor<4xf32>) {
  // expected-error @+1 {{takes 1 values, but 2 come out}}
  %h:2 = "train.all_gather"(%g) {axes = ["dp"]} : (tensor<4xf32>) -> (tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @no_grid(%g: tensor<4xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{joins processes, but the module has no train.grid}}
  %h = train.all_gather %g over ["dp"] : tensor<4xf32> -> tensor<8xf32>
  return %h : tensor<8xf32>
}
