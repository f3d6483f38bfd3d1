// RUN: fp8c-opt --train-fit-kernels %s | FileCheck %s

// CHECK-LABEL: @reductions
func.func @reductions(%x: tensor<2x3x4xf32>) -> (tensor<4xf32>, tensor<2x3x1xf32>, tensor<2x3xbf16>, tensor<2xf32>, tensor<1x3x1xf32>, tensor<2x4xf32>) {
  // Columns, and rows that keep their dimension, stay.
  // CHECK-NEXT: %[[A:.*]] = train.reduce_sum %{{.*}} axes [0, 1] : tensor<2x3x4xf32> -> tensor<4xf32>
  %a = train.reduce_sum %x axes [0, 1] : tensor<2x3x4xf32> -> tensor<4xf32>
  // CHECK-NEXT: %[[B:.*]] = train.reduce_max %{{.*}} axes [2] {keepdims} : tensor<2x3x4xf32> -> tensor<2x3x1xf32>
  %b = train.reduce_max %x axes [2] {keepdims} : tensor<2x3x4xf32> -> tensor<2x3x1xf32>
  // CHECK-NEXT: %[[S:.*]] = train.reduce_sum %{{.*}} axes [2] {fp8.name = "rows", fp8.phase = #fp8.phase<dgrad>, keepdims} : tensor<2x3x4xf32> -> tensor<2x3x1xbf16>
  // CHECK-NEXT: %[[C:.*]] = train.reshape %[[S]] {fp8.name = "rows", fp8.phase = #fp8.phase<dgrad>} : tensor<2x3x1xbf16> -> tensor<2x3xbf16>
  %c = train.reduce_sum %x axes [2] {fp8.name = "rows", fp8.phase = #fp8.phase<dgrad>} : tensor<2x3x4xf32> -> tensor<2x3xbf16>
  // CHECK-NEXT: %[[M:.*]] = train.reshape %{{.*}} : tensor<2x3x4xf32> -> tensor<2x12xf32>
  // CHECK-NEXT: %[[S:.*]] = train.reduce_sum %[[M]] axes [1] {keepdims} : tensor<2x12xf32> -> tensor<2x1xf32>
  // CHECK-NEXT: %[[D:.*]] = train.reshape %[[S]] : tensor<2x1xf32> -> tensor<2xf32>
  %d = train.reduce_sum %x axes [1, 2] : tensor<2x3x4xf32> -> tensor<2xf32>
  // CHECK-NEXT: %[[T:.*]] = train.transpose %{{.*}} [1, 0, 2] : tensor<2x3x4xf32> -> tensor<3x2x4xf32>
  // CHECK-NEXT: %[[M:.*]] = train.reshape %[[T]] : tensor<3x2x4xf32> -> tensor<3x8xf32>
  // CHECK-NEXT: %[[S:.*]] = train.reduce_sum %[[M]] axes [1] {keepdims} : tensor<3x8xf32> -> tensor<3x1xf32>
  // CHECK-NEXT: %[[E:.*]] = train.reshape %[[S]] : tensor<3x1xf32> -> tensor<1x3x1xf32>
  %e = train.reduce_sum %x axes [0, 2] {keepdims} : tensor<2x3x4xf32> -> tensor<1x3x1xf32>
  // CHECK-NEXT: train.transpose %{{.*}} [0, 2, 1]
  // CHECK-NEXT: train.reshape %{{.*}} : tensor<2x4x3xf32> -> tensor<8x3xf32>
  // CHECK-NEXT: train.reduce_max %{{.*}} axes [1] {keepdims} : tensor<8x3xf32> -> tensor<8x1xf32>
  // CHECK-NEXT: train.reshape %{{.*}} : tensor<8x1xf32> -> tensor<2x4xf32>
  %f = train.reduce_max %x axes [1] : tensor<2x3x4xf32> -> tensor<2x4xf32>
  return %a, %b, %c, %d, %e, %f : tensor<4xf32>, tensor<2x3x1xf32>, tensor<2x3xbf16>, tensor<2xf32>, tensor<1x3x1xf32>, tensor<2x4xf32>
}

// Sums of integers have no kernel over columns.
// CHECK-LABEL: @integers
func.func @integers(%x: tensor<2x3x4xi64>) -> (tensor<4xi64>, tensor<2x3x4xi64>) {
  // CHECK-NEXT: train.transpose %{{.*}} [2, 0, 1] : tensor<2x3x4xi64> -> tensor<4x2x3xi64>
  // CHECK-NEXT: train.reshape %{{.*}} : tensor<4x2x3xi64> -> tensor<4x6xi64>
  // CHECK-NEXT: train.reduce_sum %{{.*}} axes [1] {keepdims} : tensor<4x6xi64> -> tensor<4x1xi64>
  // CHECK-NEXT: %[[A:.*]] = train.reshape %{{.*}} : tensor<4x1xi64> -> tensor<4xi64>
  %a = train.reduce_sum %x axes [0, 1] : tensor<2x3x4xi64> -> tensor<4xi64>
  %b = train.reduce_sum %x axes [] : tensor<2x3x4xi64> -> tensor<2x3x4xi64>
  // CHECK-NEXT: return %[[A]], %arg0
  return %a, %b : tensor<4xi64>, tensor<2x3x4xi64>
}

// CHECK-LABEL: @operands
func.func @operands(%x: tensor<2x3x4xf32>, %s: tensor<1xf32>, %t: tensor<1x3x4xf32>, %r: tensor<2x3x1xf32>, %m: tensor<2x1x4xf32>, %c: tensor<3x1xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  // CHECK-NEXT: train.add %{{.*}} : tensor<2x3x4xf32>, tensor<1xf32>
  %0 = train.add %x, %s : tensor<2x3x4xf32>, tensor<1xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: train.add %{{.*}} : tensor<2x3x4xf32>, tensor<1x3x4xf32>
  %1 = train.add %0, %t : tensor<2x3x4xf32>, tensor<1x3x4xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: train.add %{{.*}} : tensor<2x3x4xf32>, tensor<2x3x1xf32>
  %2 = train.add %1, %r : tensor<2x3x4xf32>, tensor<2x3x1xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: %[[M:.*]] = train.broadcast_to %{{.*}} {fp8.name = "add"} : tensor<2x1x4xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: train.add %{{.*}}, %[[M]] {fp8.name = "add"}
  %3 = train.add %2, %m {fp8.name = "add"} : tensor<2x3x4xf32>, tensor<2x1x4xf32> -> tensor<2x3x4xf32>
  // One number per row is enough.
  // CHECK-NEXT: %[[M:.*]] = train.broadcast_to %{{.*}} : tensor<2x1x4xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: %[[C:.*]] = train.broadcast_to %{{.*}} : tensor<3x1xf32> -> tensor<2x3x1xf32>
  // CHECK-NEXT: train.mul %[[M]], %[[C]]
  %4 = train.mul %m, %c : tensor<2x1x4xf32>, tensor<3x1xf32> -> tensor<2x3x4xf32>
  return %3, %4 : tensor<2x3x4xf32>, tensor<2x3x4xf32>
}
