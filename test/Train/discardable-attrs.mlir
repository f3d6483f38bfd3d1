// RUN: fp8c-opt %s --split-input-file --verify-diagnostics

// What is known, in its place.
module attributes {train.model = "gpt2", train.micro_batches = 1 : i64, train.recompute = "norm,block:2", train.pad = 0 : i64} {
  train.variable @w : tensor<16x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>, train.file_name = "transformer.w", train.transposed, fp8.why = "x.yaml:3",
      fp8.precision = #fp8.precision<storage = <f16, scaled = true, stochastic = true>>}
  func.func @forward(%x: tensor<16x16xf32> {fp8.name = "x", train.input = #train.input<tokens>, train.ids = 7 : i64}) -> (tensor<16x16xf32> {fp8.name = "y", train.output = #train.output<logits>})
      attributes {train.function = #train.function<forward>, train.labels = #train.input<labels>} {
    %w = train.read @w {fp8.name = "h.0/mlp"} : tensor<16x16xf32>
    %y = train.matmul %x, %w {fp8.name = "h.0/mlp", fp8.phase = #fp8.phase<fwd>,
        fp8.precision = #fp8.precision<result = bf16, lhs = <f8E4M3FN, scaling = delayed, window = 4, margin = 1, pow2 = true>, rhs = <f8E4M3FN, granularity = row>, fast_accum = true, why = "x.yaml:9">}
        : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
    %z = train.fusion map(%a = %y : tensor<16x16xf32>) -> tensor<16x16xf32> attributes {train.result_names = ["z"], train.saved_bytes = 2048 : i64} {
      %g = train.gelu %a : tensor<16x16xf32> -> tensor<16x16xf32>
      train.yield %g : tensor<16x16xf32>
    }
    return %z : tensor<16x16xf32>
  }
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'train.gelu' op has an attribute "train.nmae" that the dialect does not know; there are train.result_names, train.saved_bytes,}}
  %0 = train.gelu %x {train.nmae = "h.0/mlp"} : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'arith.negf' op attribute "fp8.phase" must be a #fp8.phase, but is "fwd"}}
  %0 = arith.negf %x {fp8.phase = "fwd"} : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+2 {{expected ::fp8c::fp8::Phase to be one of: fwd, dgrad, wgrad, recompute, update}}
  // expected-error @+1 {{failed to parse}}
  %0 = train.gelu %x {fp8.phase = #fp8.phase<wgard>} : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{has the attribute "train.pad", which stands on modules only}}
  %0 = train.gelu %x {train.pad = 0 : i64} : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// expected-error @+1 {{argument 0 has the attribute "fp8.phase", which stands on ops only}}
func.func @f(%x: tensor<4xf32> {fp8.phase = #fp8.phase<fwd>}) {
  return
}

// -----

// expected-error @+1 {{argument 1 attribute "train.ids" must be an integer of type i64, but is 7 : i32}}
func.func @f(%x: tensor<4xi64>, %y: tensor<4xi64> {train.ids = 7 : i32}) {
  return
}

// -----

// expected-error @+1 {{result 0 has the attribute "train.input", which stands on arguments of functions only}}
func.func @f(%x: tensor<4xf32>) -> (tensor<4xf32> {train.input = #train.input<tokens>}) {
  return %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{has the attribute "train.file_name", which stands on variables only}}
func.func @f() attributes {train.file_name = "w"} {
  return
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{has 0 result names, but 1 results}}
  %z = train.fusion map(%a = %x : tensor<4xf32>) -> tensor<4xf32> attributes {train.result_names = []} {
    %g = train.gelu %a : tensor<4xf32> -> tensor<4xf32>
    train.yield %g : tensor<4xf32>
  }
  return %z : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{has the attribute "train.saved_bytes", which stands on train.fusion only}}
  %z = train.gelu %x {train.saved_bytes = 8 : i64} : tensor<4xf32> -> tensor<4xf32>
  return %z : tensor<4xf32>
}
