// RUN: fp8c-opt %s --exec-merge-launches | FileCheck %s

exec.kernel @scale map (%x: memref<*xf32>, %y: memref<*xf32>) inputs 1 attributes {arg_names = ["x", "y"]} {
  exec.each {
    %0 = exec.load %x full : memref<*xf32>
    exec.store %0, %y full : memref<*xf32>
  }
}

// Launches of one kernel become one at the place of the last. Another kernel's launch in between does not matter.
// CHECK-LABEL: func.func @independent(
// CHECK-SAME: %[[A:[^:]*]]: memref<4x8xf32>, %[[B:[^:]*]]: memref<4x8xf32>, %[[C:[^:]*]]: memref<16xf32>, %[[D:[^:]*]]: memref<16xf32>
// CHECK-NEXT: exec.fill
// CHECK-NEXT: exec.launch_multi @scale over [4, 1] x [8, 16](%[[A]], %[[B]], %[[C]], %[[D]]) {phase = "update"} : memref<4x8xf32>, memref<4x8xf32>, memref<16xf32>, memref<16xf32>
// CHECK-NEXT: return
func.func @independent(%a: memref<4x8xf32>, %b: memref<4x8xf32>, %c: memref<16xf32>, %d: memref<16xf32>, %e: memref<16xf32>) {
  exec.launch @scale over [4, 8] (%a, %b) {phase = "update"} : memref<4x8xf32>, memref<4x8xf32>
  exec.fill %e with 0.0 : memref<16xf32>
  exec.launch @scale over [1, 16] (%c, %d) {phase = "update"} : memref<16xf32>, memref<16xf32>
  return
}

// The second reads what the first writes; the third only what nobody writes.
// CHECK-LABEL: func.func @chain(
// CHECK-NEXT: exec.launch @scale
// CHECK-NEXT: exec.launch_multi @scale over [1, 1] x [16, 16](%arg1, %arg2, %arg3, %arg4)
// CHECK-NEXT: return
func.func @chain(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32>, %d: memref<16xf32>, %e: memref<16xf32>) {
  exec.launch @scale over [1, 16] (%a, %b) {phase = "update"} : memref<16xf32>, memref<16xf32>
  exec.launch @scale over [1, 16] (%b, %c) {phase = "update"} : memref<16xf32>, memref<16xf32>
  exec.launch @scale over [1, 16] (%d, %e) {phase = "update"} : memref<16xf32>, memref<16xf32>
  return
}

// A call in between reads a view of what the first writes.
// CHECK-LABEL: func.func @call(
// CHECK-NEXT: exec.launch @scale
// CHECK-NEXT: exec.view
// CHECK-NEXT: exec.call
// CHECK-NEXT: exec.launch @scale
// CHECK-NEXT: return
func.func @call(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32>, %d: memref<16xf32>) {
  exec.launch @scale over [1, 16] (%a, %b) {phase = "update"} : memref<16xf32>, memref<16xf32>
  %0 = exec.view %b[4] : memref<16xf32> to memref<2xf32>
  exec.call "reads" ins(%0 : memref<2xf32>) outs(%a : memref<16xf32>)
  exec.launch @scale over [1, 16] (%c, %d) {phase = "update"} : memref<16xf32>, memref<16xf32>
  return
}

// Forward and backward keep their order, in which temporaries live shortest.
// CHECK-LABEL: func.func @micro(
// CHECK-NOT: exec.launch_multi
// CHECK: return
func.func @micro(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32>, %d: memref<16xf32>) {
  exec.launch @scale over [1, 16] (%a, %b) {phase = "fwd"} : memref<16xf32>, memref<16xf32>
  exec.launch @scale over [1, 16] (%c, %d) {phase = "fwd"} : memref<16xf32>, memref<16xf32>
  return
}
