// What has no counterpart upstream is refused, and nothing is changed.
// RUN: fp8c-opt %s --fp8-lower-to-upstream --verify-diagnostics --split-input-file --allow-unregistered-dialect
// RUN: not fp8c-opt %s --fp8-lower-to-upstream --split-input-file --allow-unregistered-dialect --mlir-print-ir-after-failure 2>&1 | FileCheck %s

// CHECK-LABEL: func.func @stochastic(
// CHECK: fp8.amax
// CHECK: fp8.compute_scale
// CHECK-NOT: linalg.
// CHECK-LABEL: func.func @collectives(
func.func @stochastic(%x: tensor<4xf32>) -> !fp8.scaled<4xf8E4M3FN> {
  %a = fp8.amax %x : tensor<4xf32>
  %s = fp8.compute_scale %a : !fp8.scale<f8E4M3FN>
  // expected-error @+1 {{rounds stochastically, which upstream's ops cannot: leave 'stochastic' and the key out to round to nearest}}
  %q, %k = fp8.quantize %x, %s key %a {stochastic = 1} : tensor<4xf32> -> !fp8.scaled<4xf8E4M3FN>
  return %q : !fp8.scaled<4xf8E4M3FN>
}

// -----

// Every one is told, not the first alone.
func.func @collectives(%q: !fp8.scaled<4x8xf8E5M2>, %a: tensor<f32>) {
  // expected-error @+1 {{'fp8.agree' op joins processes, which has no counterpart in linalg and arith}}
  %0 = fp8.agree %a over ["dp"] : tensor<f32>
  // expected-error @+1 {{'fp8.all_reduce' op joins processes}}
  %1 = fp8.all_reduce %q over ["dp"] native : !fp8.scaled<4x8xf8E5M2>
  // expected-error @+1 {{'fp8.adjust_mu' op joins processes}}
  %2 = fp8.adjust_mu %a by %1 over ["dp"] : tensor<f32> by !fp8.scaled<4x8xf8E5M2>
  // expected-error @+1 {{'fp8.all_to_all' op joins processes}}
  %3 = fp8.all_to_all %q over ["dp"] : !fp8.scaled<4x8xf8E5M2>
  // expected-error @+1 {{poisons the scale of an amax that no fp8.amax beside it gives}}
  %4 = fp8.compute_scale %a {poison} : !fp8.scale<f8E5M2>
  return
}

// -----

func.func @elsewhere(%q: !fp8.scaled<4x8xf8E5M2>) {
  // expected-error @+1 {{'other.op' op has '!fp8.scaled<4x8xf8E5M2>', which becomes plain values only in functions, calls, branches}}
  "other.op"(%q) : (!fp8.scaled<4x8xf8E5M2>) -> ()
  return
}

// -----

// expected-error @+1 {{'func.func' op has 'tuple<!fp8.stats>'}}
func.func private @inside(tuple<!fp8.stats>)

// -----

func.func private @callee(!fp8.stats)
func.func @pointer() {
  // expected-error @+1 {{'func.constant' op has '(!fp8.stats) -> ()'}}
  %0 = func.constant @callee : (!fp8.stats) -> ()
  return
}

// -----

// expected-error @+1 {{'other.function' op has '!fp8.stats'}}
"other.function"() ({
^bb0(%k: !fp8.stats):
}) : () -> ()

// -----

// expected-error @+1 {{'func.func' op has '!fp8.scaled<4xf8E5M2>'}}
func.func @unreachable() {
  return
^bb1(%q: !fp8.scaled<4xf8E5M2>):
  return
}
