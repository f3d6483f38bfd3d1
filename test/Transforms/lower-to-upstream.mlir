// The fp8 dialect in upstream's ops: each op, each type.
// RUN: fp8c-opt %s --fp8-lower-to-upstream --split-input-file | FileCheck %s
// RUN: fp8c-opt %s --fp8-lower-to-upstream --split-input-file | FileCheck %s --check-prefix=NONE
// NONE-NOT: fp8{{[.]}}

// A scale is a number, a scaled tensor its codes and the inverse scale.
// CHECK-LABEL: func.func @current(
// CHECK-SAME: %[[X:.*]]: tensor<4x8xbf16>) -> (tensor<4x8xf8E4M3FN>, f32)
func.func @current(%x: tensor<4x8xbf16>) -> !fp8.scaled<4x8xf8E4M3FN> {
  // The largest finite magnitude.
  // CHECK: %[[AMAX:.*]] = linalg.generic {{.*}}iterator_types = ["reduction", "reduction"]} ins(%[[X]] : tensor<4x8xbf16>) outs(%{{.*}} : tensor<f32>)
  // CHECK: %[[WIDE:.*]] = arith.extf %{{.*}} : bf16 to f32
  // CHECK: %[[ABS:.*]] = math.absf %[[WIDE]]
  // CHECK: %[[FINITE:.*]] = arith.cmpf olt, %[[ABS]]
  // CHECK: %[[COUNTED:.*]] = arith.select %[[FINITE]], %[[ABS]]
  // CHECK: arith.maximumf %[[COUNTED]]
  %a = fp8.amax %x : tensor<4x8xbf16>
  // 448 / 2, without its mantissa; 1 if the amax says nothing.
  // CHECK: %[[A:.*]] = tensor.extract %[[AMAX]][]
  // CHECK: %[[ONE:.*]] = arith.constant 1.0
  // CHECK: %[[LARGEST:.*]] = arith.constant 2.240000e+02
  // CHECK: %[[QUOTIENT:.*]] = arith.divf %[[LARGEST]], %[[A]]
  // CHECK: %[[BOUNDED:.*]] = arith.minimumf %[[QUOTIENT]]
  // CHECK: %[[BITS:.*]] = arith.bitcast %[[BOUNDED]] : f32 to i32
  // CHECK: %[[EXPONENT:.*]] = arith.constant -8388608
  // CHECK: %[[POWER:.*]] = arith.andi %[[BITS]], %[[EXPONENT]]
  // CHECK: %[[POW2:.*]] = arith.bitcast %[[POWER]] : i32 to f32
  // CHECK: %[[POSITIVE:.*]] = arith.cmpf ogt, %[[A]]
  // CHECK: %[[LIMITED:.*]] = arith.cmpf olt, %[[A]]
  // CHECK: %[[USABLE:.*]] = arith.andi %[[POSITIVE]], %[[LIMITED]]
  // CHECK: %[[SCALE:.*]] = arith.select %[[USABLE]], %[[POW2]], %[[ONE]]
  %s = fp8.compute_scale %a {margin = 1, pow2} : !fp8.scale<f8E4M3FN>
  // Clamped before it is rounded: else it would be NaN.
  // CHECK: %[[CODES:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<4x8xbf16>) outs(%{{.*}} : tensor<4x8xf8E4M3FN>)
  // CHECK: %[[Y:.*]] = arith.mulf %{{.*}}, %[[SCALE]]
  // CHECK: %[[ABOVE:.*]] = arith.cmpf ogt, %[[Y]], %[[HIGH:.*]] : f32
  // CHECK: %[[CUT:.*]] = arith.select %[[ABOVE]], %[[HIGH]], %[[Y]]
  // CHECK: %[[BELOW:.*]] = arith.cmpf olt, %[[CUT]], %[[LOW:.*]] : f32
  // CHECK: %[[BOTH:.*]] = arith.select %[[BELOW]], %[[LOW]], %[[CUT]]
  // CHECK: arith.truncf %[[BOTH]] : f32 to f8E4M3FN
  // CHECK: %[[INVERSE:.*]] = arith.divf %{{.*}}, %[[SCALE]]
  %q, %k = fp8.quantize %x, %s : tensor<4x8xbf16> -> !fp8.scaled<4x8xf8E4M3FN>
  // CHECK: return %[[CODES]], %[[INVERSE]] : tensor<4x8xf8E4M3FN>, f32
  return %q : !fp8.scaled<4x8xf8E4M3FN>
}

// Whether something was not finite, the amax does not tell.
// CHECK-LABEL: func.func @poison(
// CHECK: linalg.generic
// CHECK: linalg.generic
// CHECK-NOT: arith.select
// CHECK: arith.maximumf
// CHECK: %[[NAN:.*]] = arith.constant 0x7FC00000
// CHECK: %[[SCALE:.*]] = arith.select %{{.*}}, %{{.*}}, %[[NAN]]
// CHECK: return %[[SCALE]] : f32
func.func @poison(%x: tensor<4xf32>) -> !fp8.scale<f8E5M2> {
  %a = fp8.amax %x : tensor<4xf32>
  %s = fp8.compute_scale %a {poison, bounded} : !fp8.scale<f8E5M2>
  return %s : !fp8.scale<f8E5M2>
}

// CHECK-LABEL: func.func @scale_by(
// CHECK-SAME: %[[S:.*]]: f32, %[[MU:.*]]: tensor<f32>) -> f32
// CHECK: %[[FACTOR:.*]] = tensor.extract %[[MU]][]
// CHECK: arith.mulf %[[S]], %[[FACTOR]]
func.func @scale_by(%s: !fp8.scale<f8E4M3FN>, %mu: tensor<f32>) -> !fp8.scale<f8E4M3FN> {
  %t = fp8.scale_by %s by %mu : !fp8.scale<f8E4M3FN>
  return %t : !fp8.scale<f8E4M3FN>
}

// -----

// A state: the scale, what was recorded, the window.
// CHECK-LABEL: func.func @initial() -> (f32, f32, tensor<16xf32>)
// CHECK-DAG: %[[SCALE:.*]] = arith.constant 1.0
// CHECK-DAG: %[[RECORDED:.*]] = arith.constant 0.0
// CHECK-DAG: %[[WINDOW:.*]] = arith.constant dense<0.0{{.*}}> : tensor<16xf32>
// CHECK: return %[[SCALE]], %[[RECORDED]], %[[WINDOW]]
func.func @initial() -> !fp8.scale_state<f8E5M2, 16> {
  %s = fp8.initial_state : !fp8.scale_state<f8E5M2, 16>
  return %s : !fp8.scale_state<f8E5M2, 16>
}

// CHECK-LABEL: func.func @delayed(
// CHECK-SAME: %[[X:.*]]: tensor<4x8xf32>, %[[S:.*]]: f32, %[[R:.*]]: f32, %[[W:.*]]: tensor<16xf32>)
// CHECK-SAME: -> (tensor<4x8xf8E5M2>, f32, f32, f32, tensor<16xf32>)
func.func @delayed(%x: tensor<4x8xf32>, %st: !fp8.scale_state<f8E5M2, 16>)
    -> (!fp8.scaled<4x8xf8E5M2>, !fp8.scale_state<f8E5M2, 16>) {
  %s = fp8.current_scale %st : !fp8.scale_state<f8E5M2, 16>
  // CHECK: arith.mulf %{{.*}}, %[[S]]
  // CHECK: %[[AMAX:.*]] = tensor.extract
  %q, %k = fp8.quantize %x, %s : tensor<4x8xf32> -> !fp8.scaled<4x8xf8E5M2>
  // CHECK: %[[RECORDED:.*]] = arith.maximumf %[[R]], %[[AMAX]]
  %st1 = fp8.record %st, %k : !fp8.scale_state<f8E5M2, 16>
  // If anything was recorded, it enters the window.
  // CHECK: %[[NEW:.*]] = arith.cmpf ogt, %[[RECORDED]], %[[ZERO:.*]] : f32
  // CHECK: %[[FIRST:.*]] = tensor.from_elements %[[RECORDED]]
  // CHECK: %[[KEPT:.*]] = tensor.extract_slice %[[W]][0] [15] [1]
  // CHECK: %[[PUSHED:.*]] = tensor.concat dim(0) %[[FIRST]], %[[KEPT]]
  // CHECK: %[[WINDOW:.*]] = linalg.generic {{.*}} ins(%[[PUSHED]], %[[W]] : tensor<16xf32>, tensor<16xf32>)
  // CHECK: arith.select %[[NEW]], %{{.*}}, %{{.*}} : f32
  // An unusable amax keeps the previous scale.
  // CHECK: linalg.generic {{.*}} ins(%[[WINDOW]] : tensor<16xf32>)
  // CHECK: %[[NEXT:.*]] = arith.select %{{.*}}, %{{.*}}, %[[S]] : f32
  %st2 = fp8.advance %st1 : !fp8.scale_state<f8E5M2, 16>
  // CHECK: return %{{.*}}, %{{.*}}, %[[NEXT]], %[[ZERO]], %[[WINDOW]]
  return %q, %st2 : !fp8.scaled<4x8xf8E5M2>, !fp8.scale_state<f8E5M2, 16>
}

// CHECK-LABEL: func.func @window_of_one(
// CHECK-NOT: tensor.concat
// CHECK: return
func.func @window_of_one(%st: !fp8.scale_state<f16, 1>) -> !fp8.scale_state<f16, 1> {
  %0 = fp8.advance %st {pow2} : !fp8.scale_state<f16, 1>
  return %0 : !fp8.scale_state<f16, 1>
}

// Statistics are the amax.
// CHECK-LABEL: func.func @clamp(
// CHECK-SAME: -> (tensor<4xf16>, f32)
// CHECK: %[[HIGH:.*]] = tensor.extract %arg1[]
// CHECK: %[[LOW:.*]] = arith.negf %[[HIGH]]
// CHECK: arith.select %{{.*}}, %[[HIGH]]
// CHECK: arith.select %{{.*}}, %[[LOW]]
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @clamp(%x: tensor<4xf16>, %limit: tensor<f32>) -> (tensor<4xf16>, !fp8.stats) {
  %y, %k = fp8.clamp %x, %limit : tensor<4xf16>
  return %y, %k : tensor<4xf16>, !fp8.stats
}

// -----

// CHECK-DAG: #[[TILE:.*]] = affine_map<(d0, d1) -> (d0 floordiv 2, d1 floordiv 4)>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d0, 0)>

// What the tensor's end cuts off is filled up with zeros, for the amaxes.
// CHECK-LABEL: func.func @tiles(
// CHECK-SAME: -> (tensor<3x8xf8E4M3FN>, tensor<2x2xf32>)
// CHECK: tensor.pad %arg0 low[0, 0] high[1, 0]
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0, 1], [2, 3]] output_shape [2, 2, 2, 4]
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "reduction", "parallel", "reduction"]
// CHECK: %[[SCALES:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<2x2xf32>)
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[TILE]], #{{.*}}], {{.*}} ins(%arg0, %[[SCALES]] : tensor<3x8xf32>, tensor<2x2xf32>)
func.func @tiles(%x: tensor<3x8xf32>) -> !fp8.scaled<3x8xf8E4M3FN, tile<[2, 4]>> {
  %q = fp8.quantize_tiles %x {pow2} : tensor<3x8xf32> -> !fp8.scaled<3x8xf8E4M3FN, tile<[2, 4]>>
  return %q : !fp8.scaled<3x8xf8E4M3FN, tile<[2, 4]>>
}

// CHECK-LABEL: func.func @tiles_of_nothing(
// CHECK-SAME: -> (tensor<0x4xf8E5M2>, tensor<0x2xf32>)
// CHECK-NOT: tensor.pad
// CHECK: return
func.func @tiles_of_nothing(%x: tensor<0x4xf32>) -> !fp8.scaled<0x4xf8E5M2, tile<[1, 3]>> {
  %q = fp8.quantize_tiles %x contracting [1] : tensor<0x4xf32> -> !fp8.scaled<0x4xf8E5M2, tile<[1, 3]>>
  return %q : !fp8.scaled<0x4xf8E5M2, tile<[1, 3]>>
}

// CHECK-LABEL: func.func @dequantize(
// CHECK-SAME: %[[Q:.*]]: tensor<4x8xf8E5M2>, %[[S:.*]]: tensor<4x1xf32>
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[ROW]], #{{.*}}], {{.*}} ins(%[[Q]], %[[S]] :
// CHECK: arith.extf %{{.*}} : f8E5M2 to f32
// CHECK: arith.mulf
// CHECK: arith.truncf %{{.*}} : f32 to bf16
func.func @dequantize(%q: !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>) -> tensor<4x8xbf16> {
  %x = fp8.dequantize %q : !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>> -> tensor<4x8xbf16>
  return %x : tensor<4x8xbf16>
}

// Scales of tiles move along.
// CHECK-LABEL: func.func @transpose(
// CHECK: linalg.transpose ins(%arg0 : tensor<4x8xf8E5M2>) outs(%{{.*}} : tensor<8x4xf8E5M2>) permutation = [1, 0]
// CHECK: linalg.transpose ins(%arg1 : tensor<4x1xf32>) outs(%{{.*}} : tensor<1x4xf32>) permutation = [1, 0]
func.func @transpose(%q: !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>) -> !fp8.scaled<8x4xf8E5M2, tile<[?, 1]>> {
  %t = fp8.transpose %q [1, 0] : !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>> -> !fp8.scaled<8x4xf8E5M2, tile<[?, 1]>>
  return %t : !fp8.scaled<8x4xf8E5M2, tile<[?, 1]>>
}

// CHECK-LABEL: func.func @concat(
// CHECK-SAME: %[[A:.*]]: tensor<4x2xf8E5M2>, %[[S:.*]]: f32, %[[B:.*]]: tensor<4x3xf8E5M2>, %{{.*}}: f32)
// CHECK: %[[Q:.*]] = tensor.concat dim(1) %[[A]], %[[B]]
// CHECK: return %[[Q]], %[[S]]
func.func @concat(%a: !fp8.scaled<4x2xf8E5M2>, %b: !fp8.scaled<4x3xf8E5M2>) -> !fp8.scaled<4x5xf8E5M2> {
  %q = fp8.concat %a, %b axis 1 : !fp8.scaled<4x2xf8E5M2>, !fp8.scaled<4x3xf8E5M2> -> !fp8.scaled<4x5xf8E5M2>
  return %q : !fp8.scaled<4x5xf8E5M2>
}

// -----

// CHECK-DAG: #[[LHS:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[RHS:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[RESULT:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[LHS2:.*]] = affine_map<(d0, d1, d2, d3) -> (d2, d3, d0)>
// CHECK-DAG: #[[RHS2:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d2, d3)>
// CHECK-DAG: #[[LHS_TILE:.*]] = affine_map<(d0, d1, d2) -> (d0, d2 floordiv 4)>
// CHECK-DAG: #[[RHS_TILE:.*]] = affine_map<(d0, d1, d2) -> (d2 floordiv 4, d1)>

// One scale is a factor of the sum.
// CHECK-LABEL: func.func @product(
// CHECK-SAME: %[[X:.*]]: tensor<4x8xf8E4M3FN>, %[[XS:.*]]: f32, %[[W:.*]]: tensor<8x2xf8E5M2>, %[[WS:.*]]: f32)
// CHECK: %[[FACTOR:.*]] = arith.mulf %[[XS]], %[[WS]]
// CHECK: %[[SUM:.*]] = linalg.contract indexing_maps = [#[[LHS]], #[[RHS]], #[[RESULT]]] ins(%[[X]], %[[W]] : tensor<4x8xf8E4M3FN>, tensor<8x2xf8E5M2>) outs(%{{.*}} : tensor<4x2xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[SUM]] : tensor<4x2xf32>) outs(%{{.*}} : tensor<4x2xbf16>)
// CHECK: arith.mulf %{{.*}}, %[[FACTOR]]
// CHECK: arith.truncf %{{.*}} : f32 to bf16
func.func @product(%x: !fp8.scaled<4x8xf8E4M3FN>, %w: !fp8.scaled<8x2xf8E5M2>) -> tensor<4x2xbf16> {
  %y = fp8.matmul %x, %w {fast_accum} : !fp8.scaled<4x8xf8E4M3FN>, !fp8.scaled<8x2xf8E5M2> -> tensor<4x2xbf16>
  return %y : tensor<4x2xbf16>
}

// CHECK-LABEL: func.func @more_dimensions(
// CHECK: linalg.contract indexing_maps = [#[[LHS2]], #[[RHS2]], #[[RESULT2:.*]]] ins
func.func @more_dimensions(%x: !fp8.scaled<2x3x4xf8E4M3FN>, %w: !fp8.scaled<5x2x3xf8E4M3FN>) -> tensor<4x5xf32> {
  %y = fp8.matmul %x, %w contracting [0, 1] x [1, 2] : !fp8.scaled<2x3x4xf8E4M3FN>, !fp8.scaled<5x2x3xf8E4M3FN> -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// Scales of tiles are factors of the terms.
// CHECK-LABEL: func.func @product_of_tiles(
// CHECK: linalg.generic {indexing_maps = [#[[LHS]], #[[LHS_TILE]], #[[RHS]], #[[RHS_TILE]], #[[RESULT]]], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK-SAME: ins(%arg0, %arg1, %arg2, %arg3 :
// CHECK-NOT: linalg.generic
func.func @product_of_tiles(%x: !fp8.scaled<4x8xf8E4M3FN, tile<[1, 4]>>, %w: !fp8.scaled<8x2xf8E4M3FN, tile<[4, 1]>>) -> tensor<4x2xf32> {
  %y = fp8.matmul %x, %w : !fp8.scaled<4x8xf8E4M3FN, tile<[1, 4]>>, !fp8.scaled<8x2xf8E4M3FN, tile<[4, 1]>> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

// Functions, calls, loops and branches pass on what values have become; an
// argument's attributes stay with the first, but for those of our dialect.
// CHECK: module attributes {test.kept}
module attributes {fp8.recipe = "fp8-current", test.kept} {
// CHECK: func.func private @elsewhere(f32 {test.first}, f32, tensor<2xf32>, f32 {test.second}) -> (f32, f32, tensor<2xf32>)
func.func private @elsewhere(!fp8.scale_state<f8E5M2, 2> {test.first}, f32 {test.second}) -> !fp8.scale_state<f8E5M2, 2>
// CHECK-LABEL: func.func @loop(
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %arg0, %{{.*}} = %arg1, %{{.*}} = %arg2) -> (f32, f32, tensor<2xf32>)
// CHECK: call @elsewhere(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK: scf.if %{{.*}} -> (f32, f32, tensor<2xf32>)
func.func @loop(%st: !fp8.scale_state<f8E5M2, 2>, %n: index, %p: i1, %f: f32) -> !fp8.scale_state<f8E5M2, 2> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %st) -> !fp8.scale_state<f8E5M2, 2> {
    %b = func.call @elsewhere(%a, %f) : (!fp8.scale_state<f8E5M2, 2>, f32) -> !fp8.scale_state<f8E5M2, 2>
    %c = scf.if %p -> !fp8.scale_state<f8E5M2, 2> {
      %d = fp8.advance %b : !fp8.scale_state<f8E5M2, 2>
      scf.yield %d : !fp8.scale_state<f8E5M2, 2>
    } else {
      scf.yield %b : !fp8.scale_state<f8E5M2, 2>
    }
    scf.yield %c : !fp8.scale_state<f8E5M2, 2>
  }
  return %r : !fp8.scale_state<f8E5M2, 2>
}
// CHECK-LABEL: func.func @while(
// CHECK: scf.while ({{.*}}) : (tensor<4xf8E5M2>, f32) -> (tensor<4xf8E5M2>, f32)
// CHECK: scf.condition(%{{.*}}) %{{.*}}, %{{.*}} : tensor<4xf8E5M2>, f32
func.func @while(%q: !fp8.scaled<4xf8E5M2>, %p: i1) -> !fp8.scaled<4xf8E5M2> {
  %r = scf.while (%a = %q) : (!fp8.scaled<4xf8E5M2>) -> !fp8.scaled<4xf8E5M2> {
    scf.condition(%p) %a : !fp8.scaled<4xf8E5M2>
  } do {
  ^bb0(%a: !fp8.scaled<4xf8E5M2>):
    scf.yield %a : !fp8.scaled<4xf8E5M2>
  }
  return %r : !fp8.scaled<4xf8E5M2>
}
// CHECK-LABEL: func.func @blocks(
// CHECK: cf.cond_br %arg2, ^bb1, ^bb2(%arg0, %arg1 : tensor<4xf8E5M2>, f32)
// CHECK: cf.br ^bb2(%{{.*}}, %{{.*}} : tensor<4xf8E5M2>, f32)
// CHECK: ^bb2(%[[Q:.*]]: tensor<4xf8E5M2>, %[[S:.*]]: f32)
// CHECK: arith.select %arg2, %[[Q]], %arg0 : tensor<4xf8E5M2>
// CHECK: arith.select %arg2, %[[S]], %arg1 : f32
func.func @blocks(%q: !fp8.scaled<4xf8E5M2>, %p: i1) -> !fp8.scaled<4xf8E5M2> {
  cf.cond_br %p, ^a, ^b(%q : !fp8.scaled<4xf8E5M2>)
^a:
  %t = fp8.transpose %q [0] : !fp8.scaled<4xf8E5M2> -> !fp8.scaled<4xf8E5M2>
  cf.br ^b(%t : !fp8.scaled<4xf8E5M2>)
^b(%a: !fp8.scaled<4xf8E5M2>):
  %r = arith.select %p, %a, %q : !fp8.scaled<4xf8E5M2>
  return %r : !fp8.scaled<4xf8E5M2>
}
}
