// RUN: fp8c-opt %s --exec-plan-memory | FileCheck %s

// What a section touches lives until it is waited for; a buffer that comes behind may have its place.
// CHECK-LABEL: func.func @f(
func.func @f(%x: memref<64xf32>, %y: memref<64xf32>) attributes {exec.inputs = 1 : i64} {
  // CHECK: exec.alloc at 0 {fp8.name = "sent"} : memref<64xf32>
  %a = exec.alloc {fp8.name = "sent"} : memref<64xf32>
  exec.async_begin 0
  exec.copy %x to %a : memref<64xf32> to memref<64xf32>
  exec.async_end 0
  // CHECK: exec.alloc at 256 {fp8.name = "meanwhile"} : memref<64xf32>
  %b = exec.alloc {fp8.name = "meanwhile"} : memref<64xf32>
  exec.fill %b with 1.0 : memref<64xf32>
  exec.copy %b to %y : memref<64xf32> to memref<64xf32>
  exec.async_wait 0 for %a : memref<64xf32>
  // CHECK: exec.alloc at 0 {fp8.name = "after"} : memref<64xf32>
  %c = exec.alloc {fp8.name = "after"} : memref<64xf32>
  exec.fill %c with 2.0 : memref<64xf32>
  exec.copy %c to %y : memref<64xf32> to memref<64xf32>
  return
}
