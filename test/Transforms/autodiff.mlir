// RUN: fp8c-opt %s --train-autodiff -split-input-file | FileCheck %s

train.variable @wte : tensor<50x8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"fc.weight" : tensor<8x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"fc.bias" : tensor<16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"proj.weight" : tensor<16x8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// A residual block and a head tied to the embedding. The forward ops stay as
// they are; each op's gradients follow, last op first, with its name.
// CHECK-LABEL: func.func @eval(
// CHECK-LABEL: func.func @micro(
// CHECK-SAME: %[[TOKENS:[^:]*]]: tensor<2x4xi64> {fp8.name = "tokens"}, %[[TARGETS:[^:]*]]: tensor<2x4xi64> {fp8.name = "targets"})
// CHECK-SAME: -> (tensor<f32> {fp8.name = "loss"},
// CHECK-SAME:     tensor<50x8xf32> {train.gradient_of = @wte},
// CHECK-SAME:     tensor<8x16xf32> {train.gradient_of = @fc.weight},
// CHECK-SAME:     tensor<16xf32> {train.gradient_of = @fc.bias},
// CHECK-SAME:     tensor<16x8xf32> {train.gradient_of = @proj.weight})
func.func @eval(%tokens: tensor<2x4xi64> {fp8.name = "tokens"}, %targets: tensor<2x4xi64> {fp8.name = "targets"})
    -> (tensor<f32> {fp8.name = "loss"}) attributes {train.function = #train.function<eval>} {
  // CHECK: %[[WTE:.*]] = train.read @wte
  // CHECK: %[[X:.*]] = train.embedding %[[WTE]], %[[TOKENS]] {fp8.name = "wte", fp8.phase = #fp8.phase<fwd>}
  %wte = train.read @wte : tensor<50x8xf32>
  %x = train.embedding %wte, %tokens {fp8.name = "wte", fp8.phase = #fp8.phase<fwd>} : tensor<50x8xf32>, tensor<2x4xi64> -> tensor<2x4x8xf32>
  // CHECK: %[[FC:.*]] = train.read @fc.weight
  // CHECK: %[[H0:.*]] = train.matmul %[[X]], %[[FC]] {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>}
  %fc = train.read @"fc.weight" : tensor<8x16xf32>
  %h0 = train.matmul %x, %fc {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x8xf32>, tensor<8x16xf32> -> tensor<2x4x16xf32>
  // CHECK: %[[H1:.*]] = train.add %[[H0]]
  %bias = train.read @"fc.bias" : tensor<16xf32>
  %h1 = train.add %h0, %bias {fp8.name = "fc/bias", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x16xf32>, tensor<16xf32> -> tensor<2x4x16xf32>
  // CHECK: %[[H2:.*]] = train.gelu %[[H1]] {fp8.name = "gelu", fp8.phase = #fp8.phase<fwd>, tanh}
  %h2 = train.gelu %h1 {tanh, fp8.name = "gelu", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x16xf32> -> tensor<2x4x16xf32>
  // CHECK: %[[PROJ:.*]] = train.read @proj.weight
  %proj = train.read @"proj.weight" : tensor<16x8xf32>
  %h3 = train.matmul %h2, %proj {fp8.name = "proj", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x16xf32>, tensor<16x8xf32> -> tensor<2x4x8xf32>
  // CHECK: %[[Y:.*]] = train.add %[[X]], %{{.*}} {fp8.name = "residual", fp8.phase = #fp8.phase<fwd>}
  %y = train.add %x, %h3 {fp8.name = "residual", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x8xf32>, tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  // CHECK: %[[LOGITS:.*]] = train.matmul %[[Y]], %[[WTE]] contracting [2] x [1] {fp8.name = "head", fp8.phase = #fp8.phase<fwd>}
  %logits = train.matmul %y, %wte contracting [2] x [1] {fp8.name = "head", fp8.phase = #fp8.phase<fwd>}
    : tensor<2x4x8xf32>, tensor<50x8xf32> -> tensor<2x4x50xf32>
  // CHECK: %[[LOSS:.*]], %[[LSE:.*]], %[[INV:.*]] = train.cross_entropy
  %loss, %lse, %inv = train.cross_entropy %logits, %targets {fp8.name = "loss", fp8.phase = #fp8.phase<fwd>}
    : tensor<2x4x50xf32>, tensor<2x4xi64> -> tensor<f32>, tensor<2x4xf32>, tensor<f32>

  // CHECK-NEXT: %[[SEED:.*]] = train.hyper "grad_scale" {fp8.name = "loss", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[DLOGITS:.*]] = train.cross_entropy_vjp %[[SEED]], %[[LOGITS]], %[[TARGETS]], %[[LSE]], %[[INV]] {fp8.name = "loss", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[DY:.*]] = train.matmul %[[DLOGITS]], %[[WTE]] {fp8.name = "head", fp8.phase = #fp8.phase<dgrad>} : {{.*}} -> tensor<2x4x8xf32>
  // CHECK-NEXT: %[[DWTE0:.*]] = train.matmul %[[DLOGITS]], %[[Y]] contracting [0, 1] x [0, 1] {fp8.name = "head", fp8.phase = #fp8.phase<wgrad>} : {{.*}} -> tensor<50x8xf32>
  // CHECK-NEXT: %[[DH2:.*]] = train.matmul %[[DY]], %[[PROJ]] contracting [2] x [1] {fp8.name = "proj", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[DPROJ:.*]] = train.matmul %[[H2]], %[[DY]] contracting [0, 1] x [0, 1] {fp8.name = "proj", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: %[[DH1:.*]] = train.gelu_vjp %[[H1]], %[[DH2]] {fp8.name = "gelu", fp8.phase = #fp8.phase<dgrad>, tanh}
  // CHECK-NEXT: %[[DBIAS:.*]] = train.reduce_sum %[[DH1]] axes [0, 1] {fp8.name = "fc/bias", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: %[[DX0:.*]] = train.matmul %[[DH1]], %[[FC]] contracting [2] x [1] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[DFC:.*]] = train.matmul %[[X]], %[[DH1]] contracting [0, 1] x [0, 1] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: %[[DX:.*]] = train.add %[[DY]], %[[DX0]] {fp8.name = "fc", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[DWTE1:.*]] = train.embedding_vjp %[[DX]], %[[TOKENS]] {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: %[[DWTE:.*]] = train.add %[[DWTE0]], %[[DWTE1]] {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: return %[[LOSS]], %[[DWTE]], %[[DFC]], %[[DBIAS]], %[[DPROJ]]
  return %loss : tensor<f32>
}

// -----

train.variable @w : tensor<4x6xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @cos : tensor<4x1xf32> {init = #train.constant<1.0>, role = #train.role<buffer>}

// Only what lies between a parameter and the loss is differentiated: neither
// the input's nor the buffer's side of a product, nor the maximum, which takes
// no gradient. Both reads of @w count.
// CHECK-LABEL: func.func @micro(
// CHECK-SAME: %[[X:[^:]*]]: tensor<4x6xf32>)
// CHECK-SAME: -> (tensor<f32>, tensor<4x6xf32> {train.gradient_of = @w})
func.func @eval(%x: tensor<4x6xf32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  // CHECK: train.reduce_max
  %max = train.reduce_max %x axes [1] {keepdims} : tensor<4x6xf32> -> tensor<4x1xf32>
  // CHECK: %[[COS:.*]] = train.read @cos
  %cos = train.read @cos : tensor<4x1xf32>
  // CHECK: %[[MAX:.*]] = train.mul
  %0 = train.mul %max, %cos : tensor<4x1xf32>, tensor<4x1xf32> -> tensor<4x1xf32>
  %w0 = train.read @w : tensor<4x6xf32>
  %w1 = train.read @w : tensor<4x6xf32>
  %1 = train.mul %w0, %0 : tensor<4x6xf32>, tensor<4x1xf32> -> tensor<4x6xf32>
  %2 = train.add %1, %w1 : tensor<4x6xf32>, tensor<4x6xf32> -> tensor<4x6xf32>
  // Of a split, what is not used counts as zeros. Dead code is not kept.
  // CHECK-NOT: train.exp
  %a, %b = train.split %2 axis 1 {fp8.name = "cut"} : tensor<4x6xf32> -> tensor<4x2xf32>, tensor<4x4xf32>
  %3 = train.exp %b : tensor<4x4xf32> -> tensor<4x4xf32>
  %4 = train.reduce_sum %a axes [0, 1] : tensor<4x2xf32> -> tensor<f32>
  // CHECK: train.hyper "grad_scale" {fp8.phase = #fp8.phase<dgrad>}
  // CHECK: %[[DA:.*]] = train.broadcast_to
  // CHECK-NEXT: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<4x4xf32>
  // CHECK-NEXT: %[[D2:.*]] = train.concat %[[DA]], %[[ZERO]] axis 1 {fp8.name = "cut", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[D1:.*]] = train.mul %[[D2]], %[[MAX]] {fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[DW:.*]] = train.add %[[D2]], %[[D1]] {fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: return %{{.*}}, %[[DW]]
  return %4 : tensor<f32>
}

// -----

train.variable @w : tensor<8x8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// Attention from single ops: products of activations have no wgrad, and the
// weight's gradient is recognised through a transpose.
// CHECK-LABEL: func.func @micro(
func.func @eval(%x: tensor<2x4x8xf32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %w = train.read @w : tensor<8x8xf32>
  %t = train.transpose %w [1, 0] {fp8.name = "q"} : tensor<8x8xf32> -> tensor<8x8xf32>
  %q = train.matmul %x, %t {fp8.name = "q"} : tensor<2x4x8xf32>, tensor<8x8xf32> -> tensor<2x4x8xf32>
  %s = train.matmul %q, %q contracting [2] x [2] {fp8.name = "scores", batch = 1} : tensor<2x4x8xf32>, tensor<2x4x8xf32> -> tensor<2x4x4xf32>
  %p = train.softmax %s {fp8.name = "softmax"} : tensor<2x4x4xf32> -> tensor<2x4x4xf32>
  %z = train.reduce_sum %p axes [0, 1, 2] : tensor<2x4x4xf32> -> tensor<f32>
  // CHECK: train.softmax_vjp {{.*}} {fp8.name = "softmax", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: train.matmul {{.*}} {batch = 1 : i64, fp8.name = "scores", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: train.matmul {{.*}} contracting [1] x [1] {batch = 1 : i64, fp8.name = "scores", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: train.add {{.*}} {fp8.name = "scores", fp8.phase = #fp8.phase<dgrad>}
  // CHECK-NEXT: %[[DT:.*]] = train.matmul {{.*}} contracting [0, 1] x [0, 1] {fp8.name = "q", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: %[[DW:.*]] = train.transpose %[[DT]] [1, 0] {fp8.name = "q", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: return %{{.*}}, %[[DW]]
  return %z : tensor<f32>
}

// -----

train.variable @w : tensor<8x8xbf16> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @b : tensor<8xbf16> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @g : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// Every gradient has its operand's type, whatever the types around it; each is
// rounded once.
// CHECK-LABEL: func.func @micro(
// CHECK-SAME: tensor<8x8xbf16> {train.gradient_of = @w}, tensor<8xbf16> {train.gradient_of = @b}, tensor<8xf32> {train.gradient_of = @g}
func.func @eval(%x: tensor<4x8xf32>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %w = train.read @w : tensor<8x8xbf16>
  %b = train.read @b : tensor<8xbf16>
  %g = train.read @g : tensor<8xf32>
  %0 = train.matmul %x, %w : tensor<4x8xf32>, tensor<8x8xbf16> -> tensor<4x8xbf16>
  %1 = train.add %0, %b : tensor<4x8xbf16>, tensor<8xbf16> -> tensor<4x8xf32>
  %2 = train.tanh %1 : tensor<4x8xf32> -> tensor<4x8xbf16>
  %3, %rstd = train.rms_norm %2, %g {epsilon = 1.0e-5 : f32} : tensor<4x8xbf16>, tensor<8xf32> -> tensor<4x8xbf16>, tensor<4x1xf32>
  // CHECK: %[[D3:.*]] = train.broadcast_to {{.*}} -> tensor<4x8xbf16>
  // CHECK-NEXT: %[[D2:.*]] = train.rms_norm_vjp %[[D3]], {{.*}} -> tensor<4x8xbf16>
  // CHECK-NEXT: %[[DG:.*]] = train.rms_norm_params_vjp %[[D3]], {{.*}} {fp8.phase = #fp8.phase<wgrad>} : {{.*}} -> tensor<8xf32>
  // CHECK: %[[D1:.*]] = train.mul %[[D2]], {{.*}} : tensor<4x8xbf16>, tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK-NEXT: %[[D0:.*]] = train.cast %[[D1]] {fp8.phase = #fp8.phase<dgrad>} : tensor<4x8xf32> -> tensor<4x8xbf16>
  // CHECK-NEXT: %[[DB:.*]] = train.reduce_sum %[[D1]] axes [0] {fp8.phase = #fp8.phase<wgrad>} : tensor<4x8xf32> -> tensor<8xbf16>
  // CHECK-NEXT: %[[DW:.*]] = train.matmul %{{.*}}, %[[D0]] contracting [0] x [0] {fp8.phase = #fp8.phase<wgrad>} : tensor<4x8xf32>, tensor<4x8xbf16> -> tensor<8x8xbf16>
  // CHECK-NEXT: return %{{.*}}, %[[DW]], %[[DB]], %[[DG]]
  %4 = train.reduce_sum %3 axes [0, 1] : tensor<4x8xbf16> -> tensor<f32>
  return %4 : tensor<f32>
}

// -----

// A frozen parameter lets gradients through and has none: of the products with
// it those for its weight are left out, and of a frozen table the lookup's.
train.variable @table : tensor<50x8xf32> {init = #train.constant<0.0>, role = #train.role<frozen>}
train.variable @first : tensor<8x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @second : tensor<16x8xf32> {init = #train.constant<0.0>, role = #train.role<frozen>}
// CHECK-LABEL: func.func @micro(
// CHECK-SAME: -> (tensor<f32>, tensor<8x16xf32> {train.gradient_of = @first})
// CHECK-NOT: train.embedding_vjp
// CHECK: train.matmul {{.*}} {fp8.name = "second", fp8.phase = #fp8.phase<dgrad>}
// CHECK-NOT: fp8.name = "second", fp8.phase = #fp8.phase<wgrad>
// CHECK: train.matmul {{.*}} {fp8.name = "first", fp8.phase = #fp8.phase<wgrad>}
// CHECK-NOT: train.matmul
// CHECK: return
func.func @eval(%ids: tensor<4xi64>, %labels: tensor<4xi64>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
  %table = train.read @table : tensor<50x8xf32>
  %first = train.read @first : tensor<8x16xf32>
  %second = train.read @second : tensor<16x8xf32>
  %x = train.embedding %table, %ids : tensor<50x8xf32>, tensor<4xi64> -> tensor<4x8xf32>
  %h = train.matmul %x, %first {fp8.name = "first", fp8.phase = #fp8.phase<fwd>} : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  %y = train.matmul %h, %second {fp8.name = "second", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<16x8xf32> -> tensor<4x8xf32>
  %loss, %lse, %count = train.cross_entropy %y, %labels : tensor<4x8xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  return %loss : tensor<f32>
}
