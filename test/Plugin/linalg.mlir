// Debian's mlir-opt lowers its own linalg with our passes.
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=fp8-current},fp8-insert-scaling)' 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK <%t.remarks

// What a product adds its sum to is added to the FP8 product: not where there
// are zeros, or nothing.
// CHECK-LABEL: func.func @added(
// CHECK-DAG: %[[X:.*]], %{{.*}} = fp8.quantize %arg0
// CHECK-DAG: %[[W:.*]], %{{.*}} = fp8.quantize %arg1
// CHECK: %[[A:.*]] = fp8.matmul %[[X]], %[[W]]
// CHECK: %[[B:.*]] = fp8.matmul %[[X]], %[[W]]
// CHECK: %[[C:.*]] = fp8.matmul %[[X]], %[[W]]
// CHECK: %[[SUM:.*]] = linalg.add ins(%arg2, %[[C]] :
// CHECK: return %[[A]], %[[B]], %[[SUM]]
func.func @added(%x: tensor<32x64xf32>, %w: tensor<64x48xf32>, %init: tensor<32x48xf32>) -> (tensor<32x48xf32>, tensor<32x48xf32>, tensor<32x48xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<32x48xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<32x48xf32>) -> tensor<32x48xf32>
  %0 = linalg.matmul ins(%x, %w : tensor<32x64xf32>, tensor<64x48xf32>) outs(%z : tensor<32x48xf32>) -> tensor<32x48xf32>
  %1 = linalg.matmul ins(%x, %w : tensor<32x64xf32>, tensor<64x48xf32>) outs(%e : tensor<32x48xf32>) -> tensor<32x48xf32>
  %2 = linalg.matmul ins(%x, %w : tensor<32x64xf32>, tensor<64x48xf32>) outs(%init : tensor<32x48xf32>) -> tensor<32x48xf32>
  return %0, %1, %2 : tensor<32x48xf32>, tensor<32x48xf32>, tensor<32x48xf32>
}

// -----

// CHECK-LABEL: func.func @transposed(
// CHECK: fp8.matmul {{.*}} contracting [0] x [1]
#a = affine_map<(m, n, k) -> (k, m)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @transposed(%x: tensor<64x32xbf16>, %w: tensor<48x64xbf16>, %init: tensor<32x48xf32>) -> tensor<32x48xf32> {
  %0 = linalg.matmul indexing_maps = [#a, #b, #c] ins(%x, %w : tensor<64x32xbf16>, tensor<48x64xbf16>) outs(%init : tensor<32x48xf32>) -> tensor<32x48xf32>
  return %0 : tensor<32x48xf32>
}

// -----

// In a loop, what does not change in it is quantised once, before it.
// CHECK-LABEL: func.func @loop(
// CHECK: fp8.quantize %arg1
// CHECK: scf.for
// CHECK: fp8.quantize
// CHECK: fp8.matmul
func.func @loop(%x: tensor<32x32xf32>, %w: tensor<32x32xf32>, %n: index) -> tensor<32x32xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> tensor<32x32xf32> {
    %0 = linalg.matmul ins(%a, %w : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
    scf.yield %0 : tensor<32x32xf32>
  }
  return %r : tensor<32x32xf32>
}

// -----

// Behind a branch, and in a module of a module.
// CHECK-LABEL: func.func @blocks(
// CHECK: cf.cond_br
// CHECK: fp8.matmul
// CHECK-LABEL: func.func @inner(
// CHECK: fp8.matmul
func.func @blocks(%x: tensor<32x32xf32>, %w: tensor<32x32xf32>, %p: i1) -> tensor<32x32xf32> {
  cf.cond_br %p, ^a, ^b(%x : tensor<32x32xf32>)
^a:
  %0 = linalg.matmul ins(%x, %w : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  cf.br ^b(%0 : tensor<32x32xf32>)
^b(%y: tensor<32x32xf32>):
  return %y : tensor<32x32xf32>
}
module @within {
  func.func @inner(%x: tensor<32x32xf32>) -> tensor<32x32xf32> {
    %0 = linalg.matmul ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
    return %0 : tensor<32x32xf32>
  }
}

// -----

// Nothing to multiply is no mistake.
// CHECK-LABEL: func.func @nothing(
// CHECK: func.func private @declared
func.func @nothing(%x: tensor<32x32xf32>) -> tensor<32x32xf32> {
  return %x : tensor<32x32xf32>
}
func.func private @declared(tensor<4xf32>)

// -----

// What cannot be stays, with a remark.
// CHECK-LABEL: func.func @stays(
// CHECK-NOT: fp8.matmul
// REMARK-DAG: remark: stays as it is: its operands are no matrices with respect to the dimensions it contracts
// REMARK-DAG: remark: stays as it is: its types are not tensors of static shape in f32, bf16 or f16
// REMARK-DAG: remark: stays as it is: m = 5 is no multiple of 16
// REMARK-DAG: remark: stays as it is: it writes to a buffer
#am = affine_map<(m, n, k) -> (m, k)>
#b1 = affine_map<(m, n, k) -> (k)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @stays(%x: tensor<32x64xf32>, %v: tensor<64xf32>, %init: tensor<32x48xf32>,
                 %d: tensor<?x64xf32>, %w: tensor<64x48xf32>, %e: tensor<?x48xf32>, %o: tensor<5x64xf32>, %p: tensor<5x48xf32>,
                 %m: memref<32x64xf32>, %n: memref<64x48xf32>, %r: memref<32x48xf32>)
    -> (tensor<32x48xf32>, tensor<?x48xf32>, tensor<5x48xf32>) {
  %0 = linalg.matmul indexing_maps = [#am, #b1, #c] ins(%x, %v : tensor<32x64xf32>, tensor<64xf32>) outs(%init : tensor<32x48xf32>) -> tensor<32x48xf32>
  %1 = linalg.matmul ins(%d, %w : tensor<?x64xf32>, tensor<64x48xf32>) outs(%e : tensor<?x48xf32>) -> tensor<?x48xf32>
  %2 = linalg.matmul ins(%o, %w : tensor<5x64xf32>, tensor<64x48xf32>) outs(%p : tensor<5x48xf32>) -> tensor<5x48xf32>
  linalg.matmul ins(%m, %n : memref<32x64xf32>, memref<64x48xf32>) outs(%r : memref<32x48xf32>)
  return %0, %1, %2 : tensor<32x48xf32>, tensor<?x48xf32>, tensor<5x48xf32>
}
