// Decisions that no pass could carry out are refused wherever they stand.
// RUN: fp8c-opt %s -verify-diagnostics -split-input-file

func.func @no_decision(%x: tensor<8xf32>) {
  // expected-error @+1 {{attribute "fp8.precision" must be a #fp8.precision, but is "bf16"}}
  %0 = train.exp %x {fp8.precision = "bf16"} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @unknown(%x: tensor<8xf32>) {
  // expected-error @+1 {{duplicate or unknown struct parameter name: typo}}
  %0 = train.exp %x {fp8.precision = #fp8.precision<typo = 3>} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @operand_of_none(%x: tensor<8xf32>) {
  // expected-error @+1 {{precision: nobody reads 'lhs'}}
  %0 = train.exp %x {fp8.precision = #fp8.precision<lhs = <bf16>>} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @storage_of_none(%x: tensor<8xf32>) {
  // expected-error @+1 {{precision: nobody reads 'storage'}}
  %0 = train.exp %x {fp8.precision = #fp8.precision<storage = <bf16>>} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @result(%x: tensor<8xf32>) {
  // expected-error @+1 {{precision: 'result' must be f32, bf16 or f16, or one of these a result, but is 'f8E4M3FN'}}
  %0 = train.exp %x {fp8.precision = #fp8.precision<result = f8E4M3FN>} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @results(%x: tensor<8xf32>) {
  // expected-error @+1 {{precision: 'result' must be}}
  %0 = train.exp %x {fp8.precision = #fp8.precision<result = [bf16, bf16]>} : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @operand_format(%x: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
  // expected-error @+1 {{an operand's format is f32, bf16, f16, f8E4M3FN or f8E5M2, but this is 'f64'}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f64>, rhs = <bf16>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @scale_of_none(%x: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
  // expected-error @+1 {{'bf16' has no scale to find}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <bf16, pow2 = true>, rhs = <bf16>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @no_window(%x: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
  // expected-error @+1 {{delayed scaling, and no other, has a window of at least one amax, but this is delayed with window 0}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed>, rhs = <f8E4M3FN>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @window_of_current(%x: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
  // expected-error @+1 {{but this is current with window 16}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f8E4M3FN, window = 16>, rhs = <f8E4M3FN>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @negative_window(%x: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
  // expected-error @+1 {{but this is delayed with window -1}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = -1>, rhs = <f8E4M3FN>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @margin(%x: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
  // expected-error @+1 {{the margin is a number of binades, not negative, but this is -1}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN, margin = -1>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @delayed_rows(%x: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
  // expected-error @+1 {{only one scale per tensor can be delayed, but the granularity is row}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f8E4M3FN, scaling = delayed, window = 1, granularity = row>, rhs = <f8E4M3FN>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @one_operand(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: one operand alone cannot be FP8}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f8E4M3FN>, rhs = <bf16>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @both_e5m2(%x: tensor<16x16xf32>) {
  // expected-error @+1 {{precision: both operands would be f8E5M2, which no hardware contracts}}
  %0 = train.matmul %x, %x {fp8.precision = #fp8.precision<lhs = <f8E5M2>, rhs = <f8E5M2, pow2 = true>>} : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

// expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
// expected-error @+1 {{storage is 'bf16', but 'scaled' are f8E4M3FN, f8E5M2 and f16}}
train.variable @scaled_bf16 : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, fp8.precision = #fp8.precision<storage = <bf16, scaled = true>>}

// -----

// expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
// expected-error @+1 {{storage is 'f8E4M3FN', which needs a scale: say 'scaled'}}
train.variable @unscaled : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, fp8.precision = #fp8.precision<storage = <f8E4M3FN>>}

// -----

// expected-error @+1 {{precision: only tensors of f32, bf16 or f16 have a storage to choose, but it is 'tensor<8xi64>'}}
train.variable @integers : tensor<8xi64> {init = #train.constant<0.0>, role = #train.role<buffer>, fp8.precision = #fp8.precision<storage = <f16>>}

// -----

// expected-error @+1 {{precision: 'sqrt' is for second moments, which are never negative; this is a parameter}}
train.variable @root : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, fp8.precision = #fp8.precision<storage = <f8E4M3FN, scaled = true, sqrt = true>>}

// -----

// expected-error @+1 {{precision: 'stochastic' is for parameters and moments}}
train.variable @noise : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<gradient>, fp8.precision = #fp8.precision<storage = <f8E4M3FN, scaled = true, stochastic = true>>}

// -----

// expected-error @+2 {{failed to parse FP8_PrecisionAttr parameter}}
// expected-error @+1 {{'stochastic' is for scaled storage}}
train.variable @unscaled_noise : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, fp8.precision = #fp8.precision<storage = <bf16, stochastic = true>>}

// -----

// expected-error @+1 {{precision: nobody reads 'result'}}
func.func @nothing_to_choose() attributes {fp8.precision = #fp8.precision<result = bf16>} {
  return
}
