// Which ops of upstream's dialects are products, and of what.
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=fp8-current},fp8-insert-scaling)' 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK <%t.remarks

// Batches come first, in both operands and in the result.
// CHECK-LABEL: func.func @batches(
// CHECK: fp8.matmul %{{.*}}, %{{.*}} batch 1 {{.*}} !fp8.scaled<4x32x64xf8E4M3FN>, !fp8.scaled<4x64x48xf8E4M3FN> -> tensor<4x32x48xf32>
// CHECK: fp8.matmul %{{.*}}, %{{.*}} batch 2 contracting [3] x [3]
func.func @batches(%x: tensor<4x32x64xf32>, %w: tensor<4x64x48xf32>, %q: tensor<2x3x32x64xf32>, %k: tensor<2x3x16x64xf32>)
    -> (tensor<4x32x48xf32>, tensor<2x3x32x16xf32>) {
  %e = tensor.empty() : tensor<4x32x48xf32>
  %0 = linalg.batch_matmul ins(%x, %w : tensor<4x32x64xf32>, tensor<4x64x48xf32>) outs(%e : tensor<4x32x48xf32>) -> tensor<4x32x48xf32>
  %f = tensor.empty() : tensor<2x3x32x16xf32>
  %1 = linalg.contract indexing_maps = [affine_map<(b, h, m, n, k) -> (b, h, m, k)>, affine_map<(b, h, m, n, k) -> (b, h, n, k)>, affine_map<(b, h, m, n, k) -> (b, h, m, n)>]
      ins(%q, %k : tensor<2x3x32x64xf32>, tensor<2x3x16x64xf32>) outs(%f : tensor<2x3x32x16xf32>) -> tensor<2x3x32x16xf32>
  return %0, %1 : tensor<4x32x48xf32>, tensor<2x3x32x16xf32>
}

// -----

// A generic that multiplies and adds: dimensions of tokens, and two that are summed over.
// CHECK-LABEL: func.func @generic(
// CHECK: fp8.matmul {{.*}} contracting [2] x [1]
// CHECK: fp8.matmul {{.*}} contracting [0, 1] x [0, 1]
// CHECK: linalg.generic
#x = affine_map<(b, t, n, k) -> (b, t, k)>
#w = affine_map<(b, t, n, k) -> (n, k)>
#y = affine_map<(b, t, n, k) -> (b, t, n)>
#dx = affine_map<(m, n, b, t) -> (b, t, m)>
#dy = affine_map<(m, n, b, t) -> (b, t, n)>
#dw = affine_map<(m, n, b, t) -> (m, n)>
#id = affine_map<(m, n) -> (m, n)>
func.func @generic(%x: tensor<2x32x64xbf16>, %w: tensor<48x64xbf16>, %dy: tensor<2x32x48xbf16>) -> (tensor<2x32x48xf32>, tensor<64x48xf32>) {
  %e = tensor.empty() : tensor<2x32x48xf32>
  %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<2x32x64xbf16>, tensor<48x64xbf16>) outs(%e : tensor<2x32x48xf32>) {
    ^bb0(%a: bf16, %b: bf16, %c: f32):
      %p = arith.extf %a : bf16 to f32
      %q = arith.extf %b : bf16 to f32
      %m = arith.mulf %p, %q : f32
      %s = arith.addf %c, %m : f32
      linalg.yield %s : f32
  } -> tensor<2x32x48xf32>
  %f = tensor.empty() : tensor<64x48xf32>
  %1 = linalg.generic {indexing_maps = [#dx, #dy, #dw], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %dy : tensor<2x32x64xbf16>, tensor<2x32x48xbf16>) outs(%f : tensor<64x48xf32>) {
    ^bb0(%a: bf16, %b: bf16, %c: f32):
      %p = arith.extf %a : bf16 to f32
      %q = arith.extf %b : bf16 to f32
      %m = arith.mulf %p, %q : f32
      %s = arith.addf %c, %m : f32
      linalg.yield %s : f32
  } -> tensor<64x48xf32>
  %2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%1 : tensor<64x48xf32>) outs(%f : tensor<64x48xf32>) {
    ^bb0(%a: f32, %c: f32):
      %s = arith.addf %a, %a : f32
      linalg.yield %s : f32
  } -> tensor<64x48xf32>
  return %0, %2 : tensor<2x32x48xf32>, tensor<64x48xf32>
}

// -----

// CHECK-LABEL: func.func @tosa(
// CHECK: fp8.matmul {{.*}} batch 1
// CHECK: tosa.matmul
// CHECK: tosa.matmul
// REMARK: remark: stays as it is: its zero points are not known to be 0
// REMARK: remark: stays as it is: its zero points are not known to be 0
func.func @tosa(%x: tensor<4x32x64xf32>, %w: tensor<4x64x48xf32>, %z: tensor<1xf32>) -> (tensor<4x32x48xf32>, tensor<4x32x48xf32>, tensor<4x32x48xf32>) {
  %zero = "tosa.const"() <{values = dense<0.0> : tensor<1xf32>}> : () -> tensor<1xf32>
  %one = "tosa.const"() <{values = dense<1.0> : tensor<1xf32>}> : () -> tensor<1xf32>
  %0 = tosa.matmul %x, %w, %zero, %zero : (tensor<4x32x64xf32>, tensor<4x64x48xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<4x32x48xf32>
  %1 = tosa.matmul %x, %w, %zero, %z : (tensor<4x32x64xf32>, tensor<4x64x48xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<4x32x48xf32>
  %2 = tosa.matmul %x, %w, %z, %zero : (tensor<4x32x64xf32>, tensor<4x64x48xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<4x32x48xf32>
  return %0, %1, %2 : tensor<4x32x48xf32>, tensor<4x32x48xf32>, tensor<4x32x48xf32>
}

// -----

// Products that are none of two matrices: a result that is turned, an operand that is
// read twice as wide, dimensions that are summed over but do not stand together, vectors.
// CHECK-LABEL: func.func @others(
// CHECK-NOT: fp8.matmul
// CHECK: return
// REMARK-COUNT-2: remark: stays as it is: its operands are no matrices with respect to the dimensions it contracts
// REMARK: remark: stays as it is: n = 1 is no multiple of 16
func.func @others(%x: tensor<32x64xf32>, %w: tensor<64x48xf32>, %a: tensor<16x64x16x16xf32>, %b: tensor<16x64x16x16xf32>, %v: tensor<64xf32>)
    -> (tensor<48x32xf32>, tensor<16x16x16x16xf32>, tensor<32xf32>) {
  %e = tensor.empty() : tensor<48x32xf32>
  %0 = linalg.contract indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (n, m)>]
      ins(%x, %w : tensor<32x64xf32>, tensor<64x48xf32>) outs(%e : tensor<48x32xf32>) -> tensor<48x32xf32>
  %f = tensor.empty() : tensor<16x16x16x16xf32>
  %1 = linalg.mmt4d ins(%a, %b : tensor<16x64x16x16xf32>, tensor<16x64x16x16xf32>) outs(%f : tensor<16x16x16x16xf32>) -> tensor<16x16x16x16xf32>
  %g = tensor.empty() : tensor<32xf32>
  %2 = linalg.matvec ins(%x, %v : tensor<32x64xf32>, tensor<64xf32>) outs(%g : tensor<32xf32>) -> tensor<32xf32>
  return %0, %1, %2 : tensor<48x32xf32>, tensor<16x16x16x16xf32>, tensor<32xf32>
}

// -----

// A body that does more than multiply and add stays, whatever upstream calls it.
// CHECK-LABEL: func.func @bodies(
// CHECK-NOT: fp8.matmul
// CHECK: return
// REMARK-COUNT-4: remark: stays as it is: its body does more than multiply and add
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func private @seen(f32) -> f32
func.func @bodies(%x: tensor<32x32xf32>) -> (tensor<32x32xf32>, tensor<32x32xf32>, tensor<32x32xf32>, tensor<32x32xf32>) {
  %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) {
    ^bb0(%p: f32, %q: f32, %r: f32):
      %e = math.exp %p : f32
      %m = arith.mulf %e, %q : f32
      %s = arith.addf %r, %m : f32
      linalg.yield %s : f32
  } -> tensor<32x32xf32>
  %1 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) {
    ^bb0(%p: f32, %q: f32, %r: f32):
      %m = arith.mulf %p, %q : f32
      %t = math.tanh %r : f32
      %s = arith.addf %t, %m : f32
      linalg.yield %s : f32
  } -> tensor<32x32xf32>
  %2 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) {
    ^bb0(%p: f32, %q: f32, %r: f32):
      %m = arith.mulf %p, %q : f32
      %n = arith.negf %m : f32
      %s = arith.addf %r, %n : f32
      linalg.yield %s : f32
  } -> tensor<32x32xf32>
  %3 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) {
    ^bb0(%p: f32, %q: f32, %r: f32):
      %m = arith.mulf %p, %q : f32
      %d = func.call @seen(%m) : (f32) -> f32
      %s = arith.addf %r, %m : f32
      linalg.yield %s : f32
  } -> tensor<32x32xf32>
  return %0, %1, %2, %3 : tensor<32x32xf32>, tensor<32x32xf32>, tensor<32x32xf32>, tensor<32x32xf32>
}

// -----

// Nobody knows what an encoding says.
// CHECK-LABEL: func.func @encoded(
// CHECK: linalg.matmul
// REMARK: remark: stays as it is: its types are not tensors of static shape in f32, bf16 or f16
func.func @encoded(%x: tensor<32x32xf32, "blocked">) -> tensor<32x32xf32, "blocked"> {
  %0 = linalg.matmul ins(%x, %x : tensor<32x32xf32, "blocked">, tensor<32x32xf32, "blocked">) outs(%x : tensor<32x32xf32, "blocked">) -> tensor<32x32xf32, "blocked">
  return %0 : tensor<32x32xf32, "blocked">
}
