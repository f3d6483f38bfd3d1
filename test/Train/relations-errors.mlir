// RUN: fp8c-opt %s -verify-diagnostics -split-input-file

// Types do not tell one parameter's values from another's: symbols do.

train.variable @a : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @b, role = #train.role<gradient>}
func.func @update(%m: tensor<8xf32>, %s: tensor<f32>) {
  %a = train.read @a : tensor<8xf32>
  %g = train.read @b.grad : tensor<8xf32>
  // expected-error @+1 {{updates @a with @b.grad, which is not its gradient}}
  %p1, %m1, %v1 = train.adamw %a, %g, %m, %m(%s, %s, %s, %s, %s, %s, %s) : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  train.assign @a, %p1 : tensor<8xf32>
  return
}

// -----

train.variable @a : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @a.m : tensor<8xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<moment1>}
train.variable @a.v : tensor<8xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<moment2>}
func.func @update(%g: tensor<8xf32>, %s: tensor<f32>) {
  %a = train.read @a : tensor<8xf32>
  %m = train.read @a.m : tensor<8xf32>
  %v = train.read @a.v : tensor<8xf32>
  %p1, %m1, %v1 = train.fusion map(%0 = %a : tensor<8xf32>, %1 = %g : tensor<8xf32>, %2 = %m : tensor<8xf32>, %3 = %v : tensor<8xf32>, %4 = %s : tensor<f32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
    %p2, %m2, %v2 = train.adamw %0, %1, %2, %3(%4, %4, %4, %4, %4, %4, %4) : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
    train.yield %p2, %m2, %v2 : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  }
  // expected-error @+1 {{gives @a.v what train.adamw makes of @a.m}}
  train.assign @a.v, %m1 : tensor<8xf32>
  return
}

// -----

func.func @update(%p: tensor<8xf32>, %s: tensor<f32>) -> tensor<8xf32> {
  %eps = train.hyper "eps"
  // expected-error @+1 {{takes the hyperparameter "eps" for its lr}}
  %p1, %m1, %v1 = train.adamw %p, %p, %p, %p(%s, %eps, %s, %s, %s, %s, %s) : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  return %p1 : tensor<8xf32>
}

// -----

func.func @update(%p: tensor<8xf32>, %s: tensor<f32>) -> tensor<8xf32> {
  %eps = train.hyper "eps"
  // expected-error @+1 {{takes the hyperparameter "eps" for its coefficient}}
  %p1, %m1, %v1 = train.adamw %p, %p, %p, %p(%eps, %s, %s, %s, %s, %s, %s) : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  return %p1 : tensor<8xf32>
}

// -----

func.func @update(%p: tensor<8xf32>, %s: tensor<f32>) -> tensor<8xf32> {
  %c, %norm = train.clip_coefficient %s of %s : tensor<f32>, tensor<f32> -> tensor<f32>, tensor<f32>
  // expected-error @+1 {{takes what train.clip_coefficient gives for its step}}
  %p1, %m1, %v1 = train.adamw %p, %p, %p, %p(%c, %s, %s, %s, %s, %s, %c) : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  return %p1 : tensor<8xf32>
}

// -----

train.variable @a.grad : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<gradient>}
func.func @forward() -> tensor<8xf32> attributes {train.function = #train.function<forward>} {
  // expected-error @+1 {{reads @a.grad, a gradient, in a function of kind forward}}
  %0 = train.read @a.grad : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

train.variable @a.grad : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<gradient>}
func.func @micro() -> tensor<8xf32> attributes {train.function = #train.function<micro>} {
  // expected-error @+1 {{reads what @a.grad holds from the step before}}
  %0 = train.read @a.grad : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

train.variable @x.scale : !fp8.scale_state<f8E4M3FN, 4> {init = #train.constant<1.0>, role = #train.role<scale>}
train.variable @y.scale : !fp8.scale_state<f8E4M3FN, 4> {init = #train.constant<1.0>, role = #train.role<scale>}
func.func @update() {
  %0 = train.read @x.scale : !fp8.scale_state<f8E4M3FN, 4>
  %1 = fp8.advance %0 : !fp8.scale_state<f8E4M3FN, 4>
  // expected-error @+1 {{gives @y.scale the history of @x.scale}}
  train.assign @y.scale, %1 : !fp8.scale_state<f8E4M3FN, 4>
  return
}

// -----

train.variable @x.scale : !fp8.scale_state<f8E4M3FN, 4> {init = #train.constant<1.0>, role = #train.role<scale>}
train.variable @y.scale : !fp8.scale_state<f8E4M3FN, 4> {init = #train.constant<1.0>, role = #train.role<scale>}
func.func @micro(%x: tensor<8xf32>) {
  %0 = train.read @x.scale : !fp8.scale_state<f8E4M3FN, 4>
  %1 = train.read @y.scale : !fp8.scale_state<f8E4M3FN, 4>
  %s = fp8.current_scale %0 : !fp8.scale_state<f8E4M3FN, 4>
  %q, %k = fp8.quantize %x, %s : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  // expected-error @+1 {{records for @y.scale what the scale of @x.scale quantised}}
  %2 = fp8.record %1, %k : !fp8.scale_state<f8E4M3FN, 4>
  train.assign @y.scale, %2 : !fp8.scale_state<f8E4M3FN, 4>
  return
}

// -----

train.variable @a : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @a.e4m3 : !fp8.scaled<8xf8E4M3FN> {init = #train.constant<0.0>, of = @a, role = #train.role<compute_weight>}
train.variable @b.e4m3 : !fp8.scaled<8xf8E4M3FN> {init = #train.constant<0.0>, of = @b, role = #train.role<compute_weight>}
func.func @init(%x: tensor<8xf32>) {
  %s = train.stored_scale @b.e4m3 : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %x, %s : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  // expected-error @+1 {{gives @a.e4m3 codes by the scale of @b.e4m3}}
  train.assign @a.e4m3, %q : !fp8.scaled<8xf8E4M3FN>
  return
}

// -----

train.variable @a : !fp8.scaled<8xf16> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b : !fp8.scaled<8xf16> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @a.amax : !fp8.stats {init = #train.constant<0.0>, of = @a, role = #train.role<scale>}
train.variable @b.amax : !fp8.stats {init = #train.constant<0.0>, of = @b, role = #train.role<scale>}
func.func @update(%x: tensor<8xf32>, %h: tensor<f32>) {
  %0 = train.read @a.amax : !fp8.stats
  %1 = train.read @b.amax : !fp8.stats
  %bound, %key, %s:2 = train.update_scales(%h, %h, %h, %h, %h, %h, %h) amaxes(%0, %1) gradients(%0, %1 : !fp8.stats, !fp8.stats) {variables = [@a, @b], decays = array<i1: false, false>, roots = array<i1: false, false>} -> !fp8.scale<f16>, !fp8.scale<f16>
  %q, %k = fp8.quantize %x, %s#0 : tensor<8xf32> -> !fp8.scaled<8xf16>
  // expected-error @+1 {{gives @b.amax the statistics that belong to @a.amax}}
  train.assign @b.amax, %k : !fp8.stats
  train.assign @a, %q : !fp8.scaled<8xf16>
  return
}

// -----

train.variable @a : !fp8.scaled<8xf16> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b : !fp8.scaled<8xf16> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b.amax : !fp8.stats {init = #train.constant<0.0>, of = @b, role = #train.role<scale>}
func.func @update(%h: tensor<f32>) -> !fp8.scale<f16> {
  %0 = train.read @b.amax : !fp8.stats
  // expected-error @+1 {{bounds @a by the statistics of @b}}
  %bound, %key, %s = train.update_scales(%h, %h, %h, %h, %h, %h, %h) amaxes(%0) gradients(%0 : !fp8.stats) {variables = [@a], decays = array<i1: false>, roots = array<i1: false>} -> !fp8.scale<f16>
  return %s : !fp8.scale<f16>
}

// -----

train.variable @a : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @a.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<gradient>}
train.variable @b.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @b, role = #train.role<gradient>}
func.func @micro(%x: tensor<8xf32>) {
  %0 = train.read @a.grad accumulated : tensor<8xf32>
  %1 = train.add %0, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  // expected-error @+1 {{gives @b.grad the sum of @a.grad}}
  train.assign @b.grad, %1 : tensor<8xf32>
  return
}

// -----

train.variable @a : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
// expected-error @+1 {{is a moment1 of @a, which is a parameter, 'tensor<8xf32>'}}
train.variable @b.m : tensor<4xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<moment1>}

// -----

train.variable @x.scale : !fp8.scale_state<f8E4M3FN, 4> {init = #train.constant<1.0>, role = #train.role<scale>}
// expected-error @+1 {{is a scale of @x.scale, which is a scale}}
train.variable @a.amax : !fp8.stats {init = #train.constant<0.0>, of = @x.scale, role = #train.role<scale>}

// -----

// A value that depends on itself is refused by its dominance, not followed for ever.
train.variable @x.scale : !fp8.scale_state<f8E4M3FN, 4> {init = #train.constant<1.0>, role = #train.role<scale>}
func.func @update() {
  // expected-error @+2 {{operand #0 does not dominate this use}}
  // expected-note @+1 {{operand defined here (op in the same block)}}
  %0 = fp8.advance %0 : !fp8.scale_state<f8E4M3FN, 4>
  train.assign @x.scale, %0 : !fp8.scale_state<f8E4M3FN, 4>
  return
}
