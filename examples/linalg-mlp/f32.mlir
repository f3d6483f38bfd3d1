// @train as it is written.
func.func private @run(%x: tensor<32x32xf32>, %t: tensor<32x16xf32>,
                       %w1: tensor<32x64xf32>, %w2: tensor<64x16xf32>) -> tensor<100xf32> {
  %losses, %w1_end, %w2_end = call @train(%x, %t, %w1, %w2)
      : (tensor<32x32xf32>, tensor<32x16xf32>, tensor<32x64xf32>, tensor<64x16xf32>)
      -> (tensor<100xf32>, tensor<32x64xf32>, tensor<64x16xf32>)
  return %losses : tensor<100xf32>
}
