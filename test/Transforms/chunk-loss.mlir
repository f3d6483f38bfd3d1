// RUN: fp8c-opt %s -split-input-file --exec-chunk-loss=max-bytes=65536 -verify-diagnostics | FileCheck %s

// 512 rows of 256 bytes each are twice what is allowed. The loss's mean waits for all chunks.
module {
  exec.variable @dw : memref<128x32xf32> at 0 {init = #train.constant<0.0>, role = #train.role<gradient>}
  // CHECK-LABEL: func.func @head(
  func.func @head(%x: memref<2x256x32xbf16>, %w: memref<128x32xbf16>, %labels: memref<2x256xi64>, %dx: memref<2x256x32xbf16>, %mean: memref<f32>) {
    // CHECK: exec.count_labels
    // CHECK: %[[LOGITS:.*]] = exec.alloc {fp8.name = "head"} : memref<256x128xbf16>
    // CHECK-NEXT: %[[X:.*]] = exec.view %arg0 : memref<2x256x32xbf16> to memref<256x32xbf16>
    // CHECK-NEXT: exec.gemm %[[X]], %arg1 into %[[LOGITS]] {fp8.name = "head", k = 32 : i64, m = 256 : i64, n = 128 : i64, transpose_b}
    // CHECK-NEXT: %[[LABELS:.*]] = exec.view %arg2 : memref<2x256xi64> to memref<256x1xi64>
    // CHECK-NEXT: %[[LOSSES:.*]] = exec.view %[[ALL:.*]] : memref<2x256xf32> to memref<256x1xf32>
    // CHECK-NEXT: exec.cross_entropy_fused %[[LOGITS]], %[[LABELS]], {{.*}} into %[[LOSSES]], %[[LOGITS]] : memref<256x128xbf16>
    // CHECK-NEXT: %[[DX:.*]] = exec.view %arg3 : memref<2x256x32xbf16> to memref<256x32xbf16>
    // CHECK-NEXT: exec.gemm %[[LOGITS]], %arg1 into %[[DX]] {{{.*}}k = 128 : i64, m = 256 : i64, n = 32 : i64
    // CHECK-NEXT: %[[X:.*]] = exec.view %arg0
    // CHECK-NEXT: exec.gemm %[[LOGITS]], %[[X]] into %[[DW:.*]] {fp8.name = "head", k = 256 : i64, m = 128 : i64, n = 32 : i64, transpose_a}
    // The second chunk: further on, and added to the first one's weight gradient.
    // CHECK-NEXT: exec.view %arg0[8192]
    // CHECK-NEXT: exec.gemm %{{.*}}, %arg1 into %[[LOGITS]]
    // CHECK-NEXT: exec.view %arg2[256]
    // CHECK-NEXT: exec.view %[[ALL]][256]
    // CHECK-NEXT: exec.cross_entropy_fused
    // CHECK-NEXT: exec.view %arg3[8192]
    // CHECK-NEXT: exec.gemm %[[LOGITS]], %arg1 into
    // CHECK-NEXT: exec.view %arg0[8192]
    // CHECK-NEXT: exec.gemm %[[LOGITS]], %{{.*}} into %[[DW]] {accumulate,
    // CHECK-NEXT: exec.mean_loss %[[ALL]],
    // CHECK-NEXT: return
    %dw = exec.get @dw : memref<128x32xf32>
    %logits = exec.alloc {fp8.name = "head"} : memref<2x256x128xbf16>
    %count = exec.alloc : memref<i64>
    %losses = exec.alloc : memref<2x256xf32>
    %scale = exec.hyper "grad_scale" : memref<f32>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32, transpose_b, fp8.name = "head"} : memref<2x256x32xbf16>, memref<128x32xbf16>, memref<2x256x128xbf16>
    exec.count_labels %labels into %count : memref<2x256xi64>, memref<i64>
    exec.cross_entropy_fused %logits, %labels, %count, %scale into %losses, %logits : memref<2x256x128xbf16>, memref<2x256xi64>, memref<i64>, memref<f32>, memref<2x256xf32>, memref<2x256x128xbf16>
    exec.mean_loss %losses, %count into %mean : memref<2x256xf32>, memref<i64>, memref<f32>
    exec.gemm %logits, %w into %dx {m = 512, n = 32, k = 128, fp8.name = "head"} : memref<2x256x128xbf16>, memref<128x32xbf16>, memref<2x256x32xbf16>
    exec.gemm %logits, %x into %dw {m = 128, n = 32, k = 512, transpose_a, fp8.name = "head"} : memref<2x256x128xbf16>, memref<2x256x32xbf16>, memref<128x32xf32>
    return
  }
}

// -----

// A weight gradient in bf16 adds up in f32 and is rounded once.
module {
  // CHECK-LABEL: func.func @narrow(
  // CHECK: %[[SUM:.*]] = exec.alloc {fp8.name = "head.sum", fp8.phase = #fp8.phase<wgrad>} : memref<128x32xf32>
  // CHECK: exec.gemm {{.*}} into %[[SUM]] {{{.*}}k = 256
  // CHECK: exec.gemm {{.*}} into %[[SUM]] {accumulate, {{.*}}k = 256
  // CHECK-NEXT: exec.copy %[[SUM]] to %arg3 {fp8.name = "head.sum", fp8.phase = #fp8.phase<wgrad>}
  // CHECK-NEXT: return
  func.func @narrow(%x: memref<512x32xbf16>, %w: memref<128x32xbf16>, %labels: memref<512xi64>, %dw: memref<128x32xbf16>, %scale: memref<f32>, %count: memref<i64>, %losses: memref<512xf32>) {
    %logits = exec.alloc : memref<512x128xbf16>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32, transpose_b} : memref<512x32xbf16>, memref<128x32xbf16>, memref<512x128xbf16>
    exec.cross_entropy_fused %logits, %labels, %count, %scale into %losses, %logits : memref<512x128xbf16>, memref<512xi64>, memref<i64>, memref<f32>, memref<512xf32>, memref<512x128xbf16>
    exec.gemm %logits, %x into %dw {m = 128, n = 32, k = 512, transpose_a, fp8.name = "head", fp8.phase = #fp8.phase<wgrad>} : memref<512x128xbf16>, memref<512x32xbf16>, memref<128x32xbf16>
    return
  }
}

// -----

// FP8 products read the gradient quantised, in two layouts: both are cut. The transposed codes of the other operand are
// cut by a copy, because products want them one after the other.
module {
  exec.kernel @quantize rows (%x: memref<*xbf16>, %scale: memref<*xf32>, %q: memref<*xf8E5M2>, %stats: memref<*xui32>, %qt: memref<*xf8E5M2>) inputs 2 attributes {arg_names = ["x", "scale", "q", "stats", "qt"]} {
    %0 = exec.load %scale scalar : memref<*xf32>
    exec.each {
      %1 = exec.load %x full : memref<*xbf16>
      exec.quantize %1, %0 to %q : memref<*xf8E5M2> transposed %qt : memref<*xf8E5M2> stats %stats : memref<*xui32>
    }
  }
  // CHECK-LABEL: func.func @fp8(
  // CHECK: %[[LOGITS:.*]] = exec.alloc : memref<256x128xbf16>
  // CHECK: %[[Q:.*]] = exec.alloc {fp8.name = "q"} : memref<256x128xf8E5M2>
  // CHECK: %[[QT:.*]] = exec.alloc {fp8.name = "qt"} : memref<128x256xf8E5M2>
  // CHECK: exec.cross_entropy_fused %[[LOGITS]]
  // CHECK: exec.launch @quantize over[256, 128] ins(%[[LOGITS]], %arg3 : {{.*}} outs(%[[Q]], %arg4, %[[QT]] :
  // CHECK: exec.gemm %[[Q]], %{{.*}} {k = 128 : i64, m = 256 : i64, n = 32
  // CHECK: %[[PART:.*]] = exec.view %arg2 : memref<32x512xf8E4M3FN> to memref<32x256xf8E4M3FN, strided<[512, 1]>>
  // CHECK: %[[XT:.*]] = exec.alloc {fp8.name = "head.columns", fp8.phase = #fp8.phase<wgrad>} : memref<32x256xf8E4M3FN>
  // CHECK: exec.copy %[[PART]] to %[[XT]]
  // CHECK: exec.gemm %[[QT]], %[[XT]] into %[[DW:[a-z0-9]*]] {{.*}}fp8.name = "head", fp8.phase = #fp8.phase<wgrad>, k = 256 : i64, m = 128 : i64, n = 32 : i64, transpose_b}
  // CHECK: exec.launch @quantize
  // CHECK: exec.view %arg2[256]
  // CHECK: exec.gemm %[[QT]], {{.*}} into %[[DW]] {{.*}}{accumulate, {{.*}}k = 256
  func.func @fp8(%x: memref<512x32xbf16>, %w: memref<128x32xbf16>, %xt: memref<32x512xf8E4M3FN>, %scale: memref<5xf32>, %stats: memref<3xui32>,
                 %wt: memref<32x128xf8E4M3FN>, %labels: memref<512xi64>, %dx: memref<512x32xbf16>, %dw: memref<128x32xf32>,
                 %one: memref<f32>, %count: memref<i64>, %losses: memref<512xf32>) {
    %logits = exec.alloc : memref<512x128xbf16>
    %q = exec.alloc {fp8.name = "q"} : memref<512x128xf8E5M2>
    %qt = exec.alloc {fp8.name = "qt"} : memref<128x512xf8E5M2>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32, transpose_b} : memref<512x32xbf16>, memref<128x32xbf16>, memref<512x128xbf16>
    exec.cross_entropy_fused %logits, %labels, %count, %one into %losses, %logits : memref<512x128xbf16>, memref<512xi64>, memref<i64>, memref<f32>, memref<512xf32>, memref<512x128xbf16>
    exec.launch @quantize over[512, 128] ins(%logits, %scale : memref<512x128xbf16>, memref<5xf32>) outs(%q, %stats, %qt : memref<512x128xf8E5M2>, memref<3xui32>, memref<128x512xf8E5M2>)
    exec.gemm %q, %wt into %dx scales %scale, %scale {m = 512, n = 32, k = 128, transpose_b} : memref<512x128xf8E5M2>, memref<32x128xf8E4M3FN>, memref<512x32xbf16> scales memref<5xf32>, memref<5xf32>
    exec.gemm %qt, %xt into %dw scales %scale, %scale {m = 128, n = 32, k = 512, transpose_b, fp8.name = "head", fp8.phase = #fp8.phase<wgrad>} : memref<128x512xf8E5M2>, memref<32x512xf8E4M3FN>, memref<128x32xf32> scales memref<5xf32>, memref<5xf32>
    return
  }
}

// -----

// A bias's gradient is a sum over all rows, which a kernel would begin anew for each chunk.
module {
  exec.kernel @bias_grad columns (%x: memref<*xbf16>, %sum: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "sum"]} {
    exec.column_sum %sum {
      %0 = exec.load %x full : memref<*xbf16>
      exec.yield %0
    } : memref<*xf32>
  }
  func.func @bias(%x: memref<512x32xbf16>, %w: memref<128x32xbf16>, %labels: memref<512xi64>, %one: memref<f32>, %count: memref<i64>, %losses: memref<512xf32>, %db: memref<128xf32>) {
    %logits = exec.alloc : memref<512x128xbf16>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32, transpose_b} : memref<512x32xbf16>, memref<128x32xbf16>, memref<512x128xbf16>
    // expected-remark @+1 {{an op that is neither the loss nor a matrix product uses them}}
    exec.cross_entropy_fused %logits, %labels, %count, %one into %losses, %logits : memref<512x128xbf16>, memref<512xi64>, memref<i64>, memref<f32>, memref<512xf32>, memref<512x128xbf16>
    exec.launch @bias_grad over[512, 128] ins(%logits : memref<512x128xbf16>) outs(%db : memref<128xf32>)
    return
  }
}

// -----

// A scale that their own amax calls for needs all of them: chunks make them once to measure, and once more to quantise.
module {
  exec.kernel @amax map (%x: memref<*xbf16>, %stats: memref<*xui32>) inputs 1 attributes {arg_names = ["x", "stats"]} {
    exec.each {
      %0 = exec.load %x full : memref<*xbf16>
      exec.amax %0, %stats : memref<*xui32>
    }
  }
  exec.kernel @quantize map (%x: memref<*xbf16>, %scale: memref<*xf32>, %q: memref<*xf8E5M2>) inputs 2 attributes {arg_names = ["x", "scale", "q"]} {
    %0 = exec.load %scale scalar : memref<*xf32>
    exec.each {
      %1 = exec.load %x full : memref<*xbf16>
      exec.quantize %1, %0 to %q : memref<*xf8E5M2>
    }
  }
  // CHECK-LABEL: func.func @current(
  // CHECK: %[[FIRST:.*]] = exec.alloc : memref<256x128xbf16>
  // CHECK: exec.launch @amax over[256, 128] ins(%[[FIRST]] : {{.*}} outs(%arg3 :
  // CHECK: exec.launch @amax over[256, 128] ins(%[[FIRST]] : {{.*}} outs(%arg3 :
  // CHECK: exec.compute_scale %arg3
  // CHECK: %[[SECOND:.*]] = exec.alloc : memref<256x128xbf16>
  // CHECK: exec.gemm {{.*}} into %[[SECOND]]
  // CHECK: exec.cross_entropy_fused %[[SECOND]],
  // CHECK: exec.launch @quantize over[256, 128] ins(%[[SECOND]], %arg4
  // CHECK: exec.launch @quantize over[256, 128] ins(%[[SECOND]], %arg4
  func.func @current(%x: memref<512x32xbf16>, %w: memref<128x32xbf16>, %wt: memref<128x32xf8E4M3FN>, %stats: memref<3xui32>, %scale: memref<5xf32>, %labels: memref<512xi64>, %one: memref<f32>, %count: memref<i64>, %losses: memref<512xf32>, %dx: memref<512x32xbf16>) {
    %logits = exec.alloc : memref<512x128xbf16>
    %q = exec.alloc {fp8.name = "q"} : memref<512x128xf8E5M2>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32, transpose_b} : memref<512x32xbf16>, memref<128x32xbf16>, memref<512x128xbf16>
    exec.cross_entropy_fused %logits, %labels, %count, %one into %losses, %logits : memref<512x128xbf16>, memref<512xi64>, memref<i64>, memref<f32>, memref<512xf32>, memref<512x128xbf16>
    exec.launch @amax over[512, 128] ins(%logits : memref<512x128xbf16>) outs(%stats : memref<3xui32>)
    exec.compute_scale %stats into %scale {format = f8E5M2} : memref<3xui32> into memref<5xf32>
    exec.launch @quantize over[512, 128] ins(%logits, %scale : memref<512x128xbf16>, memref<5xf32>) outs(%q : memref<512x128xf8E5M2>)
    exec.gemm %q, %wt into %dx scales %scale, %scale {m = 512, n = 32, k = 128} : memref<512x128xf8E5M2>, memref<128x32xf8E4M3FN>, memref<512x32xbf16> scales memref<5xf32>, memref<5xf32>
    return
  }
}

// -----

// Not if it is added to what bf16 holds already.
module {
  func.func @added(%x: memref<512x32xbf16>, %w: memref<128x32xbf16>, %labels: memref<512xi64>, %dw: memref<128x32xbf16>, %scale: memref<f32>, %count: memref<i64>, %losses: memref<512xf32>) {
    %logits = exec.alloc : memref<512x128xbf16>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32, transpose_b} : memref<512x32xbf16>, memref<128x32xbf16>, memref<512x128xbf16>
    // expected-remark @+1 {{a sum over the rows is added to one that is not kept in f32}}
    exec.cross_entropy_fused %logits, %labels, %count, %scale into %losses, %logits : memref<512x128xbf16>, memref<512xi64>, memref<i64>, memref<f32>, memref<512xf32>, memref<512x128xbf16>
    exec.gemm %logits, %x into %dw {accumulate, m = 128, n = 32, k = 512, transpose_a} : memref<512x128xbf16>, memref<512x32xbf16>, memref<128x32xbf16>
    return
  }
}

// -----

// Without gradients, as for evaluation. The chunks are of one size, but for the last.
module {
  // CHECK-LABEL: func.func @eval(
  // CHECK: exec.alloc : memref<256x128xbf16>
  // CHECK: exec.gemm {{.*}} {k = 32 : i64, m = 256 : i64
  // CHECK: exec.cross_entropy_rows {{.*}} : memref<256x128xbf16>
  // CHECK: exec.gemm {{.*}} {k = 32 : i64, m = 44 : i64
  // CHECK: exec.cross_entropy_rows {{.*}} : memref<44x128xbf16>
  // CHECK-NOT: cross_entropy_rows
  func.func @eval(%x: memref<300x32xbf16>, %w: memref<32x128xbf16>, %labels: memref<300xi64>, %losses: memref<300xf32>) attributes {train.function = #train.function<eval>} {
    %logits = exec.alloc : memref<300x128xbf16>
    exec.gemm %x, %w into %logits {m = 300, n = 128, k = 32} : memref<300x32xbf16>, memref<32x128xbf16>, memref<300x128xbf16>
    exec.cross_entropy_rows %logits, %labels into %losses : memref<300x128xbf16>, memref<300xi64>, memref<300xf32>
    return
  }
}

// -----

// Small logits stay whole.
module {
  // CHECK-LABEL: func.func @small(
  // CHECK: m = 256
  // CHECK-NOT: exec.gemm
  // CHECK: return
  func.func @small(%x: memref<256x32xbf16>, %w: memref<32x128xbf16>, %labels: memref<256xi64>, %losses: memref<256xf32>) {
    %logits = exec.alloc : memref<256x128xbf16>
    exec.gemm %x, %w into %logits {m = 256, n = 128, k = 32} : memref<256x32xbf16>, memref<32x128xbf16>, memref<256x128xbf16>
    exec.cross_entropy_rows %logits, %labels into %losses : memref<256x128xbf16>, memref<256xi64>, memref<256xf32>
    return
  }
}

// -----

module {
  func.func @also_used(%x: memref<512x32xbf16>, %w: memref<32x128xbf16>, %labels: memref<512xi64>, %losses: memref<512xf32>, %out: memref<512x128xbf16>) {
    %logits = exec.alloc : memref<512x128xbf16>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32} : memref<512x32xbf16>, memref<32x128xbf16>, memref<512x128xbf16>
    // expected-remark @+1 {{all logits, 131072 bytes, are in memory at once: an op that is neither the loss nor a matrix product uses them}}
    exec.cross_entropy_rows %logits, %labels into %losses : memref<512x128xbf16>, memref<512xi64>, memref<512xf32>
    exec.copy %logits to %out : memref<512x128xbf16> to memref<512x128xbf16>
    return
  }
}

// -----

module {
  func.func @result(%logits: memref<512x128xbf16>, %labels: memref<512xi64>, %losses: memref<512xf32>) {
    // expected-remark @+1 {{are in memory at once: they are a result}}
    exec.cross_entropy_rows %logits, %labels into %losses : memref<512x128xbf16>, memref<512xi64>, memref<512xf32>
    return
  }
}

// -----

// The weight gradient needs x changed in a way that depends on the loss.
module {
  func.func @depends(%x: memref<512x32xf32>, %w: memref<32x128xf32>, %labels: memref<512xi64>, %dw: memref<128x32xf32>, %scale: memref<f32>, %count: memref<i64>) {
    %logits = exec.alloc : memref<512x128xf32>
    %losses = exec.alloc : memref<512xf32>
    exec.gemm %x, %w into %logits {m = 512, n = 128, k = 32} : memref<512x32xf32>, memref<32x128xf32>, memref<512x128xf32>
    // expected-remark @+1 {{what depends on the loss is needed for its gradient}}
    exec.cross_entropy_fused %logits, %labels, %count, %scale into %losses, %logits : memref<512x128xf32>, memref<512xi64>, memref<i64>, memref<f32>, memref<512xf32>, memref<512x128xf32>
    %part = exec.view %x : memref<512x32xf32> to memref<512xf32>
    exec.accumulate %losses into %part {accumulate} : memref<512xf32>, memref<512xf32>
    exec.gemm %logits, %x into %dw {m = 128, n = 32, k = 512, transpose_a} : memref<512x128xf32>, memref<512x32xf32>, memref<128x32xf32>
    return
  }
}
