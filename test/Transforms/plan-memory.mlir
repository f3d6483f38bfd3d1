// RUN: fp8c-opt %s -split-input-file --exec-plan-memory | FileCheck %s

// Kernels that write an element where they read it take the place of an operand
// that ends there: one buffer of 4096 bytes serves the whole chain.

// CHECK-LABEL: exec.arena_bytes = 4096
module {
  exec.kernel @square map (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
    exec.each {
      %0 = exec.load %x full : memref<*xf32>
      %1 = arith.mulf %0, %0 : f32
      exec.store %1, %y full : memref<*xf32>
    }
  }
  // The row is read before it is written.
  exec.kernel @normalise rows (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
    %sum = exec.reduce sum {
      %0 = exec.load %x full : memref<*xf32>
      exec.yield %0
    }
    exec.each {
      %0 = exec.load %x full : memref<*xf32>
      %1 = arith.divf %0, %sum : f32
      exec.store %1, %y full : memref<*xf32>
    }
  }
  // CHECK: func.func @chain{{.*}}exec.lower_bound = 4096 : i64, exec.peak = 4096 : i64
  func.func @chain(%in: memref<32x32xf32>, %cos: memref<32x16xf32>, %out: memref<1x32x32xf32>) {
    // CHECK-COUNT-4: exec.alloc at 0
    %a = exec.alloc : memref<32x32xf32>
    %b = exec.alloc : memref<32x32xf32>
    %c = exec.alloc : memref<1x32x32xf32>
    %d = exec.alloc : memref<1x32x32xf32>
    %flat = exec.view %b : memref<32x32xf32> to memref<1x32x32xf32>
    exec.launch @square over[32, 32] ins(%in : memref<32x32xf32>) outs(%a : memref<32x32xf32>)
    exec.launch @normalise over[32, 32] ins(%a : memref<32x32xf32>) outs(%b : memref<32x32xf32>)
    exec.launch @square over[1, 1024] ins(%flat : memref<1x32x32xf32>) outs(%c : memref<1x32x32xf32>)
    exec.rotary %c, %cos, %cos into %d {heads = 1, rotary_dim = 32} : memref<1x32x32xf32>, memref<32x16xf32>, memref<32x16xf32>, memref<1x32x32xf32>
    exec.copy %d to %out : memref<1x32x32xf32> to memref<1x32x32xf32>
    return
  }
}

// -----

// None of these may: each function needs both buffers.

module {
  exec.kernel @square map (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
    exec.each {
      %0 = exec.load %x full : memref<*xf32>
      %1 = arith.mulf %0, %0 : f32
      exec.store %1, %y full : memref<*xf32>
    }
  }
  // CHECK: func.func @needed_later{{.*}}exec.lower_bound = 8192 : i64, exec.peak = 8192 : i64
  func.func @needed_later(%in: memref<32x32xf32>, %out: memref<32x32xf32>) {
    %a = exec.alloc : memref<32x32xf32>
    %b = exec.alloc : memref<32x32xf32>
    exec.launch @square over[32, 32] ins(%in : memref<32x32xf32>) outs(%a : memref<32x32xf32>)
    exec.launch @square over[32, 32] ins(%a : memref<32x32xf32>) outs(%b : memref<32x32xf32>)
    exec.copy %b to %out : memref<32x32xf32> to memref<32x32xf32>
    exec.copy %a to %out : memref<32x32xf32> to memref<32x32xf32>
    return
  }

  // x may not be read when its place is taken: a compiler could move the read
  // that y does not depend on. z depends on all of them.
  exec.kernel @reads_apart rows (%x: memref<*xf32>, %y: memref<*xf32>, %z: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y", "z"]} {
    %sum = exec.reduce sum {
      %0 = exec.load %x full : memref<*xf32>
      exec.yield %0
    }
    exec.each {
      %0 = exec.load %x full : memref<*xf32>
      %1 = arith.mulf %0, %0 : f32
      exec.store %1, %y full : memref<*xf32>
      %2 = arith.mulf %0, %sum : f32
      exec.store %2, %z full : memref<*xf32>
    }
  }
  // CHECK: func.func @independent_read{{.*}}exec.lower_bound = 8192 : i64, exec.peak = 8192 : i64
  func.func @independent_read(%in: memref<32x32xf32>, %out: memref<32x32xf32>) {
    // CHECK: exec.alloc at [[AT:.*]] :
    // CHECK: exec.alloc
    // CHECK: exec.alloc at [[AT]] :
    %x = exec.alloc : memref<32x32xf32>
    %y = exec.alloc : memref<32x32xf32>
    %z = exec.alloc : memref<32x32xf32>
    exec.launch @square over[32, 32] ins(%in : memref<32x32xf32>) outs(%x : memref<32x32xf32>)
    exec.launch @reads_apart over[32, 32] ins(%x : memref<32x32xf32>) outs(%y, %z : memref<32x32xf32>, memref<32x32xf32>)
    exec.copy %y to %out : memref<32x32xf32> to memref<32x32xf32>
    exec.copy %z to %out : memref<32x32xf32> to memref<32x32xf32>
    return
  }

  exec.kernel @by_column rows (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
    exec.each {
      %0 = exec.load %x col : memref<*xf32>
      exec.store %0, %y full : memref<*xf32>
    }
  }
  // CHECK: func.func @other_elements{{.*}}exec.lower_bound = 256 : i64, exec.peak = 256 : i64
  func.func @other_elements(%in: memref<32xf32>, %out: memref<32xf32>) {
    %x = exec.alloc : memref<32xf32>
    %y = exec.alloc : memref<1x32xf32>
    exec.launch @square over[1, 32] ins(%in : memref<32xf32>) outs(%x : memref<32xf32>)
    exec.launch @by_column over[1, 32] ins(%x : memref<32xf32>) outs(%y : memref<1x32xf32>)
    exec.launch @square over[1, 32] ins(%y : memref<1x32xf32>) outs(%out : memref<32xf32>)
    return
  }

  exec.kernel @sums columns (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
    exec.column_sum %y {
      %0 = exec.load %x full : memref<*xf32>
      exec.yield %0
    } : memref<*xf32>
  }
  // CHECK: func.func @columns{{.*}}exec.lower_bound = 256 : i64, exec.peak = 256 : i64
  func.func @columns(%in: memref<32xf32>, %out: memref<32xf32>) {
    %x = exec.alloc : memref<1x32xf32>
    %y = exec.alloc : memref<32xf32>
    exec.launch @square over[1, 32] ins(%in : memref<32xf32>) outs(%x : memref<1x32xf32>)
    exec.launch @sums over[1, 32] ins(%x : memref<1x32xf32>) outs(%y : memref<32xf32>)
    exec.launch @square over[1, 32] ins(%y : memref<32xf32>) outs(%out : memref<32xf32>)
    return
  }

  exec.kernel @round map (%x: memref<*xf32>, %y: memref<*xbf16>) inputs 1 attributes {arg_names = ["x", "y"]} {
    exec.each {
      %0 = exec.load %x full : memref<*xf32>
      exec.store %0, %y full : memref<*xbf16>
    }
  }
  // CHECK: func.func @other_width{{.*}}exec.lower_bound = 128 : i64, exec.peak = 128 : i64
  func.func @other_width(%in: memref<16xf32>, %out: memref<16xbf16>) {
    %x = exec.alloc : memref<16xf32>
    %y = exec.alloc : memref<16xbf16>
    exec.launch @square over[1, 16] ins(%in : memref<16xf32>) outs(%x : memref<16xf32>)
    exec.launch @round over[1, 16] ins(%x : memref<16xf32>) outs(%y : memref<16xbf16>)
    exec.copy %y to %out : memref<16xbf16> to memref<16xbf16>
    return
  }
}

// -----

// From the largest down this would take 1792 bytes: %b first, then %c on top of it.

module {
  exec.kernel @read map (%x: memref<*xf32>, %y: memref<*xf32>, %z: memref<*xf32>) inputs 3 attributes {arg_names = ["x", "y", "z"]} {
  }
  // CHECK: func.func @orders{{.*}}exec.lower_bound = 1536 : i64, exec.peak = 1536 : i64
  func.func @orders() {
    %a = exec.alloc : memref<128xf32>
    %b = exec.alloc : memref<192xf32>
    %c = exec.alloc : memref<128xf32>
    %d = exec.alloc : memref<128xf32>
    exec.fill %a with 0.0 : memref<128xf32>
    exec.launch @read over[1, 128] ins(%a, %c, %d : memref<128xf32>, memref<128xf32>, memref<128xf32>) outs()
    exec.fill %d with 0.0 : memref<128xf32>
    exec.fill %b with 0.0 : memref<192xf32>
    exec.fill %c with 0.0 : memref<128xf32>
    return
  }
}
