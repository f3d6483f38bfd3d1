// RUN: fp8c-opt %s --train-materialize-compute-weights | FileCheck %s

// CHECK: train.variable @w : tensor<32x64xf32>
train.variable @w : tensor<32x64xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
// CHECK: train.variable @frozen : tensor<8xf32>
train.variable @frozen : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @table : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<buffer>}

// One variable per distinct result, whatever functions it is in.
// CHECK: train.variable @w.bf16 : tensor<32x64xbf16> {init = #train.constant<0.000000e+00>, of = @w, role = #train.role<compute_weight>}
// CHECK-NEXT: train.variable @w.bf16.2 : tensor<64x32xbf16> {{.*}} of = @w, role = #train.role<compute_weight>}
// CHECK-NEXT: train.variable @w.e4m3 : !fp8.scaled<32x64xf8E4M3FN> {{.*}} of = @w, role = #train.role<compute_weight>}
// CHECK-NEXT: train.variable @w.e4m3t : !fp8.scaled<64x32xf8E4M3FN> {{.*}} of = @w, role = #train.role<compute_weight>}
// CHECK-NEXT: train.variable @frozen.bf16 : tensor<8xbf16> {{.*}} of = @frozen, role = #train.role<compute_weight>}
// CHECK-NOT: train.variable

// CHECK-LABEL: func.func @eval(
func.func @eval() -> (tensor<32x64xbf16>, tensor<64x32xbf16>, !fp8.scaled<32x64xf8E4M3FN>, !fp8.scaled<64x32xf8E4M3FN>, tensor<8xbf16>) attributes {train.function = #train.function<eval>} {
  // CHECK-NEXT: %[[CAST:.*]] = train.read @w.bf16 {fp8.name = "a"} : tensor<32x64xbf16>
  // CHECK-NEXT: %[[TRANSPOSE:.*]] = train.read @w.bf16.2 {fp8.name = "b"} : tensor<64x32xbf16>
  // CHECK-NEXT: %[[FP8:.*]] = train.read @w.e4m3 {fp8.name = "c"} : !fp8.scaled<32x64xf8E4M3FN>
  // CHECK-NEXT: %[[FP8T:.*]] = train.read @w.e4m3t {fp8.name = "d"} : !fp8.scaled<64x32xf8E4M3FN>
  // CHECK-NEXT: %[[FROZEN:.*]] = train.read @frozen.bf16 : tensor<8xbf16>
  // CHECK-NEXT: return %[[CAST]], %[[TRANSPOSE]], %[[FP8]], %[[FP8T]], %[[FROZEN]]
  %w = train.read @w : tensor<32x64xf32>
  %0 = train.cast %w {fp8.name = "a"} : tensor<32x64xf32> -> tensor<32x64xbf16>
  %1 = train.transpose %0 [1, 0] {fp8.name = "b"} : tensor<32x64xbf16> -> tensor<64x32xbf16>
  %amax = fp8.amax %w : tensor<32x64xf32>
  %scale = fp8.compute_scale %amax {pow2} : !fp8.scale<f8E4M3FN>
  %2, %stats = fp8.quantize %w, %scale {fp8.name = "c"} : tensor<32x64xf32> -> !fp8.scaled<32x64xf8E4M3FN>
  %t = fp8.transpose %2 [1, 0] {fp8.name = "d"} : !fp8.scaled<32x64xf8E4M3FN> -> !fp8.scaled<64x32xf8E4M3FN>
  %f = train.read @frozen : tensor<8xf32>
  %3 = train.cast %f : tensor<8xf32> -> tensor<8xbf16>
  return %0, %1, %2, %t, %3 : tensor<32x64xbf16>, tensor<64x32xbf16>, !fp8.scaled<32x64xf8E4M3FN>, !fp8.scaled<64x32xf8E4M3FN>, tensor<8xbf16>
}

// What has another name but the same structure is the same.
// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<8xf32>, %s: !fp8.scale<f8E4M3FN>)
    -> (!fp8.scaled<32x64xf8E4M3FN>, tensor<64x32xf32>, tensor<8xbf16>, tensor<32x64xf32>, !fp8.scaled<32x64xf8E4M3FN>) attributes {train.function = #train.function<micro>} {
  // CHECK-NEXT: %[[W:.*]] = train.read @w : tensor<32x64xf32>
  // CHECK-NEXT: %[[FP8:.*]] = train.read @w.e4m3 {fp8.name = "other"} : !fp8.scaled<32x64xf8E4M3FN>
  %w = train.read @w : tensor<32x64xf32>
  %amax = fp8.amax %w : tensor<32x64xf32>
  %scale = fp8.compute_scale %amax {pow2} : !fp8.scale<f8E4M3FN>
  %0, %stats = fp8.quantize %w, %scale {fp8.name = "other"} : tensor<32x64xf32> -> !fp8.scaled<32x64xf8E4M3FN>
  // A parameter in its own format is not worth a copy.
  // CHECK-NEXT: %[[T:.*]] = train.transpose %[[W]] [1, 0]
  %1 = train.transpose %w [1, 0] : tensor<32x64xf32> -> tensor<64x32xf32>
  // Neither is what is computed from anything else.
  // CHECK-NEXT: %[[TABLE:.*]] = train.read @table
  // CHECK-NEXT: %[[CAST:.*]] = train.cast %[[TABLE]]
  // CHECK-NEXT: %[[NEG:.*]] = train.neg %[[W]]
  // CHECK-NEXT: %[[GIVEN:.*]], %{{.*}} = fp8.quantize %[[W]], %arg1
  // CHECK-NEXT: return %[[FP8]], %[[T]], %[[CAST]], %[[NEG]], %[[GIVEN]]
  %t = train.read @table : tensor<8xf32>
  %2 = train.cast %t : tensor<8xf32> -> tensor<8xbf16>
  %3 = train.neg %w : tensor<32x64xf32> -> tensor<32x64xf32>
  %4, %stats4 = fp8.quantize %w, %s : tensor<32x64xf32> -> !fp8.scaled<32x64xf8E4M3FN>
  return %0, %1, %2, %3, %4 : !fp8.scaled<32x64xf8E4M3FN>, tensor<64x32xf32>, tensor<8xbf16>, tensor<32x64xf32>, !fp8.scaled<32x64xf8E4M3FN>
}

// @update makes them from what it assigns; a parameter that it leaves alone has nothing new.
// CHECK-LABEL: func.func @update(
func.func @update(%new: tensor<32x64xf32>) attributes {train.function = #train.function<update>} {
  // CHECK-NEXT: train.assign @w, %arg0
  // CHECK-NEXT: %[[CAST:.*]] = train.cast %arg0 {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x64xf32> -> tensor<32x64xbf16>
  // CHECK-NEXT: train.assign @w.bf16, %[[CAST]] {fp8.name = "w", fp8.phase = #fp8.phase<update>}
  // CHECK-NEXT: %[[TRANSPOSE:.*]] = train.transpose %[[CAST]] [1, 0] {fp8.name = "w", fp8.phase = #fp8.phase<update>}
  // CHECK-NEXT: train.assign @w.bf16.2, %[[TRANSPOSE]]
  // CHECK-NEXT: %[[AMAX:.*]] = fp8.amax %arg0
  // CHECK-NEXT: %[[SCALE:.*]] = fp8.compute_scale %[[AMAX]] {fp8.name = "w", fp8.phase = #fp8.phase<update>, pow2} : !fp8.scale<f8E4M3FN>
  // CHECK-NEXT: %[[FP8:.*]], %{{.*}} = fp8.quantize %arg0, %[[SCALE]]
  // CHECK-NEXT: train.assign @w.e4m3, %[[FP8]]
  // CHECK-NEXT: %[[FP8T:.*]] = fp8.transpose %[[FP8]] [1, 0]
  // CHECK-NEXT: train.assign @w.e4m3t, %[[FP8T]]
  // CHECK-NEXT: return
  train.assign @w, %new : tensor<32x64xf32>
  return
}

// @init makes them from what there is, after initialisation or a checkpoint.
// CHECK-LABEL: func.func @init() attributes {train.function = #train.function<init>} {
// CHECK-NEXT: %[[W:.*]] = train.read @w {fp8.name = "w", fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: %[[CAST:.*]] = train.cast %[[W]]
// CHECK-NEXT: train.assign @w.bf16, %[[CAST]]
// CHECK-NEXT: %[[TRANSPOSE:.*]] = train.transpose %[[CAST]]
// CHECK-NEXT: train.assign @w.bf16.2, %[[TRANSPOSE]]
// CHECK-NEXT: fp8.amax %[[W]]
// CHECK: train.assign @w.e4m3,
// CHECK: train.assign @w.e4m3t,
// CHECK-NEXT: %[[F:.*]] = train.read @frozen
// CHECK-NEXT: train.cast %[[F]]
// CHECK-NEXT: train.assign @frozen.bf16
// CHECK-NEXT: return
