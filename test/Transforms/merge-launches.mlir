// RUN: fp8c-opt %s --exec-merge-launches | FileCheck %s
// RUN: fp8c-opt %s --exec-merge-launches=max-held-bytes=1024 | FileCheck %s --check-prefix=LITTLE

exec.kernel @scale map (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
  exec.each {
    %0 = exec.load %x full : memref<*xf32>
    exec.store %0, %y full : memref<*xf32>
  }
}

// Launches of one kernel become one where something needs them. Another kernel's launch in between does not matter.
// CHECK-LABEL: func.func @independent(
// CHECK-SAME: %[[A:[^:]*]]: memref<4x8xf32>, %[[B:[^:]*]]: memref<4x8xf32>, %[[C:[^:]*]]: memref<16xf32>, %[[D:[^:]*]]: memref<16xf32>
// CHECK-NEXT: exec.fill
// CHECK-NEXT: exec.launch_multi @scale over [4, 1] x [8, 16](%[[A]], %[[B]], %[[C]], %[[D]]) {fp8.phase = #fp8.phase<update>} : memref<4x8xf32>, memref<4x8xf32>, memref<16xf32>, memref<16xf32>
// CHECK-NEXT: return
func.func @independent(%a: memref<4x8xf32>, %b: memref<4x8xf32>, %c: memref<16xf32>, %d: memref<16xf32>, %e: memref<16xf32>) {
  exec.launch @scale over[4, 8] ins(%a : memref<4x8xf32>) outs(%b : memref<4x8xf32>) {fp8.phase = #fp8.phase<update>}
  exec.fill %e with 0.0 : memref<16xf32>
  exec.launch @scale over[1, 16] ins(%c : memref<16xf32>) outs(%d : memref<16xf32>) {fp8.phase = #fp8.phase<update>}
  return
}

// The second reads what the first writes; the third only what nobody writes.
// CHECK-LABEL: func.func @chain(
// CHECK-NEXT: exec.launch @scale
// CHECK-NEXT: exec.launch_multi @scale over [1, 1] x [16, 16](%arg1, %arg2, %arg3, %arg4)
// CHECK-NEXT: return
func.func @chain(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32>, %d: memref<16xf32>, %e: memref<16xf32>) {
  exec.launch @scale over[1, 16] ins(%a : memref<16xf32>) outs(%b : memref<16xf32>) {fp8.phase = #fp8.phase<update>}
  exec.launch @scale over[1, 16] ins(%b : memref<16xf32>) outs(%c : memref<16xf32>) {fp8.phase = #fp8.phase<update>}
  exec.launch @scale over[1, 16] ins(%d : memref<16xf32>) outs(%e : memref<16xf32>) {fp8.phase = #fp8.phase<update>}
  return
}

// A call in between reads a view of what the first writes.
// CHECK-LABEL: func.func @call(
// CHECK-NEXT: exec.view
// CHECK-NEXT: exec.launch @scale
// CHECK-NEXT: exec.accumulate
// CHECK-NEXT: exec.launch @scale
// CHECK-NEXT: return
func.func @call(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32>, %d: memref<16xf32>, %e: memref<2xf32>) {
  exec.launch @scale over[1, 16] ins(%a : memref<16xf32>) outs(%b : memref<16xf32>) {fp8.phase = #fp8.phase<update>}
  %0 = exec.view %b[4] : memref<16xf32> to memref<2xf32>
  exec.accumulate %0 into %e : memref<2xf32>, memref<2xf32>
  exec.launch @scale over[1, 16] ins(%c : memref<16xf32>) outs(%d : memref<16xf32>) {fp8.phase = #fp8.phase<update>}
  return
}

// Forward and backward keep their order, in which temporaries live shortest, but for sums of partial sums (see below).
// CHECK-LABEL: func.func @micro(
// CHECK-NOT: exec.launch_multi
// CHECK: return
func.func @micro(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32>, %d: memref<16xf32>) attributes {train.function = #train.function<micro>} {
  exec.launch @scale over[1, 16] ins(%a : memref<16xf32>) outs(%b : memref<16xf32>) {fp8.phase = #fp8.phase<fwd>}
  exec.launch @scale over[1, 16] ins(%c : memref<16xf32>) outs(%d : memref<16xf32>) {fp8.phase = #fp8.phase<fwd>}
  return
}

// Kernels over rows merge if they are element-wise and store a transposed copy.
exec.kernel @transpose rows (%x: memref<*xf32>, %scale: memref<*xf32>, %t: memref<*xf8E4M3FN>) inputs 2 attributes {arg_names = ["x", "scale", "t"]} {
  %s = exec.load %scale scalar : memref<*xf32>
  exec.each {
    %0 = exec.load %x full : memref<*xf32>
    exec.quantize %0, %s transposed %t : memref<*xf8E4M3FN>
  }
}
exec.kernel @by_row rows (%x: memref<*xf32>, %scale: memref<*xf32>, %t: memref<*xf8E4M3FN>) inputs 2 attributes {arg_names = ["x", "scale", "t"]} {
  %s = exec.load %scale row : memref<*xf32>
  exec.each {
    %0 = exec.load %x full : memref<*xf32>
    exec.quantize %0, %s transposed %t : memref<*xf8E4M3FN>
  }
}
// CHECK-LABEL: func.func @tiles(
// CHECK-NEXT: exec.launch @by_row
// CHECK-NEXT: exec.launch @by_row
// CHECK-NEXT: exec.launch_multi @transpose over [16, 32] x [32, 16]
// CHECK-NEXT: return
func.func @tiles(%a: memref<16x32xf32>, %b: memref<32x16xf32>, %s: memref<1xf32>, %r: memref<32xf32>, %at: memref<32x16xf8E4M3FN>, %bt: memref<16x32xf8E4M3FN>, %ct: memref<32x16xf8E4M3FN>, %dt: memref<16x32xf8E4M3FN>) {
  exec.launch @transpose over[16, 32] ins(%a, %s : memref<16x32xf32>, memref<1xf32>) outs(%at : memref<32x16xf8E4M3FN>) {fp8.phase = #fp8.phase<update>}
  exec.launch @by_row over[16, 32] ins(%a, %r : memref<16x32xf32>, memref<32xf32>) outs(%ct : memref<32x16xf8E4M3FN>) {fp8.phase = #fp8.phase<update>}
  exec.launch @by_row over[32, 16] ins(%b, %r : memref<32x16xf32>, memref<32xf32>) outs(%dt : memref<16x32xf8E4M3FN>) {fp8.phase = #fp8.phase<update>}
  exec.launch @transpose over[32, 16] ins(%b, %s : memref<32x16xf32>, memref<1xf32>) outs(%bt : memref<16x32xf8E4M3FN>) {fp8.phase = #fp8.phase<update>}
  return
}

// Scales advance together where their settings are the same.
// CHECK-LABEL: func.func @scales(
// CHECK-NEXT: exec.advance_scale %arg0, %arg2 {format = f8E4M3FN, fp8.phase = #fp8.phase<update>} : memref<25xf32>, memref<25xf32>
// CHECK-NEXT: exec.advance_scale %arg1 {format = f8E5M2, fp8.name = "b", fp8.phase = #fp8.phase<update>} : memref<25xf32>
// CHECK-NEXT: return
func.func @scales(%a: memref<25xf32>, %b: memref<25xf32>, %c: memref<25xf32>) {
  exec.advance_scale %a {format = f8E4M3FN, fp8.name = "a", fp8.phase = #fp8.phase<update>} : memref<25xf32>
  exec.advance_scale %b {format = f8E5M2, fp8.name = "b", fp8.phase = #fp8.phase<update>} : memref<25xf32>
  exec.advance_scale %c {format = f8E4M3FN, fp8.name = "c", fp8.phase = #fp8.phase<update>} : memref<25xf32>
  return
}

// What reads an amax is put off behind it, so that all of a kind are done together: first amaxes, then scales.
exec.kernel @amax map (%x: memref<*xf32>, %stats: memref<*xui32>) inputs 1 attributes {arg_names = ["x", "stats"]} {
  exec.each {
    %0 = exec.load %x full : memref<*xf32>
    exec.amax %0, %stats : memref<*xui32>
  }
}
// CHECK-LABEL: func.func @amax_then_scale(
// CHECK-NEXT: exec.launch_multi @amax over [1, 1] x [16, 16](%arg0, %arg2, %arg1, %arg3)
// CHECK-NEXT: exec.compute_scale %arg2, %arg3 into %arg4, %arg5 {format = f8E4M3FN, fp8.phase = #fp8.phase<update>} : memref<3xui32>, memref<3xui32> into memref<5xf32>, memref<5xf32>
// CHECK-NEXT: return
func.func @amax_then_scale(%a: memref<16xf32>, %b: memref<16xf32>, %as: memref<3xui32>, %bs: memref<3xui32>, %ap: memref<5xf32>, %bp: memref<5xf32>) {
  exec.launch @amax over[1, 16] ins(%a : memref<16xf32>) outs(%as : memref<3xui32>) {fp8.phase = #fp8.phase<update>}
  exec.compute_scale %as into %ap {format = f8E4M3FN, fp8.phase = #fp8.phase<update>} : memref<3xui32> into memref<5xf32>
  exec.launch @amax over[1, 16] ins(%b : memref<16xf32>) outs(%bs : memref<3xui32>) {fp8.phase = #fp8.phase<update>}
  exec.compute_scale %bs into %bp {format = f8E4M3FN, fp8.phase = #fp8.phase<update>} : memref<3xui32> into memref<5xf32>
  return
}

// A scale is written again before the second amax is done with what it read: everything keeps its order.
// CHECK-LABEL: func.func @cycle(
// CHECK-NEXT: exec.launch @amax over[1, 5] ins(%arg1 : {{.*}} outs(%arg0 :
// CHECK-NEXT: exec.compute_scale %arg0 into %arg1 {format = f8E4M3FN, fp8.phase = #fp8.phase<update>} : memref<3xui32> into memref<5xf32>
// CHECK-NEXT: exec.launch @amax over[1, 5] ins(%arg1 : {{.*}} outs(%arg2 :
// CHECK-NEXT: return
func.func @cycle(%s: memref<3xui32>, %p: memref<5xf32>, %t: memref<3xui32>) {
  exec.launch @amax over[1, 5] ins(%p : memref<5xf32>) outs(%s : memref<3xui32>) {fp8.phase = #fp8.phase<update>}
  exec.compute_scale %s into %p {format = f8E4M3FN, fp8.phase = #fp8.phase<update>} : memref<3xui32> into memref<5xf32>
  exec.launch @amax over[1, 5] ins(%p : memref<5xf32>) outs(%t : memref<3xui32>) {fp8.phase = #fp8.phase<update>}
  return
}

// Sums of partial sums wait until someone needs one, or until there are too many partial sums.
exec.kernel @partials rows (%x: memref<*xf32>, %p: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "p"]} {
  exec.each {
    %0 = exec.load %x full : memref<*xf32>
    exec.partial_sum %0, %p slot 0 block_rows 32 : memref<*xf32>
  }
}
exec.kernel @total columns (%p: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["p", "y"]} {
  exec.column_sum %y {
    %0 = exec.load %p full : memref<*xf32>
    exec.yield %0
  } : memref<*xf32>
}
// CHECK-LABEL: func.func @sums(
// CHECK: exec.launch @partials over[128, 64] ins(%arg0 : {{.*}} outs(%[[P:[^ ]*]] : {{.*}} {fp8.phase = #fp8.phase<dgrad>}
// CHECK-NEXT: %[[Q:.*]] = exec.alloc
// CHECK-NEXT: exec.launch @partials over[128, 32] ins(%arg1 : {{.*}} outs(%[[Q]] : {{.*}} {fp8.phase = #fp8.phase<dgrad>}
// CHECK-NEXT: exec.launch_multi @total over [4, 4] x [64, 32](%[[P]], %arg2, %[[Q]], %arg3) {fp8.phase = #fp8.phase<wgrad>}
// CHECK-NEXT: exec.launch @scale over[1, 64] ins(%arg2 : {{.*}} outs(%arg4 :
// CHECK-NEXT: return
// LITTLE-LABEL: func.func @sums(
// LITTLE: exec.launch @partials
// LITTLE-NEXT: exec.alloc
// LITTLE-NEXT: exec.launch @partials
// LITTLE-NEXT: exec.launch @total over[4, 64]
// LITTLE-NEXT: exec.launch @total over[4, 32]
// LITTLE-NEXT: exec.launch @scale
func.func @sums(%x: memref<128x64xf32>, %y: memref<128x32xf32>, %dx: memref<64xf32>, %dy: memref<32xf32>, %z: memref<64xf32>) {
  %p = exec.alloc : memref<4x64xf32>
  exec.launch @partials over[128, 64] ins(%x : memref<128x64xf32>) outs(%p : memref<4x64xf32>) {fp8.phase = #fp8.phase<dgrad>}
  exec.launch @total over[4, 64] ins(%p : memref<4x64xf32>) outs(%dx : memref<64xf32>) {fp8.phase = #fp8.phase<wgrad>}
  %q = exec.alloc : memref<4x32xf32>
  exec.launch @partials over[128, 32] ins(%y : memref<128x32xf32>) outs(%q : memref<4x32xf32>) {fp8.phase = #fp8.phase<dgrad>}
  exec.launch @total over[4, 32] ins(%q : memref<4x32xf32>) outs(%dy : memref<32xf32>) {fp8.phase = #fp8.phase<wgrad>}
  exec.launch @scale over[1, 64] ins(%dx : memref<64xf32>) outs(%z : memref<64xf32>) {fp8.phase = #fp8.phase<update>}
  return
}

// Sums of anything else keep their place.
// CHECK-LABEL: func.func @other_sums(
// CHECK-NOT: exec.launch_multi
// CHECK: return
func.func @other_sums(%x: memref<4x64xf32>, %y: memref<4x32xf32>, %dx: memref<64xf32>, %dy: memref<32xf32>) {
  exec.launch @total over[4, 64] ins(%x : memref<4x64xf32>) outs(%dx : memref<64xf32>) {fp8.phase = #fp8.phase<wgrad>}
  exec.launch @total over[4, 32] ins(%y : memref<4x32xf32>) outs(%dy : memref<32xf32>) {fp8.phase = #fp8.phase<wgrad>}
  return
}

// In the update, too, launches that are put off hold few temporaries: two of 512 bytes here. What they read of arguments does not count,
// and what two of them read counts once.
// CHECK-LABEL: func.func @temporaries(
// CHECK: exec.launch_multi @scale over [1, 1, 1, 1] x [128, 128, 128, 512]
// CHECK-NEXT: return
// LITTLE-LABEL: func.func @temporaries(
// LITTLE: exec.launch_multi @scale over [1, 1] x [128, 128]({{.*}}, %arg1, {{.*}}, %arg2)
// LITTLE: exec.launch_multi @scale over [1, 1] x [128, 512]({{.*}}, %arg3, %arg0, %arg4)
// LITTLE-NEXT: return
func.func @temporaries(%a: memref<512xf32>, %b: memref<128xf32>, %c: memref<128xf32>, %d: memref<128xf32>, %e: memref<512xf32>) {
  %x = exec.alloc : memref<128xf32>
  %y = exec.alloc : memref<128xf32>
  %z = exec.alloc : memref<128xf32>
  exec.fill %x with 1.0 : memref<128xf32>
  exec.fill %y with 1.0 : memref<128xf32>
  exec.fill %z with 1.0 : memref<128xf32>
  exec.launch @scale over[1, 128] ins(%x : memref<128xf32>) outs(%b : memref<128xf32>) {fp8.phase = #fp8.phase<update>}
  exec.launch @scale over[1, 128] ins(%y : memref<128xf32>) outs(%c : memref<128xf32>) {fp8.phase = #fp8.phase<update>}
  exec.launch @scale over[1, 128] ins(%z : memref<128xf32>) outs(%d : memref<128xf32>) {fp8.phase = #fp8.phase<update>}
  exec.launch @scale over[1, 512] ins(%a : memref<512xf32>) outs(%e : memref<512xf32>) {fp8.phase = #fp8.phase<update>}
  return
}
