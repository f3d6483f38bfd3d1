// RUN: fp8c-opt %s -split-input-file --train-check-layout -verify-diagnostics

// All is joined that must be.
train.grid @grid [dp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : !fp8.scaled<8xf8E4M3FN> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
train.variable @s : !fp8.scale_state<f8E4M3FN, 16> {init = #train.constant<1.0>, role = #train.role<scale>}
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  %a = fp8.amax %x : tensor<8xf32>
  %b = fp8.agree %a over ["dp"] : tensor<f32>
  %c = fp8.compute_scale %b : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %x, %c : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  %h = fp8.all_reduce %q over ["dp"] : !fp8.scaled<8xf8E4M3FN>
  train.assign @w.grad, %h : !fp8.scaled<8xf8E4M3FN>
  %s = train.read @s : !fp8.scale_state<f8E4M3FN, 16>
  %t = fp8.record %s, %k : !fp8.scale_state<f8E4M3FN, 16>
  train.assign @s, %t : !fp8.scale_state<f8E4M3FN, 16>
  return
}
func.func @update() attributes {train.function = #train.function<update>} {
  %g = train.read @w.grad : !fp8.scaled<8xf8E4M3FN>
  %0 = fp8.dequantize %g : !fp8.scaled<8xf8E4M3FN> -> tensor<8xf32>
  train.assign @w, %0 : tensor<8xf32>
  %s = train.read @s : !fp8.scale_state<f8E4M3FN, 16>
  %a = fp8.agree %s over ["dp"] : !fp8.scale_state<f8E4M3FN, 16>
  %b = fp8.advance %a : !fp8.scale_state<f8E4M3FN, 16>
  train.assign @s, %b : !fp8.scale_state<f8E4M3FN, 16>
  return
}

// -----

// The sum of gradients is missing.
train.grid @grid [dp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  train.assign @w.grad, %x : tensor<8xf32>
  return
}
func.func @update() attributes {train.function = #train.function<update>} {
  // expected-note @+1 {{it comes from @w.grad, which no collective has summed}}
  %g = train.read @w.grad : tensor<8xf32>
  %s = train.sum_squares %g : tensor<8xf32> -> tensor<f32>
  %m = train.hyper "clip_norm"
  // expected-error @+1 {{clips by a norm that varies along 'dp'}}
  %c, %n = train.clip_coefficient %m of %s : tensor<f32>, tensor<f32> -> tensor<f32>, tensor<f32>
  // expected-error @+1 {{gives @w, which all processes keep alike, a value that varies along 'dp'}}
  train.assign @w, %g : tensor<8xf32>
  return
}

// -----

// One deleted fp8.agree: scales would drift apart, and codes meet a foreign one.
train.grid @grid [dp = 2]
train.variable @s : !fp8.scale_state<f8E4M3FN, 16> {init = #train.constant<1.0>, role = #train.role<scale>}
func.func @update() attributes {train.function = #train.function<update>} {
  // expected-note @+1 {{it comes from the statistics in @s, which no fp8.agree has joined}}
  %s = train.read @s : !fp8.scale_state<f8E4M3FN, 16>
  %b = fp8.advance %s : !fp8.scale_state<f8E4M3FN, 16>
  // expected-error @+1 {{gives @s, which all processes keep alike, a value that varies along 'dp'}}
  train.assign @s, %b : !fp8.scale_state<f8E4M3FN, 16>
  return
}
// expected-note @+1 {{it varies from here on}}
func.func @micro(%x: tensor<8xf32>) -> !fp8.scaled<8xf8E4M3FN> attributes {train.function = #train.function<micro>} {
  %a = fp8.amax %x : tensor<8xf32>
  %c = fp8.compute_scale %a : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %x, %c : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  // expected-error @+1 {{sums codes whose scale varies along 'dp'}}
  %h = fp8.all_reduce %q over ["dp"] : !fp8.scaled<8xf8E4M3FN>
  return %h : !fp8.scaled<8xf8E4M3FN>
}

// -----

// Summed twice.
train.grid @grid [dp = 2]
func.func @micro(%x: tensor<8xf32>) -> tensor<8xf32> attributes {train.function = #train.function<micro>} {
  %0 = train.all_reduce %x sum over ["dp"] : tensor<8xf32>
  // expected-error @+1 {{sums what all processes have alike along 'dp': it would be multiplied by their number}}
  %1 = train.all_reduce %0 sum over ["dp"] : tensor<8xf32>
  %2 = train.all_reduce %0 max over ["dp"] : tensor<8xf32>
  return %1 : tensor<8xf32>
}

// -----

// Summed in every micro-batch.
train.grid @grid [dp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @w.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  %0 = train.read @w.grad accumulated : tensor<8xf32>
  %1 = train.add %0, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  %2 = train.all_reduce %1 sum over ["dp"] : tensor<8xf32>
  // expected-error @+1 {{gives @w.grad the sum of all processes in every micro-batch: they join once a step, in the function of kind micro_last}}
  train.assign @w.grad, %2 : tensor<8xf32>
  return
}
func.func @micro_last(%x: tensor<8xf32>) attributes {train.function = #train.function<micro_last>} {
  train.assign @w.grad, %x : tensor<8xf32>
  return
}

// -----

// A scale inside of a fusion.
train.grid @grid [dp = 2]
train.variable @w : !fp8.scaled<8xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<parameter>}
// expected-note @+1 {{it varies from here on}}
func.func @update(%x: tensor<8xf32>, %s: tensor<f32>) attributes {train.function = #train.function<update>} {
  %w = train.read @w : !fp8.scaled<8xf8E4M3FN>
  %y = fp8.dequantize %w : !fp8.scaled<8xf8E4M3FN> -> tensor<8xf32>
  %z = train.add %y, %x : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  %a = fp8.amax %y : tensor<8xf32>
  %c = fp8.compute_scale %a : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %z, %c : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  // expected-error @+1 {{a value that varies along 'dp'}}
  train.assign @w, %q : !fp8.scaled<8xf8E4M3FN>
  return
}

// -----

// One process has nothing to differ from.
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @update(%x: tensor<8xf32>) attributes {train.function = #train.function<update>} {
  train.assign @w, %x : tensor<8xf32>
  return
}

// -----

// What was scattered varies until it is gathered.
train.grid @grid [dp = 2]
train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @v : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @update(%x: tensor<8xf32>) attributes {train.function = #train.function<update>} {
  %s = train.reduce_scatter %x sum over ["dp"] : tensor<8xf32> -> tensor<4xf32>
  %a = train.all_gather %s over ["dp"] : tensor<4xf32> -> tensor<8xf32>
  train.assign @w, %a : tensor<8xf32>
  // expected-note @+1 {{it varies from here on}}
  %t = train.all_to_all %a over ["dp"] : tensor<8xf32>
  // expected-error @+1 {{gives @v, which all processes keep alike, a value that varies along 'dp'}}
  train.assign @v, %t : tensor<8xf32>
  // expected-error @+1 {{sums what all processes have alike along 'dp': it would be multiplied by their number}}
  %u = train.reduce_scatter %a sum over ["dp"] : tensor<8xf32> -> tensor<4xf32>
  %m = train.reduce_scatter %a max over ["dp"] : tensor<8xf32> -> tensor<4xf32>
  return
}

// -----

// Codes that a foreign scale made.
train.grid @grid [dp = 2]
// expected-note @+1 {{it varies from here on}}
func.func @micro(%x: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  %a = fp8.amax %x : tensor<8xf32>
  %c = fp8.compute_scale %a : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %x, %c : tensor<8xf32> -> !fp8.scaled<8xf8E4M3FN>
  // expected-error @+1 {{sums codes whose scale varies along 'dp'}}
  %h = fp8.reduce_scatter %q over ["dp"] : !fp8.scaled<8xf8E4M3FN> -> !fp8.scaled<4xf8E4M3FN>
  // expected-error @+1 {{moves codes whose scale varies along 'dp'}}
  %i = fp8.all_gather %q over ["dp"] : !fp8.scaled<8xf8E4M3FN> -> !fp8.scaled<16xf8E4M3FN>
  // expected-error @+1 {{moves codes whose scale varies along 'dp'}}
  %j = fp8.all_to_all %q over ["dp"] : !fp8.scaled<8xf8E4M3FN>
  return
}
