// RUN: fp8c-opt %s -split-input-file --exec-plan-workspace=gpu=sm_90 | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --exec-plan-workspace="max-scratch-bytes=110000000 gpu=sm_90" | FileCheck %s --check-prefix=PARTS
// RUN: fp8c-opt %s -split-input-file --exec-plan-workspace="gpu=sm_89" 2>&1 | FileCheck %s --check-prefix=SM89

// Whatever the program calls, the runtime has 32 MiB for cuBLASLt.

// CHECK: module attributes {exec.workspace_bytes = 33554432 : i64}
module {
  func.func @micro(%x: memref<4x8xf32>, %y: memref<4x8xf32>) attributes {train.function = #train.function<micro>} {
    exec.copy %x to %y : memref<4x8xf32> to memref<4x8xf32>
    return
  }
}

// -----

// Calls share one workspace: the largest counts. 36 bytes an id for the sort, 8
// bytes a column for every 16 ids: 36 * 16384 + 8 * 1024 * 4096.

// CHECK: module attributes {exec.workspace_bytes = 34144256 : i64}
module {
  func.func @micro(%ids: memref<16384xi64>, %dy: memref<16384x4096xbf16>, %dtable: memref<512x4096xf32>,
                   %small: memref<512x16xf32>, %dy_small: memref<16384x16xbf16>) attributes {train.function = #train.function<micro>} {
    exec.embedding_backward %ids, %dy_small into %small : memref<16384xi64>, memref<16384x16xbf16>, memref<512x16xf32>
    exec.embedding_backward %ids, %dy into %dtable : memref<16384xi64>, memref<16384x4096xbf16>, memref<512x4096xf32>
    return
  }
}

// -----

// cuDNN keeps the gradients of all scores of all heads, in tiles of 64 x 128, and a
// number a row, 16 * 12 * (1024 * 1024 * 2 + 1000 * 4) + 1024, in scratch of the call.

// CHECK: module attributes {exec.workspace_bytes = 33554432 : i64}
// CHECK: func.func @micro
// CHECK: %[[SCRATCH:.*]] = exec.alloc {fp8.name = "h.0/attn.workspace", fp8.phase = #fp8.phase<dgrad>} : memref<403422208xi8>
// CHECK-NOT: parts
// CHECK: exec.attention_backward
// CHECK-SAME: workspace %[[SCRATCH]] {

// Within 110 MB four sequences of the sixteen have room at a time.

// PARTS: exec.alloc {fp8.name = "h.0/attn.workspace", fp8.phase = #fp8.phase<dgrad>} : memref<100856320xi8>
// PARTS: exec.attention_backward
// PARTS-SAME: parts = 4 : i64
module {
  func.func @eval(%x: memref<4x8xf32>, %y: memref<4x8xf32>) attributes {train.function = #train.function<eval>} {
    exec.copy %x to %y : memref<4x8xf32> to memref<4x8xf32>
    return
  }
  func.func @micro(%x: memref<16x1000x768xbf16>, %lse: memref<16x12x1000xf32>, %dx: memref<16x1000x768xbf16>) attributes {train.function = #train.function<micro>} {
    exec.attention_backward %x, %x, %x, %x, %x, %lse into %dx, %dx, %dx {heads = 12 : i64, kv_heads = 12 : i64, scale = 0.125 : f32, fp8.name = "h.0/attn", fp8.phase = #fp8.phase<dgrad>} : memref<16x1000x768xbf16>, memref<16x1000x768xbf16>, memref<16x1000x768xbf16>, memref<16x1000x768xbf16>, memref<16x1000x768xbf16>, memref<16x12x1000xf32> into memref<16x1000x768xbf16>, memref<16x1000x768xbf16>, memref<16x1000x768xbf16>
    return
  }
}

// -----

// Attention in f32 has kernels of its own.

// CHECK: module attributes {exec.workspace_bytes = 33554432 : i64}
// CHECK-NOT: exec.alloc
module {
  func.func @micro(%x: memref<16x1000x768xf32>, %lse: memref<16x12x1000xf32>, %dx: memref<16x1000x768xf32>) attributes {train.function = #train.function<micro>} {
    exec.attention_backward %x, %x, %x, %x, %x, %lse into %dx, %dx, %dx {heads = 12 : i64, kv_heads = 12 : i64, scale = 0.125 : f32} : memref<16x1000x768xf32>, memref<16x1000x768xf32>, memref<16x1000x768xf32>, memref<16x1000x768xf32>, memref<16x1000x768xf32>, memref<16x12x1000xf32> into memref<16x1000x768xf32>, memref<16x1000x768xf32>, memref<16x1000x768xf32>
    return
  }
}

// -----

// Twelve heads share four keys and values: gradients of each head's, 2 * 1000 * 64 * 2 bytes, come first.

// CHECK: exec.alloc {{.*}}memref<452574208xi8>
module {
  func.func @micro(%x: memref<16x1000x768xbf16>, %k: memref<16x1000x256xbf16>, %lse: memref<16x12x1000xf32>) attributes {train.function = #train.function<micro>} {
    exec.attention_backward %x, %x, %k, %k, %x, %lse into %x, %k, %k {heads = 12 : i64, kv_heads = 4 : i64, scale = 0.125 : f32, fp8.name = "h.0/attn"} : memref<16x1000x768xbf16>, memref<16x1000x768xbf16>, memref<16x1000x256xbf16>, memref<16x1000x256xbf16>, memref<16x1000x768xbf16>, memref<16x12x1000xf32> into memref<16x1000x768xbf16>, memref<16x1000x256xbf16>, memref<16x1000x256xbf16>
    return
  }
}

// -----

// Capped scores have no causal order in cuDNN, which is said once; what has a window has.

// SM89: warning: cuDNN has no attention for this shape on sm_89 (scores are capped, and that is not all): kernels of fp8c's own do it, at less speed
// CHECK: exec.alloc {{.*}}memref<67237888xi8>
// CHECK: exec.attention_backward {{.*}} workspace {{.*}} window = 64
// CHECK-NEXT: exec.attention_backward {{.*}} into %arg2, %arg2, %arg2 {causal, {{.*}}softcap = 5.0
module {
  func.func @micro(%x: memref<2x1000x1024xbf16>, %lse: memref<2x16x1000xf32>, %dx: memref<2x1000x1024xbf16>) attributes {train.function = #train.function<micro>} {
    exec.attention_backward %x, %x, %x, %x, %x, %lse into %dx, %dx, %dx {heads = 16 : i64, kv_heads = 16 : i64, scale = 0.125 : f32, causal, window = 64 : i64} : memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x16x1000xf32> into memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>
    exec.attention_backward %x, %x, %x, %x, %x, %lse into %dx, %dx, %dx {heads = 16 : i64, kv_heads = 16 : i64, scale = 0.125 : f32, causal, softcap = 5.0 : f32} : memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x16x1000xf32> into memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>
    return
  }
}

// -----

// Heads of 256 go through cuDNN on Hopper; on Ada its backward pass ends at 128.

// CHECK: exec.alloc {{.*}}memref<16810240xi8>
// SM89: warning: cuDNN has no attention for this shape on sm_89 (heads of 256 are wider than 128): kernels of fp8c's own do it, at less speed
// SM89-NOT: warning
module {
  func.func @micro(%x: memref<2x1000x1024xbf16>, %lse: memref<2x4x1000xf32>, %dx: memref<2x1000x1024xbf16>) attributes {train.function = #train.function<micro>} {
    exec.attention_backward %x, %x, %x, %x, %x, %lse into %dx, %dx, %dx {heads = 4 : i64, kv_heads = 4 : i64, scale = 0.125 : f32, fp8.name = "wide"} : memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x4x1000xf32> into memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>
    exec.attention_backward %x, %x, %x, %x, %x, %lse into %dx, %dx, %dx {heads = 4 : i64, kv_heads = 4 : i64, scale = 0.125 : f32, fp8.name = "wide"} : memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x4x1000xf32> into memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>, memref<2x1000x1024xbf16>
    return
  }
}
