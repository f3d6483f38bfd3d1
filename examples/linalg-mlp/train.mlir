// A multi-layer perceptron of one hidden layer,
//
//   y = relu(x w1) w2,  loss = mean((y - t)^2),
//
// trained by 100 steps of gradient descent on one batch. Forward pass, backward
// pass and update are written out by hand, in upstream dialects only.
//
// Sizes: 32 samples of 32 features, 64 hidden units, 16 outputs. All are
// multiples of 16, as FP8 hardware asks of a product's three dimensions.

// How a product reads its operands (m x k and k x n, or transposed) and result.
#mk = affine_map<(m, n, k) -> (m, k)>
#km = affine_map<(m, n, k) -> (k, m)>
#kn = affine_map<(m, n, k) -> (k, n)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>

// Returns the loss before each step, and the trained weights.
func.func @train(%x: tensor<32x32xf32>, %t: tensor<32x16xf32>,
                 %w1: tensor<32x64xf32> {fp8.role = "weight"},
                 %w2: tensor<64x16xf32> {fp8.role = "weight"})
    -> (tensor<100xf32>, tensor<32x64xf32>, tensor<64x16xf32>) {
  %first = arith.constant 0 : index
  %steps = arith.constant 100 : index
  %one = arith.constant 1 : index

  %lr = arith.constant 12.8 : f32
  %n = arith.constant 512.0 : f32               // elements of y
  %two_over_n = arith.constant 0.00390625 : f32 // 2 / n

  // What products and sums start from.
  %zero = arith.constant 0.0 : f32
  %zero_sum = arith.constant dense<0.0> : tensor<f32>
  %zero_hidden = arith.constant dense<0.0> : tensor<32x64xf32>
  %zero_output = arith.constant dense<0.0> : tensor<32x16xf32>
  %zero_w1 = arith.constant dense<0.0> : tensor<32x64xf32>
  %zero_w2 = arith.constant dense<0.0> : tensor<64x16xf32>

  // What elementwise ops write to.
  %hidden = tensor.empty() : tensor<32x64xf32>
  %output = tensor.empty() : tensor<32x16xf32>
  %no_losses = tensor.empty() : tensor<100xf32>

  %losses_end, %w1_end, %w2_end = scf.for %step = %first to %steps step %one
      iter_args(%losses_i = %no_losses, %w1_i = %w1, %w2_i = %w2)
      -> (tensor<100xf32>, tensor<32x64xf32>, tensor<64x16xf32>) {

    // Forward, fc1: z = x w1, h = relu(z)
    %z = linalg.matmul
        {fp8.name = "fc1", fp8.phase = #fp8.phase<fwd>}
        ins(%x, %w1_i : tensor<32x32xf32>, tensor<32x64xf32>)
        outs(%zero_hidden : tensor<32x64xf32>) -> tensor<32x64xf32>
    %h = linalg.max
        ins(%z, %zero_hidden : tensor<32x64xf32>, tensor<32x64xf32>)
        outs(%hidden : tensor<32x64xf32>) -> tensor<32x64xf32>

    // Forward, fc2: y = h w2
    %y = linalg.matmul
        {fp8.name = "fc2", fp8.phase = #fp8.phase<fwd>}
        ins(%h, %w2_i : tensor<32x64xf32>, tensor<64x16xf32>)
        outs(%zero_output : tensor<32x16xf32>) -> tensor<32x16xf32>

    // loss = sum((y - t)^2) / n
    %error = linalg.sub
        ins(%y, %t : tensor<32x16xf32>, tensor<32x16xf32>)
        outs(%output : tensor<32x16xf32>) -> tensor<32x16xf32>
    %squares = linalg.square
        ins(%error : tensor<32x16xf32>)
        outs(%output : tensor<32x16xf32>) -> tensor<32x16xf32>
    %sum = linalg.reduce { arith.addf }
        ins(%squares : tensor<32x16xf32>)
        outs(%zero_sum : tensor<f32>) dimensions = [0, 1]
    %total = tensor.extract %sum[] : tensor<f32>
    %loss = arith.divf %total, %n : f32
    %losses_next = tensor.insert %loss into %losses_i[%step] : tensor<100xf32>

    // Backward, loss: dy = 2 (y - t) / n
    %dy = linalg.map ins(%error : tensor<32x16xf32>)
        outs(%output : tensor<32x16xf32>)
        {fp8.phase = #fp8.phase<dgrad>}
        (%e: f32, %out: f32) {
          %d = arith.mulf %e, %two_over_n : f32
          linalg.yield %d : f32
        }

    // Backward, fc2: dw2 = h^T dy, dh = dy w2^T
    %dw2 = linalg.matmul indexing_maps = [#km, #kn, #mn]
        {fp8.name = "fc2", fp8.phase = #fp8.phase<wgrad>}
        ins(%h, %dy : tensor<32x64xf32>, tensor<32x16xf32>)
        outs(%zero_w2 : tensor<64x16xf32>) -> tensor<64x16xf32>
    %dh = linalg.matmul indexing_maps = [#mk, #nk, #mn]
        {fp8.name = "fc2", fp8.phase = #fp8.phase<dgrad>}
        ins(%dy, %w2_i : tensor<32x16xf32>, tensor<64x16xf32>)
        outs(%zero_hidden : tensor<32x64xf32>) -> tensor<32x64xf32>

    // Backward, fc1: dz = dh where z > 0, dw1 = x^T dz
    %dz = linalg.map ins(%dh, %z : tensor<32x64xf32>, tensor<32x64xf32>)
        outs(%hidden : tensor<32x64xf32>)
        {fp8.phase = #fp8.phase<dgrad>}
        (%g: f32, %value: f32, %out: f32) {
          %active = arith.cmpf ogt, %value, %zero : f32
          %d = arith.select %active, %g, %zero : f32
          linalg.yield %d : f32
        }
    %dw1 = linalg.matmul indexing_maps = [#km, #kn, #mn]
        {fp8.name = "fc1", fp8.phase = #fp8.phase<wgrad>}
        ins(%x, %dz : tensor<32x32xf32>, tensor<32x64xf32>)
        outs(%zero_w1 : tensor<32x64xf32>) -> tensor<32x64xf32>

    // Update: w = w - lr dw
    %w1_next = linalg.map
        ins(%w1_i, %dw1 : tensor<32x64xf32>, tensor<32x64xf32>)
        outs(%w1_i : tensor<32x64xf32>)
        (%w: f32, %g: f32, %out: f32) {
          %change = arith.mulf %lr, %g : f32
          %next = arith.subf %w, %change : f32
          linalg.yield %next : f32
        }
    %w2_next = linalg.map
        ins(%w2_i, %dw2 : tensor<64x16xf32>, tensor<64x16xf32>)
        outs(%w2_i : tensor<64x16xf32>)
        (%w: f32, %g: f32, %out: f32) {
          %change = arith.mulf %lr, %g : f32
          %next = arith.subf %w, %change : f32
          linalg.yield %next : f32
        }

    scf.yield %losses_next, %w1_next, %w2_next
        : tensor<100xf32>, tensor<32x64xf32>, tensor<64x16xf32>
  }

  return %losses_end, %w1_end, %w2_end
      : tensor<100xf32>, tensor<32x64xf32>, tensor<64x16xf32>
}
