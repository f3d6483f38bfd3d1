// Trains @train's perceptron for three seeds and prints the losses of each. @run
// calls @train: it is in f32.mlir, and in fp8.mlir with scale states.
//
// The batch comes from a teacher of the same shape with other weights:
// t = relu(x a1) a2.

func.func private @printMemrefF32(tensor<*xf32>) attributes {llvm.emit_c_interface}

func.func @main() {
  %first = arith.constant 1 : i32
  %end = arith.constant 4 : i32
  %one = arith.constant 1 : i32
  scf.for %seed = %first to %end step %one : i32 {
    %x, %t, %w1, %w2 = func.call @data(%seed) : (i32)
        -> (tensor<32x32xf32>, tensor<32x16xf32>, tensor<32x64xf32>, tensor<64x16xf32>)
    %losses = func.call @run(%x, %t, %w1, %w2)
        : (tensor<32x32xf32>, tensor<32x16xf32>, tensor<32x64xf32>, tensor<64x16xf32>)
        -> tensor<100xf32>
    %printed = tensor.cast %losses : tensor<100xf32> to tensor<*xf32>
    func.call @printMemrefF32(%printed) : (tensor<*xf32>) -> ()
  }
  return
}

// Inputs, targets and initial weights.
func.func private @data(%seed: i32)
    -> (tensor<32x32xf32>, tensor<32x16xf32>, tensor<32x64xf32>, tensor<64x16xf32>) {
  %16 = arith.constant 16 : index
  %32 = arith.constant 32 : index
  %64 = arith.constant 64 : index
  %stream_x = arith.constant 0 : i32
  %stream_a1 = arith.constant 1 : i32
  %stream_a2 = arith.constant 2 : i32
  %stream_w1 = arith.constant 3 : i32
  %stream_w2 = arith.constant 4 : i32

  // Weights are an eighth of the usual size (He et al., 2015): the gradients of so
  // small a net lie below what E5M2 holds unless they are scaled.
  %bound_x = arith.constant 1.0 : f32
  %bound_1 = arith.constant 0.05412659 : f32  // sqrt(3 * 2 / 32) / 8
  %bound_2 = arith.constant 0.027063294 : f32 // sqrt(3 / 64) / 8

  %x_ = call @uniform(%32, %32, %bound_x, %seed, %stream_x)
      : (index, index, f32, i32, i32) -> tensor<?x?xf32>
  %a1_ = call @uniform(%32, %64, %bound_1, %seed, %stream_a1)
      : (index, index, f32, i32, i32) -> tensor<?x?xf32>
  %a2_ = call @uniform(%64, %16, %bound_2, %seed, %stream_a2)
      : (index, index, f32, i32, i32) -> tensor<?x?xf32>
  %w1_ = call @uniform(%32, %64, %bound_1, %seed, %stream_w1)
      : (index, index, f32, i32, i32) -> tensor<?x?xf32>
  %w2_ = call @uniform(%64, %16, %bound_2, %seed, %stream_w2)
      : (index, index, f32, i32, i32) -> tensor<?x?xf32>
  %x = tensor.cast %x_ : tensor<?x?xf32> to tensor<32x32xf32>
  %a1 = tensor.cast %a1_ : tensor<?x?xf32> to tensor<32x64xf32>
  %a2 = tensor.cast %a2_ : tensor<?x?xf32> to tensor<64x16xf32>
  %w1 = tensor.cast %w1_ : tensor<?x?xf32> to tensor<32x64xf32>
  %w2 = tensor.cast %w2_ : tensor<?x?xf32> to tensor<64x16xf32>

  // t = relu(x a1) a2
  %zero_hidden = arith.constant dense<0.0> : tensor<32x64xf32>
  %zero_output = arith.constant dense<0.0> : tensor<32x16xf32>
  %hidden = tensor.empty() : tensor<32x64xf32>
  %z = linalg.matmul
      ins(%x, %a1 : tensor<32x32xf32>, tensor<32x64xf32>)
      outs(%zero_hidden : tensor<32x64xf32>) -> tensor<32x64xf32>
  %h = linalg.max
      ins(%z, %zero_hidden : tensor<32x64xf32>, tensor<32x64xf32>)
      outs(%hidden : tensor<32x64xf32>) -> tensor<32x64xf32>
  %t = linalg.matmul
      ins(%h, %a2 : tensor<32x64xf32>, tensor<64x16xf32>)
      outs(%zero_output : tensor<32x16xf32>) -> tensor<32x16xf32>

  return %x, %t, %w1, %w2
      : tensor<32x32xf32>, tensor<32x16xf32>, tensor<32x64xf32>, tensor<64x16xf32>
}

// A matrix of pseudo random numbers in [-bound, bound]: a hash of seed, stream
// and position. (The rows of linalg.fill_rng_2d are arithmetic progressions
// modulo its range; a matrix of them has nearly dependent rows.)
func.func private @uniform(%rows: index, %columns: index, %bound: f32,
                           %seed: i32, %stream: i32) -> tensor<?x?xf32> {
  %256 = arith.constant 256 : i32
  %15 = arith.constant 15 : i32
  %16 = arith.constant 16 : i32
  %m1 = arith.constant 0x7feb352d : i32
  %m2 = arith.constant 0x846ca68b : i32
  %to_unit = arith.constant 0x30000000 : f32 // 2^-31

  %empty = tensor.empty(%rows, %columns) : tensor<?x?xf32>
  %random = linalg.generic
      {indexing_maps = [affine_map<(i, j) -> (i, j)>],
       iterator_types = ["parallel", "parallel"]}
      outs(%empty : tensor<?x?xf32>) {
    ^bb0(%out: f32):
      // A number of its own for each element: seed, stream, row, column.
      %row = linalg.index 0 : index
      %column = linalg.index 1 : index
      %i = arith.index_cast %row : index to i32
      %j = arith.index_cast %column : index to i32
      %k0 = arith.muli %seed, %256 : i32
      %k1 = arith.addi %k0, %stream : i32
      %k2 = arith.muli %k1, %256 : i32
      %k3 = arith.addi %k2, %i : i32
      %k4 = arith.muli %k3, %256 : i32
      %k5 = arith.addi %k4, %j : i32

      // Mixed (lowbias32, https://nullprogram.com/blog/2018/07/31/).
      %s0 = arith.shrui %k5, %16 : i32
      %h0 = arith.xori %k5, %s0 : i32
      %h1 = arith.muli %h0, %m1 : i32
      %s1 = arith.shrui %h1, %15 : i32
      %h2 = arith.xori %h1, %s1 : i32
      %h3 = arith.muli %h2, %m2 : i32
      %s2 = arith.shrui %h3, %16 : i32
      %h4 = arith.xori %h3, %s2 : i32

      // And as a signed fraction of 2^31, times the bound.
      %signed = arith.sitofp %h4 : i32 to f32
      %unit = arith.mulf %signed, %to_unit : f32
      %value = arith.mulf %unit, %bound : f32
      linalg.yield %value : f32
  } -> tensor<?x?xf32>
  return %random : tensor<?x?xf32>
}
