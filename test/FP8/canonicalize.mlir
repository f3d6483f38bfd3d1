// RUN: fp8c-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @there_and_back(
// CHECK-NEXT:    return %arg0
func.func @there_and_back(%x: !fp8.scaled<4x8x16xf8E4M3FN, tile<[1, 1, 16]>>) -> !fp8.scaled<4x8x16xf8E4M3FN, tile<[1, 1, 16]>> {
  %0 = fp8.transpose %x [2, 0, 1] : !fp8.scaled<4x8x16xf8E4M3FN, tile<[1, 1, 16]>> -> !fp8.scaled<16x4x8xf8E4M3FN, tile<[16, 1, 1]>>
  %1 = fp8.transpose %0 [1, 2, 0] : !fp8.scaled<16x4x8xf8E4M3FN, tile<[16, 1, 1]>> -> !fp8.scaled<4x8x16xf8E4M3FN, tile<[1, 1, 16]>>
  return %1 : !fp8.scaled<4x8x16xf8E4M3FN, tile<[1, 1, 16]>>
}

// CHECK-LABEL: func.func @twice(
// CHECK-NEXT:    %[[Y:.*]] = fp8.transpose %arg0 [1, 2, 0] : !fp8.scaled<4x8x16xf8E4M3FN> -> !fp8.scaled<8x16x4xf8E4M3FN>
// CHECK-NEXT:    return %[[Y]]
func.func @twice(%x: !fp8.scaled<4x8x16xf8E4M3FN>) -> !fp8.scaled<8x16x4xf8E4M3FN> {
  %0 = fp8.transpose %x [2, 0, 1] : !fp8.scaled<4x8x16xf8E4M3FN> -> !fp8.scaled<16x4x8xf8E4M3FN>
  %1 = fp8.transpose %0 [2, 0, 1] : !fp8.scaled<16x4x8xf8E4M3FN> -> !fp8.scaled<8x16x4xf8E4M3FN>
  return %1 : !fp8.scaled<8x16x4xf8E4M3FN>
}

// Equal types are not enough.
// CHECK-LABEL: func.func @square(
// CHECK-NEXT:    fp8.transpose
func.func @square(%x: !fp8.scaled<8x8xf8E4M3FN>) -> !fp8.scaled<8x8xf8E4M3FN> {
  %0 = fp8.transpose %x [1, 0] : !fp8.scaled<8x8xf8E4M3FN> -> !fp8.scaled<8x8xf8E4M3FN>
  return %0 : !fp8.scaled<8x8xf8E4M3FN>
}

// CHECK-LABEL: func.func @nothing(
// CHECK-NEXT:    return %arg0
func.func @nothing(%x: !fp8.scaled<4x8xf8E4M3FN>) -> !fp8.scaled<4x8xf8E4M3FN> {
  %0 = fp8.transpose %x [0, 1] : !fp8.scaled<4x8xf8E4M3FN> -> !fp8.scaled<4x8xf8E4M3FN>
  return %0 : !fp8.scaled<4x8xf8E4M3FN>
}

// What is rounded comes back rounded.
// CHECK-LABEL: func.func @not_exact(
// CHECK:         fp8.dequantize
func.func @not_exact(%x: tensor<4x8xf32>, %s: !fp8.scale<f8E4M3FN>) -> tensor<4x8xf32> {
  %q, %k = fp8.quantize %x, %s : tensor<4x8xf32> -> !fp8.scaled<4x8xf8E4M3FN>
  %0 = fp8.dequantize %q : !fp8.scaled<4x8xf8E4M3FN> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
