// RUN: fp8c-opt %s --train-append-loss -split-input-file | FileCheck %s

train.variable @wte : tensor<50x8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// Logits get a cross-entropy against a label for each row; @forward stays, and
// what only its other outputs need is left out.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: -> (tensor<2x4x50xf32> {fp8.name = "logits"}, tensor<2x4x8xf32>)
// CHECK-LABEL: func.func @eval(
// CHECK-SAME: %{{.*}}: tensor<2x4xi64> {fp8.name = "tokens"},
// CHECK-SAME: %[[TARGETS:[^:]*]]: tensor<2x4xi64> {fp8.name = "targets", train.input = #train.input<labels_next>})
// CHECK-SAME: -> (tensor<f32> {fp8.name = "loss", train.output = #train.output<loss>})
// CHECK-NOT: train.tanh
// CHECK: %[[LOGITS:.*]] = train.matmul {{.*}} {fp8.name = "head", fp8.phase = #fp8.phase<fwd>}
// CHECK: %[[LOSS:[^,]*]], {{.*}} = train.cross_entropy %[[LOGITS]], %[[TARGETS]] {fp8.name = "loss", fp8.phase = #fp8.phase<fwd>}
// CHECK: return %[[LOSS]] : tensor<f32>
func.func @forward(%tokens: tensor<2x4xi64> {fp8.name = "tokens"})
    -> (tensor<2x4x50xf32> {fp8.name = "logits"}, tensor<2x4x8xf32>) attributes {train.function = #train.function<forward>} {
  %wte = train.read @wte : tensor<50x8xf32>
  %x = train.embedding %wte, %tokens {fp8.name = "wte", fp8.phase = #fp8.phase<fwd>} : tensor<50x8xf32>, tensor<2x4xi64> -> tensor<2x4x8xf32>
  %y = train.matmul %x, %wte contracting [2] x [1] {fp8.name = "head", fp8.phase = #fp8.phase<fwd>}
    : tensor<2x4x8xf32>, tensor<50x8xf32> -> tensor<2x4x50xf32>
  %z = train.tanh %x : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  return %y, %z : tensor<2x4x50xf32>, tensor<2x4x8xf32>
}

// -----

// A loss that @forward returns is taken before logits, and becomes a scalar f32.
// CHECK-LABEL: func.func @eval(
// CHECK-SAME: %[[X:[^:]*]]: tensor<4x8xf32>, %[[L:[^:]*]]: tensor<1xbf16>)
// CHECK-SAME: -> (tensor<f32> {fp8.name = "loss", train.output = #train.output<loss>})
// CHECK-NEXT: %[[SCALAR:.*]] = train.reshape %[[L]] {fp8.name = "loss", fp8.phase = #fp8.phase<fwd>} : tensor<1xbf16> -> tensor<bf16>
// CHECK-NEXT: %[[LOSS:.*]] = train.cast %[[SCALAR]] {fp8.name = "loss", fp8.phase = #fp8.phase<fwd>} : tensor<bf16> -> tensor<f32>
// CHECK-NEXT: return %[[LOSS]] : tensor<f32>
func.func @forward(%x: tensor<4x8xf32>, %l: tensor<1xbf16>) -> (tensor<4x8xf32>, tensor<1xbf16>) attributes {train.function = #train.function<forward>} {
  return %x, %l : tensor<4x8xf32>, tensor<1xbf16>
}

// -----

// Outputs that say what they are need not be the first; @forward says which
// labels its logits are compared with.
// CHECK-LABEL: func.func @eval(
// CHECK-SAME: %{{.*}}: tensor<2x4xi64> {fp8.name = "input_ids", train.input = #train.input<tokens>},
// CHECK-SAME: %[[TARGETS:[^:]*]]: tensor<2x4xi64> {fp8.name = "targets", train.input = #train.input<labels>})
// CHECK-NOT: train.labels
// CHECK: %[[LOGITS:.*]] = train.tanh
// CHECK: train.cross_entropy %[[LOGITS]], %[[TARGETS]]
func.func @forward(%tokens: tensor<2x4xi64> {train.input = #train.input<tokens>, fp8.name = "input_ids"},
                   %h: tensor<2x4x50xf32>)
    -> (tensor<2x4x50xf32>, tensor<2x4x50xf32> {train.output = #train.output<logits>})
    attributes {train.function = #train.function<forward>, train.labels = #train.input<labels>} {
  %y = train.tanh %h : tensor<2x4x50xf32> -> tensor<2x4x50xf32>
  return %h, %y : tensor<2x4x50xf32>, tensor<2x4x50xf32>
}
