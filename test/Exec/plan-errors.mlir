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
