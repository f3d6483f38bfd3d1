// What a fusion may hold and yield, by its skeleton.
// RUN: fp8c-opt %s -verify-diagnostics -split-input-file

func.func @argument(%x: tensor<4x8xf32>) {
  %0 = train.fusion map(%a = %x : tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error @+1 {{yields what the kernel does not compute}}
    train.yield %a : tensor<4x8xf32>
  }
  return
}

// -----

func.func @twice(%x: tensor<4x8xf32>) {
  %0:2 = train.fusion map(%a = %x : tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
    %1 = train.exp %a : tensor<4x8xf32> -> tensor<4x8xf32>
    // expected-error @+1 {{yields a value twice}}
    train.yield %1, %1 : tensor<4x8xf32>, tensor<4x8xf32>
  }
  return
}

// -----

func.func @nothing(%x: tensor<4x8xf32>) {
  train.fusion map(%a = %x : tensor<4x8xf32>) {
    %1 = train.exp %a : tensor<4x8xf32> -> tensor<4x8xf32>
    // expected-error @+1 {{yields nothing: the kernel would be for nothing}}
    train.yield
  }
  return
}

// -----

func.func @product(%x: tensor<8x8xf32>) {
  %0 = train.fusion map(%a = %x : tensor<8x8xf32>) -> tensor<8x8xf32> {
    // expected-error @+1 {{cannot stand in a train.fusion of skeleton map: it is neither element-wise nor a reduction}}
    %1 = train.matmul %a, %a : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    train.yield %1 : tensor<8x8xf32>
  }
  return
}

// -----

func.func @table(%x: tensor<2xf32>) {
  %0 = train.fusion map(%a = %x : tensor<2xf32>) -> tensor<2xf32> {
    // expected-error @+1 {{it is more than one number}}
    %1 = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %2 = train.add %a, %1 : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
    train.yield %2 : tensor<2xf32>
  }
  return
}

// -----

func.func @vector_in_map(%x: tensor<4x8xf32>, %y: tensor<8xf32>) {
  %0 = train.fusion map(%a = %x : tensor<4x8xf32>, %b = %y : tensor<8xf32>) -> tensor<4x8xf32> {
    // expected-error @+1 {{of skeleton map: it reads 'tensor<8xf32>', which takes rows and columns}}
    %1 = train.add %a, %b : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
    train.yield %1 : tensor<4x8xf32>
  }
  return
}

// -----

func.func @reduction_in_map(%x: tensor<4x8xf32>) {
  %0 = train.fusion map(%a = %x : tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error @+1 {{kernels over elements reduce nothing}}
    %1 = train.softmax %a : tensor<4x8xf32> -> tensor<4x8xf32>
    train.yield %1 : tensor<4x8xf32>
  }
  return
}

// -----

func.func @rows_of_columns(%x: tensor<4x8xf32>) {
  %0 = train.fusion rows(%a = %x : tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error @+1 {{kernels over rows reduce the last dimension and keep it with size 1}}
    %1 = train.reduce_sum %a axes [0] {keepdims} : tensor<4x8xf32> -> tensor<1x8xf32>
    %2 = train.add %a, %1 : tensor<4x8xf32>, tensor<1x8xf32> -> tensor<4x8xf32>
    train.yield %2 : tensor<4x8xf32>
  }
  return
}

// -----

func.func @vector_of_rows(%x: tensor<4x8xf32>, %y: tensor<8xf32>) {
  %0:2 = train.fusion rows(%a = %x : tensor<4x8xf32>, %b = %y : tensor<8xf32>) -> (tensor<4x8xf32>, tensor<8xf32>) {
    %1 = train.exp %b : tensor<8xf32> -> tensor<8xf32>
    %2 = train.add %a, %1 : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
    // expected-error @+1 {{yields 'tensor<8xf32>' from a kernel over [4, 8]}}
    train.yield %2, %1 : tensor<4x8xf32>, tensor<8xf32>
  }
  return
}

// -----

func.func @part_of_rows(%x: tensor<4x8xf32>, %y: tensor<4x1xf32>) {
  %0 = train.fusion rows(%a = %x : tensor<4x8xf32>, %b = %y : tensor<4x1xf32>) -> tensor<4x8xf32> {
    // expected-error @+1 {{it must reduce a tensor of the shape that the kernel runs over}}
    %1 = train.reduce_sum %b axes [1] {keepdims} : tensor<4x1xf32> -> tensor<4x1xf32>
    %2 = train.add %a, %1 : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    train.yield %2 : tensor<4x8xf32>
  }
  return
}

// -----

func.func @blocks(%x: tensor<64x8xf32>) {
  %0:2 = train.fusion rows(%a = %x : tensor<64x8xf32>) -> (tensor<2x8xf32>, tensor<4x8xf32>) {
    // expected-error @+1 {{its blocks have other numbers of rows than those of other sums}}
    %1 = train.partial_sum %a {block_rows = 32} : tensor<64x8xf32> -> tensor<2x8xf32>
    %2 = train.partial_sum %a {block_rows = 16} : tensor<64x8xf32> -> tensor<4x8xf32>
    train.yield %1, %2 : tensor<2x8xf32>, tensor<4x8xf32>
  }
  return
}

// -----

func.func @columns_of_rows(%x: tensor<16x16xf32>) {
  %0 = train.fusion columns(%a = %x : tensor<16x16xf32>) -> tensor<16x1xf32> {
    // expected-error @+1 {{kernels over columns sum over leading dimensions}}
    %1 = train.reduce_sum %a axes [1] {keepdims} : tensor<16x16xf32> -> tensor<16x1xf32>
    train.yield %1 : tensor<16x1xf32>
  }
  return
}

// -----

func.func @columns_without_sum(%x: tensor<16x16xf32>) {
  %0 = train.fusion columns(%a = %x : tensor<16x16xf32>) -> tensor<16x16xf32> {
    %1 = train.exp %a : tensor<16x16xf32> -> tensor<16x16xf32>
    // expected-error @+1 {{must yield sums over the same leading dimensions: the skeleton is columns}}
    train.yield %1 : tensor<16x16xf32>
  }
  return
}

// -----

func.func @columns_of_vector(%x: tensor<2x4x8xf32>, %y: tensor<8xf32>) {
  %0 = train.fusion columns(%a = %x : tensor<2x4x8xf32>, %b = %y : tensor<8xf32>) -> tensor<4x8xf32> {
    // expected-error @+1 {{it reads 'tensor<8xf32>', which takes rows and columns}}
    %1 = train.mul %a, %b : tensor<2x4x8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>
    %2 = train.reduce_sum %1 axes [0] : tensor<2x4x8xf32> -> tensor<4x8xf32>
    train.yield %2 : tensor<4x8xf32>
  }
  return
}

// -----

func.func @sum_of_rows(%x: tensor<16x16xf32>) {
  %0 = train.fusion sum(%a = %x : tensor<16x16xf32>) -> tensor<16x1xf32> {
    // expected-error @+1 {{cannot stand in a train.fusion of skeleton sum: its kernel gives a train.sum_squares}}
    %1 = train.reduce_sum %a axes [1] {keepdims} : tensor<16x16xf32> -> tensor<16x1xf32>
    train.yield %1 : tensor<16x1xf32>
  }
  return
}

// -----

func.func @sum_of_nothing(%x: tensor<16x16xf32>) {
  %0 = train.fusion sum(%a = %x : tensor<16x16xf32>) -> tensor<16x16xf32> {
    %1 = train.exp %a : tensor<16x16xf32> -> tensor<16x16xf32>
    // expected-error @+1 {{must yield one train.sum_squares: the skeleton is sum}}
    train.yield %1 : tensor<16x16xf32>
  }
  return
}

// -----

func.func @quantized_columns(%x: tensor<16x16xf32>, %s: !fp8.scale<f8E4M3FN>) {
  %0 = train.fusion columns(%a = %x : tensor<16x16xf32>, %b = %s : !fp8.scale<f8E4M3FN>) -> tensor<16xf32> {
    // expected-error @+1 {{only kernels over elements count and quantise}}
    %q, %k = fp8.quantize %a, %b : tensor<16x16xf32> -> !fp8.scaled<16x16xf8E4M3FN>
    %1 = train.reduce_sum %a axes [0] : tensor<16x16xf32> -> tensor<16xf32>
    train.yield %1 : tensor<16xf32>
  }
  return
}

// -----

func.func @two_copies(%x: tensor<4x8xf32>, %s: !fp8.scale<f8E4M3FN>) {
  %0:2 = train.fusion rows(%a = %x : tensor<4x8xf32>, %b = %s : !fp8.scale<f8E4M3FN>) -> (!fp8.scaled<8x4xf8E4M3FN>, !fp8.scaled<8x4xf8E4M3FN>) {
    %q, %k = fp8.quantize %a, %b : tensor<4x8xf32> -> !fp8.scaled<4x8xf8E4M3FN>
    // expected-error @+1 {{the quantisation has another transposed copy}}
    %t = fp8.transpose %q [1, 0] : !fp8.scaled<4x8xf8E4M3FN> -> !fp8.scaled<8x4xf8E4M3FN>
    %u = fp8.transpose %q [1, 0] : !fp8.scaled<4x8xf8E4M3FN> -> !fp8.scaled<8x4xf8E4M3FN>
    train.yield %t, %u : !fp8.scaled<8x4xf8E4M3FN>, !fp8.scaled<8x4xf8E4M3FN>
  }
  return
}

// -----

func.func @tiles(%x: !fp8.scaled<4x128xf8E4M3FN, tile<[1, 128]>>) {
  %0 = train.fusion map(%a = %x : !fp8.scaled<4x128xf8E4M3FN, tile<[1, 128]>>) -> tensor<4x128xf32> {
    // expected-error @+1 {{kernels know one scale per tensor}}
    %1 = fp8.dequantize %a : !fp8.scaled<4x128xf8E4M3FN, tile<[1, 128]>> -> tensor<4x128xf32>
    train.yield %1 : tensor<4x128xf32>
  }
  return
}

// -----

func.func @uncounted(%x: tensor<4x8xf32>, %s: tensor<f32>) {
  %0 = train.fusion map(%a = %x : tensor<4x8xf32>, %b = %s : tensor<f32>) -> tensor<4x8xf32> {
    // expected-error @+1 {{counts what nobody is given: yield the counts}}
    %1, %k = fp8.clamp %a, %b : tensor<4x8xf32>
    train.yield %1 : tensor<4x8xf32>
  }
  return
}

// -----

func.func @names(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{has 0 result names, but 1 results}}
  %0 = train.fusion map(%a = %x : tensor<4x8xf32>) -> tensor<4x8xf32> attributes {train.result_names = []} {
    %1 = train.exp %a : tensor<4x8xf32> -> tensor<4x8xf32>
    train.yield %1 : tensor<4x8xf32>
  }
  return
}

// -----

func.func @buffer(%x: memref<4xf32>) {
  // expected-error @+1 {{takes tensors of static shape, scaled tensors and scales, but one operand is 'memref<4xf32>'}}
  %0 = "train.fusion"(%x) <{skeleton = #train.skeleton<map>}> ({
  ^bb0(%a: memref<4xf32>):
    %1 = arith.constant dense<1.0> : tensor<f32>
    "train.yield"(%1) : (tensor<f32>) -> ()
  }) : (memref<4xf32>) -> tensor<f32>
  return
}

// -----

func.func @state(%x: tensor<4x8xf32>, %s: !fp8.scale_state<f8E4M3FN, 4>) {
  // expected-error @+1 {{takes tensors of static shape, scaled tensors and scales, but one operand is '!fp8.scale_state<f8E4M3FN, 4>'}}
  %0 = train.fusion map(%a = %s : !fp8.scale_state<f8E4M3FN, 4>) -> !fp8.scale_state<f8E4M3FN, 4> {
    %1 = fp8.advance %a : !fp8.scale_state<f8E4M3FN, 4>
    train.yield %1 : !fp8.scale_state<f8E4M3FN, 4>
  }
  return
}

// -----

func.func @transposed_scalar(%x: tensor<f32>, %s: !fp8.scale<f8E4M3FN>) {
  %0 = train.fusion rows(%a = %x : tensor<f32>, %b = %s : !fp8.scale<f8E4M3FN>) -> !fp8.scaled<f8E4M3FN> {
    %q, %k = fp8.quantize %a, %b : tensor<f32> -> !fp8.scaled<f8E4M3FN>
    // expected-error @+1 {{kernels over rows alone store what they quantise transposed, the last dimension first}}
    %t = "fp8.transpose"(%q) {permutation = array<i64>} : (!fp8.scaled<f8E4M3FN>) -> !fp8.scaled<f8E4M3FN>
    train.yield %t : !fp8.scaled<f8E4M3FN>
  }
  return
}

// -----

func.func @read_in_kernel(%x: tensor<4x8xf32>) {
  %0 = train.fusion map(%a = %x : tensor<4x8xf32>) -> tensor<f32> {
    // expected-error @+1 {{it is neither element-wise nor a reduction}}
    %1 = train.hyper "lr"
    train.yield %1 : tensor<f32>
  }
  return
}
