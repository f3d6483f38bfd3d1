// RUN: fp8c-opt %s --train-append-loss=loss=aux | FileCheck %s
// RUN: not fp8c-opt %s --train-append-loss=loss=entropy 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not fp8c-opt %s --train-append-loss=loss=ids 2>&1 | FileCheck %s --check-prefix=INTEGER

// UNKNOWN: error: 'func.func' op has no output named "entropy"; its outputs are "logits", "aux", "ids"
// INTEGER: error: 'func.func' op output "ids" is no loss and no logits: 'tensor<4xi64>'

// CHECK-LABEL: func.func @eval(
// CHECK-SAME: %[[TARGETS:[^:]*]]: tensor<2xi64> {fp8.name = "targets", train.input = #train.input<labels_next>})
// CHECK: %[[AUX:.*]] = train.reshape
// CHECK: train.cross_entropy %[[AUX]], %[[TARGETS]]
func.func @forward(%x: tensor<4x8xf32>, %ids: tensor<4xi64>)
    -> (tensor<4x8xf32> {fp8.name = "logits"}, tensor<2x16xf32> {fp8.name = "aux"}, tensor<4xi64> {fp8.name = "ids"}) attributes {train.function = #train.function<forward>} {
  %y = train.reshape %x : tensor<4x8xf32> -> tensor<2x16xf32>
  return %x, %y, %ids : tensor<4x8xf32>, tensor<2x16xf32>, tensor<4xi64>
}
