// RUN: fp8c-test-opt %s "--test-compile=output=%t.fp8x from=exec" -split-input-file -verify-diagnostics

// Places in memory are held against their use where a program is emitted.

module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 64 : i64} {
  // expected-error @+1 {{ends past the 64 bytes of all variables}}
  exec.variable @v : memref<16xf32> at 64 {init = #train.constant<0.0>, role = #train.role<parameter>}
}

// -----

module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 192 : i64} {
  exec.variable @v : memref<32xf32> at 0 {init = #train.constant<0.0>, role = #train.role<parameter>}
  // expected-error @+1 {{stands in the place of "v"}}
  exec.variable @w : memref<32xf32> at 64 {init = #train.constant<0.0>, role = #train.role<parameter>}
}

// -----

module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 0 : i64} {
  func.func @f() attributes {exec.inputs = 0 : i64} {
    // expected-error @+1 {{lies at 128, of 64 bytes, which is no place in the 128 bytes of the arena}}
    %0 = exec.alloc at 128 : memref<16xf32>
    return
  }
}

// -----

module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 0 : i64} {
  func.func @f(%x: memref<16xf32>, %y: memref<16xf32>) attributes {exec.inputs = 1 : i64} {
    %0 = exec.alloc at 0 : memref<16xf32>
    // expected-error @+1 {{reads a temporary that holds nothing}}
    exec.copy %0 to %y : memref<16xf32> to memref<16xf32>
    exec.copy %x to %0 : memref<16xf32> to memref<16xf32>
    return
  }
}

// -----

module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 0 : i64} {
  func.func @f(%x: memref<16xf32>, %y: memref<16xf32>) attributes {exec.inputs = 1 : i64} {
    %0 = exec.alloc at 0 : memref<16xf32>
    %1 = exec.alloc at 0 : memref<16xf32>
    exec.copy %x to %0 : memref<16xf32> to memref<16xf32>
    exec.copy %x to %1 : memref<16xf32> to memref<16xf32>
    // expected-error @+1 {{reads a temporary that holds nothing: it was not written, or another one has taken its place}}
    exec.copy %0 to %y : memref<16xf32> to memref<16xf32>
    return
  }
}

// -----

// A kernel says of the buffers of many matrices which ones it only reads.
module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 0 : i64} {
  exec.kernel @k map (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 attributes {arg_names = ["a", "b"]} {
    exec.each {
      %0 = exec.load %a full : memref<*xf32>
      exec.store %0, %b full : memref<*xf32>
    }
  }
  func.func @f(%x: memref<16xf32>, %y: memref<16xf32>) attributes {exec.inputs = 1 : i64} {
    %0 = exec.alloc at 0 : memref<16xf32>
    // expected-error @+1 {{reads a temporary that holds nothing}}
    exec.launch_multi @k over [1, 1] x [16, 16] (%x, %y, %0, %y) : memref<16xf32>, memref<16xf32>, memref<16xf32>, memref<16xf32>
    return
  }
}

// -----

module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 128 : i64} {
  exec.variable @x.scale : memref<5xf32> at 0 {init = #train.constant<1.0>, role = #train.role<scale>}
  exec.variable @y.scale : memref<5xf32> at 64 {init = #train.constant<1.0>, role = #train.role<scale>}
  exec.kernel @quantize map (%x: memref<*xf32>, %scale: memref<*xf32>, %q: memref<*xf8E4M3FN>) inputs 2 attributes {arg_names = ["x", "scale", "q"]} {
    %s = exec.load %scale scalar : memref<*xf32>
    exec.each {
      %0 = exec.load %x full : memref<*xf32>
      exec.quantize %0, %s to %q : memref<*xf8E4M3FN>
    }
  }
  func.func @f(%x: memref<4x4xf32>, %y: memref<4x4xf32>) attributes {exec.inputs = 1 : i64} {
    %0 = exec.get @x.scale : memref<5xf32>
    %1 = exec.get @y.scale : memref<5xf32>
    %q = exec.alloc at 0 : memref<4x4xf8E4M3FN>
    exec.launch @quantize over[4, 4] ins(%x, %0 : memref<4x4xf32>, memref<5xf32>) outs(%q : memref<4x4xf8E4M3FN>)
    // expected-error @+1 {{multiplies codes by another scale than that which they were made with}}
    exec.gemm %q, %q into %y scales %0, %1 {m = 4, n = 4, k = 4} : memref<4x4xf8E4M3FN>, memref<4x4xf8E4M3FN>, memref<4x4xf32> scales memref<5xf32>, memref<5xf32>
    return
  }
}

// -----

module attributes {exec.arena_bytes = 128 : i64, exec.variables_bytes = 192 : i64} {
  exec.variable @w : memref<4x4xf8E4M3FN> at 0 {init = #train.constant<1.0>, role = #train.role<compute_weight>, scale = @w.scale}
  exec.variable @w.scale : memref<5xf32> at 64 {init = #train.constant<1.0>, role = #train.role<scale>}
  exec.variable @v.scale : memref<5xf32> at 128 {init = #train.constant<1.0>, role = #train.role<scale>}
  func.func @f(%y: memref<4x4xf32>) attributes {exec.inputs = 0 : i64} {
    %w = exec.get @w : memref<4x4xf8E4M3FN>
    %0 = exec.get @w.scale : memref<5xf32>
    %1 = exec.get @v.scale : memref<5xf32>
    // expected-error @+1 {{multiplies codes by another scale than that which they were made with}}
    exec.gemm %w, %w into %y scales %0, %1 {m = 4, n = 4, k = 4} : memref<4x4xf8E4M3FN>, memref<4x4xf8E4M3FN>, memref<4x4xf32> scales memref<5xf32>, memref<5xf32>
    return
  }
}
