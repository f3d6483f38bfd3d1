// RUN: fp8c-opt %s --canonicalize | FileCheck %s

// A tied embedding: the table is contracted as it stands.
// CHECK-LABEL: @tied_head(
// CHECK-SAME: %[[X:.*]]: tensor<2x4x8xf32>, %[[TABLE:.*]]: tensor<50x8xf32>
func.func @tied_head(%x: tensor<2x4x8xf32>, %table: tensor<50x8xf32>) -> tensor<2x4x50xf32> {
  // CHECK-NEXT: train.matmul %[[X]], %[[TABLE]] contracting [2] x [1] {fp8.name = "head", fp8.phase = #fp8.phase<fwd>}
  %t = train.transpose %table [1, 0] {fp8.name = "head/transpose"} : tensor<50x8xf32> -> tensor<8x50xf32>
  %y = train.matmul %x, %t {fp8.name = "head", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x8xf32>, tensor<8x50xf32> -> tensor<2x4x50xf32>
  return %y : tensor<2x4x50xf32>
}

// CHECK-LABEL: @both_sides
func.func @both_sides(%a: tensor<8x4xf32>, %b: tensor<5x8xf32>) -> tensor<4x5xf32> {
  // CHECK-NEXT: train.matmul %{{.*}}, %{{.*}} contracting [0] x [1] : tensor<8x4xf32>, tensor<5x8xf32> -> tensor<4x5xf32>
  %at = train.transpose %a [1, 0] : tensor<8x4xf32> -> tensor<4x8xf32>
  %bt = train.transpose %b [1, 0] : tensor<5x8xf32> -> tensor<8x5xf32>
  %y = train.matmul %at, %bt : tensor<4x8xf32>, tensor<8x5xf32> -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// Transposed twice: the default contraction again, which is left unsaid.
// CHECK-LABEL: @unsaid
func.func @unsaid(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) -> tensor<4x5xf32> {
  // CHECK-NEXT: train.matmul %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<8x5xf32> -> tensor<4x5xf32>
  %bt = train.transpose %b [1, 0] : tensor<8x5xf32> -> tensor<5x8xf32>
  %y = train.matmul %a, %bt contracting [1] x [1] : tensor<4x8xf32>, tensor<5x8xf32> -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// CHECK-LABEL: @batched
func.func @batched(%a: tensor<2x3x4x8xf32>, %b: tensor<2x3x5x8xf32>) -> tensor<2x3x4x5xf32> {
  // CHECK-NEXT: train.matmul %{{.*}}, %{{.*}} contracting [3] x [3] {batch = 2 : i64}
  %t = train.transpose %b [0, 1, 3, 2] : tensor<2x3x5x8xf32> -> tensor<2x3x8x5xf32>
  %y = train.matmul %a, %t {batch = 2} : tensor<2x3x4x8xf32>, tensor<2x3x8x5xf32> -> tensor<2x3x4x5xf32>
  return %y : tensor<2x3x4x5xf32>
}

// The batch moves: it cannot be told by contracted dimensions.
// CHECK-LABEL: @moved_batch
func.func @moved_batch(%a: tensor<2x4x8xf32>, %b: tensor<8x2x5xf32>) -> tensor<2x4x5xf32> {
  // CHECK-NEXT: train.transpose
  %t = train.transpose %b [1, 0, 2] : tensor<8x2x5xf32> -> tensor<2x8x5xf32>
  %y = train.matmul %a, %t {batch = 1} : tensor<2x4x8xf32>, tensor<2x8x5xf32> -> tensor<2x4x5xf32>
  return %y : tensor<2x4x5xf32>
}

// The free dimensions change their order.
// CHECK-LABEL: @permuted_free
func.func @permuted_free(%a: tensor<3x4x8xf32>, %b: tensor<8x5xf32>) -> tensor<4x3x5xf32> {
  // CHECK-NEXT: train.transpose
  %t = train.transpose %a [1, 0, 2] : tensor<3x4x8xf32> -> tensor<4x3x8xf32>
  %y = train.matmul %t, %b : tensor<4x3x8xf32>, tensor<8x5xf32> -> tensor<4x3x5xf32>
  return %y : tensor<4x3x5xf32>
}

// The contracted dimension would end up in the middle.
// CHECK-LABEL: @split_free
func.func @split_free(%a: tensor<3x8x4xf32>, %b: tensor<8x5xf32>) -> tensor<3x4x5xf32> {
  // CHECK-NEXT: train.transpose
  %t = train.transpose %a [0, 2, 1] : tensor<3x8x4xf32> -> tensor<3x4x8xf32>
  %y = train.matmul %t, %b : tensor<3x4x8xf32>, tensor<8x5xf32> -> tensor<3x4x5xf32>
  return %y : tensor<3x4x5xf32>
}

// A transpose that rounds is not absorbed.
// CHECK-LABEL: @rounding
func.func @rounding(%x: tensor<4x8xf32>, %w: tensor<5x8xf32>) -> tensor<4x5xf32> {
  // CHECK-NEXT: train.transpose
  %t = train.transpose %w [1, 0] : tensor<5x8xf32> -> tensor<8x5xbf16>
  %y = train.matmul %x, %t : tensor<4x8xf32>, tensor<8x5xbf16> -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// CHECK-LABEL: @folds(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x4xf32>
func.func @folds(%x: tensor<2x3x4xf32>) -> (tensor<4x2x3xf32>, tensor<2x3x4xf32>, tensor<24xf32>, tensor<2x3x4xf32>) {
  // CHECK-NEXT: %[[T:.*]] = train.transpose %[[X]] [2, 0, 1]
  %0 = train.transpose %x [1, 2, 0] : tensor<2x3x4xf32> -> tensor<3x4x2xf32>
  %1 = train.transpose %0 [1, 2, 0] : tensor<3x4x2xf32> -> tensor<4x2x3xf32>
  %2 = train.transpose %1 [1, 2, 0] : tensor<4x2x3xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: %[[R:.*]] = train.reshape %[[X]] : tensor<2x3x4xf32> -> tensor<24xf32>
  %3 = train.reshape %x : tensor<2x3x4xf32> -> tensor<6x4xf32>
  %4 = train.reshape %3 : tensor<6x4xf32> -> tensor<24xf32>
  %5 = train.broadcast_to %x : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %6 = train.cast %5 : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: return %[[T]], %[[X]], %[[R]], %[[X]]
  return %1, %2, %4, %6 : tensor<4x2x3xf32>, tensor<2x3x4xf32>, tensor<24xf32>, tensor<2x3x4xf32>
}

// CHECK-LABEL: @truths(
// CHECK-SAME: %[[B:.*]]: tensor<4xi1>, %[[X:.*]]: tensor<4xi64>, %[[Y:.*]]: tensor<4xi64>
func.func @truths(%b: tensor<4xi1>, %x: tensor<4xi64>, %y: tensor<4xi64>) -> (tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi64>, tensor<4xi64>, tensor<4xi64>) {
  // CHECK-NEXT: %[[TRUE:.*]] = arith.constant dense<true> : tensor<4xi1>
  %true = arith.constant dense<true> : tensor<4xi1>
  %false = arith.constant dense<false> : tensor<i1>
  %0 = train.and %b, %true : tensor<4xi1>, tensor<4xi1> -> tensor<4xi1>
  %1 = train.or %true, %b : tensor<4xi1>, tensor<4xi1> -> tensor<4xi1>
  %2 = train.or %b, %false : tensor<4xi1>, tensor<i1> -> tensor<4xi1>
  %3 = train.not %b : tensor<4xi1>
  %4 = train.not %3 : tensor<4xi1>
  %5 = train.select %true, %x, %y : tensor<4xi1>, tensor<4xi64>, tensor<4xi64> -> tensor<4xi64>
  %6 = train.select %false, %x, %y : tensor<i1>, tensor<4xi64>, tensor<4xi64> -> tensor<4xi64>
  %7 = train.convert %x : tensor<4xi64> -> tensor<4xi64>
  // CHECK-NEXT: return %[[B]], %[[TRUE]], %[[B]], %[[B]], %[[X]], %[[Y]], %[[X]]
  return %0, %1, %2, %4, %5, %6, %7 : tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi64>, tensor<4xi64>, tensor<4xi64>
}
