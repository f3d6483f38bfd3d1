// Quantisation with a scale per tile, on its way into GEMMs that read both operands along the contracted dimension.
// RUN: fp8c-opt %s -split-input-file --fp8-choose-layouts=tn=true --train-materialize-compute-weights --cse --convert-to-exec=gemm-workspace=false -verify-diagnostics | FileCheck %s

// Inverse scales stand with what they are for. Rows of those of square tiles are padded to multiples of 4.
// CHECK: exec.variable @w : memref<384x256xf32>
// CHECK-NEXT: exec.variable @w.e4m3 : memref<384x256xf8E4M3FN>
// CHECK-NEXT: exec.variable @w.e4m3.scale_inv : memref<12xf32>
// CHECK-NEXT: exec.variable @w.e4m3t : memref<256x384xf8E4M3FN> {{.*}} role = #train.role<compute_weight>, scale = @w.e4m3t.scale_inv}
// CHECK-NEXT: exec.variable @w.e4m3t.scale_inv : memref<8xf32> at {{[0-9]+}} {init = #train.constant<1.000000e+00>, of = @w, role = #train.role<compute_weight>}
train.variable @w : tensor<384x256xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}

// CHECK-LABEL: func.func @forward(
// CHECK-DAG: %[[WT:.*]] = exec.get @w.e4m3t :
// CHECK-DAG: %[[WTS:.*]] = exec.get @w.e4m3t.scale_inv :
// CHECK-DAG: %[[W:.*]] = exec.get @w.e4m3 :
// CHECK-DAG: %[[WS:.*]] = exec.get @w.e4m3.scale_inv :
func.func @forward(%x: tensor<2x128x384xbf16>, %dy: tensor<2x128x256xbf16>) -> (tensor<2x128x256xbf16>, tensor<2x128x384xbf16>, tensor<384x256xf32>) attributes {train.function = #train.function<forward>} {
  %w = train.read @w : tensor<384x256xf32>
  %wq = fp8.quantize_tiles %w {pow2} : tensor<384x256xf32> -> !fp8.scaled<384x256xf8E4M3FN, tile<[128, 128]>>
  // CHECK-DAG: %[[X:.*]] = exec.alloc {fp8.name = "x"} : memref<2x128x384xf8E4M3FN>
  // CHECK-DAG: %[[XS:.*]] = exec.alloc {fp8.name = "x.scale_inv"} : memref<768xf32>
  // CHECK: exec.quantize_tiles %arg0 into %[[X]], %[[XS]] {cols = 384 : i64, fp8.name = "x", pow2, rows = 256 : i64, tile_cols = 128 : i64, tile_rows = 1 : i64} : memref<2x128x384xbf16>, memref<2x128x384xf8E4M3FN>, memref<768xf32>
  %xq = fp8.quantize_tiles %x contracting [2] {fp8.name = "x", pow2} : tensor<2x128x384xbf16> -> !fp8.scaled<2x128x384xf8E4M3FN, tile<[1, 1, 128]>>
  // CHECK: exec.gemm %[[X]], %[[WT]] into %{{.*}} scales %[[XS]], %[[WTS]] {granularity_a = #fp8.granularity<"1x128">, granularity_b = #fp8.granularity<"128x128">, k = 384 : i64, m = 256 : i64, n = 256 : i64, transpose_b}
  %y = fp8.matmul %xq, %wq : !fp8.scaled<2x128x384xf8E4M3FN, tile<[1, 1, 128]>>, !fp8.scaled<384x256xf8E4M3FN, tile<[128, 128]>> -> tensor<2x128x256xbf16>
  // CHECK: exec.quantize_tiles %arg1
  // CHECK: exec.gemm %{{.*}}, %[[W]] into %{{.*}} scales %{{.*}}, %[[WS]] {granularity_a = #fp8.granularity<"1x128">, granularity_b = #fp8.granularity<"128x128">, k = 256 : i64, m = 256 : i64, n = 384 : i64, transpose_b}
  %dyq = fp8.quantize_tiles %dy contracting [2] {pow2} : tensor<2x128x256xbf16> -> !fp8.scaled<2x128x256xf8E4M3FN, tile<[1, 1, 128]>>
  %dx = fp8.matmul %dyq, %wq contracting [2] x [1] : !fp8.scaled<2x128x256xf8E4M3FN, tile<[1, 1, 128]>>, !fp8.scaled<384x256xf8E4M3FN, tile<[128, 128]>> -> tensor<2x128x384xbf16>
  // Only the transposed copies are stored.
  // CHECK: exec.quantize_tiles %arg0 into %[[XT:.*]], %[[XTS:.*]] {cols = 384 : i64, rows = 256 : i64, tile_cols = 1 : i64, tile_rows = 128 : i64, transposed} : {{.*}}, memref<384x2x128xf8E4M3FN>, memref<768xf32>
  // CHECK: exec.quantize_tiles %arg1 into %[[DYT:.*]], %[[DYTS:.*]] {{{.*}} transposed} : {{.*}}, memref<256x2x128xf8E4M3FN>, memref<512xf32>
  // CHECK-NOT: quantize_tiles
  // CHECK: exec.gemm %[[XT]], %[[DYT]] into %{{.*}} scales %[[XTS]], %[[DYTS]] {granularity_a = #fp8.granularity<"1x128">, granularity_b = #fp8.granularity<"1x128">, k = 256 : i64, m = 384 : i64, n = 256 : i64, transpose_b}
  %xt = fp8.quantize_tiles %x contracting [0, 1] : tensor<2x128x384xbf16> -> !fp8.scaled<2x128x384xf8E4M3FN, tile<[1, 128, 1]>>
  %dyt = fp8.quantize_tiles %dy contracting [0, 1] : tensor<2x128x256xbf16> -> !fp8.scaled<2x128x256xf8E4M3FN, tile<[1, 128, 1]>>
  %dw = fp8.matmul %xt, %dyt contracting [0, 1] x [0, 1] : !fp8.scaled<2x128x384xf8E4M3FN, tile<[1, 128, 1]>>, !fp8.scaled<2x128x256xf8E4M3FN, tile<[1, 128, 1]>> -> tensor<384x256xf32>
  return %y, %dx, %dw : tensor<2x128x256xbf16>, tensor<2x128x384xbf16>, tensor<384x256xf32>
}

// Both copies of a weight are made from the parameter, into their variables.
// CHECK-LABEL: func.func @init(
// CHECK-DAG: %[[P:.*]] = exec.get @w :
// CHECK-DAG: %[[WT:.*]] = exec.get @w.e4m3t :
// CHECK-DAG: %[[WTS:.*]] = exec.get @w.e4m3t.scale_inv :
// CHECK-DAG: %[[W:.*]] = exec.get @w.e4m3 :
// CHECK-DAG: %[[WS:.*]] = exec.get @w.e4m3.scale_inv :
// CHECK-DAG: exec.quantize_tiles %[[P]] into %[[WT]], %[[WTS]] {{{.*}}fp8.name = "w", fp8.phase = #fp8.phase<update>, {{.*}} tile_cols = 128 : i64, tile_rows = 128 : i64, transposed}
// CHECK-DAG: exec.quantize_tiles %[[P]] into %[[W]], %[[WS]] {{{.*}}fp8.name = "w", fp8.phase = #fp8.phase<update>, {{.*}} tile_cols = 128 : i64, tile_rows = 128 : i64}
// CHECK-NOT: exec.copy
// CHECK: return

// -----

// Rows.
// CHECK-LABEL: func.func @rows(
func.func @rows(%x: tensor<16x32xbf16>, %y: tensor<32x48xbf16>) -> tensor<16x48xf32> {
  // CHECK-DAG: exec.quantize_tiles %arg0 into %[[X:.*]], %[[XS:.*]] {cols = 32 : i64, rows = 16 : i64, tile_cols = 32 : i64, tile_rows = 1 : i64} : {{.*}}, memref<16x32xf8E4M3FN>, memref<16xf32>
  // CHECK-DAG: exec.quantize_tiles %arg1 into %[[Y:.*]], %[[YS:.*]] {cols = 48 : i64, rows = 32 : i64, tile_cols = 1 : i64, tile_rows = 32 : i64, transposed} : {{.*}}, memref<48x32xf8E5M2>, memref<48xf32>
  // CHECK: exec.gemm %[[X]], %[[Y]] into %{{.*}} scales %[[XS]], %[[YS]] {granularity_a = #fp8.granularity<row>, granularity_b = #fp8.granularity<row>
  %xq = fp8.quantize_tiles %x contracting [1] : tensor<16x32xbf16> -> !fp8.scaled<16x32xf8E4M3FN, tile<[1, ?]>>
  %yq = fp8.quantize_tiles %y contracting [0] : tensor<32x48xbf16> -> !fp8.scaled<32x48xf8E5M2, tile<[?, 1]>>
  %z = fp8.matmul %xq, %yq : !fp8.scaled<16x32xf8E4M3FN, tile<[1, ?]>>, !fp8.scaled<32x48xf8E5M2, tile<[?, 1]>> -> tensor<16x48xf32>
  return %z : tensor<16x48xf32>
}

// -----

func.func @unknown_tiles(%x: tensor<16x128xbf16>) -> !fp8.scaled<16x128xf8E4M3FN, tile<[1, 64]>> {
  // expected-error @+1 {{makes tiles of 1 x 64, which the kernel library does not know: they are whole rows or columns, 1 x 128, 128 x 1 or 128 x 128}}
  %q = fp8.quantize_tiles %x contracting [1] : tensor<16x128xbf16> -> !fp8.scaled<16x128xf8E4M3FN, tile<[1, 64]>>
  return %q : !fp8.scaled<16x128xf8E4M3FN, tile<[1, 64]>>
}

// -----

func.func @unknown_product(%x: !fp8.scaled<16x128xf8E4M3FN, tile<[1, 64]>>, %y: !fp8.scaled<32x128xf8E4M3FN, tile<[1, 64]>>) -> tensor<16x32xf32> {
  // expected-error @+1 {{whose tiles no GEMM library knows}}
  %z = fp8.matmul %x, %y contracting [1] x [1] : !fp8.scaled<16x128xf8E4M3FN, tile<[1, 64]>>, !fp8.scaled<32x128xf8E4M3FN, tile<[1, 64]>> -> tensor<16x32xf32>
  return %z : tensor<16x32xf32>
}

// -----

func.func @late_transpose(%x: !fp8.scaled<128x128xf8E4M3FN, tile<[128, 128]>>) -> !fp8.scaled<128x128xf8E4M3FN, tile<[128, 128]>> {
  // expected-error @+1 {{permutes tiles after they were made, which only a transpose of an fp8.quantize_tiles can}}
  %y = fp8.transpose %x [1, 0] : !fp8.scaled<128x128xf8E4M3FN, tile<[128, 128]>> -> !fp8.scaled<128x128xf8E4M3FN, tile<[128, 128]>>
  return %y : !fp8.scaled<128x128xf8E4M3FN, tile<[128, 128]>>
}
