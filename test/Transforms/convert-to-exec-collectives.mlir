// RUN: fp8c-opt %s -split-input-file --convert-to-exec -verify-diagnostics | FileCheck %s

// Shares of sums, all of them gathered, and what others have for this one. Codes keep their scales, unless they are summed.
train.grid @grid [dp = 4]
train.variable @w : !fp8.scaled<8x4xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<parameter>}
// CHECK-LABEL: func.func @micro(
// CHECK-SAME: %[[X:[^:]*]]: memref<8x4xf32>
func.func @micro(%x: tensor<8x4xf32>, %y: tensor<4xf32>) -> (tensor<8x4xf32>, tensor<4xf32>) attributes {train.function = #train.function<micro>} {
  // CHECK: exec.reduce_scatter %[[X]], %{{.*}} into %[[S:.*]], %[[T:.*]] scratch %{{.*}} sum over ["dp"] : memref<8x4xf32>, memref<4xf32> into memref<2x4xf32>, memref<1xf32> scratch memref<384xi8>
  %s:2 = train.reduce_scatter %x, %y sum over ["dp"] : tensor<8x4xf32>, tensor<4xf32> -> tensor<2x4xf32>, tensor<1xf32>
  // CHECK: exec.all_gather %[[S]], %[[T]] into %[[A:.*]], %{{.*}} over ["dp"] : memref<2x4xf32>, memref<1xf32> into memref<8x4xf32>, memref<4xf32>
  %a:2 = train.all_gather %s#0, %s#1 over ["dp"] : tensor<2x4xf32>, tensor<1xf32> -> tensor<8x4xf32>, tensor<4xf32>
  // CHECK: exec.all_to_all %[[A]] into %{{.*}} over ["dp"] : memref<8x4xf32> into memref<8x4xf32>
  %t = train.all_to_all %a#0 over ["dp"] : tensor<8x4xf32>
  return %t, %a#1 : tensor<8x4xf32>, tensor<4xf32>
}
// CHECK-LABEL: func.func @update(
func.func @update() attributes {train.function = #train.function<update>} {
  // CHECK: %[[SCALE:.*]] = exec.get @w.scale :
  // CHECK: %[[W:.*]] = exec.get @w :
  %w = train.read @w : !fp8.scaled<8x4xf8E4M3FN>
  // CHECK: exec.all_to_all %[[W]] into %[[MINE:.*]] over ["dp"] : memref<8x4xf8E4M3FN> into memref<8x4xf8E4M3FN>
  %t = fp8.all_to_all %w over ["dp"] : !fp8.scaled<8x4xf8E4M3FN>
  // CHECK: exec.reduce_scatter_codes %[[MINE]] scales %[[SCALE]] into %[[SUM:.*]] scales %[[HALVED:.*]] scratch %{{.*}} over ["dp"] : memref<8x4xf8E4M3FN> scales memref<5xf32> into memref<2x4xf8E4M3FN> scales memref<5xf32> scratch memref<48xi8>
  %s = fp8.reduce_scatter %t over ["dp"] : !fp8.scaled<8x4xf8E4M3FN> -> !fp8.scaled<2x4xf8E4M3FN>
  // CHECK: exec.all_gather %[[SUM]] into %[[ALL:.*]] over ["dp"] : memref<2x4xf8E4M3FN> into memref<8x4xf8E4M3FN>
  %a = fp8.all_gather %s over ["dp"] : !fp8.scaled<2x4xf8E4M3FN> -> !fp8.scaled<8x4xf8E4M3FN>
  // CHECK: exec.copy %[[HALVED]] to %[[SCALE]] : memref<5xf32> to memref<5xf32>
  train.assign @w, %a : !fp8.scaled<8x4xf8E4M3FN>
  return
}

// -----

// The fp8 dialect knows no grid: these are found here.
train.grid @grid [dp = 4]
train.variable @w : !fp8.scaled<2xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @micro() -> tensor<4xf32> attributes {train.function = #train.function<micro>} {
  %q = train.read @w : !fp8.scaled<2xf8E4M3FN>
  // expected-error @+1 {{has '!fp8.scaled<2xf8E4M3FN>' for each of 4 processes, but '!fp8.scaled<4xf8E4M3FN>' of all}}
  %a = fp8.all_gather %q over ["dp"] : !fp8.scaled<2xf8E4M3FN> -> !fp8.scaled<4xf8E4M3FN>
  %x = fp8.dequantize %a : !fp8.scaled<4xf8E4M3FN> -> tensor<4xf32>
  return %x : tensor<4xf32>
}

// -----

train.grid @grid [dp = 4]
train.variable @w : !fp8.scaled<2x4xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @update() attributes {train.function = #train.function<update>} {
  %q = train.read @w : !fp8.scaled<2x4xf8E4M3FN>
  // expected-error @+1 {{divides '!fp8.scaled<2x4xf8E4M3FN>' among 4 processes: its first dimension must be a multiple of that}}
  %a = fp8.all_to_all %q over ["dp"] : !fp8.scaled<2x4xf8E4M3FN>
  train.assign @w, %a : !fp8.scaled<2x4xf8E4M3FN>
  return
}
