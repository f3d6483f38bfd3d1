// RUN: fp8c-opt %s | fp8c-opt | FileCheck %s
// RUN: fp8c-opt %s -mlir-print-op-generic | fp8c-opt | FileCheck %s

// Every op of the dialect that stands in a function, as it is printed.

train.grid @grid [dp = 3]
exec.variable @w : memref<128x64xf32> at 0 {init = #train.constant<0.0>, role = #train.role<parameter>}
// CHECK: exec.variable @w.e4m3 : memref<128x64xf8E4M3FN> at 32768 {init = #train.constant<{{.*}}>, of = @w, role = #train.role<compute_weight>, scale = @w.e4m3.scale}
exec.variable @w.e4m3 : memref<128x64xf8E4M3FN> at 32768 {init = #train.constant<0.0>, of = @w, role = #train.role<compute_weight>, scale = @w.e4m3.scale}
exec.variable @w.e4m3.scale : memref<5xf32> at 40960 {init = #train.constant<1.0>, of = @w, role = #train.role<scale>}

exec.kernel @double map (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
  exec.each {
    %0 = exec.load %x full : memref<*xf32>
    %1 = arith.addf %0, %0 : f32
    exec.store %1, %y full : memref<*xf32>
  }
}

// CHECK-LABEL: func.func @memory
func.func @memory(%x: memref<16xf32>) {
  // CHECK: exec.get @w.e4m3 : memref<128x64xf8E4M3FN>
  %w = exec.get @w.e4m3 : memref<128x64xf8E4M3FN>
  // CHECK: exec.hyper "lr" : memref<f32>
  %lr = exec.hyper "lr" : memref<f32>
  // CHECK: exec.constant dense<[1, 2]> : tensor<2xi64> : memref<2xi64>
  %c = exec.constant dense<[1, 2]> : tensor<2xi64> : memref<2xi64>
  // CHECK: %[[A:.*]] = exec.alloc at 64 : memref<4x4xf32>
  %a = exec.alloc at 64 : memref<4x4xf32>
  // CHECK: exec.view %[[A]][4] : memref<4x4xf32> to memref<2x4xf32, strided<[8, 1]>>
  %v = exec.view %a[4] : memref<4x4xf32> to memref<2x4xf32, strided<[8, 1]>>
  // CHECK: exec.copy %{{.*}} to %{{.*}} : memref<2x4xf32, strided<[8, 1]>> to memref<2x4xbf16>
  %b = exec.alloc : memref<2x4xbf16>
  exec.copy %v to %b : memref<2x4xf32, strided<[8, 1]>> to memref<2x4xbf16>
  // CHECK: exec.fill %{{.*}} with {{.*}} : memref<16xf32>
  exec.fill %x with 1.5 : memref<16xf32>
  // CHECK: exec.launch @double over[4, 4] ins(%[[A]] : memref<4x4xf32>) outs(%{{.*}} : memref<16xf32>)
  exec.launch @double over[4, 4] ins(%a : memref<4x4xf32>) outs(%x : memref<16xf32>)
  // CHECK: exec.launch_multi @double over [1, 4] x [16, 4](%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : memref<16xf32>, memref<16xf32>, memref<4x4xf32>, memref<4x4xf32>
  exec.launch_multi @double over [1, 4] x [16, 4] (%x, %x, %a, %a) : memref<16xf32>, memref<16xf32>, memref<4x4xf32>, memref<4x4xf32>
  return
}

// CHECK-LABEL: func.func @collectives
func.func @collectives(%g: memref<7xbf16>, %b: memref<3xf32>, %q: memref<100xf8E4M3FN>, %s: memref<5xf32>, %k: memref<3xui32>, %t: memref<25xf32>,
                       %codes: memref<96xi8>, %stats: memref<72xi8>, %space: memref<256xi8>, %parts: memref<2x3xf32>, %i: memref<f32>,
                       %half: memref<50xf8E4M3FN>, %whole: memref<150xf8E4M3FN>, %all: memref<3x3xf32>, %others: memref<3x3xf32>) {
  // CHECK: exec.all_reduce %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}} scratch %{{.*}} sum over ["dp"] : memref<7xbf16>, memref<3xf32> into memref<7xbf16>, memref<3xf32> scratch memref<256xi8>
  exec.all_reduce %g, %b into %g, %b scratch %space sum over ["dp"] : memref<7xbf16>, memref<3xf32> into memref<7xbf16>, memref<3xf32> scratch memref<256xi8>
  // CHECK: exec.all_reduce_codes %{{.*}} scales %{{.*}} into %{{.*}} scales %{{.*}} scratch %{{.*}} over ["dp"] : memref<100xf8E4M3FN> scales memref<5xf32> into memref<100xf8E4M3FN> scales memref<5xf32> scratch memref<96xi8>
  exec.all_reduce_codes %q scales %s into %q scales %s scratch %codes over ["dp"] : memref<100xf8E4M3FN> scales memref<5xf32> into memref<100xf8E4M3FN> scales memref<5xf32> scratch memref<96xi8>
  // CHECK: exec.agree_stats stats %{{.*}} states %{{.*}} scratch %{{.*}} over ["dp"] : stats memref<3xui32> states memref<25xf32> scratch memref<72xi8>
  exec.agree_stats stats %k states %t scratch %stats over ["dp"] : stats memref<3xui32> states memref<25xf32> scratch memref<72xi8>
  // CHECK: exec.put_part %{{.*}} into %{{.*}} at %{{.*}} : memref<3xf32> into memref<2x3xf32>, memref<f32>
  exec.put_part %b into %parts at %i : memref<3xf32> into memref<2x3xf32>, memref<f32>
  // CHECK: exec.all_reduce %{{.*}} into %{{.*}} scratch %{{.*}} sum over ["dp"] : memref<2x3xf32> into memref<3xf32> scratch memref<256xi8>
  exec.all_reduce %parts into %b scratch %space sum over ["dp"] : memref<2x3xf32> into memref<3xf32> scratch memref<256xi8>
  // CHECK: exec.scale_by %{{.*}} by %{{.*}} into %{{.*}} : memref<5xf32> by memref<f32> into memref<5xf32>
  exec.scale_by %s by %i into %s : memref<5xf32> by memref<f32> into memref<5xf32>
  // CHECK: exec.all_reduce_codes %{{.*}} scales %{{.*}} into %{{.*}} scales %{{.*}} scratch %{{.*}} over ["dp"] native : memref<100xf8E4M3FN>
  exec.all_reduce_codes %q scales %s into %q scales %s scratch %codes over ["dp"] native : memref<100xf8E4M3FN> scales memref<5xf32> into memref<100xf8E4M3FN> scales memref<5xf32> scratch memref<96xi8>
  // CHECK: exec.adjust_mu %{{.*}} by %{{.*}} scratch %{{.*}} over ["dp"] : memref<f32> by memref<100xf8E4M3FN> scratch memref<96xi8>
  exec.adjust_mu %i by %q scratch %codes over ["dp"] : memref<f32> by memref<100xf8E4M3FN> scratch memref<96xi8>
  // CHECK: exec.reduce_scatter %{{.*}} into %{{.*}} scratch %{{.*}} max over ["dp"] : memref<3x3xf32> into memref<3xf32> scratch memref<256xi8>
  exec.reduce_scatter %all into %b scratch %space max over ["dp"] : memref<3x3xf32> into memref<3xf32> scratch memref<256xi8>
  // CHECK: exec.reduce_scatter_codes %{{.*}} scales %{{.*}} into %{{.*}} scales %{{.*}} scratch %{{.*}} over ["dp"] : memref<150xf8E4M3FN> scales memref<5xf32> into memref<50xf8E4M3FN> scales memref<5xf32> scratch memref<256xi8>
  exec.reduce_scatter_codes %whole scales %s into %half scales %s scratch %space over ["dp"] : memref<150xf8E4M3FN> scales memref<5xf32> into memref<50xf8E4M3FN> scales memref<5xf32> scratch memref<256xi8>
  // CHECK: exec.all_gather %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}} over ["dp"] : memref<50xf8E4M3FN>, memref<3xf32> into memref<150xf8E4M3FN>, memref<3x3xf32>
  exec.all_gather %half, %b into %whole, %all over ["dp"] : memref<50xf8E4M3FN>, memref<3xf32> into memref<150xf8E4M3FN>, memref<3x3xf32>
  // CHECK: exec.all_to_all %{{.*}} into %{{.*}} over ["dp"] : memref<3x3xf32> into memref<3x3xf32>
  exec.all_to_all %all into %others over ["dp"] : memref<3x3xf32> into memref<3x3xf32>
  // CHECK: exec.async_begin 3
  exec.async_begin 3
  // CHECK: exec.async_end 3
  exec.async_end 3
  // CHECK: exec.async_wait 3 for %{{.*}}, %{{.*}} : memref<7xbf16>, memref<3xf32>
  exec.async_wait 3 for %g, %b : memref<7xbf16>, memref<3xf32>
  // CHECK: exec.agree_stats stats %{{.*}} scratch %{{.*}} over ["dp"] : stats memref<3xui32> scratch memref<72xi8>
  exec.agree_stats stats %k scratch %stats over ["dp"] : stats memref<3xui32> scratch memref<72xi8>
  return
}

// CHECK-LABEL: func.func @products
func.func @products(%x: memref<32x128xf8E4M3FN>, %w: memref<128x64xf8E4M3FN>, %y: memref<32x64xbf16>, %s: memref<5xf32>,
                    %rows: memref<32xf32>, %blocks: memref<4xf32>, %f: memref<32x128xbf16>, %g: memref<128x64xbf16>,
                    %b: memref<64xbf16>, %copies: memref<14336xf32>) {
  // CHECK: exec.gemm %{{.*}}, %{{.*}} into %{{.*}} scales %{{.*}}, %{{.*}} {accumulate, fast_accum, k = 128 : i64, m = 32 : i64, n = 64 : i64, unless_first} : memref<32x128xf8E4M3FN>, memref<128x64xf8E4M3FN>, memref<32x64xbf16> scales memref<5xf32>, memref<5xf32>
  exec.gemm %x, %w into %y scales %s, %s {m = 32, n = 64, k = 128, fast_accum, accumulate, unless_first} : memref<32x128xf8E4M3FN>, memref<128x64xf8E4M3FN>, memref<32x64xbf16> scales memref<5xf32>, memref<5xf32>
  // CHECK: exec.gemm {{.*}} {granularity_a = #fp8.granularity<row>, granularity_b = #fp8.granularity<"128x128">, {{.*}}}
  exec.gemm %x, %w into %y scales %rows, %blocks {m = 32, n = 64, k = 128, granularity_a = #fp8.granularity<row>, granularity_b = #fp8.granularity<"128x128">} : memref<32x128xf8E4M3FN>, memref<128x64xf8E4M3FN>, memref<32x64xbf16> scales memref<32xf32>, memref<4xf32>
  // CHECK: exec.gemm %{{.*}}, %{{.*}} into %{{.*}} workspace %{{.*}} bias %{{.*}} {k = 128 : i64, m = 32 : i64, n = 64 : i64}
  exec.gemm %f, %g into %y workspace %copies bias %b {m = 32, n = 64, k = 128} : memref<32x128xbf16>, memref<128x64xbf16>, memref<32x64xbf16> workspace memref<14336xf32> bias memref<64xbf16>
  return
}

// CHECK-LABEL: func.func @attention
func.func @attention(%qkv: memref<2x16x192xbf16>, %o: memref<2x16x64xbf16>, %lse: memref<2x4x16xf32>, %cos: memref<16x8xf32>, %space: memref<64xi8>) {
  // Parts of one tensor.
  %q = exec.view %qkv : memref<2x16x192xbf16> to memref<2x16x64xbf16, strided<[3072, 192, 1]>>
  // CHECK: exec.attention %{{.*}}, %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}} {causal, heads = 4 : i64, kv_heads = 4 : i64, scale = 2.500000e-01 : f32} : memref<2x16x64xbf16, strided<[3072, 192, 1]>>,
  exec.attention %q, %q, %q into %o, %lse {heads = 4, kv_heads = 4, scale = 0.25 : f32, causal}
    : memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16>, memref<2x4x16xf32>
  // CHECK: exec.attention_backward {{.*}} into {{.*}} workspace %{{.*}} {heads = 4 : i64, kv_heads = 4 : i64, parts = 2 : i64, scale = 2.500000e-01 : f32}
  exec.attention_backward %o, %q, %q, %q, %o, %lse into %q, %q, %q workspace %space {heads = 4, kv_heads = 4, scale = 0.25 : f32, parts = 2}
    : memref<2x16x64xbf16>, memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16>, memref<2x4x16xf32>
    into memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16, strided<[3072, 192, 1]>>, memref<2x16x64xbf16, strided<[3072, 192, 1]>> workspace memref<64xi8>
  %bias = exec.alloc : memref<1x4x16x16xf32>
  %n = exec.alloc : memref<2xi64>
  // CHECK: exec.attention %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} lengths %{{.*}} into %{{.*}}, %{{.*}} {causal, heads = 4 : i64, kv_heads = 4 : i64, scale = 2.500000e-01 : f32, softcap = 5.000000e+00 : f32, window = 8 : i64}
  // CHECK-SAME: : memref<2x16x64xbf16>, memref<2x16x64xbf16>, memref<2x16x64xbf16> bias memref<1x4x16x16xf32> lengths memref<2xi64>, memref<2x16x64xbf16>, memref<2x4x16xf32>
  exec.attention %o, %o, %o bias %bias lengths %n into %o, %lse {heads = 4, kv_heads = 4, scale = 0.25 : f32, causal, window = 8, softcap = 5.0 : f32}
    : memref<2x16x64xbf16>, memref<2x16x64xbf16>, memref<2x16x64xbf16> bias memref<1x4x16x16xf32> lengths memref<2xi64>, memref<2x16x64xbf16>, memref<2x4x16xf32>
  // CHECK: exec.attention_backward {{.*}} bias %{{.*}} into {{.*}} d_bias %{{.*}} {heads
  exec.attention_backward %o, %o, %o, %o, %o, %lse bias %bias into %o, %o, %o d_bias %bias {heads = 4, kv_heads = 4, scale = 0.25 : f32}
    : memref<2x16x64xbf16>, memref<2x16x64xbf16>, memref<2x16x64xbf16>, memref<2x16x64xbf16>, memref<2x16x64xbf16>, memref<2x4x16xf32> bias memref<1x4x16x16xf32>
    into memref<2x16x64xbf16>, memref<2x16x64xbf16>, memref<2x16x64xbf16> d_bias memref<1x4x16x16xf32>
  // CHECK: exec.rotary %{{.*}}, %{{.*}}, %{{.*}} into %{{.*}} {heads = 4 : i64, interleaved, inverse, rotary_dim = 16 : i64}
  exec.rotary %o, %cos, %cos into %o {heads = 4, rotary_dim = 16, interleaved, inverse} : memref<2x16x64xbf16>, memref<16x8xf32>, memref<16x8xf32>, memref<2x16x64xbf16>
  return
}

// CHECK-LABEL: func.func @tables
func.func @tables(%table: memref<32x8xf32>, %ids: memref<4x5xi64>, %rows: memref<4x5x8xf32>, %long: memref<4x9xf32>, %short: memref<4x5xf32>, %sums: memref<4xi64>) {
  // CHECK: exec.embedding %{{.*}}, %{{.*}} into %{{.*}} : memref<32x8xf32>, memref<4x5xi64>, memref<4x5x8xf32>
  exec.embedding %table, %ids into %rows : memref<32x8xf32>, memref<4x5xi64>, memref<4x5x8xf32>
  // CHECK: exec.embedding_backward %{{.*}}, %{{.*}} into %{{.*}} {accumulate} : memref<4x5xi64>, memref<4x5x8xf32>, memref<32x8xf32>
  exec.embedding_backward %ids, %rows into %table {accumulate} : memref<4x5xi64>, memref<4x5x8xf32>, memref<32x8xf32>
  // CHECK: exec.gather_elements %{{.*}}, %{{.*}} into %{{.*}} : memref<4x9xf32>, memref<4x5xi64>, memref<4x5xf32>
  exec.gather_elements %long, %ids into %short : memref<4x9xf32>, memref<4x5xi64>, memref<4x5xf32>
  // CHECK: exec.gather_elements_backward %{{.*}}, %{{.*}} into %{{.*}} : memref<4x5xf32>, memref<4x5xi64>, memref<4x9xf32>
  exec.gather_elements_backward %short, %ids into %long : memref<4x5xf32>, memref<4x5xi64>, memref<4x9xf32>
  // CHECK: exec.sum_rows %{{.*}} into %{{.*}} : memref<4x5xi64>, memref<4xi64>
  exec.sum_rows %ids into %sums : memref<4x5xi64>, memref<4xi64>
  // CHECK: exec.max_rows %{{.*}} into %{{.*}} : memref<4x5xi64>, memref<4xi64>
  exec.max_rows %ids into %sums : memref<4x5xi64>, memref<4xi64>
  return
}

// CHECK-LABEL: func.func @losses
func.func @losses(%logits: memref<4x32xbf16>, %labels: memref<4xi64>, %count: memref<i64>, %rows: memref<4xf32>, %x: memref<f32>) {
  // CHECK: exec.count_labels %{{.*}} into %{{.*}} {ignore_index = 5 : i64} : memref<4xi64>, memref<i64>
  exec.count_labels %labels into %count {ignore_index = 5} : memref<4xi64>, memref<i64>
  // CHECK: exec.cross_entropy_rows %{{.*}}, %{{.*}} into %{{.*}} {classes = 30 : i64} : memref<4x32xbf16>, memref<4xi64>, memref<4xf32>
  exec.cross_entropy_rows %logits, %labels into %rows {classes = 30} : memref<4x32xbf16>, memref<4xi64>, memref<4xf32>
  // CHECK: exec.cross_entropy_fused %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}} : memref<4x32xbf16>, memref<4xi64>, memref<i64>, memref<f32>, memref<4xf32>, memref<4x32xbf16>
  exec.cross_entropy_fused %logits, %labels, %count, %x into %rows, %logits : memref<4x32xbf16>, memref<4xi64>, memref<i64>, memref<f32>, memref<4xf32>, memref<4x32xbf16>
  // CHECK: exec.cross_entropy %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}}, %{{.*}} : memref<4x32xbf16>, memref<4xi64>, memref<f32>, memref<4xf32>, memref<f32>
  exec.cross_entropy %logits, %labels into %x, %rows, %x : memref<4x32xbf16>, memref<4xi64>, memref<f32>, memref<4xf32>, memref<f32>
  // CHECK: exec.cross_entropy_backward %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} into %{{.*}} : memref<4x32xbf16>, memref<4xi64>, memref<4xf32>, memref<f32>, memref<f32>, memref<4x32xbf16>
  exec.cross_entropy_backward %logits, %labels, %rows, %x, %x into %logits : memref<4x32xbf16>, memref<4xi64>, memref<4xf32>, memref<f32>, memref<f32>, memref<4x32xbf16>
  // CHECK: exec.mean_loss %{{.*}}, %{{.*}} into %{{.*}} : memref<4xf32>, memref<i64>, memref<f32>
  exec.mean_loss %rows, %count into %x : memref<4xf32>, memref<i64>, memref<f32>
  return
}

// CHECK-LABEL: func.func @gradients
func.func @gradients(%g: memref<4x8xf32>, %h: memref<32xbf16>, %x: memref<f32>) {
  // CHECK: exec.accumulate %{{.*}} into %{{.*}} {accumulate, unless_first} : memref<32xbf16>, memref<4x8xf32>
  exec.accumulate %h into %g {accumulate, unless_first} : memref<32xbf16>, memref<4x8xf32>
  // CHECK: exec.clear_if_first %{{.*}} : memref<4x8xf32>
  exec.clear_if_first %g : memref<4x8xf32>
  // CHECK: exec.clip_coefficient %{{.*}} of %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}} : memref<f32> of memref<f32>, memref<f32> into memref<f32>, memref<f32>
  exec.clip_coefficient %x of %x, %x into %x, %x : memref<f32> of memref<f32>, memref<f32> into memref<f32>, memref<f32>
  return
}

// CHECK-LABEL: func.func @scales
func.func @scales(%k: memref<3xui32>, %s: memref<5xf32>, %state: memref<25xf32>, %x: memref<256x128xbf16>, %q: memref<256x128xf8E4M3FN>,
                  %tiles: memref<256xf32>, %one: memref<f32>, %previous: memref<10xf32>) {
  // CHECK: exec.compute_scale %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}} {format = f8E5M2, margin = 1 : i64, poison, pow2} : memref<3xui32>, memref<3xui32> into memref<5xf32>, memref<5xf32>
  exec.compute_scale %k, %k into %s, %s {format = f8E5M2, margin = 1, pow2, poison} : memref<3xui32>, memref<3xui32> into memref<5xf32>, memref<5xf32>
  // CHECK: exec.quantize_tiles %{{.*}} into %{{.*}}, %{{.*}} {cols = 128 : i64, pow2, rows = 256 : i64, tile_cols = 128 : i64, tile_rows = 1 : i64, transposed}
  exec.quantize_tiles %x into %q, %tiles {rows = 256, cols = 128, tile_rows = 1, tile_cols = 128, pow2, transposed} : memref<256x128xbf16>, memref<256x128xf8E4M3FN>, memref<256xf32>
  // CHECK: exec.record_stats %{{.*}} into %{{.*}} : memref<3xui32>, memref<25xf32>
  exec.record_stats %k into %state : memref<3xui32>, memref<25xf32>
  // CHECK: exec.advance_scale %{{.*}}, %{{.*}} {format = f8E4M3FN} : memref<25xf32>, memref<25xf32>
  exec.advance_scale %state, %state {format = f8E4M3FN} : memref<25xf32>, memref<25xf32>
  // CHECK: exec.update_scales(%{{.*}}) gradients(%{{.*}}, %{{.*}}) into %{{.*}}, %{{.*}}, %{{.*}} pairs(%{{.*}}, %{{.*}}) stats(%{{.*}}, %{{.*}}) cleared(%{{.*}}) {
  exec.update_scales (%one, %one, %one, %one, %one, %one, %one) gradients(%s, %k) into %one, %one, %previous pairs(%s, %s) stats(%k, %k) cleared(%k)
    {roles = [#train.role<parameter>, #train.role<moment1>], formats = [f8E4M3FN, f16], gradient_formats = [f8E5M2, unit], decays = array<i1: true, false>, roots = array<i1: false, false>}
    : (memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>, memref<f32>) gradients(memref<5xf32>, memref<3xui32>)
    into memref<f32>, memref<f32>, memref<10xf32> pairs(memref<5xf32>, memref<5xf32>) stats(memref<3xui32>, memref<3xui32>) cleared(memref<3xui32>)
  return
}
