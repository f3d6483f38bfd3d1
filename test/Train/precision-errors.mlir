// Decisions that no pass could carry out are refused wherever they stand.
// RUN: fp8c-opt %s -verify-diagnostics -split-input-file

func.func @no_dictionary(%x: tensor<8xf32>) {
  // expected-error @+1 {{attribute "train.precision" must be a dictionary, but is "bf16"}}
  %0 = train.exp %x {train.precision = "bf16"} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @unknown(%x: tensor<8xf32>) {
  // expected-error @+1 {{precision: nobody reads 'typo'}}
  %0 = train.exp %x {train.precision = {typo = 3 : i64}} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @operand_of_none(%x: tensor<8xf32>) {
  // expected-error @+1 {{precision: nobody reads 'lhs'}}
  %0 = train.exp %x {train.precision = {lhs = bf16}} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @result(%x: tensor<8xf32>) {
  // expected-error @+1 {{precision: 'result' must be f32, bf16 or f16, or one of these a result, but is f8E4M3FN}}
  %0 = train.exp %x {train.precision = {result = f8E4M3FN}} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @results(%x: tensor<8x8xf32>) {
  // expected-error @+1 {{precision: 'result' must be}}
  %0 = train.exp %x {train.precision = {result = []}} : tensor<8x8xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @scaling(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: 'lhs_scaling' must be delayed, current or bounded, but is "delaid"}}
  %0 = train.matmul %x, %x {train.precision = {lhs = f8E4M3FN, lhs_scaling = "delaid", rhs = f8E4M3FN}} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @window(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: 'lhs_window' must be the number of amaxes, at least one, but is 0}}
  %0 = train.matmul %x, %x {train.precision = {lhs = f8E4M3FN, lhs_window = 0 : i64, rhs = f8E4M3FN}} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @margin(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: 'rhs_margin' must be a number of binades, not negative, but is -1}}
  %0 = train.matmul %x, %x {train.precision = {lhs = f8E4M3FN, rhs = f8E4M3FN, rhs_margin = -1 : i64}} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @granularity(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: 'lhs_granularity' must be tensor, row, 1x128 or 128x128, but is "rows"}}
  %0 = train.matmul %x, %x {train.precision = {lhs = f8E4M3FN, lhs_granularity = "rows", rhs = f8E4M3FN}} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @delayed_rows(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: only one scale per tensor can be delayed, but lhs has granularity row}}
  %0 = train.matmul %x, %x {train.precision = {lhs = f8E4M3FN, lhs_granularity = "row", lhs_scaling = "delayed", rhs = f8E4M3FN}} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @one_operand(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: one operand alone cannot be FP8}}
  %0 = train.matmul %x, %x {train.precision = {lhs = f8E4M3FN, rhs = bf16}} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @both_e5m2(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: both operands would be f8E5M2, which no hardware contracts}}
  %0 = train.matmul %x, %x {train.precision = {lhs = f8E5M2, rhs = f8E5M2}} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

// expected-error @+1 {{precision: storage is 'bf16', but 'scaled' are f8E4M3FN, f8E5M2 and f16}}
train.variable @scaled_bf16 : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, train.precision = {scaled, storage = bf16}}

// -----

// expected-error @+1 {{precision: storage is 'f8E4M3FN', which needs a scale: say 'scaled'}}
train.variable @unscaled : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, train.precision = {storage = f8E4M3FN}}

// -----

// expected-error @+1 {{precision: says how to store it, but not as 'storage' in what}}
train.variable @no_storage : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, train.precision = {scaled}}

// -----

// expected-error @+1 {{precision: only tensors of f32, bf16 or f16 have a storage to choose, but it is 'tensor<8xi64>'}}
train.variable @integers : tensor<8xi64> {init = #train.constant<0.0>, role = #train.role<buffer>, train.precision = {storage = f16}}

// -----

// expected-error @+1 {{precision: 'sqrt' is for second moments, which are never negative; this is a parameter}}
train.variable @root : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, train.precision = {scaled, sqrt, storage = f8E4M3FN}}

// -----

// expected-error @+1 {{precision: 'stochastic' is for parameters and moments in scaled storage}}
train.variable @noise : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<gradient>, train.precision = {scaled, stochastic, storage = f8E4M3FN}}

// -----

// expected-error @+1 {{precision: nobody reads 'result'}}
func.func @nothing_to_choose() attributes {train.precision = {result = bf16}} {
  return
}
