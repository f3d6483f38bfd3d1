// A function that says how much its temporaries take, but not how much of it is needed at once.
// RUN: rm -rf %t.fp8x && fp8c-test-opt %s "--test-compile=output=%t.fp8x from=exec" -o /dev/null
// RUN: FileCheck %s < %t.fp8x/step.cpp

// CHECK: // forward(
// CHECK-NEXT: extern "C" void fp8c_forward(
module attributes {exec.arena_bytes = 0 : i64, exec.variables_bytes = 0 : i64} {
  func.func @forward(%x: memref<4xf32>) attributes {train.function = #train.function<forward>, exec.inputs = 1 : i64, exec.peak = 0 : i64} {
    return
  }
}
