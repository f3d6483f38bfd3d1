// @train in FP8: fp8-insert-scaling has given it an argument and a result for the
// scale of each tensor that products read. A compiler that trains for longer than
// one call keeps what comes back, beside the weights.
!e4m3 = !fp8.scale_state<f8E4M3FN, 16>
!e5m2 = !fp8.scale_state<f8E5M2, 16>
func.func private @run(%x: tensor<32x32xf32>, %t: tensor<32x16xf32>,
                       %w1: tensor<32x64xf32>, %w2: tensor<64x16xf32>) -> tensor<100xf32> {
  // fc1.x, fc1.w, fc2.x, fc2.w; fc2.dy, fc1.dy
  %forward = fp8.initial_state : !e4m3
  %backward = fp8.initial_state : !e5m2
  %losses, %w1_end, %w2_end, %states:6 =
      call @train(%x, %t, %w1, %w2, %forward, %forward, %forward, %forward, %backward, %backward)
      : (tensor<32x32xf32>, tensor<32x16xf32>, tensor<32x64xf32>, tensor<64x16xf32>,
         !e4m3, !e4m3, !e4m3, !e4m3, !e5m2, !e5m2)
      -> (tensor<100xf32>, tensor<32x64xf32>, tensor<64x16xf32>,
          !e4m3, !e4m3, !e4m3, !e4m3, !e5m2, !e5m2)
  return %losses : tensor<100xf32>
}
