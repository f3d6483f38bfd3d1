// RUN: fp8c-opt %s --split-input-file --verify-diagnostics

// What is known, in its place.
module attributes {fp8.recipe = "fp8-delayed", fp8.current_uses = 3 : i64, fp8.products = {fp8 = 3 : i64, refused = {"it has batch dimensions" = 2 : i64}, asked = {}}} {
  train.variable @x.scale : !fp8.scale_state<f8E4M3FN, 16> {fp8.counted = 512 : i64, fp8.format = f8E4M3FN, init = #train.constant<1.0>, role = #train.role<scale>}
  func.func @observe(%x: tensor<16x16xf32>) -> (tensor<16x16xf32> {fp8.role = "activation",
      fp8.uses = [{op = "fc", gemm = "fwd", operand = "x", contracting = array<i64: 1>, quantised = {format = f8E4M3FN, tile = array<i64>, margin = 0 : i64, pow2 = true}}]}) attributes {train.function = #train.function<observe>} {
    return %x : tensor<16x16xf32>
  }
}

// -----

// expected-error @+1 {{has an attribute "fp8.recpie" that the dialect does not know; there are fp8.name, fp8.phase, fp8.precision, fp8.why, fp8.counted,}}
module attributes {fp8.recpie = "fp8-delayed"} {
}

// -----

// expected-error @+1 {{attribute "fp8.products" must be a dictionary of how many products are {fp8, refused, asked}, but is {fp8 = 3 : i64}}}
module attributes {fp8.products = {fp8 = 3 : i64}} {
}

// -----

// expected-error @+1 {{has the attribute "fp8.format", which stands on variables only}}
func.func @f() attributes {fp8.format = f8E4M3FN} {
  return
}

// -----

// expected-error @+1 {{result 0 attribute "fp8.uses" must be an array of {op, gemm, operand, contracting, quantised}, but is [{op = "fc"}]}}
func.func @f(%x: tensor<4xf32>) -> (tensor<4xf32> {fp8.uses = [{op = "fc"}]}) {
  return %x : tensor<4xf32>
}
