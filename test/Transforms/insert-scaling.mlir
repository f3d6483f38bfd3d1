// RUN: fp8c-opt %s -split-input-file --fp8-insert-scaling -verify-diagnostics | FileCheck %s

// Delayed scaling of a linear layer, through all functions of a program.

#fwd = #fp8.precision<result = bf16, lhs = <f8E4M3FN, scaling = delayed, window = 16, pow2 = true>, rhs = <f8E4M3FN, pow2 = true>, fast_accum = true>
#dgrad = #fp8.precision<result = bf16, lhs = <f8E5M2, scaling = delayed, window = 4, margin = 1>, rhs = <f8E4M3FN, pow2 = true>>
#wgrad = #fp8.precision<result = f32, lhs = <f8E4M3FN, scaling = delayed, window = 16, pow2 = true>, rhs = <f8E5M2, scaling = delayed, window = 4, margin = 1>>

module {
  train.variable @fc.weight : tensor<32x64xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
  // CHECK: train.variable @fc.weight.grad
  train.variable @fc.weight.grad : tensor<32x64xf32> {init = #train.constant<0.0>, of = @fc.weight, role = #train.role<gradient>}
  // CHECK-NEXT: train.variable @fc.x.scale : !fp8.scale_state<f8E4M3FN, 16> {fp8.counted = 512 : i64, init = #train.constant<1.000000e+00>, role = #train.role<scale>}
  // CHECK-NEXT: train.variable @fc.dy.scale : !fp8.scale_state<f8E5M2, 4> {fp8.counted = 1024 : i64, init = #train.constant<1.000000e+00>, role = #train.role<scale>}

  // Evaluation reads the states by the name of the op, and records nothing.
  // CHECK-LABEL: func.func @eval(
  // CHECK: %[[STATE:.*]] = train.read @fc.x.scale
  // CHECK: %[[SCALE:.*]] = fp8.current_scale %[[STATE]]
  // CHECK: fp8.quantize %arg0, %[[SCALE]]
  // CHECK: fp8.matmul
  // CHECK-NOT: train.assign
  // CHECK: return
  func.func @eval(%x: tensor<16x32xbf16>) -> tensor<16x64xbf16> attributes {train.function = #train.function<eval>} {
    %w = train.read @fc.weight : tensor<32x64xf32>
    %y = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fwd} : tensor<16x32xbf16>, tensor<32x64xf32> -> tensor<16x64xbf16>
    return %y : tensor<16x64xbf16>
  }

  // CHECK-LABEL: func.func @micro(
  func.func @micro(%x: tensor<16x32xbf16>, %dy0: tensor<16x64xbf16>) -> tensor<16x32xbf16> attributes {train.function = #train.function<micro>} {
    // CHECK: %[[X_STATE:.*]] = train.read @fc.x.scale {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : !fp8.scale_state<f8E4M3FN, 16>
    // CHECK: %[[X_SCALE:.*]] = fp8.current_scale %[[X_STATE]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>}
    // CHECK: %[[X:.*]], %[[X_STATS:.*]] = fp8.quantize %arg0, %[[X_SCALE]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<16x32xbf16> -> !fp8.scaled<16x32xf8E4M3FN>
    // The weight is quantised from f32, with a scale of its own amax.
    // CHECK: %[[WEIGHT:.*]] = train.read @fc.weight : tensor<32x64xf32>
    // CHECK: %[[AMAX:.*]] = fp8.amax %[[WEIGHT]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<32x64xf32>
    // CHECK: %[[W_SCALE:.*]] = fp8.compute_scale %[[AMAX]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, pow2} : !fp8.scale<f8E4M3FN>
    // CHECK: %[[W:.*]], %{{.*}} = fp8.quantize %[[WEIGHT]], %[[W_SCALE]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<32x64xf32> -> !fp8.scaled<32x64xf8E4M3FN>
    %w = train.read @fc.weight : tensor<32x64xf32>
    // CHECK: fp8.matmul %[[X]], %[[W]] {fast_accum, fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : !fp8.scaled<16x32xf8E4M3FN>, !fp8.scaled<32x64xf8E4M3FN> -> tensor<16x64xbf16>
    %y = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fwd} : tensor<16x32xbf16>, tensor<32x64xf32> -> tensor<16x64xbf16>
    // CHECK: %[[COTANGENT:.*]] = train.mul
    // CHECK: %[[DY_STATE:.*]] = train.read @fc.dy.scale {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>} : !fp8.scale_state<f8E5M2, 4>
    // CHECK: %[[DY_SCALE:.*]] = fp8.current_scale %[[DY_STATE]]
    // CHECK: %[[DY:.*]], %[[DY_STATS:.*]] = fp8.quantize %[[COTANGENT]], %[[DY_SCALE]] {{.*}} -> !fp8.scaled<16x64xf8E5M2>
    %dy = train.mul %dy0, %y {fp8.name = "act", fp8.phase = #fp8.phase<dgrad>} : tensor<16x64xbf16>, tensor<16x64xbf16> -> tensor<16x64xbf16>
    // Each of the three is quantised once for its two uses.
    // CHECK: %[[DX:.*]] = fp8.matmul %[[DY]], %[[W]] contracting [1] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>} : {{.*}} -> tensor<16x32xbf16>
    %dx = train.matmul %dy, %w contracting [1] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>, fp8.precision = #dgrad} : tensor<16x64xbf16>, tensor<32x64xf32> -> tensor<16x32xbf16>
    // CHECK: %[[DW:.*]] = fp8.matmul %[[X]], %[[DY]] contracting [0] x [0] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : {{.*}} -> tensor<32x64xf32>
    %dw = train.matmul %x, %dy contracting [0] x [0] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>, fp8.precision = #wgrad} : tensor<16x32xbf16>, tensor<16x64xbf16> -> tensor<32x64xf32>
    %g = train.read @fc.weight.grad accumulated : tensor<32x64xf32>
    %g1 = train.add %g, %dw : tensor<32x64xf32>, tensor<32x64xf32> -> tensor<32x64xf32>
    train.assign @fc.weight.grad, %g1 : tensor<32x64xf32>
    // CHECK: train.assign @fc.weight.grad
    // CHECK-NEXT: %[[X_NEXT:.*]] = fp8.record %[[X_STATE]], %[[X_STATS]]
    // CHECK-NEXT: train.assign @fc.x.scale, %[[X_NEXT]]
    // CHECK-NEXT: %[[DY_NEXT:.*]] = fp8.record %[[DY_STATE]], %[[DY_STATS]]
    // CHECK-NEXT: train.assign @fc.dy.scale, %[[DY_NEXT]]
    // CHECK-NEXT: return %[[DX]]
    return %dx : tensor<16x32xbf16>
  }

  // The same passes with current scaling; statistics are kept, gradients are not.
  // CHECK-LABEL: func.func @calibrate(%arg0: tensor<16x32xbf16>, %arg1: tensor<16x64xbf16>) attributes {train.function = #train.function<calibrate>} {
  // CHECK: %[[X_STATE:.*]] = train.read @fc.x.scale
  // CHECK: fp8.amax %arg0
  // CHECK: fp8.compute_scale %{{.*}} {{{.*}}pow2} : !fp8.scale<f8E4M3FN>
  // CHECK: %{{.*}}, %[[X_STATS:.*]] = fp8.quantize %arg0
  // CHECK: fp8.matmul {{.*}} fp8.phase = #fp8.phase<fwd>
  // CHECK: %[[DY_STATE:.*]] = train.read @fc.dy.scale
  // CHECK: fp8.compute_scale %{{.*}} {{{.*}}margin = 1 : i64
  // CHECK: %{{.*}}, %[[DY_STATS:.*]] = fp8.quantize
  // CHECK-NOT: fp8.matmul
  // CHECK-NOT: train.assign @fc.weight.grad
  // CHECK: %[[X_NEXT:.*]] = fp8.record %[[X_STATE]], %[[X_STATS]]
  // CHECK: %[[X_FINAL:.*]] = fp8.advance %[[X_NEXT]] {{{.*}}pow2}
  // CHECK: train.assign @fc.x.scale, %[[X_FINAL]]
  // CHECK: %[[DY_NEXT:.*]] = fp8.record %[[DY_STATE]], %[[DY_STATS]]
  // CHECK: %[[DY_FINAL:.*]] = fp8.advance %[[DY_NEXT]] {{{.*}}margin = 1 : i64
  // CHECK: train.assign @fc.dy.scale, %[[DY_FINAL]]
  // CHECK: return{{$}}

  // CHECK-LABEL: func.func @update(
  // CHECK: %[[STATE:.*]] = train.read @fc.x.scale {fp8.name = "fc.x", fp8.phase = #fp8.phase<update>}
  // CHECK: %[[NEXT:.*]] = fp8.advance %[[STATE]] {fp8.name = "fc.x", fp8.phase = #fp8.phase<update>, pow2}
  // CHECK: train.assign @fc.x.scale, %[[NEXT]] {fp8.name = "fc.x", fp8.phase = #fp8.phase<update>}
  // CHECK: fp8.advance {{.*}} {fp8.name = "fc.dy", fp8.phase = #fp8.phase<update>, margin = 1 : i64}
  // CHECK: train.assign @fc.dy.scale
  func.func @update() attributes {train.function = #train.function<update>} {
    return
  }
}

// -----

// One value, several consumers: one quantisation, called after the first of them. A value
// that backward computes anew is quantised with the forward pass's scale, and is not counted twice.

#fwd = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = 16>, rhs = <f8E4M3FN>>
#wgrad = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = 16>, rhs = <f8E5M2>>

module {
  train.variable @q.weight : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
  train.variable @k.weight : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
  // CHECK: train.variable @q.x.scale
  // CHECK-NOT: train.variable @k.x.scale
  // CHECK-LABEL: func.func @micro(
  func.func @micro(%x0: tensor<16x32xf32>, %dy: tensor<16x32xf32>) -> (tensor<16x32xf32>, tensor<16x32xf32>, tensor<32x32xf32>) attributes {train.function = #train.function<micro>} {
    %wq = train.read @q.weight : tensor<32x32xf32>
    %wk = train.read @k.weight : tensor<32x32xf32>
    // CHECK: %[[STATE:.*]] = train.read @q.x.scale
    // CHECK: %[[SCALE:.*]] = fp8.current_scale %[[STATE]]
    // CHECK: %[[X:.*]], %[[STATS:.*]] = fp8.quantize %{{.*}}, %[[SCALE]]
    // CHECK: fp8.matmul %[[X]]
    // CHECK: fp8.matmul %[[X]]
    %x = train.relu %x0 {fp8.name = "act", fp8.phase = #fp8.phase<fwd>} : tensor<16x32xf32> -> tensor<16x32xf32>
    %q = train.matmul %x, %wq {fp8.name = "q", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fwd} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
    %k = train.matmul %x, %wk {fp8.name = "k", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fwd} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
    %g = train.neg %dy {fp8.name = "act", fp8.phase = #fp8.phase<dgrad>} : tensor<16x32xf32> -> tensor<16x32xf32>
    // CHECK: %[[AGAIN:.*]] = train.relu
    // CHECK: %[[STATE2:.*]] = train.read @q.x.scale
    // CHECK: %[[SCALE2:.*]] = fp8.current_scale %[[STATE2]]
    // CHECK: %[[X2:.*]], %{{.*}} = fp8.quantize %[[AGAIN]], %[[SCALE2]]
    // CHECK: fp8.matmul %[[X2]]
    %again = train.relu %x0 {fp8.name = "act", fp8.phase = #fp8.phase<fwd>, recomputed} : tensor<16x32xf32> -> tensor<16x32xf32>
    %dwk = train.matmul %again, %g contracting [0] x [0] {fp8.name = "k", fp8.phase = #fp8.phase<wgrad>, fp8.precision = #wgrad} : tensor<16x32xf32>, tensor<16x32xf32> -> tensor<32x32xf32>
    // CHECK: fp8.record %[[STATE]], %[[STATS]]
    // CHECK-NOT: fp8.record
    // CHECK: return
    return %q, %k, %dwk : tensor<16x32xf32>, tensor<16x32xf32>, tensor<32x32xf32>
  }
  func.func @update() attributes {train.function = #train.function<update>} {
    return
  }
}

// -----

// A function without state to keep statistics in scales currently, and says so once.

#fp8 = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = 16>, rhs = <f8E4M3FN, scaling = delayed, window = 16>>

// CHECK-LABEL: func.func @inference(
// expected-remark @+1 {{scales are current, not delayed: no @micro records statistics}}
func.func @inference(%x: tensor<16x32xf32>, %w: tensor<32x32xf32>) -> tensor<16x32xf32> attributes {train.function = #train.function<infer>} {
  // CHECK: fp8.amax
  // CHECK: fp8.amax
  // CHECK: fp8.matmul
  %y = train.matmul %x, %w {fp8.precision = #fp8} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
  // CHECK: fp8.amax
  // CHECK-NOT: fp8.amax
  // CHECK: fp8.matmul
  %z = train.matmul %y, %w {fp8.precision = #fp8} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
  return %z : tensor<16x32xf32>
}

// -----

// States need names to be told apart.

#fp8 = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = 16>, rhs = <f8E4M3FN>>

module {
  train.variable @w : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
  // CHECK-NOT: !fp8.scale_state
  // CHECK-LABEL: func.func @micro(
  func.func @micro(%x: tensor<16x32xf32>) -> tensor<16x32xf32> attributes {train.function = #train.function<micro>} {
    %w = train.read @w : tensor<32x32xf32>
    // expected-remark @+1 {{scales operand 'x' currently, not delayed: the op has no 'fp8.name' to keep a scale under}}
    %0 = train.matmul %x, %w {fp8.precision = #fp8} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
    // expected-remark @+1 {{scales operand 'x' currently, not delayed: several ops are named 'twin'}}
    %1 = train.matmul %0, %w {fp8.name = "twin", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fp8} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
    // expected-remark @+1 {{scales operand 'x' currently, not delayed: several ops are named 'twin'}}
    %2 = train.matmul %1, %w {fp8.name = "twin", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fp8} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
    return %2 : tensor<16x32xf32>
  }
  func.func @update() attributes {train.function = #train.function<update>} {
    return
  }
}

// -----

#fp8 = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = 16>, rhs = <f8E4M3FN>>

// expected-error @+1 {{delayed scaling needs a function with train.function = #train.function<update>, in which scales change}}
func.func @micro(%x: tensor<16x32xf32>, %w: tensor<32x32xf32>) -> tensor<16x32xf32> attributes {train.function = #train.function<micro>} {
  %0 = train.matmul %x, %w {fp8.name = "fc", fp8.precision = #fp8} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
  return %0 : tensor<16x32xf32>
}

// -----

// A hand-written decision may ask too much.
func.func @ineligible(%x: tensor<16x40xf32>, %w: tensor<40x32xf32>) -> tensor<16x32xf32> {
  // expected-error @+1 {{cannot be done in FP8: k = 40 is no multiple of 16}}
  %0 = train.matmul %x, %w {fp8.precision = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>}
    : tensor<16x40xf32>, tensor<40x32xf32> -> tensor<16x32xf32>
  return %0 : tensor<16x32xf32>
}

// -----

// A product that backward does again has the name of forward's and its scale, and counts nothing.

#fwd = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = 16>, rhs = <f8E4M3FN>>

module {
  train.variable @w : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
  // CHECK: train.variable @fc.x.scale
  // CHECK-LABEL: func.func @micro(
  func.func @micro(%x: tensor<16x32xf32>) -> (tensor<16x32xf32>, tensor<16x32xf32>) attributes {train.function = #train.function<micro>} {
    %w = train.read @w : tensor<32x32xf32>
    // CHECK: %[[STATE:.*]] = train.read @fc.x.scale
    // CHECK: %{{.*}}, %[[STATS:.*]] = fp8.quantize %arg0
    %0 = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>, fp8.precision = #fwd} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
    // CHECK: %[[X:.*]] = train.barrier %arg0
    // CHECK: %[[STATE1:.*]] = train.read @fc.x.scale {fp8.name = "fc", fp8.phase = #fp8.phase<recompute>}
    // CHECK: %[[SCALE1:.*]] = fp8.current_scale %[[STATE1]]
    // CHECK: fp8.quantize %[[X]], %[[SCALE1]]
    %x1 = train.barrier %x : tensor<16x32xf32>
    %1 = train.matmul %x1, %w {fp8.name = "fc", fp8.phase = #fp8.phase<recompute>, fp8.precision = #fwd} : tensor<16x32xf32>, tensor<32x32xf32> -> tensor<16x32xf32>
    // CHECK-COUNT-1: fp8.record %[[STATE]], %[[STATS]]
    // CHECK-NOT: fp8.record
    return %0, %1 : tensor<16x32xf32>, tensor<16x32xf32>
  }
  // CHECK-LABEL: func.func @calibrate(
  func.func @update() attributes {train.function = #train.function<update>} {
    return
  }
}
