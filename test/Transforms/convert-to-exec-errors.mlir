// Scales from nowhere, and scales that would be lost.
// RUN: fp8c-opt %s --train-form-fusions --convert-to-exec -verify-diagnostics -split-input-file

func.func @lost(%x: tensor<16x16xf32>) -> !fp8.scaled<16x16xf8E4M3FN> {
  %a = fp8.amax %x : tensor<16x16xf32>
  %s = fp8.compute_scale %a : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %x, %s : tensor<16x16xf32> -> !fp8.scaled<16x16xf8E4M3FN>
  // expected-error @+1 {{returns '!fp8.scaled<16x16xf8E4M3FN>', whose scale has no place in a function's results: return it dequantised}}
  return %q : !fp8.scaled<16x16xf8E4M3FN>
}

// -----

func.func @no_scale(%q: !fp8.scaled<16x16xf8E4M3FN>) -> tensor<16x16xf32> {
  // expected-error @+1 {{reads '!fp8.scaled<16x16xf8E4M3FN>' without a scale}}
  %y = fp8.dequantize %q : !fp8.scaled<16x16xf8E4M3FN> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}

// -----

func.func @no_axes(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{has no lowering to exec}}
  %0 = train.reduce_sum %x axes [] : tensor<4x8xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

// expected-error @+1 {{takes 'f32', which no buffer holds}}
func.func @scalar(%x: f32) {
  return
}

// -----

func.func @constant() {
  // expected-error @+1 {{gives 'i32', which no buffer holds}}
  %0 = arith.constant 1 : i32
  return
}

// -----

func.func @integers(%x: tensor<4x8xi64>) -> tensor<8xi64> {
  // expected-error @+1 {{reduces integers along other dimensions than the last; run train-fit-kernels before convert-to-exec}}
  %0 = train.reduce_sum %x axes [0] : tensor<4x8xi64> -> tensor<8xi64>
  return %0 : tensor<8xi64>
}

// -----

func.func @initial(%x: tensor<16x16xf32>) -> tensor<16x16xf32> {
  // expected-error @+1 {{is a state that is a value, which has no lowering to exec: keep it in a train.variable}}
  %st = fp8.initial_state : !fp8.scale_state<f8E4M3FN, 16>
  %s = fp8.current_scale %st : !fp8.scale_state<f8E4M3FN, 16>
  %q, %k = fp8.quantize %x, %s : tensor<16x16xf32> -> !fp8.scaled<16x16xf8E4M3FN>
  %y = fp8.dequantize %q : !fp8.scaled<16x16xf8E4M3FN> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}
