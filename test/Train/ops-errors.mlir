// RUN: fp8c-opt %s -verify-diagnostics -split-input-file

// expected-error @+1 {{init must be #train.normal, #train.constant, #train.file or #train.joined, but is 0.000000e+00 : f32}}
train.variable @w : tensor<8xf32> {init = 0.0 : f32, role = #train.role<parameter>}

// -----

// expected-error @+1 {{must have a static shape, but is 'tensor<?xf32>'}}
train.variable @w : tensor<?xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{'tensor<8xf32>' takes 32 bytes, but init gives 16}}
train.variable @w : tensor<8xf32> {init = #train.file<"model.onnx", offset = 0, size = 16>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{'tensor<8xf32>' takes 64 bytes, but init gives 32}}
train.variable @w : tensor<8xf32> {init = #train.file<"model.onnx", offset = 0, size = 32 as f64>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{starts with values of 'tensor<2xf32>', which must be f32 of its shape}}
train.variable @w : tensor<8xf32> {init = dense<[1.0, 2.0]> : tensor<2xf32>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{starts with data of 'i32'; it can be f32, f64, f16 or bf16, of floats}}
train.variable @w : tensor<8xf32> {init = #train.file<"model.onnx", offset = 0, size = 32 as i32>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{belongs to @w, which is no train.variable}}
train.variable @"w.m" : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<moment1>, of = @w}

// -----

func.func @read() {
  // expected-error @+1 {{refers to @w, which is no train.variable}}
  %0 = train.read @w : tensor<8xf32>
  return
}

// -----

train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @read() {
  // expected-error @+1 {{has type 'tensor<4xf32>', but @w is declared as 'tensor<8xf32>'}}
  %0 = train.read @w : tensor<4xf32>
  return
}

// -----

train.variable @w : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @assign(%x: tensor<4xf32>) {
  // expected-error @+1 {{has type 'tensor<4xf32>', but @w is declared as 'tensor<8xf32>'}}
  train.assign @w, %x : tensor<4xf32>
  return
}

// -----

func.func @hyper() {
  // expected-error @+1 {{knows no hyperparameter "temperature"}}
  %0 = train.hyper "temperature"
  return
}

// -----

func.func @broadcast(%x: tensor<4x8xf32>, %y: tensor<4xf32>) {
  // expected-error @+1 {{operands do not broadcast: 'tensor<4x8xf32>' and 'tensor<4xf32>'}}
  %0 = train.add %x, %y : tensor<4x8xf32>, tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @broadcast(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{result must have the shape of 'tensor<4x8xf32>', but is 'tensor<8x4xf32>'}}
  %0 = train.exp %x : tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @one_kind(%x: tensor<4xi64>, %y: tensor<4xi32>) {
  // expected-error @+1 {{mixes 'i64' and 'i32', which train.convert turns into each other}}
  %0 = train.add %x, %y : tensor<4xi64>, tensor<4xi32> -> tensor<4xi64>
  return
}

// -----

func.func @one_kind(%x: tensor<4xi64>) {
  // expected-error @+1 {{mixes 'i64' and 'f32', which train.convert turns into each other}}
  %0 = train.neg %x : tensor<4xi64> -> tensor<4xf32>
  return
}

// -----

func.func @no_arithmetic(%x: tensor<4xi1>) {
  // expected-error @+1 {{operand #0 must be statically shaped tensor of 32-bit float or bfloat16 type or 16-bit float or 64-bit signless integer or 32-bit signless integer values}}
  %0 = train.add %x, %x : tensor<4xi1>, tensor<4xi1> -> tensor<4xi1>
  return
}

// -----

func.func @compare(%x: tensor<4xi1>, %y: tensor<4xf32>) {
  // expected-error @+1 {{mixes 'i1' and 'f32', which train.convert turns into each other}}
  %0 = train.compare eq %x, %y : tensor<4xi1>, tensor<4xf32> -> tensor<4xi1>
  return
}

// -----

func.func @compare(%x: tensor<4xi64>) {
  // expected-error @+1 {{result must have the shape of 'tensor<4xi64>', but is 'tensor<2xi1>'}}
  %0 = train.compare eq %x, %x : tensor<4xi64>, tensor<4xi64> -> tensor<2xi1>
  return
}

// -----

func.func @select(%c: tensor<4xi1>, %x: tensor<4xi64>, %y: tensor<4xf32>) {
  // expected-error @+1 {{mixes 'i64' and 'f32', which train.convert turns into each other}}
  %0 = train.select %c, %x, %y : tensor<4xi1>, tensor<4xi64>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @convert(%x: tensor<4xf32>) {
  // expected-error @+1 {{turns floats into floats, which is for train.cast}}
  %0 = train.convert %x : tensor<4xf32> -> tensor<4xbf16>
  return
}

// -----

func.func @reduce_kind(%x: tensor<4x8xi64>) {
  // expected-error @+1 {{mixes 'i64' and 'i32', which train.convert turns into each other}}
  %0 = train.reduce_sum %x axes [0] : tensor<4x8xi64> -> tensor<8xi32>
  return
}

// -----

func.func @broadcast_kind(%x: tensor<8xi64>) {
  // expected-error @+1 {{cannot turn 'i64' into 'f32'}}
  %0 = train.broadcast_to %x : tensor<8xi64> -> tensor<4x8xf32>
  return
}

// -----

func.func @concat_kind(%x: tensor<4x8xi64>, %y: tensor<4x8xi32>) {
  // expected-error @+1 {{mixes 'i64' and 'i32', which train.convert turns into each other}}
  %0 = train.concat %x, %y axis 0 : tensor<4x8xi64>, tensor<4x8xi32> -> tensor<8x8xi64>
  return
}

// -----

func.func @gather(%x: tensor<4x8xf32>, %i: tensor<3x2xi64>) {
  // expected-error @+1 {{expects data [..., N] and indices [..., M] of equal leading dimensions, but got 'tensor<4x8xf32>' and 'tensor<3x2xi64>'}}
  %0 = train.gather_elements %x, %i : tensor<4x8xf32>, tensor<3x2xi64> -> tensor<3x2xf32>
  return
}

// -----

func.func @gather(%x: tensor<4x8xf32>, %i: tensor<4x2xi64>) {
  // expected-error @+1 {{result must have shape [4, 2], but is 'tensor<4x8xf32>'}}
  %0 = train.gather_elements %x, %i : tensor<4x8xf32>, tensor<4x2xi64> -> tensor<4x8xf32>
  return
}

// -----

func.func @static_shape(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{operand #0 must be statically shaped tensor}}
  %0 = train.exp %x : tensor<?x8xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @gelu(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{requires the same shape for all operands and results}}
  %0 = train.gelu %x : tensor<4x8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @reduce(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{axes must be ascending dimensions of 'tensor<4x8xf32>'}}
  %0 = train.reduce_sum %x axes [1, 0] : tensor<4x8xf32> -> tensor<f32>
  return
}

// -----

func.func @reduce(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{result must have shape [4], but is 'tensor<4x1xf32>'}}
  %0 = train.reduce_max %x axes [1] : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @norm(%x: tensor<f32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{needs an input of rank 1 or more}}
  %y, %r = train.rms_norm %x, %w {epsilon = 1.0e-5 : f32} : tensor<f32>, tensor<8xf32> -> tensor<f32>, tensor<f32>
  return
}

// -----

func.func @norm(%x: tensor<4x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{weight and bias must have shape [8], but is 'tensor<4xf32>'}}
  %y, %m, %r = train.layer_norm %x, %w, %w {epsilon = 1.0e-5 : f32}
    : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xf32>
  return
}

// -----

func.func @norm(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{mean and rstd must be 'tensor<4x1xf32>', but one is 'tensor<4xf32>'}}
  %y, %m, %r = train.layer_norm %x, %w, %w {epsilon = 1.0e-5 : f32}
    : tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<4x8xf32>, tensor<4x1xf32>, tensor<4xf32>
  return
}

// -----

func.func @norm_apply(%x: tensor<4x8xf32>, %w: tensor<8xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{mean and rstd must be 'tensor<4x1xf32>', but one is 'tensor<4xf32>'}}
  %y = train.rms_norm_apply %x, %w, %s : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @norm_vjp(%dy: tensor<2x8xf32>, %x: tensor<4x8xf32>, %w: tensor<8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{cotangent must have shape [4, 8], but is 'tensor<2x8xf32>'}}
  %dx = train.layer_norm_vjp %dy, %x, %w, %s, %s
    : tensor<2x8xf32>, tensor<4x8xf32>, tensor<8xf32>, tensor<4x1xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @matmul(%x: tensor<f32>, %y: tensor<8x8xf32>) {
  // expected-error @+1 {{cannot contract scalars}}
  %0 = train.matmul %x, %y : tensor<f32>, tensor<8x8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @matmul(%x: tensor<8x8xf32>) {
  // expected-error @+1 {{must say what it contracts of both operands or of neither}}
  %0 = "train.matmul"(%x, %x) <{lhs_contracting = array<i64: 0>}> : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return
}

// -----

func.func @matmul(%x: tensor<8x8xf32>) {
  // expected-error @+1 {{has a negative number of batch dimensions}}
  %0 = train.matmul %x, %x {batch = -1} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @matmul(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{must contract as many dimensions of the left operand as of the right one, at least one}}
  %0 = train.matmul %x, %x contracting [0, 1] x [1] : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4xf32>
  return
}

// -----

func.func @matmul(%x: tensor<2x4x8xf32>, %y: tensor<4x8xf32>) {
  // expected-error @+1 {{contracted dimensions must stand together, ascending, at the start or at the end of the dimensions after the batch}}
  %0 = train.matmul %x, %y contracting [1] x [0] : tensor<2x4x8xf32>, tensor<4x8xf32> -> tensor<2x8x8xf32>
  return
}

// -----

func.func @matmul(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{contracts dimension 1 of the left operand, of size 8, with dimension 0 of the right one, of size 4}}
  %0 = train.matmul %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @matmul(%x: tensor<2x4x8xf32>, %y: tensor<3x8x4xf32>) {
  // expected-error @+1 {{batch dimension 0 differs: 2 and 3}}
  %0 = train.matmul %x, %y {batch = 1} : tensor<2x4x8xf32>, tensor<3x8x4xf32> -> tensor<2x4x4xf32>
  return
}

// -----

func.func @matmul(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) {
  // expected-error @+1 {{result shape must be 4x16}}
  %0 = train.matmul %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<16x4xf32>
  return
}

// -----

func.func @reshape(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{must keep element type and number of elements, but goes from 'tensor<4x8xf32>' to 'tensor<4x4xf32>'}}
  %0 = train.reshape %x : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @transpose(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{expects a permutation of 2 dimensions}}
  %0 = train.transpose %x [0, 0] : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @transpose(%x: tensor<4x8xi64>) {
  // expected-error @+1 {{cannot turn 'i64' into 'f32'}}
  %0 = train.transpose %x [1, 0] : tensor<4x8xi64> -> tensor<8x4xf32>
  return
}

// -----

func.func @transpose(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{result must have shape [8, 4], but is 'tensor<4x8xf32>'}}
  %0 = train.transpose %x [1, 0] : tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @broadcast_to(%x: tensor<2x8xf32>) {
  // expected-error @+1 {{'tensor<2x8xf32>' does not broadcast to 'tensor<4x8xf32>'}}
  %0 = train.broadcast_to %x : tensor<2x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @slice(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{needs an offset and a stride per dimension and keeps the rank}}
  %0 = train.slice %x at [0] by [1] : tensor<4x8xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @slice(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{leaves dimension 1 of size 8: offset 5, 3 elements, stride 2}}
  %0 = train.slice %x at [0, 5] by [1, 2] : tensor<4x8xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @place(%x: tensor<4x3xf32>) {
  // expected-error @+1 {{leaves dimension 1 of size 8: offset 6, 3 elements, stride 1}}
  %0 = train.place %x at [0, 6] by [1, 1] : tensor<4x3xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @split(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{axis 2 is no dimension of a tensor of rank 2}}
  %0, %1 = train.split %x axis 2 : tensor<4x8xf32> -> tensor<4x4xf32>, tensor<4x4xf32>
  return
}

// -----

func.func @split(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{parts must have the rank of the whole}}
  %0, %1 = train.split %x axis 0 : tensor<4x8xf32> -> tensor<3x8xf32>, tensor<8xf32>
  return
}

// -----

func.func @concat(%x: tensor<4x3xf32>, %y: tensor<2x5xf32>) {
  // expected-error @+1 {{parts may differ from the whole only along axis 1}}
  %0 = train.concat %x, %y axis 1 : tensor<4x3xf32>, tensor<2x5xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @concat(%x: tensor<4x3xf32>) {
  // expected-error @+1 {{parts add up to 6 along axis 1, not to 8}}
  %0 = train.concat %x, %x axis 1 : tensor<4x3xf32>, tensor<4x3xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @attention(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{expects operands [batch, tokens, heads * dim]}}
  %o, %lse = train.attention %x, %x, %x {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @attention(%x: tensor<1x4x12xf32>) {
  // expected-error @+1 {{3 query heads are no multiple of 2 key heads}}
  %o, %lse = train.attention %x, %x, %x {heads = 3, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x12xf32>, tensor<1x4x12xf32>, tensor<1x4x12xf32> -> tensor<1x4x12xf32>, tensor<1x3x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>, %k: tensor<1x4x6xf32>) {
  // expected-error @+1 {{query and key heads differ in width: 'tensor<1x4x8xf32>' in 2 heads, 'tensor<1x4x6xf32>' in 2}}
  %o, %lse = train.attention %q, %k, %k {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x6xf32>, tensor<1x4x6xf32> -> tensor<1x4x6xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>, %v: tensor<1x5x8xf32>) {
  // expected-error @+1 {{batch or number of tokens differ between the operands}}
  %o, %lse = train.attention %q, %q, %v {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x5x8xf32> -> tensor<1x4x8xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>) {
  // expected-error @+1 {{lse must have shape [1, 2, 4], but is 'tensor<1x4x2xf32>'}}
  %o, %lse = train.attention %q, %q, %q {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>, tensor<1x4x2xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>, %b: tensor<1x3x4x4xf32>) {
  // expected-error @+1 {{bias 'tensor<1x3x4x4xf32>' does not broadcast to the scores [1, 2, 4, 4]}}
  %o, %lse = train.attention %q, %q, %q bias %b {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> bias tensor<1x3x4x4xf32> -> tensor<1x4x8xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>, %b: tensor<4x4xf32>) {
  // expected-error @+1 {{does not broadcast to the scores}}
  %o, %lse = train.attention %q, %q, %q bias %b {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> bias tensor<4x4xf32> -> tensor<1x4x8xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>, %n: tensor<4xi64>) {
  // expected-error @+1 {{expects as many lengths as sequences, 1, but got 'tensor<4xi64>'}}
  %o, %lse = train.attention %q, %q, %q lengths %n {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> lengths tensor<4xi64> -> tensor<1x4x8xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>) {
  // expected-error @+1 {{has a window, but is not causal}}
  %o, %lse = train.attention %q, %q, %q {heads = 2, kv_heads = 2, scale = 0.5 : f32, window = 2}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>) {
  // expected-error @+1 {{sees a window of no keys}}
  %o, %lse = train.attention %q, %q, %q {heads = 2, kv_heads = 2, scale = 0.5 : f32, causal, window = 0}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x8xf32>) {
  // expected-error @+1 {{caps its scores at a number that is not positive}}
  %o, %lse = train.attention %q, %q, %q {heads = 2, kv_heads = 2, scale = 0.5 : f32, softcap = -1.0 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>, tensor<1x2x4xf32>
  return
}

// -----

func.func @attention_vjp(%q: tensor<1x4x8xf32>, %lse: tensor<1x2x4xf32>, %b: tensor<1x1x4x4xf32>) {
  // expected-error @+1 {{dbias is not like bias}}
  %dq, %dk, %dv, %db = train.attention_vjp %q, %q, %q, %q, %q, %lse bias %b {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x2x4xf32> bias tensor<1x1x4x4xf32>
    -> tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x2x4x4xf32>
  return
}

// -----

func.func @attention_vjp(%q: tensor<1x4x8xf32>, %lse: tensor<1x2x4xf32>) {
  // expected-error @+1 {{dkey must have shape [1, 4, 8], but is 'tensor<1x8x4xf32>'}}
  %dq, %dk, %dv = train.attention_vjp %q, %q, %q, %q, %q, %lse {heads = 2, kv_heads = 2, scale = 0.5 : f32}
    : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x2x4xf32>
    -> tensor<1x4x8xf32>, tensor<1x8x4xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @rotary(%x: tensor<1x4x8xf32>, %c: tensor<4x1xf32>) {
  // expected-error @+1 {{expects [batch, tokens, heads * dim] and an even rotary_dim within a head}}
  %y = train.rotary %x, %c, %c {heads = 2, rotary_dim = 3}
    : tensor<1x4x8xf32>, tensor<4x1xf32>, tensor<4x1xf32> -> tensor<1x4x8xf32>
  return
}

// -----

func.func @rotary(%x: tensor<1x4x8xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{cos and sin must be [tokens, rotary_dim/2], with or without batch, but got 'tensor<4x4xf32>'}}
  %y = train.rotary %x, %c, %c {heads = 2, rotary_dim = 4}
    : tensor<1x4x8xf32>, tensor<4x4xf32>, tensor<4x4xf32> -> tensor<1x4x8xf32>
  return
}

// -----

func.func @embedding(%table: tensor<8xf32>, %ids: tensor<4xi64>) {
  // expected-error @+1 {{expects a table [rows, width]}}
  %y = train.embedding %table, %ids : tensor<8xf32>, tensor<4xi64> -> tensor<4x8xf32>
  return
}

// -----

func.func @embedding_vjp(%dy: tensor<4x8xf32>, %ids: tensor<4xi64>) {
  // expected-error @+1 {{cotangent must have shape [4, 16], but is 'tensor<4x8xf32>'}}
  %y = train.embedding_vjp %dy, %ids : tensor<4x8xf32>, tensor<4xi64> -> tensor<50x16xf32>
  return
}

// -----

func.func @cross_entropy(%x: tensor<8xf32>, %y: tensor<i64>) {
  // expected-error @+1 {{expects logits [..., classes]}}
  %loss, %lse, %inv = train.cross_entropy %x, %y : tensor<8xf32>, tensor<i64> -> tensor<f32>, tensor<f32>, tensor<f32>
  return
}

// -----

func.func @cross_entropy(%x: tensor<4x8xf32>, %y: tensor<8xi64>) {
  // expected-error @+1 {{labels must have shape [4], but is 'tensor<8xi64>'}}
  %loss, %lse, %inv = train.cross_entropy %x, %y : tensor<4x8xf32>, tensor<8xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  return
}

// -----

func.func @cross_entropy_vjp(%x: tensor<4x8xf32>, %y: tensor<4xi64>, %l: tensor<4xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{dlogits must have shape [4, 8], but is 'tensor<8x4xf32>'}}
  %0 = train.cross_entropy_vjp %s, %x, %y, %l, %s
    : tensor<f32>, tensor<4x8xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32> -> tensor<8x4xf32>
  return
}

// -----

func.func @adamw(%p: tensor<4x8xf32>, %g: tensor<8xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{gradient, moments and results must have shape [4, 8], but is 'tensor<8xf32>'}}
  %p1, %m1, %v1 = train.adamw %p, %g, %p, %p (%s, %s, %s, %s, %s, %s, %s)
    : tensor<4x8xf32>, tensor<8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<f32>, tensor<f32>, tensor<f32>,
      tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// -----

func.func @fusion(%x: tensor<8xf32>) {
  // expected-error @+1 {{expected a skeleton: map, rows, columns or sum}}
  %0 = train.fusion zigzag(%a = %x : tensor<8xf32>) -> tensor<8xf32> {
    train.yield %a : tensor<8xf32>
  }
  return
}

// -----

func.func @fusion(%x: tensor<8xf32>) {
  // expected-error @+1 {{body arguments must have the types of the operands}}
  %0 = "train.fusion"(%x) <{skeleton = #train.skeleton<map>}> ({
  ^bb0(%a: tensor<4xf32>):
    "train.yield"(%a) : (tensor<4xf32>) -> ()
  }) : (tensor<8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @fusion(%x: tensor<8xf32>) {
  // expected-error @+1 {{body must yield values of the result types}}
  %0 = train.fusion map(%a = %x : tensor<8xf32>) -> tensor<4xf32> {
    train.yield %a : tensor<8xf32>
  }
  return
}

// -----

train.variable @plain : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @stored_scale() -> !fp8.scale<f8E4M3FN> {
  // expected-error@+1 {{refers to @plain, which is no train.variable of scaled type}}
  %0 = train.stored_scale @plain : !fp8.scale<f8E4M3FN>
  return %0 : !fp8.scale<f8E4M3FN>
}

// -----

train.variable @m : !fp8.scaled<4xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<moment1>}
func.func @stored_scale() -> !fp8.scale<f16> {
  // expected-error@+1 {{gives '!fp8.scale<f16>' for @m, a '!fp8.scaled<4xf8E4M3FN>'}}
  %0 = train.stored_scale @m : !fp8.scale<f16>
  return %0 : !fp8.scale<f16>
}

// -----

train.variable @m : !fp8.scaled<4xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<moment1>}
func.func @update_scales(%h: tensor<f32>, %a: !fp8.stats) -> !fp8.scale<f16> {
  // expected-error@+1 {{gives '!fp8.scale<f16>' for @m, a '!fp8.scaled<4xf8E4M3FN>'}}
  %bound, %key, %scale = train.update_scales(%h, %h, %h, %h, %h, %h, %h) amaxes(%a) gradients(%h : tensor<f32>)
    {decays = array<i1: true>, roots = array<i1: false>, variables = [@m]} -> !fp8.scale<f16>
  return %scale : !fp8.scale<f16>
}

// -----

train.variable @g : !fp8.scaled<4xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<gradient>}
func.func @update_scales(%h: tensor<f32>, %a: !fp8.stats) -> !fp8.scale<f8E4M3FN> {
  // expected-error@+1 {{has no bound for @g, a gradient}}
  %bound, %key, %scale = train.update_scales(%h, %h, %h, %h, %h, %h, %h) amaxes(%a) gradients(%h : tensor<f32>)
    {decays = array<i1: true>, roots = array<i1: false>, variables = [@g]} -> !fp8.scale<f8E4M3FN>
  return %scale : !fp8.scale<f8E4M3FN>
}

// -----

func.func @update_scales(%h: tensor<f32>, %a: !fp8.stats) -> !fp8.scale<f8E4M3FN> {
  // expected-error@+1 {{gives 1 scales and needs as many variables, amaxes, gradients, decays and roots}}
  %bound, %key, %scale = train.update_scales(%h, %h, %h, %h, %h, %h, %h) amaxes(%a) gradients(%h : tensor<f32>)
    {decays = array<i1: true>, roots = array<i1: false>, variables = []} -> !fp8.scale<f8E4M3FN>
  return %scale : !fp8.scale<f8E4M3FN>
}

// -----

// expected-error @+1 {{must be a tensor of f32, bf16, f16, i64, i32 or i1, or !fp8.scaled, !fp8.scale_state or !fp8.stats, but is 'f32'}}
train.variable @scalar : f32 {init = #train.constant<0.0>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{but is 'tensor<4xindex>'}}
train.variable @index : tensor<4xindex> {init = #train.file<"x", offset = 0, size = 4>, role = #train.role<buffer>}

// -----

// expected-error @+1 {{starts with values of 'tensor<4xf32>', which must be f32 of its shape}}
train.variable @state : !fp8.scale_state<f8E4M3FN, 4> {init = dense<1.0> : tensor<4xf32>, role = #train.role<scale>}

// -----

train.variable @w : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @assigned_twice(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  train.assign @w, %a : tensor<4xf32>
  // expected-error @+1 {{gives @w a second value at exit of the function: assign the last one only}}
  train.assign @w, %b : tensor<4xf32>
  return
}

// -----

train.variable @w : !fp8.scaled<4x8xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @update_scales(%h: tensor<f32>, %a: !fp8.stats, %g: !fp8.scale_state<f8E4M3FN, 4>) -> !fp8.scale<f8E4M3FN> {
  // expected-error@+1 {{needs gradients as scaled tensors or amaxes, but got '!fp8.scale_state<f8E4M3FN, 4>'}}
  %bound, %key, %scale = train.update_scales(%h, %h, %h, %h, %h, %h, %h) amaxes(%a) gradients(%g : !fp8.scale_state<f8E4M3FN, 4>)
    {decays = array<i1: true>, roots = array<i1: false>, variables = [@w]} -> !fp8.scale<f8E4M3FN>
  return %scale : !fp8.scale<f8E4M3FN>
}

// -----

func.func @softmax_of_scalar(%x: tensor<f32>) {
  // expected-error @+1 {{'train.softmax' op needs an input of rank 1 or more}}
  %0 = train.softmax %x : tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @log_softmax_of_scalar(%x: tensor<f32>) {
  // expected-error @+1 {{'train.log_softmax' op needs an input of rank 1 or more}}
  %0 = train.log_softmax %x : tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @softmax_vjp_of_scalar(%x: tensor<f32>) {
  // expected-error @+1 {{'train.softmax_vjp' op needs an input of rank 1 or more}}
  %0 = train.softmax_vjp %x, %x : tensor<f32>, tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @slice_overflow(%x: tensor<8xf32>) {
  // expected-error @+1 {{leaves dimension 0 of size 8}}
  %0 = train.slice %x at [0] by [4611686018427387904] : tensor<8xf32> -> tensor<5xf32>
  return
}

// -----

func.func @concat_of_nothing() {
  // expected-error @+1 {{needs at least one part}}
  %0 = "train.concat"() {axis = 0 : i64} : () -> tensor<0xf32>
  return
}

// -----

train.variable @w : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// expected-error @+1 {{stands in no function: variables are read at entry of one and assigned at its exit}}
%0 = train.read @w : tensor<4xf32>

// -----

// expected-error @+1 {{is 'tensor<4xf32>' of role scale; of role scale are !fp8.scale_state and !fp8.stats, and no other types}}
train.variable @scale : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<scale>}

// -----

// expected-error @+1 {{is '!fp8.stats' of role buffer}}
train.variable @stats : !fp8.stats {init = #train.constant<0.0>, role = #train.role<buffer>}

// -----

// expected-error @+1 {{has parts of 24 along dimension 1, which has 32}}
train.variable @w : tensor<8x32xf32> {init = #train.joined<dim = 1, parts = [<"a", size = 16, init = #train.constant<0.0>>, <"b", size = 8, init = #train.constant<0.0>>]>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{has parts along dimension 2, but 2 dimensions}}
train.variable @w : tensor<8x32xf32> {init = #train.joined<dim = 2, parts = [<"a", size = 32, init = #train.constant<0.0>>]>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{has a part "a" of size -8}}
train.variable @w : tensor<8x32xf32> {init = #train.joined<dim = 1, parts = [<"a", size = -8, init = #train.constant<0.0>>, <"b", size = 40, init = #train.constant<0.0>>]>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{is a moment1, and only parameters have parts that start on their own}}
train.variable @w : tensor<8x32xf32> {init = #train.joined<dim = 1, parts = [<"a", size = 32, init = #train.constant<0.0>>]>, role = #train.role<moment1>}

// -----

// expected-error @+1 {{'tensor<8x16xf32>' takes 512 bytes, but init gives 128}}
train.variable @w : tensor<8x32xf32> {init = #train.joined<dim = 1, parts = [<"a", size = 16, init = #train.file<"m", offset = 0, size = 128>>, <"b", size = 16, init = #train.constant<0.0>>]>, role = #train.role<parameter>}

// -----

// expected-error @+1 {{init must be #train.normal, #train.constant, #train.file or #train.joined, but is #train.joined}}
train.variable @w : tensor<8xf32> {init = #train.joined<dim = 0, parts = [<"a", size = 8, init = #train.joined<dim = 0, parts = [<"b", size = 8, init = #train.constant<0.0>>]>>]>, role = #train.role<parameter>}
