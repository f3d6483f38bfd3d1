// RUN: fp8c-opt %s -split-input-file --exec-overlap-collectives | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --exec-overlap-collectives --exec-overlap-collectives | FileCheck %s

// Gradients travel beside what follows, which waits where it needs them; a third bucket waits for the first.
module attributes {exec.target = #exec.target<cuda, sm_90>} {
  train.grid @grid [dp = 2]
  // CHECK-LABEL: func.func @micro(
  func.func @micro(%x: memref<8xf32>, %a: memref<8xf32>, %b: memref<8xf32>, %c: memref<8xf32>, %k: memref<3xui32>, %space: memref<64xi8>) attributes {exec.inputs = 1 : i64, train.function = #train.function<micro>} {
    // CHECK: exec.copy
    // What is declared stands before.
    // CHECK-NEXT: %[[SCRATCH:.*]] = exec.alloc
    // CHECK-NEXT: exec.async_begin 0
    // CHECK-NEXT: exec.all_reduce %arg1 into %arg1
    // CHECK-NEXT: exec.agree_stats
    // CHECK-NEXT: exec.async_end 0
    exec.copy %x to %a : memref<8xf32> to memref<8xf32>
    exec.all_reduce %a into %a scratch %space sum over ["dp"] {fp8.phase = #fp8.phase<update>} : memref<8xf32> into memref<8xf32> scratch memref<64xi8>
    %s = exec.alloc : memref<24xi8>
    exec.agree_stats stats %k scratch %s over ["dp"] {fp8.phase = #fp8.phase<update>} : stats memref<3xui32> scratch memref<24xi8>
    // CHECK-NEXT: exec.copy %arg0 to %arg2
    // CHECK-NEXT: exec.async_begin 1
    // CHECK: exec.async_end 1
    exec.copy %x to %b : memref<8xf32> to memref<8xf32>
    exec.all_reduce %b into %b scratch %space sum over ["dp"] {fp8.phase = #fp8.phase<update>} : memref<8xf32> into memref<8xf32> scratch memref<64xi8>
    // CHECK-NEXT: exec.copy %arg0 to %arg3
    // CHECK-NEXT: exec.async_wait 0 for %arg1, %arg5, %arg4, %[[SCRATCH]] :
    // CHECK-NEXT: exec.async_begin 2
    // CHECK: exec.async_end 2
    exec.copy %x to %c : memref<8xf32> to memref<8xf32>
    exec.all_reduce %c into %c scratch %space sum over ["dp"] {fp8.phase = #fp8.phase<update>} : memref<8xf32> into memref<8xf32> scratch memref<64xi8>
    // CHECK-NEXT: exec.async_wait 1 for %arg2, %arg5
    // CHECK-NEXT: exec.copy %arg2 to %arg0
    // CHECK-NEXT: exec.async_wait 2 for %arg3, %arg5
    // CHECK-NEXT: return
    exec.copy %b to %x : memref<8xf32> to memref<8xf32>
    return
  }
}

// -----

// Whatever a gradient is joined by.
module attributes {exec.target = #exec.target<cuda, sm_90>} {
  train.grid @grid [dp = 2]
  // CHECK-LABEL: func.func @micro(
  func.func @micro(%x: memref<8xf32>, %a: memref<4xf32>, %b: memref<8xf32>, %c: memref<8xf32>, %space: memref<64xi8>) attributes {exec.inputs = 1 : i64, train.function = #train.function<micro>} {
    // CHECK-NEXT: exec.async_begin 0
    // CHECK-NEXT: exec.all_to_all
    // CHECK-NEXT: exec.reduce_scatter
    // CHECK-NEXT: exec.all_gather
    // CHECK-NEXT: exec.async_end 0
    exec.all_to_all %x into %c over ["dp"] {fp8.phase = #fp8.phase<update>} : memref<8xf32> into memref<8xf32>
    exec.reduce_scatter %c into %a scratch %space sum over ["dp"] {fp8.phase = #fp8.phase<update>} : memref<8xf32> into memref<4xf32> scratch memref<64xi8>
    exec.all_gather %a into %b over ["dp"] {fp8.phase = #fp8.phase<update>} : memref<4xf32> into memref<8xf32>
    // CHECK-NEXT: exec.async_wait 0
    // CHECK-NEXT: return
    return
  }
}

// -----

// Scales that backward needs at once stay in its way; so does all on a machine that does one thing after the other.
module attributes {exec.target = #exec.target<cuda, sm_90>} {
  train.grid @grid [dp = 2]
  // CHECK-LABEL: func.func @scales(
  // CHECK-NOT: async
  func.func @scales(%k: memref<3xui32>, %s: memref<24xi8>) attributes {exec.inputs = 1 : i64, train.function = #train.function<micro>} {
    exec.agree_stats stats %k scratch %s over ["dp"] {fp8.phase = #fp8.phase<dgrad>} : stats memref<3xui32> scratch memref<24xi8>
    return
  }
}

// -----

train.grid @grid [dp = 2]
// CHECK-LABEL: func.func @cpu(
// CHECK-NOT: async
func.func @cpu(%a: memref<8xf32>, %space: memref<64xi8>) attributes {exec.inputs = 1 : i64, train.function = #train.function<micro>} {
  exec.all_reduce %a into %a scratch %space sum over ["dp"] {fp8.phase = #fp8.phase<update>} : memref<8xf32> into memref<8xf32> scratch memref<64xi8>
  return
}
