// A residual block: y = x + relu(x w1) w2. Of its arguments it says which are
// weights, and of its products what they are called: scale states are named so.
func.func @block(%x: tensor<4x32x64xbf16>,
                 %w1: tensor<64x256xbf16> {fp8.role = "weight"},
                 %w2: tensor<256x64xbf16> {fp8.role = "weight"}) -> tensor<4x32x64xbf16> {
  %0 = toy.linear %x, %w1 {fp8.name = "up"} : tensor<4x32x64xbf16>, tensor<64x256xbf16> -> tensor<4x32x256xbf16>
  %1 = toy.relu %0 : tensor<4x32x256xbf16>
  %2 = toy.linear %1, %w2 plus %x : tensor<4x32x64xbf16> {fp8.name = "down"} : tensor<4x32x256xbf16>, tensor<256x64xbf16> -> tensor<4x32x64xbf16>
  return %2 : tensor<4x32x64xbf16>
}
