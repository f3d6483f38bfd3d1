// RUN: fp8c-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{the storage must be f8E4M3FN, f8E5M2 or f16, but is 'bf16'}}
func.func private @storage(!fp8.scaled<4x8xbf16>)

// -----

// expected-error@+1 {{the storage must be f8E4M3FN, f8E5M2 or f16, but is 'i8'}}
func.func private @storage_no_float(!fp8.scaled<4x8xi8>)

// -----

// expected-error@+1 {{the tile has 1 sizes, but the tensor has rank 2}}
func.func private @tile_rank(!fp8.scaled<4x8xf8E4M3FN, tile<[1]>>)

// -----

// expected-error@+1 {{tile sizes must be positive or '?', but one is 0}}
func.func private @tile_size(!fp8.scaled<4x8xf8E4M3FN, tile<[1, 0]>>)

// -----

// expected-error@+1 {{the window must hold at least one amax, but is 0}}
func.func private @window(!fp8.scale_state<f8E4M3FN, 0>)

// -----

// expected-error@+1 {{the storage must be f8E4M3FN, f8E5M2 or f16, but is 'f32'}}
func.func private @state_storage(!fp8.scale_state<f32, 16>)

// -----

func.func @scale_format(%a: tensor<f32>) {
  // expected-error@+1 {{the storage must be f8E4M3FN, f8E5M2 or f16, but is 'bf16'}}
  %s = fp8.compute_scale %a : !fp8.scale<bf16>
  return
}

// -----

func.func @scale_margin(%a: tensor<f32>) {
  // expected-error@+1 {{margin must not be negative}}
  %s = fp8.compute_scale %a {margin = -1} : !fp8.scale<f8E4M3FN>
  return
}

// -----

func.func @advance_margin(%st: !fp8.scale_state<f8E4M3FN, 16>) {
  // expected-error@+1 {{margin must not be negative}}
  %s = fp8.advance %st {margin = -2} : !fp8.scale_state<f8E4M3FN, 16>
  return
}

// -----

func.func @quantize_shape(%x: tensor<4x8xf32>, %s: !fp8.scale<f8E4M3FN>) {
  // expected-error@+1 {{expects operand and result of one shape}}
  %q, %k = fp8.quantize %x, %s : tensor<4x8xf32> -> !fp8.scaled<8x4xf8E4M3FN>
  return
}

// -----

func.func @quantize_tile(%x: tensor<4x8xf32>, %s: !fp8.scale<f8E4M3FN>) {
  // expected-error@+1 {{one scale cannot make '!fp8.scaled<4x8xf8E4M3FN, tile<[1, ?]>>', which has several}}
  %q, %k = fp8.quantize %x, %s : tensor<4x8xf32> -> !fp8.scaled<4x8xf8E4M3FN, tile<[1, ?]>>
  return
}

// -----

// A scale says what it was made for.
// expected-note@below {{prior use here}}
func.func @scale_of_another_format(%x: tensor<4x8xf32>, %s: !fp8.scale<f8E5M2>) {
  // expected-error@+1 {{use of value '%s' expects different type than prior uses: '!fp8.scale<f8E4M3FN>' vs '!fp8.scale<f8E5M2>'}}
  %q, %k = fp8.quantize %x, %s : tensor<4x8xf32> -> !fp8.scaled<4x8xf8E4M3FN>
  return
}

// -----

// expected-note@below {{prior use here}}
func.func @scale_without_inverse(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  // expected-error@+1 {{use of value '%s' expects different type than prior uses: '!fp8.scale<f8E4M3FN>' vs 'tensor<f32>'}}
  %q, %k = fp8.quantize %x, %s : tensor<4x8xf32> -> !fp8.scaled<4x8xf8E4M3FN>
  return
}

// -----

func.func @dequantize_shape(%q: !fp8.scaled<4x8xf8E4M3FN>) {
  // expected-error@+1 {{expects operand and result of one shape}}
  %x = fp8.dequantize %q : !fp8.scaled<4x8xf8E4M3FN> -> tensor<32xf32>
  return
}

// -----

func.func @transpose_permutation(%q: !fp8.scaled<4x8xf8E4M3FN>) {
  // expected-error@+1 {{expects a permutation of 2 dimensions}}
  %t = fp8.transpose %q [0, 0] : !fp8.scaled<4x8xf8E4M3FN> -> !fp8.scaled<4x4xf8E4M3FN>
  return
}

// -----

// Another storage would be another scale.
func.func @transpose_type(%q: !fp8.scaled<4x8xf8E4M3FN>) {
  // expected-error@+1 {{result type must be '!fp8.scaled<8x4xf8E4M3FN>', but is '!fp8.scaled<8x4xf8E5M2>'}}
  %t = fp8.transpose %q [1, 0] : !fp8.scaled<4x8xf8E4M3FN> -> !fp8.scaled<8x4xf8E5M2>
  return
}

// -----

func.func @matmul_sizes(%a: !fp8.scaled<4x8xf8E4M3FN>, %b: !fp8.scaled<16x4xf8E4M3FN>) {
  // expected-error@+1 {{contracts dimension 1 of the left operand, of size 8, with dimension 0 of the right one, of size 16}}
  %c = fp8.matmul %a, %b : !fp8.scaled<4x8xf8E4M3FN>, !fp8.scaled<16x4xf8E4M3FN> -> tensor<4x4xbf16>
  return
}

// -----

func.func @matmul_result(%a: !fp8.scaled<4x8xf8E4M3FN>, %b: !fp8.scaled<8x4xf8E4M3FN>) {
  // expected-error@+1 {{result shape must be 4x4}}
  %c = fp8.matmul %a, %b : !fp8.scaled<4x8xf8E4M3FN>, !fp8.scaled<8x4xf8E4M3FN> -> tensor<4x8xbf16>
  return
}

// -----

func.func @matmul_dims(%a: !fp8.scaled<4x8x2xf8E4M3FN>, %b: !fp8.scaled<8x4xf8E4M3FN>) {
  // expected-error@+1 {{contracted dimensions must stand together, ascending, at the start or at the end}}
  %c = fp8.matmul %a, %b contracting [1] x [0] : !fp8.scaled<4x8x2xf8E4M3FN>, !fp8.scaled<8x4xf8E4M3FN> -> tensor<4x2x4xbf16>
  return
}

// -----

func.func @matmul_e5m2(%a: !fp8.scaled<4x8xf8E5M2>, %b: !fp8.scaled<8x4xf8E5M2>) {
  // expected-error@+1 {{cannot contract f8E5M2 with f8E5M2: no hardware does; keep one operand f8E4M3FN}}
  %c = fp8.matmul %a, %b : !fp8.scaled<4x8xf8E5M2>, !fp8.scaled<8x4xf8E5M2> -> tensor<4x4xbf16>
  return
}

// -----

func.func @matmul_f16(%a: !fp8.scaled<4x8xf16>, %b: !fp8.scaled<8x4xf8E4M3FN>) {
  // expected-error@+1 {{contracts FP8 storage only, but got '!fp8.scaled<4x8xf16>'}}
  %c = fp8.matmul %a, %b : !fp8.scaled<4x8xf16>, !fp8.scaled<8x4xf8E4M3FN> -> tensor<4x4xbf16>
  return
}

// -----

// The scales of blocks along k could not leave the sum.
func.func @matmul_tiles(%a: !fp8.scaled<4x256xf8E4M3FN, tile<[1, 128]>>, %b: !fp8.scaled<256x4xf8E4M3FN>) {
  // expected-error@+1 {{the operands' tiles cut the contracted dimension differently}}
  %c = fp8.matmul %a, %b : !fp8.scaled<4x256xf8E4M3FN, tile<[1, 128]>>, !fp8.scaled<256x4xf8E4M3FN> -> tensor<4x4xbf16>
  return
}

// -----

func.func @state_types(%st: !fp8.scale_state<f8E4M3FN, 16>, %x: tensor<4xi32>) {
  // expected-error@+1 {{'fp8.amax' op operand #0 must be}}
  %a = fp8.amax %x : tensor<4xi32>
  return
}

// -----

func.func @key(%x: tensor<4xf32>, %s: !fp8.scale<f8E4M3FN>, %key: tensor<f32>) -> !fp8.scaled<4xf8E4M3FN> {
  // expected-error@+1 {{has a key, which only stochastic rounding uses}}
  %q, %k = fp8.quantize %x, %s key %key : tensor<4xf32> -> !fp8.scaled<4xf8E4M3FN>
  return %q : !fp8.scaled<4xf8E4M3FN>
}

// -----

func.func @quantize_tiles_none(%x: tensor<16x128xf32>) {
  // expected-error@+1 {{makes one scale per tile, but '!fp8.scaled<16x128xf8E4M3FN>' has no tiles: use fp8.quantize}}
  %q = fp8.quantize_tiles %x : tensor<16x128xf32> -> !fp8.scaled<16x128xf8E4M3FN>
  return
}

// -----

func.func @quantize_tiles_storage(%x: tensor<16x128xf32>) {
  // expected-error@+1 {{quantises to FP8, but the storage is f16}}
  %q = fp8.quantize_tiles %x contracting [1] : tensor<16x128xf32> -> !fp8.scaled<16x128xf16, tile<[1, ?]>>
  return
}

// -----

func.func @quantize_tiles_shape(%x: tensor<16x128xf32>) {
  // expected-error@+1 {{expects operand and result of one shape}}
  %q = fp8.quantize_tiles %x contracting [1] : tensor<16x128xf32> -> !fp8.scaled<128x16xf8E4M3FN, tile<[1, ?]>>
  return
}

// -----

func.func @quantize_tiles_margin(%x: tensor<16x128xf32>) {
  // expected-error@+1 {{margin must not be negative}}
  %q = fp8.quantize_tiles %x contracting [1] {margin = -1} : tensor<16x128xf32> -> !fp8.scaled<16x128xf8E4M3FN, tile<[1, ?]>>
  return
}

// -----

func.func @quantize_tiles_unsaid(%x: tensor<16x128xf32>) {
  // expected-error@+1 {{must say 'contracting' which dimensions its tiles lie along}}
  %q = fp8.quantize_tiles %x : tensor<16x128xf32> -> !fp8.scaled<16x128xf8E4M3FN, tile<[1, ?]>>
  return
}

// -----

func.func @quantize_tiles_gap(%x: tensor<16x128x2xf32>) {
  // expected-error@+1 {{contracted dimensions must stand together, ascending}}
  %q = fp8.quantize_tiles %x contracting [0, 2] : tensor<16x128x2xf32> -> !fp8.scaled<16x128x2xf8E4M3FN, tile<[?, 1, ?]>>
  return
}

// -----

func.func @quantize_tiles_middle(%x: tensor<16x128x2xf32>) {
  // expected-error@+1 {{contracted dimensions must be the first or the last of 3}}
  %q = fp8.quantize_tiles %x contracting [1] : tensor<16x128x2xf32> -> !fp8.scaled<16x128x2xf8E4M3FN, tile<[1, ?, 1]>>
  return
}

// -----

func.func @half_contracting(%a: !fp8.scaled<16x32xf8E4M3FN>, %b: !fp8.scaled<32x16xf8E4M3FN>) {
  // expected-error@+1 {{must say what it contracts of both operands or of neither}}
  %0 = "fp8.matmul"(%a, %b) {lhs_contracting = array<i64: 1>} : (!fp8.scaled<16x32xf8E4M3FN>, !fp8.scaled<32x16xf8E4M3FN>) -> tensor<16x16xf32>
  return
}

// -----

func.func @dynamic_shape(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{must be statically shaped tensor}}
  %a = fp8.amax %x : tensor<?x8xf32>
  return
}

// -----

func.func @summed_tiles(%q: !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>) {
  // expected-error@+1 {{has '!fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>'; what travels is FP8 with one scale}}
  %a = fp8.all_reduce %q over ["dp"] : !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>
  return
}

// -----

func.func @summed_parts(%q: !fp8.scaled<3x4xf8E5M2>) {
  // expected-error@+1 {{sums parts natively}}
  %a = fp8.all_reduce %q over ["dp"] native : !fp8.scaled<3x4xf8E5M2> -> !fp8.scaled<4xf8E5M2>
  return
}

// -----

func.func @summed_formats(%q: !fp8.scaled<4xf8E5M2>, %r: !fp8.scaled<4xf8E4M3FN>) {
  // expected-error@+1 {{in one exchange, which has codes of one format}}
  %a:2 = fp8.all_reduce %q, %r over ["dp"] : !fp8.scaled<4xf8E5M2>, !fp8.scaled<4xf8E4M3FN>
  return
}

// -----

func.func @gathered_tiles(%q: !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>>) {
  // expected-error@+1 {{what travels is FP8 with one scale}}
  %a = fp8.all_gather %q over ["dp"] : !fp8.scaled<4x8xf8E5M2, tile<[1, ?]>> -> !fp8.scaled<8x8xf8E5M2, tile<[1, ?]>>
  return
}

// -----

func.func @exchanged_f16(%q: !fp8.scaled<4x8xf16>) {
  // expected-error@+1 {{what travels is FP8 with one scale}}
  %a = fp8.all_to_all %q over ["dp"] : !fp8.scaled<4x8xf16>
  return
}

// -----

func.func @scattered_formats(%q: !fp8.scaled<4xf8E5M2>, %r: !fp8.scaled<4xf8E4M3FN>) {
  // expected-error@+1 {{in one exchange, which has codes of one format}}
  %a:2 = fp8.reduce_scatter %q, %r over ["dp"] : !fp8.scaled<4xf8E5M2>, !fp8.scaled<4xf8E4M3FN> -> !fp8.scaled<2xf8E5M2>, !fp8.scaled<2xf8E4M3FN>
  return
}

// -----

func.func @gathered_formats(%q: !fp8.scaled<4xf8E5M2>) {
  // expected-error@+1 {{has '!fp8.scaled<8xf8E4M3FN>', which no number of '!fp8.scaled<4xf8E5M2>' makes}}
  %a = fp8.all_gather %q over ["dp"] : !fp8.scaled<4xf8E5M2> -> !fp8.scaled<8xf8E4M3FN>
  return
}

// -----

func.func @joined_formats(%a: !fp8.scaled<4x16xf8E5M2>, %b: !fp8.scaled<4x16xf8E4M3FN>) {
  // expected-error@+1 {{joins '!fp8.scaled<4x16xf8E4M3FN>' to '!fp8.scaled<4x32xf8E5M2>': they differ in more than dimension 1}}
  %c = fp8.concat %a, %b axis 1 : !fp8.scaled<4x16xf8E5M2>, !fp8.scaled<4x16xf8E4M3FN> -> !fp8.scaled<4x32xf8E5M2>
  return
}

// -----

func.func @joined_tiles(%a: !fp8.scaled<4x16xf8E5M2, tile<[1, ?]>>) {
  // expected-error@+1 {{they differ in more than dimension 1}}
  %c = fp8.concat %a axis 1 : !fp8.scaled<4x16xf8E5M2, tile<[1, ?]>> -> !fp8.scaled<4x16xf8E5M2>
  return
}

// -----

func.func @joined_sizes(%a: !fp8.scaled<4x16xf8E5M2>) {
  // expected-error@+1 {{has parts of 32 along dimension 1 of '!fp8.scaled<4x40xf8E5M2>'}}
  %c = fp8.concat %a, %a axis 1 : !fp8.scaled<4x16xf8E5M2>, !fp8.scaled<4x16xf8E5M2> -> !fp8.scaled<4x40xf8E5M2>
  return
}

// -----

func.func @joined_nowhere(%a: !fp8.scaled<4x16xf8E5M2>) {
  // expected-error@+1 {{has no dimension 2}}
  %c = fp8.concat %a axis 2 : !fp8.scaled<4x16xf8E5M2> -> !fp8.scaled<4x16xf8E5M2>
  return
}

// -----

func.func @joined_scales(%x: tensor<4x16xf32>, %s: !fp8.scale<f8E5M2>, %t: !fp8.scale<f8E5M2>) {
  %a, %i = fp8.quantize %x, %s : tensor<4x16xf32> -> !fp8.scaled<4x16xf8E5M2>
  %b, %j = fp8.quantize %x, %t : tensor<4x16xf32> -> !fp8.scaled<4x16xf8E5M2>
  // expected-error@+1 {{joins codes of two scales}}
  %c = fp8.concat %a, %b axis 1 : !fp8.scaled<4x16xf8E5M2>, !fp8.scaled<4x16xf8E5M2> -> !fp8.scaled<4x32xf8E5M2>
  return
}
