// A program by hand: one linear layer with an activation, attention, an update.
module attributes {train.model = "layer", fp8.recipe = "by hand", exec.variables_bytes = 0 : i64, exec.arena_bytes = 0 : i64} {
  exec.variable @wpe : memref<1024x1024xf32> at 0 {init = #train.constant<0.0>, role = #train.role<parameter>}
  exec.variable @fc : memref<1024x4096xf32> at 0 {init = #train.constant<0.0>, role = #train.role<parameter>}
  exec.variable @fc.grad : memref<1024x4096xf32> at 0 {init = #train.constant<0.0>, of = @fc, role = #train.role<gradient>}
  exec.variable @bias : memref<4096xf32> at 0 {init = #train.constant<0.0>, role = #train.role<parameter>}
  exec.variable @fc.e4m3 : memref<1024x4096xf8E4M3FN> at 0 {init = #train.constant<0.0>, of = @fc, role = #train.role<compute_weight>}

  exec.kernel @add_square rows (%x: memref<*xbf16>, %b: memref<*xf32>, %y: memref<*xbf16>) inputs 2 attributes {arg_names = ["x", "b", "y"]} {
    exec.each {
      %0 = exec.load %x full : memref<*xbf16>
      %1 = exec.load %b col : memref<*xf32>
      %2 = arith.addf %0, %1 : f32
      %3 = arith.mulf %2, %2 : f32
      exec.store %3, %y full : memref<*xbf16>
    }
  }
  exec.kernel @step map (%p: memref<*xf32>, %g: memref<*xf32>, %q: memref<*xf32>) inputs 2 attributes {arg_names = ["p", "g", "q"]} {
    exec.each {
      %0 = exec.load %p full : memref<*xf32>
      %1 = exec.load %g full : memref<*xf32>
      %2 = arith.subf %0, %1 : f32
      exec.store %2, %q full : memref<*xf32>
    }
  }

  func.func @micro(%tokens: memref<8x1024xi64>) attributes {train.function = #train.function<micro>, exec.inputs = 1 : i64} {
    %w = exec.get @fc.e4m3 : memref<1024x4096xf8E4M3FN>
    %dw = exec.get @fc.grad : memref<1024x4096xf32>
    %b = exec.get @bias : memref<4096xf32>
    %scale = exec.alloc at 0 : memref<5xf32>
    %x = exec.alloc at 0 : memref<8192x1024xf8E4M3FN>
    %y = exec.alloc at 0 : memref<8192x4096xbf16>
    exec.gemm %x, %w into %y scales %scale, %scale {fast_accum, m = 8192, n = 4096, k = 1024, fp8.name = "h.0/fc", fp8.phase = #fp8.phase<fwd>}
      : memref<8192x1024xf8E4M3FN>, memref<1024x4096xf8E4M3FN>, memref<8192x4096xbf16> scales memref<5xf32>, memref<5xf32>
    exec.launch @add_square over[8192, 4096] ins(%y, %b : memref<8192x4096xbf16>, memref<4096xf32>) outs(%y : memref<8192x4096xbf16>) {fp8.name = "h.0/bias + h.0/square", fp8.phase = #fp8.phase<fwd>}

    %qkv = exec.alloc at 0 : memref<8x1024x3072xbf16>
    %q = exec.view %qkv : memref<8x1024x3072xbf16> to memref<8x1024x1024xbf16, strided<[3145728, 3072, 1]>>
    %o = exec.alloc at 0 : memref<8x1024x1024xbf16>
    %lse = exec.alloc at 0 : memref<8x16x1024xf32>
    exec.attention %q, %q, %q into %o, %lse {heads = 16 : i64, kv_heads = 16 : i64, scale = 0.125 : f32, causal, fp8.name = "h.0/attn", fp8.phase = #fp8.phase<fwd>} : memref<8x1024x1024xbf16, strided<[3145728, 3072, 1]>>, memref<8x1024x1024xbf16, strided<[3145728, 3072, 1]>>, memref<8x1024x1024xbf16, strided<[3145728, 3072, 1]>>, memref<8x1024x1024xbf16>, memref<8x16x1024xf32>

    %dy = exec.alloc at 0 : memref<8192x4096xf8E5M2>
    %dx = exec.alloc at 0 : memref<8192x1024xbf16>
    exec.gemm %dy, %w into %dx scales %scale, %scale {m = 8192, n = 1024, k = 4096, transpose_b, fp8.name = "h.0/fc", fp8.phase = #fp8.phase<dgrad>}
      : memref<8192x4096xf8E5M2>, memref<1024x4096xf8E4M3FN>, memref<8192x1024xbf16> scales memref<5xf32>, memref<5xf32>
    exec.gemm %x, %dy into %dw scales %scale, %scale {m = 1024, n = 4096, k = 8192, transpose_a, accumulate, fp8.name = "h.0/fc", fp8.phase = #fp8.phase<wgrad>}
      : memref<8192x1024xf8E4M3FN>, memref<8192x4096xf8E5M2>, memref<1024x4096xf32> scales memref<5xf32>, memref<5xf32>
    return
  }
  func.func @update() attributes {train.function = #train.function<update>, exec.inputs = 0 : i64} {
    %w = exec.get @fc : memref<1024x4096xf32>
    %dw = exec.get @fc.grad : memref<1024x4096xf32>
    exec.launch @step over[1024, 4096] ins(%w, %dw : memref<1024x4096xf32>, memref<1024x4096xf32>) outs(%w : memref<1024x4096xf32>) {fp8.name = "fc", fp8.phase = #fp8.phase<update>}
    %b = exec.get @bias : memref<4096xf32>
    exec.launch_multi @step over [1024, 1] x [4096, 4096] (%w, %dw, %w, %b, %b, %b) {fp8.phase = #fp8.phase<update>} : memref<1024x4096xf32>, memref<1024x4096xf32>, memref<1024x4096xf32>,
      memref<4096xf32>, memref<4096xf32>, memref<4096xf32>
    return
  }
}
