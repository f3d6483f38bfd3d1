// Every op of the dialect, printed and read again, in both forms.
// RUN: fp8c-opt %s | fp8c-opt | FileCheck %s
// RUN: fp8c-opt %s --mlir-print-op-generic | fp8c-opt | FileCheck %s

// CHECK: train.variable @"h.0/fc.weight" : tensor<8x16xf32> {init = #train.normal<mean = 0.000000e+00, stddev = 2.000000e-02>, role = #train.role<parameter>}
train.variable @"h.0/fc.weight" : tensor<8x16xf32>
  {init = #train.normal<mean = 0.0, stddev = 0.02>, role = #train.role<parameter>}
// CHECK: train.variable @"h.0/fc.weight.m" : tensor<8x16xf32> {init = #train.constant<0.000000e+00>, of = @"h.0/fc.weight", role = #train.role<moment1>}
train.variable @"h.0/fc.weight.m" : tensor<8x16xf32>
  {init = #train.constant<0.0>, role = #train.role<moment1>, of = @"h.0/fc.weight"}
// CHECK: train.variable @table : tensor<4xf32> {init = #train.file<"model.onnx", offset = 64, size = 16>, role = #train.role<buffer>}
train.variable @table : tensor<4xf32>
  {init = #train.file<"model.onnx", offset = 64, size = 16>, role = #train.role<buffer>}
// CHECK: train.variable @external : tensor<4xf32> {init = #train.file<"m/w.bin", offset = 0, size = 16, folder = "m">, role = #train.role<buffer>}
train.variable @external : tensor<4xf32>
  {init = #train.file<"m/w.bin", offset = 0, size = 16, folder = "m">, role = #train.role<buffer>}
// CHECK: train.variable @values : tensor<2xbf16> {init = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, role = #train.role<parameter>}
train.variable @values : tensor<2xbf16> {init = dense<[1.0, 2.0]> : tensor<2xf32>, role = #train.role<parameter>}
// CHECK: train.variable @half : tensor<4xf32> {init = #train.file<"m/w.bin", offset = 0, size = 8 as f16, folder = "m">, role = #train.role<frozen>}
train.variable @half : tensor<4xf32>
  {init = #train.file<"m/w.bin", offset = 0, size = 8 as f16, folder = "m">, role = #train.role<frozen>}

// CHECK-LABEL: @variables
func.func @variables() -> tensor<f32> {
  // CHECK: %[[W:.*]] = train.read @"h.0/fc.weight" : tensor<8x16xf32>
  %w = train.read @"h.0/fc.weight" : tensor<8x16xf32>
  // CHECK: train.read @"h.0/fc.weight" accumulated : tensor<8x16xf32>
  %accumulated = train.read @"h.0/fc.weight" accumulated : tensor<8x16xf32>
  // CHECK: train.assign @"h.0/fc.weight.m", %[[W]] : tensor<8x16xf32>
  train.assign @"h.0/fc.weight.m", %w : tensor<8x16xf32>
  // CHECK: train.hyper "lr" {fp8.name = "lr", fp8.phase = #fp8.phase<update>}
  %lr = train.hyper "lr" {fp8.name = "lr", fp8.phase = #fp8.phase<update>}
  return %lr : tensor<f32>
}

// CHECK-LABEL: @elementwise
func.func @elementwise(%x: tensor<4x8xf32>, %b: tensor<8xbf16>, %c: tensor<f32>) {
  // CHECK: train.add %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<8xbf16> -> tensor<4x8xf32>
  %0 = train.add %x, %b : tensor<4x8xf32>, tensor<8xbf16> -> tensor<4x8xf32>
  // CHECK: train.sub %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xbf16>
  %1 = train.sub %x, %c : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xbf16>
  // CHECK: train.mul %{{.*}}, %{{.*}} : tensor<8xbf16>, tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = train.mul %b, %x : tensor<8xbf16>, tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.div %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %3 = train.div %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.pow %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %4 = train.pow %x, %c : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  // CHECK: train.cast %{{.*}} : tensor<4x8xf32> -> tensor<4x8xf16>
  %5 = train.cast %x : tensor<4x8xf32> -> tensor<4x8xf16>
  // CHECK: train.neg %{{.*}} : tensor<4x8xf32> -> tensor<4x8xf32>
  %6 = train.neg %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.abs
  %7 = train.abs %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.exp
  %8 = train.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.log
  %9 = train.log %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.sqrt
  %10 = train.sqrt %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.rsqrt
  %11 = train.rsqrt %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.reciprocal
  %12 = train.reciprocal %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.tanh
  %13 = train.tanh %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.sigmoid
  %14 = train.sigmoid %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.erf
  %15 = train.erf %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.relu
  %16 = train.relu %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.step
  %17 = train.step %x : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<f32>, tensor<4x8xf32>, tensor<8xbf16> -> tensor<4x8xf32>
  %select = train.select %c, %x, %b : tensor<f32>, tensor<4x8xf32>, tensor<8xbf16> -> tensor<4x8xf32>
  // CHECK: train.gelu %{{.*}} {tanh} : tensor<4x8xf32> -> tensor<4x8xbf16>
  %18 = train.gelu %x {tanh} : tensor<4x8xf32> -> tensor<4x8xbf16>
  // CHECK: train.gelu_vjp %{{.*}}, %{{.*}} {tanh} : tensor<4x8xf32>, tensor<4x8xbf16> -> tensor<4x8xf32>
  %19 = train.gelu_vjp %x, %18 {tanh} : tensor<4x8xf32>, tensor<4x8xbf16> -> tensor<4x8xf32>
  return
}

// CHECK-LABEL: @integers
func.func @integers(%x: tensor<4x8xi64>, %n: tensor<8xi64>, %i: tensor<4x1xi32>, %f: tensor<4x8xf32>, %h: tensor<4x8xbf16>, %b: tensor<4x8xi1>) {
  // CHECK: train.add %{{.*}}, %{{.*}} : tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi64>
  %0 = train.add %x, %n : tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi64>
  // CHECK: train.div %{{.*}}, %{{.*}} : tensor<4x1xi32>, tensor<4x1xi32> -> tensor<4x1xi32>
  %1 = train.div %i, %i : tensor<4x1xi32>, tensor<4x1xi32> -> tensor<4x1xi32>
  // CHECK: train.minimum %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<4x8xbf16> -> tensor<4x8xf32>
  %2 = train.minimum %f, %h : tensor<4x8xf32>, tensor<4x8xbf16> -> tensor<4x8xf32>
  // CHECK: train.maximum %{{.*}}, %{{.*}} : tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi64>
  %3 = train.maximum %x, %n : tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi64>
  // CHECK: train.neg %{{.*}} : tensor<4x8xi64> -> tensor<4x8xi64>
  %4 = train.neg %x : tensor<4x8xi64> -> tensor<4x8xi64>
  // CHECK: train.sign %{{.*}} : tensor<4x1xi32> -> tensor<4x1xi32>
  %5 = train.sign %i : tensor<4x1xi32> -> tensor<4x1xi32>
  // CHECK: train.compare lt %{{.*}}, %{{.*}} : tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi1>
  %6 = train.compare lt %x, %n : tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi1>
  // CHECK: train.compare ne %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<4x8xbf16> -> tensor<4x8xi1>
  %7 = train.compare ne %f, %h : tensor<4x8xf32>, tensor<4x8xbf16> -> tensor<4x8xi1>
  // CHECK: train.and %{{.*}}, %{{.*}} : tensor<4x8xi1>, tensor<4x8xi1> -> tensor<4x8xi1>
  %8 = train.and %b, %6 : tensor<4x8xi1>, tensor<4x8xi1> -> tensor<4x8xi1>
  // CHECK: train.or
  %9 = train.or %b, %6 : tensor<4x8xi1>, tensor<4x8xi1> -> tensor<4x8xi1>
  // CHECK: train.xor
  %10 = train.xor %b, %6 : tensor<4x8xi1>, tensor<4x8xi1> -> tensor<4x8xi1>
  // CHECK: train.not %{{.*}} : tensor<4x8xi1>
  %11 = train.not %b : tensor<4x8xi1>
  // CHECK: train.convert %{{.*}} : tensor<4x8xi1> -> tensor<4x8xf32>
  %12 = train.convert %b : tensor<4x8xi1> -> tensor<4x8xf32>
  // CHECK: train.convert %{{.*}} : tensor<4x1xi32> -> tensor<4x1xi64>
  %13 = train.convert %i : tensor<4x1xi32> -> tensor<4x1xi64>
  // CHECK: train.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x8xi1>, tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi64>
  %14 = train.select %b, %x, %n : tensor<4x8xi1>, tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi64>
  // CHECK: train.reduce_sum %{{.*}} axes [1] : tensor<4x8xi64> -> tensor<4xi64>
  %15 = train.reduce_sum %x axes [1] : tensor<4x8xi64> -> tensor<4xi64>
  // CHECK: train.broadcast_to %{{.*}} : tensor<8xi64> -> tensor<4x8xi64>
  %16 = train.broadcast_to %n : tensor<8xi64> -> tensor<4x8xi64>
  // CHECK: train.split %{{.*}} axis 1 : tensor<4x8xi1> -> tensor<4x2xi1>, tensor<4x6xi1>
  %17, %18 = train.split %b axis 1 : tensor<4x8xi1> -> tensor<4x2xi1>, tensor<4x6xi1>
  // CHECK: train.place %{{.*}} at [0, 4] by [1, 2] : tensor<4x2xi1> -> tensor<4x8xi1>
  %19 = train.place %17 at [0, 4] by [1, 2] : tensor<4x2xi1> -> tensor<4x8xi1>
  // CHECK: train.sin
  %20 = train.sin %f : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.cos
  %21 = train.cos %f : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.floor
  %22 = train.floor %f : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.ceil
  %23 = train.ceil %f : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.round
  %24 = train.round %f : tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: train.gather_elements %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<4x1xi64> -> tensor<4x1xf32>
  %25 = train.gather_elements %f, %13 : tensor<4x8xf32>, tensor<4x1xi64> -> tensor<4x1xf32>
  // CHECK: train.gather_elements_vjp %{{.*}}, %{{.*}} : tensor<4x1xf32>, tensor<4x1xi64> -> tensor<4x8xf32>
  %26 = train.gather_elements_vjp %25, %13 : tensor<4x1xf32>, tensor<4x1xi64> -> tensor<4x8xf32>
  return
}

// CHECK-LABEL: @reductions
func.func @reductions(%x: tensor<2x4x8xf32>, %w: tensor<8xf32>) {
  // CHECK: train.reduce_sum %{{.*}} axes [0, 1] : tensor<2x4x8xf32> -> tensor<8xf32>
  %0 = train.reduce_sum %x axes [0, 1] : tensor<2x4x8xf32> -> tensor<8xf32>
  // CHECK: train.reduce_max %{{.*}} axes [2] {keepdims} : tensor<2x4x8xf32> -> tensor<2x4x1xf32>
  %1 = train.reduce_max %x axes [2] {keepdims} : tensor<2x4x8xf32> -> tensor<2x4x1xf32>
  // CHECK: train.layer_norm %{{.*}}, %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32}
  // CHECK-SAME: : tensor<2x4x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>, tensor<2x4x1xf32>, tensor<2x4x1xf32>
  %y, %mean, %rstd = train.layer_norm %x, %w, %w {epsilon = 1.0e-5 : f32}
    : tensor<2x4x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>, tensor<2x4x1xf32>, tensor<2x4x1xf32>
  // CHECK: train.layer_norm_apply
  %y1 = train.layer_norm_apply %x, %w, %w, %mean, %rstd
    : tensor<2x4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<2x4x1xf32>, tensor<2x4x1xf32> -> tensor<2x4x8xf32>
  // CHECK: train.layer_norm_vjp
  %dx = train.layer_norm_vjp %y, %x, %w, %mean, %rstd
    : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<8xf32>, tensor<2x4x1xf32>, tensor<2x4x1xf32> -> tensor<2x4x8xf32>
  // CHECK: train.layer_norm_params_vjp
  %dw, %db = train.layer_norm_params_vjp %y, %x, %mean, %rstd
    : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x1xf32>, tensor<2x4x1xf32> -> tensor<8xf32>, tensor<8xf32>
  // CHECK: train.rms_norm %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32} : tensor<2x4x8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>, tensor<2x4x1xf32>
  %z, %rstd2 = train.rms_norm %x, %w {epsilon = 1.0e-5 : f32} : tensor<2x4x8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>, tensor<2x4x1xf32>
  // CHECK: train.rms_norm_apply
  %z1 = train.rms_norm_apply %x, %w, %rstd2 : tensor<2x4x8xf32>, tensor<8xf32>, tensor<2x4x1xf32> -> tensor<2x4x8xf32>
  // CHECK: train.rms_norm_vjp
  %dx2 = train.rms_norm_vjp %z, %x, %w, %rstd2
    : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<8xf32>, tensor<2x4x1xf32> -> tensor<2x4x8xf32>
  // CHECK: train.rms_norm_params_vjp
  %dw2 = train.rms_norm_params_vjp %z, %x, %rstd2 : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x1xf32> -> tensor<8xf32>
  // CHECK: train.softmax %{{.*}} : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %s = train.softmax %x : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  // CHECK: train.log_softmax %{{.*}} : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %l = train.log_softmax %x : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  // CHECK: train.softmax_vjp %{{.*}}, %{{.*}} : tensor<2x4x8xf32>, tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %ds = train.softmax_vjp %x, %s : tensor<2x4x8xf32>, tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  return
}

// CHECK-LABEL: @contractions
func.func @contractions(%x: tensor<2x4x8xf32>, %w: tensor<8x3xf32>, %y: tensor<2x4x3xbf16>) {
  // CHECK: train.matmul %{{.*}}, %{{.*}} : tensor<2x4x8xf32>, tensor<8x3xf32> -> tensor<2x4x3xf32>
  %0 = train.matmul %x, %w : tensor<2x4x8xf32>, tensor<8x3xf32> -> tensor<2x4x3xf32>
  // CHECK: train.matmul %{{.*}}, %{{.*}} contracting [0, 1] x [0, 1] : tensor<2x4x8xf32>, tensor<2x4x3xbf16> -> tensor<8x3xf32>
  %1 = train.matmul %x, %y contracting [0, 1] x [0, 1] : tensor<2x4x8xf32>, tensor<2x4x3xbf16> -> tensor<8x3xf32>
  // CHECK: train.matmul %{{.*}}, %{{.*}} contracting [2] x [2] {batch = 1 : i64} : tensor<2x4x8xf32>, tensor<2x4x8xf32> -> tensor<2x4x4xf32>
  %2 = train.matmul %x, %x contracting [2] x [2] {batch = 1} : tensor<2x4x8xf32>, tensor<2x4x8xf32> -> tensor<2x4x4xf32>
  return
}

// CHECK-LABEL: @shapes
func.func @shapes(%x: tensor<4x8xf32>, %ids: tensor<4x8xi64>) {
  // CHECK: train.reshape %{{.*}} : tensor<4x8xi64> -> tensor<32xi64>
  %0 = train.reshape %ids : tensor<4x8xi64> -> tensor<32xi64>
  // CHECK: train.transpose %{{.*}} [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>
  %1 = train.transpose %x [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>
  // CHECK: train.broadcast_to %{{.*}} : tensor<4x8xf32> -> tensor<2x4x8xf32>
  %2 = train.broadcast_to %x : tensor<4x8xf32> -> tensor<2x4x8xf32>
  // CHECK: train.slice %{{.*}} at [0, 4] by [1, 2] : tensor<4x8xf32> -> tensor<4x2xf32>
  %3 = train.slice %x at [0, 4] by [1, 2] : tensor<4x8xf32> -> tensor<4x2xf32>
  // CHECK: train.place %{{.*}} at [0, 4] by [1, 2] : tensor<4x2xf32> -> tensor<4x8xf32>
  %4 = train.place %3 at [0, 4] by [1, 2] : tensor<4x2xf32> -> tensor<4x8xf32>
  // CHECK: train.split %{{.*}} axis 1 : tensor<4x8xf32> -> tensor<4x2xf32>, tensor<4x6xf32>
  %5, %6 = train.split %x axis 1 : tensor<4x8xf32> -> tensor<4x2xf32>, tensor<4x6xf32>
  // CHECK: train.barrier %{{.*}} : tensor<4x8xi64>
  %8 = train.barrier %ids : tensor<4x8xi64>
  // CHECK: train.concat %{{.*}}, %{{.*}} axis 1 : tensor<4x2xf32>, tensor<4x6xf32> -> tensor<4x8xf32>
  %7 = train.concat %5, %6 axis 1 : tensor<4x2xf32>, tensor<4x6xf32> -> tensor<4x8xf32>
  return
}

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<1x4x8xf32>, %k: tensor<1x6x4xf32>, %v: tensor<1x6x3xf32>, %cos: tensor<4x2xf32>) {
  // CHECK: train.attention %{{.*}}, %{{.*}}, %{{.*}} {causal, heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f32}
  // CHECK-SAME: : tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32> -> tensor<1x4x6xf32>, tensor<1x2x4xf32>
  %o, %lse = train.attention %q, %k, %v {heads = 2, kv_heads = 1, scale = 0.5 : f32, causal}
    : tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32> -> tensor<1x4x6xf32>, tensor<1x2x4xf32>
  %b = arith.constant dense<0.0> : tensor<1x2x1x6xf32>
  %n = arith.constant dense<5> : tensor<1xi64>
  // CHECK: train.attention %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} lengths %{{.*}} {causal, heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f32, softcap = 3.000000e+01 : f32, window = 3 : i64}
  // CHECK-SAME: : tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32> bias tensor<1x2x1x6xf32> lengths tensor<1xi64> -> tensor<1x4x6xf32>, tensor<1x2x4xf32>
  %p, %plse = train.attention %q, %k, %v bias %b lengths %n {heads = 2, kv_heads = 1, scale = 0.5 : f32, causal, window = 3, softcap = 30.0 : f32}
    : tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32> bias tensor<1x2x1x6xf32> lengths tensor<1xi64> -> tensor<1x4x6xf32>, tensor<1x2x4xf32>
  // CHECK: train.attention_vjp {{.*}} bias %{{.*}} {heads = 2
  %gq, %gk, %gv, %gb = train.attention_vjp %p, %q, %k, %v, %p, %plse bias %b {heads = 2, kv_heads = 1, scale = 0.5 : f32}
    : tensor<1x4x6xf32>, tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32>, tensor<1x4x6xf32>, tensor<1x2x4xf32> bias tensor<1x2x1x6xf32>
    -> tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32>, tensor<1x2x1x6xf32>
  // CHECK: train.attention_vjp
  // CHECK-SAME: -> tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32>
  %dq, %dk, %dv = train.attention_vjp %o, %q, %k, %v, %o, %lse {heads = 2, kv_heads = 1, scale = 0.5 : f32, causal}
    : tensor<1x4x6xf32>, tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32>, tensor<1x4x6xf32>, tensor<1x2x4xf32>
    -> tensor<1x4x8xf32>, tensor<1x6x4xf32>, tensor<1x6x3xf32>
  // CHECK: train.rotary %{{.*}}, %{{.*}}, %{{.*}} {heads = 2 : i64, interleaved, inverse, rotary_dim = 4 : i64}
  %r = train.rotary %q, %cos, %cos {heads = 2, rotary_dim = 4, interleaved, inverse}
    : tensor<1x4x8xf32>, tensor<4x2xf32>, tensor<4x2xf32> -> tensor<1x4x8xf32>
  return
}

// CHECK-LABEL: @embedding_and_loss
func.func @embedding_and_loss(%table: tensor<50x8xf32>, %ids: tensor<2x4xi64>, %logits: tensor<2x4x50xf32>) {
  // CHECK: train.embedding %{{.*}}, %{{.*}} : tensor<50x8xf32>, tensor<2x4xi64> -> tensor<2x4x8xf32>
  %x = train.embedding %table, %ids : tensor<50x8xf32>, tensor<2x4xi64> -> tensor<2x4x8xf32>
  // CHECK: train.embedding_vjp %{{.*}}, %{{.*}} : tensor<2x4x8xf32>, tensor<2x4xi64> -> tensor<50x8xf32>
  %dtable = train.embedding_vjp %x, %ids : tensor<2x4x8xf32>, tensor<2x4xi64> -> tensor<50x8xf32>
  // CHECK: train.cross_entropy %{{.*}}, %{{.*}} {ignore_index = 0 : i64} : tensor<2x4x50xf32>, tensor<2x4xi64> -> tensor<f32>, tensor<2x4xf32>, tensor<f32>
  %loss, %lse, %inv = train.cross_entropy %logits, %ids {ignore_index = 0 : i64}
    : tensor<2x4x50xf32>, tensor<2x4xi64> -> tensor<f32>, tensor<2x4xf32>, tensor<f32>
  // CHECK: train.cross_entropy_vjp
  %dlogits = train.cross_entropy_vjp %loss, %logits, %ids, %lse, %inv {ignore_index = 0 : i64}
    : tensor<f32>, tensor<2x4x50xf32>, tensor<2x4xi64>, tensor<2x4xf32>, tensor<f32> -> tensor<2x4x50xf32>
  return
}

// CHECK-LABEL: @optimizer
func.func @optimizer(%p: tensor<4x8xf32>, %s: tensor<f32>) {
  // CHECK: train.sum_squares %{{.*}} : tensor<4x8xf32> -> tensor<f32>
  %0 = train.sum_squares %p : tensor<4x8xf32> -> tensor<f32>
  // CHECK: train.clip_coefficient %{{.*}} of %{{.*}}, %{{.*}} : tensor<f32>, tensor<f32>, tensor<f32> -> tensor<f32>, tensor<f32>
  %c, %norm = train.clip_coefficient %s of %0, %0 : tensor<f32>, tensor<f32>, tensor<f32> -> tensor<f32>, tensor<f32>
  // CHECK: train.adamw %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {decay}
  %p1, %m1, %v1 = train.adamw %p, %p, %p, %p (%c, %s, %s, %s, %s, %s, %s) {decay}
    : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<f32>, tensor<f32>, tensor<f32>,
      tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// CHECK-LABEL: @fusion
func.func @fusion(%x: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  // CHECK: train.fusion rows(%[[A:.*]] = %{{.*}} : tensor<4x8xf32>, %[[B:.*]] = %{{.*}} : tensor<8xf32>) -> tensor<4x8xf32> attributes {fp8.name = "fc"} {
  // CHECK:   train.add %[[A]], %[[B]]
  // CHECK:   train.yield %{{.*}} : tensor<4x8xf32>
  %y = train.fusion rows(%a = %x : tensor<4x8xf32>, %c = %b : tensor<8xf32>) -> tensor<4x8xf32> attributes {fp8.name = "fc"} {
    %0 = train.add %a, %c : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
    train.yield %0 : tensor<4x8xf32>
  }
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @bounded_update(
train.variable @scaled : !fp8.scaled<4x8xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @bounded_update(%g: !fp8.scaled<4x8xf8E4M3FN>, %h: tensor<f32>, %a: !fp8.stats, %x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: train.stored_scale @scaled : !fp8.scale<f8E4M3FN>
  %s = train.stored_scale @scaled : !fp8.scale<f8E4M3FN>
  // CHECK: %[[BOUND:.*]], %{{.*}}, %{{.*}} = train.update_scales(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) amaxes(%{{.*}}) gradients(%{{.*}} : !fp8.scaled<4x8xf8E4M3FN>) {decays = array<i1: true>, roots = array<i1: false>, variables = [@scaled]} -> !fp8.scale<f8E4M3FN>
  %bound, %key, %scale = train.update_scales(%h, %h, %h, %h, %h, %h, %h) amaxes(%a) gradients(%g : !fp8.scaled<4x8xf8E4M3FN>)
    {decays = array<i1: true>, roots = array<i1: false>, variables = [@scaled]} -> !fp8.scale<f8E4M3FN>
  // CHECK: train.adamw {{.*}}, bound %[[BOUND]]) : {{.*}}, !fp8.stats
  %p, %m, %v, %clamps = train.adamw %x, %x, %x, %x(%h, %h, %h, %h, %h, %h, %h, bound %bound)
    : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>,
      tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, !fp8.stats
  return %p : tensor<4x8xf32>
}

// A file holds f32, whatever the storage.
// CHECK: train.variable @from_file : tensor<4x8xbf16> {init = #train.file<"model.onnx", offset = 0, size = 128>
train.variable @from_file : tensor<4x8xbf16> {init = #train.file<"model.onnx", offset = 0, size = 128>, role = #train.role<parameter>}

// CHECK: train.variable @joined : tensor<8x24xf32> {init = #train.joined<dim = 1, parts = [<"a", size = 16, init = #train.normal<{{.*}}>, product = "fc", file_name = "f", transposed = true>, <"b", size = 8, init = #train.constant<{{.*}}>>]>
train.variable @joined : tensor<8x24xf32> {init = #train.joined<dim = 1, parts = [<"a", size = 16, init = #train.normal<mean = 0.0, stddev = 0.02>, product = "fc", file_name = "f", transposed = true>, <"b", size = 8, init = #train.constant<0.0>>]>, role = #train.role<parameter>}
