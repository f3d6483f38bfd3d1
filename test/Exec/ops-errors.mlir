// RUN: fp8c-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: memref<4x8xf32>, %w: memref<8x6xf32>, %y: memref<4x5xf32>) {
  // expected-error @+1 {{buffers do not hold 1 matrices of m = 4, n = 6, k = 8}}
  exec.gemm %x, %w into %y {m = 4, n = 6, k = 8} : memref<4x8xf32>, memref<8x6xf32>, memref<4x5xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf32>, %w: memref<8x6xf32>, %y: memref<?x6xf32>) {
  // expected-error @+1 {{operand #2 must be buffer of floats or integers with static shape and strides, but got 'memref<?x6xf32>'}}
  exec.gemm %x, %w into %y {m = 4, n = 6, k = 8} : memref<4x8xf32>, memref<8x6xf32>, memref<?x6xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf32, strided<[16, 1]>>, %w: memref<8x6xf32>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{takes dense buffers, but got 'memref<4x8xf32, strided<[16, 1]>>'}}
  exec.gemm %x, %w into %y {m = 4, n = 6, k = 8} : memref<4x8xf32, strided<[16, 1]>>, memref<8x6xf32>, memref<4x6xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf8E4M3FN>, %w: memref<8x6xf8E4M3FN>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{FP8 operands need scales, and only they}}
  exec.gemm %x, %w into %y {m = 4, n = 6, k = 8} : memref<4x8xf8E4M3FN>, memref<8x6xf8E4M3FN>, memref<4x6xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf8E4M3FN>, %w: memref<8x6xf8E4M3FN>, %y: memref<4x6xf32>, %s: memref<25xf32>) {
  // expected-error @+1 {{takes a scale and its inverse, memref<5xf32>, for an FP8 operand without a granularity, but got 'memref<25xf32>'}}
  exec.gemm %x, %w into %y scales %s, %s {m = 4, n = 6, k = 8} : memref<4x8xf8E4M3FN>, memref<8x6xf8E4M3FN>, memref<4x6xf32> scales memref<25xf32>, memref<25xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf8E4M3FN>, %w: memref<8x6xf8E4M3FN>, %y: memref<4x6xf32>, %s: memref<5xf32>) {
  // expected-error @+1 {{granularity must be row, 1x128 or 128x128, but is tensor}}
  exec.gemm %x, %w into %y scales %s, %s {m = 4, n = 6, k = 8, granularity_a = #fp8.granularity<tensor>} : memref<4x8xf8E4M3FN>, memref<8x6xf8E4M3FN>, memref<4x6xf32> scales memref<5xf32>, memref<5xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf8E4M3FN>, %w: memref<8x6xf8E4M3FN>, %y: memref<4x6xf32>, %s: memref<3xf32>, %t: memref<6xf32>) {
  // expected-error @+1 {{needs the inverse scales of 4 tiles, but got 'memref<3xf32>'}}
  exec.gemm %x, %w into %y scales %s, %t {m = 4, n = 6, k = 8, granularity_a = #fp8.granularity<row>, granularity_b = #fp8.granularity<row>} : memref<4x8xf8E4M3FN>, memref<8x6xf8E4M3FN>, memref<4x6xf32> scales memref<3xf32>, memref<6xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf32>, %w: memref<8x6xf32>, %y: memref<4x6xf32>, %b: memref<4xf32>) {
  // expected-error @+1 {{adds a bias of c's type with n = 6 elements, but got 'memref<4xf32>'}}
  exec.gemm %x, %w into %y bias %b {m = 4, n = 6, k = 8} : memref<4x8xf32>, memref<8x6xf32>, memref<4x6xf32> bias memref<4xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xbf16>, %w: memref<8x6xbf16>, %y: memref<4x6xbf16>, %b: memref<4xf32>) {
  // expected-error @+1 {{needs a workspace of 448 bytes, but got 'memref<4xf32>'}}
  exec.gemm %x, %w into %y workspace %b {m = 4, n = 6, k = 8} : memref<4x8xbf16>, memref<8x6xbf16>, memref<4x6xbf16> workspace memref<4xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xf32>, %w: memref<8x6xf32>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{has unless_first without accumulate}}
  exec.gemm %x, %w into %y {m = 4, n = 6, k = 8, unless_first} : memref<4x8xf32>, memref<8x6xf32>, memref<4x6xf32>
  return
}

// -----

func.func @f(%x: memref<4x8xi64>, %w: memref<8x6xf32>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{multiplies floats, but got 'memref<4x8xi64>'}}
  exec.gemm %x, %w into %y {m = 4, n = 6, k = 8} : memref<4x8xi64>, memref<8x6xf32>, memref<4x6xf32>
  return
}

// -----

func.func @f(%x: memref<2x4x8xf32>, %y: memref<2x4x6xf32>, %lse: memref<2x2x4xf32>) {
  // expected-error @+1 {{query and key heads differ in width}}
  exec.attention %x, %y, %x into %x, %lse {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<2x4x8xf32>, memref<2x4x6xf32>, memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x2x4xf32>
  return
}

// -----

func.func @f(%x: memref<2x4x8xf32>, %lse: memref<2x2x3xf32>) {
  // expected-error @+1 {{lse must hold 16 elements, but is 'memref<2x2x3xf32>'}}
  exec.attention %x, %x, %x into %x, %lse {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x2x3xf32>
  return
}

// -----

func.func @f(%x: memref<2x4x8xf32>, %lse: memref<2x3x4xf32>) {
  // expected-error @+1 {{3 query heads are no multiple of 2 key heads}}
  exec.attention %x, %x, %x into %x, %lse {heads = 3, kv_heads = 2, scale = 1.0 : f32} : memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x3x4xf32>
  return
}

// -----

func.func @f(%x: memref<2x4x8xf32>, %y: memref<2x4x8xf32, strided<[64, 8, 1]>>, %lse: memref<2x2x4xf32>) {
  // expected-error @+1 {{takes tokens at one stride}}
  exec.attention %x, %y, %x into %x, %lse {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<2x4x8xf32>, memref<2x4x8xf32, strided<[64, 8, 1]>>, memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x2x4xf32>
  return
}

// -----

func.func @f(%x: memref<2x4x8xf32>, %y: memref<2x4x8xbf16>, %lse: memref<2x2x4xf32>) {
  // expected-error @+1 {{mixes elements of 'f32' and 'bf16'}}
  exec.attention %x, %y, %x into %x, %lse {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<2x4x8xf32>, memref<2x4x8xbf16>, memref<2x4x8xf32>, memref<2x4x8xf32>, memref<2x2x4xf32>
  return
}

// -----

func.func @f(%x: memref<3x4x8xf32>, %lse: memref<3x2x4xf32>) {
  // expected-error @+1 {{cuts a batch of 3 into 2 parts}}
  exec.attention_backward %x, %x, %x, %x, %x, %lse into %x, %x, %x {heads = 2, kv_heads = 2, scale = 1.0 : f32, parts = 2} : memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x2x4xf32> into memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>
  return
}

// -----

func.func @f(%x: memref<3x4x8xf32>, %b: memref<1x2x4x5xf32>, %lse: memref<3x2x4xf32>) {
  // expected-error @+1 {{bias 'memref<1x2x4x5xf32>' does not broadcast to the scores [3, 2, 4, 4]}}
  exec.attention %x, %x, %x bias %b into %x, %lse {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32> bias memref<1x2x4x5xf32>, memref<3x4x8xf32>, memref<3x2x4xf32>
  return
}

// -----

func.func @f(%x: memref<3x4x8xf32>, %b: memref<1x2x4x4xf32>, %lse: memref<3x2x4xf32>) {
  // expected-error @+1 {{has the gradient of a bias that is not there}}
  exec.attention_backward %x, %x, %x, %x, %x, %lse into %x, %x, %x d_bias %b {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x2x4xf32> into memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32> d_bias memref<1x2x4x4xf32>
  return
}

// -----

func.func @f(%x: memref<3x4x8xf32>, %d: memref<3x4x4xf32>, %lse: memref<3x2x4xf32>) {
  // expected-error @+1 {{d_k must be [3, 4, 8], but is 'memref<3x4x4xf32>'}}
  exec.attention_backward %x, %x, %x, %x, %x, %lse into %x, %d, %x {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x2x4xf32> into memref<3x4x8xf32>, memref<3x4x4xf32>, memref<3x4x8xf32>
  return
}

// -----

func.func @f(%x: memref<2x4x8xf32>, %c: memref<4x2xf32>) {
  // expected-error @+1 {{turns an even rotary_dim within a head, but got 3}}
  exec.rotary %x, %c, %c into %x {heads = 2, rotary_dim = 3} : memref<2x4x8xf32>, memref<4x2xf32>, memref<4x2xf32>, memref<2x4x8xf32>
  return
}

// -----

func.func @f(%x: memref<2x4x8xf32>, %c: memref<5x2xf32>) {
  // expected-error @+1 {{cos and sin must be [tokens, rotary_dim/2], with or without batch}}
  exec.rotary %x, %c, %c into %x {heads = 2, rotary_dim = 4} : memref<2x4x8xf32>, memref<5x2xf32>, memref<5x2xf32>, memref<2x4x8xf32>
  return
}

// -----

func.func @f(%t: memref<8xf32>, %i: memref<4xi64>, %y: memref<4x8xf32>) {
  // expected-error @+1 {{expects a table [rows, width]}}
  exec.embedding %t, %i into %y : memref<8xf32>, memref<4xi64>, memref<4x8xf32>
  return
}

// -----

func.func @f(%t: memref<8x2xf32>, %i: memref<4xi64>, %y: memref<4x8xf32>) {
  // expected-error @+1 {{rows by their ids must hold 8 elements, but is 'memref<4x8xf32>'}}
  exec.embedding %t, %i into %y : memref<8x2xf32>, memref<4xi64>, memref<4x8xf32>
  return
}

// -----

func.func @f(%t: memref<8x2xf32>, %i: memref<4xi32>, %y: memref<4x2xf32>) {
  // expected-error @+1 {{operand #1 must be buffer of i64}}
  exec.embedding %t, %i into %y : memref<8x2xf32>, memref<4xi32>, memref<4x2xf32>
  return
}

// -----

func.func @f(%t: memref<8x2xf32>, %i: memref<4xi64>, %y: memref<5x2xf32>) {
  // expected-error @+1 {{rows by their ids must hold 8 elements, but is 'memref<5x2xf32>'}}
  exec.embedding_backward %i, %y into %t : memref<4xi64>, memref<5x2xf32>, memref<8x2xf32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %i: memref<3x5xi64>, %y: memref<3x5xf32>) {
  // expected-error @+1 {{gathers along the last dimension}}
  exec.gather_elements %x, %i into %y : memref<4x9xf32>, memref<3x5xi64>, memref<3x5xf32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %i: memref<4x5xi64>, %y: memref<4x4xf32>) {
  // expected-error @+1 {{what is gathered must be [4, 5], but is 'memref<4x4xf32>'}}
  exec.gather_elements_backward %y, %i into %x : memref<4x4xf32>, memref<4x5xi64>, memref<4x9xf32>
  return
}

// -----

func.func @f(%x: memref<4x9xi64>, %y: memref<5xi64>) {
  // expected-error @+1 {{the result must hold 4 elements, but is 'memref<5xi64>'}}
  exec.sum_rows %x into %y : memref<4x9xi64>, memref<5xi64>
  return
}

// -----

func.func @f(%x: memref<4x9xi64>, %y: memref<4xi32>) {
  // expected-error @+1 {{mixes elements of 'i64' and 'i32'}}
  exec.max_rows %x into %y : memref<4x9xi64>, memref<4xi32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %l: memref<4xi64>, %r: memref<4xf32>) {
  // expected-error @+1 {{has 10 classes in rows of 9}}
  exec.cross_entropy_rows %x, %l into %r {classes = 10} : memref<4x9xf32>, memref<4xi64>, memref<4xf32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %l: memref<3xi64>, %r: memref<4xf32>) {
  // expected-error @+1 {{labels must hold 4 elements, but is 'memref<3xi64>'}}
  exec.cross_entropy_rows %x, %l into %r : memref<4x9xf32>, memref<3xi64>, memref<4xf32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %l: memref<4xi64>, %r: memref<3xf32>) {
  // expected-error @+1 {{row_losses must hold 4 elements, but is 'memref<3xf32>'}}
  exec.cross_entropy_rows %x, %l into %r : memref<4x9xf32>, memref<4xi64>, memref<3xf32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %d: memref<4x8xf32>, %l: memref<4xi64>, %r: memref<4xf32>, %n: memref<i64>, %c: memref<f32>) {
  // expected-error @+1 {{d_logits must be [4, 9], but is 'memref<4x8xf32>'}}
  exec.cross_entropy_fused %x, %l, %n, %c into %r, %d : memref<4x9xf32>, memref<4xi64>, memref<i64>, memref<f32>, memref<4xf32>, memref<4x8xf32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %l: memref<4xi64>, %r: memref<3xf32>, %c: memref<f32>) {
  // expected-error @+1 {{lse must hold 4 elements, but is 'memref<3xf32>'}}
  exec.cross_entropy %x, %l into %c, %r, %c : memref<4x9xf32>, memref<4xi64>, memref<f32>, memref<3xf32>, memref<f32>
  return
}

// -----

func.func @f(%x: memref<4x9xf32>, %l: memref<4xi64>, %r: memref<4xf32>, %c: memref<f32>) {
  // expected-error @+1 {{operand #4 must be one f32, but got 'memref<4xf32>'}}
  exec.cross_entropy_backward %x, %l, %r, %c, %r into %x : memref<4x9xf32>, memref<4xi64>, memref<4xf32>, memref<f32>, memref<4xf32>, memref<4x9xf32>
  return
}

// -----

func.func @f(%l: memref<4xi64>, %n: memref<f32>) {
  // expected-error @+1 {{operand #1 must be one i64, but got 'memref<f32>'}}
  exec.count_labels %l into %n : memref<4xi64>, memref<f32>
  return
}

// -----

func.func @f(%l: memref<4xf32>, %n: memref<i64>, %y: memref<2xf32>) {
  // expected-error @+1 {{operand #2 must be one f32, but got 'memref<2xf32>'}}
  exec.mean_loss %l, %n into %y : memref<4xf32>, memref<i64>, memref<2xf32>
  return
}

// -----

func.func @f(%x: memref<4xf32>, %y: memref<5xf32>) {
  // expected-error @+1 {{the source must hold 5 elements, but is 'memref<4xf32>'}}
  exec.accumulate %x into %y {accumulate} : memref<4xf32>, memref<5xf32>
  return
}

// -----

func.func @f(%x: memref<4xf32>) {
  // expected-error @+1 {{has unless_first without accumulate}}
  exec.accumulate %x into %x {unless_first} : memref<4xf32>, memref<4xf32>
  return
}

// -----

func.func @f(%x: memref<4xi64>) {
  // expected-error @+1 {{operand #0 must be buffer of f32, bf16 or f16, but got 'memref<4xi64>'}}
  exec.clear_if_first %x : memref<4xi64>
  return
}

// -----

func.func @f(%k: memref<3xui32>, %s: memref<4xf32>) {
  // expected-error @+1 {{operand #1 must be variadic of scale and inverse, memref<5xf32>, but got 'memref<4xf32>'}}
  exec.compute_scale %k into %s {format = f8E4M3FN} : memref<3xui32> into memref<4xf32>
  return
}

// -----

func.func @f(%k: memref<3xui32>, %s: memref<5xf32>) {
  // expected-error @+1 {{makes scales for 'bf16'; there are f8E4M3FN, f8E5M2 and f16}}
  exec.compute_scale %k into %s {format = bf16} : memref<3xui32> into memref<5xf32>
  return
}

// -----

func.func @f(%k: memref<3xf32>, %s: memref<5xf32>) {
  // expected-error @+1 {{operand #0 must be variadic of statistics, memref<3xui32>, but got 'memref<3xf32>'}}
  exec.compute_scale %k into %s {format = f8E5M2} : memref<3xf32> into memref<5xf32>
  return
}

// -----

func.func @f(%x: memref<8x128xf32>, %q: memref<8x128xf8E4M3FN>, %s: memref<7xf32>) {
  // expected-error @+1 {{makes 8 tiles, more than 'memref<7xf32>' has inverse scales for}}
  exec.quantize_tiles %x into %q, %s {rows = 8, cols = 128, tile_rows = 1, tile_cols = 128} : memref<8x128xf32>, memref<8x128xf8E4M3FN>, memref<7xf32>
  return
}

// -----

func.func @f(%x: memref<8x128xf32>, %q: memref<8x128xf8E4M3FN>, %s: memref<8xf32>) {
  // expected-error @+1 {{needs sizes of at least 1}}
  exec.quantize_tiles %x into %q, %s {rows = 8, cols = 128, tile_rows = 0, tile_cols = 128} : memref<8x128xf32>, memref<8x128xf8E4M3FN>, memref<8xf32>
  return
}

// -----

func.func @f(%x: memref<8x128xf32>, %q: memref<8x64xf8E4M3FN>, %s: memref<8xf32>) {
  // expected-error @+1 {{codes must hold 1024 elements, but is 'memref<8x64xf8E4M3FN>'}}
  exec.quantize_tiles %x into %q, %s {rows = 8, cols = 128, tile_rows = 1, tile_cols = 128} : memref<8x128xf32>, memref<8x64xf8E4M3FN>, memref<8xf32>
  return
}

// -----

func.func @f(%k: memref<3xui32>, %s: memref<9xf32>) {
  // expected-error @+1 {{operand #1 must be scale state: f32, 9 words and a window of at least one, but got 'memref<9xf32>'}}
  exec.record_stats %k into %s : memref<3xui32>, memref<9xf32>
  return
}

// -----

func.func @f(%a: memref<25xf32>, %b: memref<26xf32>) {
  // expected-error @+1 {{advances states of one window, but got 'memref<25xf32>' and 'memref<26xf32>'}}
  exec.advance_scale %a, %b {format = f8E4M3FN} : memref<25xf32>, memref<26xf32>
  return
}

// -----

func.func @f(%o: memref<f32>, %p: memref<5xf32>, %s: memref<5xf32>, %k: memref<3xui32>) {
  // expected-error @+1 {{needs statistics, a gradient, a role, formats, decay and root for each of 1 pairs}}
  exec.update_scales (%o, %o, %o, %o, %o, %o, %o) gradients(%s) into %o, %o, %p pairs(%s) stats(%k) {roles = [#train.role<parameter>], formats = [f8E4M3FN], gradient_formats = [f8E5M2], decays = array<i1: true, true>, roots = array<i1: false>} : (memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>) gradients(memref<5xf32>) into memref<f32>, memref<f32>, memref<5xf32> pairs(memref<5xf32>) stats(memref<3xui32>)
  return
}

// -----

func.func @f(%o: memref<f32>, %p: memref<5xf32>, %s: memref<5xf32>, %k: memref<3xui32>) {
  // expected-error @+1 {{bounds a gradient by its scale, where it has a format, or by its statistics, but got 'memref<5xf32>'}}
  exec.update_scales (%o, %o, %o, %o, %o, %o, %o) gradients(%s) into %o, %o, %p pairs(%s) stats(%k) {roles = [#train.role<parameter>], formats = [f8E4M3FN], gradient_formats = [unit], decays = array<i1: true>, roots = array<i1: false>} : (memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>) gradients(memref<5xf32>) into memref<f32>, memref<f32>, memref<5xf32> pairs(memref<5xf32>) stats(memref<3xui32>)
  return
}

// -----

func.func @f(%o: memref<f32>, %p: memref<4xf32>, %s: memref<5xf32>, %k: memref<3xui32>) {
  // expected-error @+1 {{previous must hold 5 elements, but is 'memref<4xf32>'}}
  exec.update_scales (%o, %o, %o, %o, %o, %o, %o) gradients(%s) into %o, %o, %p pairs(%s) stats(%k) {roles = [#train.role<parameter>], formats = [f8E4M3FN], gradient_formats = [f8E5M2], decays = array<i1: true>, roots = array<i1: false>} : (memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>) gradients(memref<5xf32>) into memref<f32>, memref<f32>, memref<4xf32> pairs(memref<5xf32>) stats(memref<3xui32>)
  return
}

// -----

func.func @f(%x: memref<4xf32>, %y: memref<5xf32>) {
  // expected-error @+1 {{the target must be [4], but is 'memref<5xf32>'}}
  exec.copy %x to %y : memref<4xf32> to memref<5xf32>
  return
}

// -----

func.func @f(%x: memref<4xf32>, %y: memref<4xi32>) {
  // expected-error @+1 {{copies floats to floats and integers to integers, not 'memref<4xf32>' to 'memref<4xi32>'}}
  exec.copy %x to %y : memref<4xf32> to memref<4xi32>
  return
}

// -----

func.func @f(%x: memref<4xi32>) {
  // expected-error @+1 {{fills integers with anything but 0}}
  exec.fill %x with 1.0 : memref<4xi32>
  return
}

// -----

func.func @f(%x: memref<4xf32, strided<[2]>>) {
  // expected-error @+1 {{takes dense buffers}}
  exec.fill %x with 0.0 : memref<4xf32, strided<[2]>>
  return
}

// -----

func.func @f(%x: memref<16xf32>) {
  // expected-error @+1 {{shows elements from 9 as 'memref<2x4xf32>', which end past the 64 bytes of 'memref<16xf32>'}}
  %0 = exec.view %x[9] : memref<16xf32> to memref<2x4xf32>
  return
}

// -----

func.func @f(%x: memref<16xf32>) {
  // expected-error @+1 {{shows elements from -1 as 'memref<4xf32>'}}
  %0 = exec.view %x[-1] : memref<16xf32> to memref<4xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{refers to @nothing, which is no exec.variable}}
  %0 = exec.get @nothing : memref<4xf32>
  return
}

// -----

exec.variable @v : memref<4xf32> at 0 {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @f() {
  // expected-error @+1 {{gives @v as 'memref<5xf32>', but it is 'memref<4xf32>'}}
  %0 = exec.get @v : memref<5xf32>
  return
}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
}
func.func @f(%x: memref<4xf32>) {
  // expected-error @+1 {{passes 1 buffers to a kernel of 2}}
  exec.launch @k over[1, 4] ins(%x : memref<4xf32>) outs()
  return
}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
}
func.func @f(%x: memref<4xf32>) {
  // expected-error @+1 {{gives 2 inputs to a kernel of 1}}
  exec.launch @k over[1, 4] ins(%x, %x : memref<4xf32>, memref<4xf32>) outs()
  return
}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
}
func.func @f(%x: memref<4xbf16>) {
  // expected-error @+1 {{passes 'memref<4xbf16>' where the kernel takes 'memref<*xf32>'}}
  exec.launch @k over[1, 4] ins(%x : memref<4xbf16>) outs(%x : memref<4xbf16>)
  return
}

// -----

func.func @f(%x: memref<4xf32>) {
  // expected-error @+1 {{refers to @j, which is no exec.kernel}}
  exec.launch @j over[1, 4] ins(%x : memref<4xf32>) outs()
  return
}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
}
func.func @f(%x: memref<4xf32>) {
  // expected-error @+1 {{needs rows, cols and buffers of the same number of matrices}}
  exec.launch_multi @k over [1] x [4, 4] (%x, %x) : memref<4xf32>, memref<4xf32>
  return
}

// -----

// expected-error @+1 {{has 7 inputs, but 1 arguments}}
exec.kernel @k map (%a: memref<*xf32>) inputs 7 attributes {arg_names = ["a"]} {
}

// -----

// expected-error @+1 {{needs one name per argument}}
exec.kernel @k map (%a: memref<*xf32>) inputs 1 attributes {arg_names = []} {
}

// -----

// expected-error @+1 {{failed to satisfy constraint: type attribute of buffer of floats or integers with static shape and strides}}
exec.variable @v : memref<4xindex> at 0 {init = #train.constant<0.0>, role = #train.role<parameter>}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
  // expected-error @+1 {{cannot stand here in a kernel of skeleton map}}
  exec.column_sum %b {
    %0 = exec.load %a full : memref<*xf32>
    exec.yield %0
  } : memref<*xf32>
}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
  exec.each {
    // expected-error @+1 {{asks for its place, row, which is not known here in a kernel of skeleton map}}
    %0 = exec.load %a row : memref<*xf32>
    exec.store %0, %b full : memref<*xf32>
  }
}

// -----

exec.kernel @k rows (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
  exec.each {
    // expected-error @+1 {{repeats rows after 0}}
    %0 = exec.load %a tile : memref<*xf32>
    exec.store %0, %b full : memref<*xf32>
  }
}

// -----

// expected-error @+1 {{of skeleton sum is one exec.total}}
exec.kernel @k sum (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
  exec.each {
    %0 = exec.load %a full : memref<*xf32>
    exec.store %0, %b full : memref<*xf32>
  }
}
func.func @f(%x: memref<2x4xf32>) {
  // expected-error @+1 {{runs over 4 x 4 and touches 16 elements of 'memref<2x4xf32>'}}
  exec.launch @k over[4, 4] ins(%x : memref<2x4xf32>) outs(%x : memref<2x4xf32>)
  return
}

// -----

exec.kernel @k map (%a: memref<*xf32>) inputs 1 attributes {arg_names = ["a"]} {
  %0 = exec.load %a scalar : memref<*xf32>
}
func.func @f(%x: memref<4xf32>) {
  // expected-error @+1 {{runs over 9223372036854775807 x 2}}
  exec.launch @k over[9223372036854775807, 2] ins(%x : memref<4xf32>) outs()
  return
}

// -----

// expected-error @+1 {{has fp8.counted without fp8.format}}
exec.variable @s : memref<25xf32> at 0 {fp8.counted = 16 : i64, init = #train.constant<1.0>, role = #train.role<scale>}

// -----

exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 2 attributes {arg_names = ["a", "b"]} {
  exec.each {
    %x = exec.load %a full : memref<*xf32>
    // expected-error @+1 {{writes argument 1 of the kernel, which is an input}}
    exec.store %x, %b full : memref<*xf32>
  }
}

// -----

func.func @f(%g: memref<7xf32>, %s: memref<128xi8>) {
  // expected-error @+1 {{joins processes, but the module has no train.grid}}
  exec.all_reduce %g into %g scratch %s sum over ["dp"] : memref<7xf32> into memref<7xf32> scratch memref<128xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%g: memref<7xf32>, %h: memref<7xbf16>, %s: memref<128xi8>) {
  // expected-error @+1 {{makes 'memref<7xbf16>' of 'memref<7xf32>'}}
  exec.all_reduce %g into %h scratch %s sum over ["dp"] : memref<7xf32> into memref<7xbf16> scratch memref<128xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%g: memref<3x7xf32>, %f: memref<2x7xf32>, %h: memref<7xf32>, %s: memref<1024xi8>) {
  // expected-error @+1 {{makes 'memref<7xf32>' of 'memref<2x7xf32>'}}
  exec.all_reduce %g, %f into %h, %h scratch %s sum over ["dp"] : memref<3x7xf32>, memref<2x7xf32> into memref<7xf32>, memref<7xf32> scratch memref<1024xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%g: memref<3x7xf32>, %h: memref<7xf32>, %s: memref<383xi8>) {
  // expected-error @+1 {{needs 384 bytes of scratch, but got 'memref<383xi8>'}}
  exec.all_reduce %g into %h scratch %s sum over ["dp"] : memref<3x7xf32> into memref<7xf32> scratch memref<383xi8>
  return
}

// -----

func.func @f(%g: memref<7xf32>, %p: memref<3x8xf32>, %i: memref<f32>) {
  // expected-error @+1 {{puts 'memref<7xf32>' into parts of 'memref<3x8xf32>'}}
  exec.put_part %g into %p at %i : memref<7xf32> into memref<3x8xf32>, memref<f32>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%q: memref<2x7xf8E4M3FN>, %r: memref<7xf8E4M3FN>, %p: memref<5xf32>, %s: memref<192xi8>) {
  // expected-error @+1 {{sums parts natively}}
  exec.all_reduce_codes %q scales %p into %r scales %p scratch %s over ["dp"] native : memref<2x7xf8E4M3FN> scales memref<5xf32> into memref<7xf8E4M3FN> scales memref<5xf32> scratch memref<192xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%q: memref<7xf8E4M3FN>, %m: memref<f32>, %s: memref<8xi8>) {
  // expected-error @+1 {{has 1 factors for 2 sums}}
  exec.adjust_mu %m by %q, %q scratch %s over ["dp"] : memref<f32> by memref<7xf8E4M3FN>, memref<7xf8E4M3FN> scratch memref<8xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%q: memref<7xf8E4M3FN>, %m: memref<f32>, %s: memref<7xi8>) {
  // expected-error @+1 {{needs 8 bytes of scratch, but got 'memref<7xi8>'}}
  exec.adjust_mu %m, %m by %q, %q scratch %s over ["dp"] : memref<f32>, memref<f32> by memref<7xf8E4M3FN>, memref<7xf8E4M3FN> scratch memref<7xi8>
  return
}

// -----

func.func @f(%p: memref<5xf32>, %m: memref<2xf32>) {
  // expected-error @+1 {{a factor}}
  exec.scale_by %p by %m into %p : memref<5xf32> by memref<2xf32> into memref<5xf32>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%g: memref<7xf32>, %s: memref<127xi8>) {
  // expected-error @+1 {{needs 128 bytes of scratch, but got 'memref<127xi8>'}}
  exec.all_reduce %g into %g scratch %s sum over ["dp"] : memref<7xf32> into memref<7xf32> scratch memref<127xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%q: memref<100xf8E4M3FN>, %s: memref<5xf32>, %b: memref<95xi8>) {
  // expected-error @+1 {{needs 96 bytes of scratch, but got 'memref<95xi8>'}}
  exec.all_reduce_codes %q scales %s into %q scales %s scratch %b over ["dp"] : memref<100xf8E4M3FN> scales memref<5xf32> into memref<100xf8E4M3FN> scales memref<5xf32> scratch memref<95xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%q: memref<9xf8E4M3FN>, %r: memref<9xf8E5M2>, %s: memref<5xf32>, %b: memref<95xi8>) {
  // expected-error @+1 {{mixes elements of 'f8E4M3FN' and 'f8E5M2'}}
  exec.all_reduce_codes %q, %r scales %s, %s into %q, %r scales %s, %s scratch %b over ["dp"] : memref<9xf8E4M3FN>, memref<9xf8E5M2> scales memref<5xf32>, memref<5xf32> into memref<9xf8E4M3FN>, memref<9xf8E5M2> scales memref<5xf32>, memref<5xf32> scratch memref<95xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%k: memref<3xui32>, %t: memref<25xf32>, %b: memref<71xi8>) {
  // expected-error @+1 {{needs 72 bytes of scratch, but got 'memref<71xi8>'}}
  exec.agree_stats stats %k states %t scratch %b over ["dp"] : stats memref<3xui32> states memref<25xf32> scratch memref<71xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%b: memref<71xi8>) {
  // expected-error @+1 {{joins nothing}}
  exec.agree_stats scratch %b over ["dp"] : scratch memref<71xi8>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%g: memref<7xf32>, %h: memref<7xf32>) {
  // expected-error @+1 {{cannot share out 'memref<7xf32>' among 3 as 'memref<7xf32>'}}
  exec.all_to_all %g into %h over ["dp"] : memref<7xf32> into memref<7xf32>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%g: memref<4xf32>, %h: memref<8xf32>) {
  // expected-error @+1 {{cannot share out 'memref<8xf32>' among 3 as 'memref<4xf32>'}}
  exec.all_gather %g into %h over ["dp"] : memref<4xf32> into memref<8xf32>
  return
}

// -----

train.grid @grid [dp = 2]
func.func @f(%g: memref<4xf32>, %h: memref<8xbf16>) {
  // expected-error @+1 {{cannot share out 'memref<8xbf16>' among 2 as 'memref<4xf32>'}}
  exec.all_gather %g into %h over ["dp"] : memref<4xf32> into memref<8xbf16>
  return
}

// -----

train.grid @grid [dp = 2]
func.func @f(%g: memref<4x2xf32, strided<[4, 1]>>, %h: memref<16xf32>) {
  // expected-error @+1 {{takes dense buffers}}
  exec.all_gather %g into %h over ["dp"] : memref<4x2xf32, strided<[4, 1]>> into memref<16xf32>
  return
}

// -----

train.grid @grid [dp = 3]
func.func @f(%g: memref<51xbf16>, %h: memref<17xbf16>, %s: memref<127xi8>) {
  // expected-error @+1 {{needs 128 bytes of scratch, but got 'memref<127xi8>'}}
  exec.reduce_scatter %g into %h scratch %s sum over ["dp"] : memref<51xbf16> into memref<17xbf16> scratch memref<127xi8>
  return
}

// -----

train.grid @grid [dp = 2]
func.func @f(%q: memref<32xf8E4M3FN>, %r: memref<16xf8E4M3FN>, %p: memref<5xf32>, %s: memref<16xi8>) {
  // expected-error @+1 {{needs a scale of each tensor, before and after}}
  exec.reduce_scatter_codes %q scales %p into %r scales %p, %p scratch %s over ["dp"] : memref<32xf8E4M3FN> scales memref<5xf32> into memref<16xf8E4M3FN> scales memref<5xf32>, memref<5xf32> scratch memref<16xi8>
  return
}

// -----

func.func @f(%g: memref<4xf32>, %h: memref<8xf32>) {
  // expected-error @+1 {{joins processes, but the module has no train.grid}}
  exec.all_gather %g into %h over ["dp"] : memref<4xf32> into memref<8xf32>
  return
}

// -----

exec.kernel @k rows (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"], pitches = array<i64: 1, 32, 0, 0>} {
  exec.each {
    %0 = exec.load %a full : memref<*xf32>
    exec.store %0, %b full : memref<*xf32>
  }
}
func.func @right(%x: memref<4x32xf32>, %y: memref<4x16xf32>) {
  %part = exec.view %x[16] : memref<4x32xf32> to memref<4x16xf32, strided<[32, 1]>>
  exec.launch @k over[4, 16] ins(%part : memref<4x16xf32, strided<[32, 1]>>) outs(%y : memref<4x16xf32>)
  return
}
func.func @dense(%y: memref<4x16xf32>) {
  // expected-error @+1 {{passes 'memref<4x16xf32>' where the kernel takes rows of 16, 1 side by side, the next ones 32 behind them}}
  exec.launch @k over[4, 16] ins(%y : memref<4x16xf32>) outs(%y : memref<4x16xf32>)
  return
}

// -----

exec.kernel @k rows (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
}
func.func @f(%x: memref<4x32xf32>, %y: memref<4x16xf32>) {
  %part = exec.view %x : memref<4x32xf32> to memref<4x16xf32, strided<[32, 1]>>
  // expected-error @+1 {{passes 'memref<4x16xf32, strided<[32, 1]>>' where the kernel takes rows of 16, 0 side by side}}
  exec.launch @k over[4, 16] ins(%part : memref<4x16xf32, strided<[32, 1]>>) outs(%y : memref<4x16xf32>)
  return
}

// -----

// expected-error @+1 {{needs two numbers per argument for its pitches}}
exec.kernel @k rows (%a: memref<*xf32>) inputs 1 attributes {arg_names = ["a"], pitches = array<i64: 1>} {
}

// -----

// expected-error @+1 {{has a pitch of 1, 32; both are positive, in a kernel over rows}}
exec.kernel @k map (%a: memref<*xf32>) inputs 1 attributes {arg_names = ["a"], pitches = array<i64: 1, 32>} {
}

// -----

exec.kernel @k rows (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"], pitches = array<i64: 1, 32, 0, 0>} {
  // expected-error @+1 {{touches an argument with a pitch otherwise than element by element}}
  %0 = exec.load %a row : memref<*xf32>
  exec.store %0, %b row : memref<*xf32>
}

// -----

func.func @attention(%x: memref<3x4x8xf32>, %wide: memref<3x4x24xf32>, %lse: memref<3x2x4xf32>) {
  %dq = exec.view %wide : memref<3x4x24xf32> to memref<3x4x8xf32, strided<[96, 24, 1]>>
  // expected-error @+1 {{d_q lies at other strides than what it is of: 'memref<3x4x8xf32, strided<[96, 24, 1]>>' and 'memref<3x4x8xf32>'}}
  exec.attention_backward %x, %x, %x, %x, %x, %lse into %dq, %x, %x {heads = 2, kv_heads = 2, scale = 1.0 : f32} : memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x4x8xf32>, memref<3x2x4xf32> into memref<3x4x8xf32, strided<[96, 24, 1]>>, memref<3x4x8xf32>, memref<3x4x8xf32>
  return
}
