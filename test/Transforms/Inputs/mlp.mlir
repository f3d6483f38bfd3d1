// A program as train-add-optimizer leaves it: embedding, one MLP block with a
// residual connection, LM head, loss.
module attributes {train.model = "mlp"} {
  train.variable @wte : tensor<256x64xf32> {init = #train.normal<mean = 0.0, stddev = 0.02>, role = #train.role<parameter>}
  train.variable @"h.0/mlp/fc.weight" : tensor<64x128xf32> {init = #train.normal<mean = 0.0, stddev = 0.02>, role = #train.role<parameter>}
  train.variable @"h.0/mlp/fc.bias" : tensor<128xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
  train.variable @"h.0/mlp/proj.weight" : tensor<128x64xf32> {init = #train.normal<mean = 0.0, stddev = 0.02>, role = #train.role<parameter>}
  train.variable @wte.grad : tensor<256x64xf32> {init = #train.constant<0.0>, of = @wte, role = #train.role<gradient>}
  train.variable @"h.0/mlp/fc.weight.grad" : tensor<64x128xf32> {init = #train.constant<0.0>, of = @"h.0/mlp/fc.weight", role = #train.role<gradient>}
  train.variable @"h.0/mlp/fc.bias.grad" : tensor<128xf32> {init = #train.constant<0.0>, of = @"h.0/mlp/fc.bias", role = #train.role<gradient>}
  train.variable @"h.0/mlp/proj.weight.grad" : tensor<128x64xf32> {init = #train.constant<0.0>, of = @"h.0/mlp/proj.weight", role = #train.role<gradient>}
  train.variable @"h.0/mlp/fc.weight.m" : tensor<64x128xf32> {init = #train.constant<0.0>, of = @"h.0/mlp/fc.weight", role = #train.role<moment1>}
  train.variable @"h.0/mlp/fc.weight.v" : tensor<64x128xf32> {init = #train.constant<0.0>, of = @"h.0/mlp/fc.weight", role = #train.role<moment2>}

  func.func @eval(%tokens: tensor<4x16xi64>, %targets: tensor<4x16xi64>) -> tensor<f32> attributes {train.function = #train.function<eval>} {
    %wte = train.read @wte {fp8.name = "wte", fp8.phase = #fp8.phase<fwd>} : tensor<256x64xf32>
    %fcw = train.read @"h.0/mlp/fc.weight" {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<64x128xf32>
    %fcb = train.read @"h.0/mlp/fc.bias" {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<128xf32>
    %projw = train.read @"h.0/mlp/proj.weight" {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<fwd>} : tensor<128x64xf32>
    %x = train.embedding %wte, %tokens {fp8.name = "wte", fp8.phase = #fp8.phase<fwd>} : tensor<256x64xf32>, tensor<4x16xi64> -> tensor<4x16x64xf32>
    %fc = train.matmul %x, %fcw {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x64xf32>, tensor<64x128xf32> -> tensor<4x16x128xf32>
    %fc1 = train.add %fc, %fcb {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x128xf32>, tensor<128xf32> -> tensor<4x16x128xf32>
    %act = train.gelu %fc1 {fp8.name = "h.0/mlp/act", fp8.phase = #fp8.phase<fwd>, tanh} : tensor<4x16x128xf32> -> tensor<4x16x128xf32>
    %proj = train.matmul %act, %projw {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x128xf32>, tensor<128x64xf32> -> tensor<4x16x64xf32>
    %x1 = train.add %x, %proj {fp8.name = "h.0/add", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x64xf32>, tensor<4x16x64xf32> -> tensor<4x16x64xf32>
    %logits = train.matmul %x1, %wte contracting [2] x [1] {fp8.name = "lm_head", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x64xf32>, tensor<256x64xf32> -> tensor<4x16x256xf32>
    %loss, %lse, %count = train.cross_entropy %logits, %targets {fp8.name = "loss", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x256xf32>, tensor<4x16xi64> -> tensor<f32>, tensor<4x16xf32>, tensor<f32>
    return %loss : tensor<f32>
  }

  func.func @micro(%tokens: tensor<4x16xi64>, %targets: tensor<4x16xi64>) -> (tensor<f32> {fp8.name = "loss"}) attributes {train.function = #train.function<micro>} {
    %wte = train.read @wte {fp8.name = "wte", fp8.phase = #fp8.phase<fwd>} : tensor<256x64xf32>
    %fcw = train.read @"h.0/mlp/fc.weight" {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<64x128xf32>
    %fcb = train.read @"h.0/mlp/fc.bias" {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<128xf32>
    %projw = train.read @"h.0/mlp/proj.weight" {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<fwd>} : tensor<128x64xf32>
    %x = train.embedding %wte, %tokens {fp8.name = "wte", fp8.phase = #fp8.phase<fwd>} : tensor<256x64xf32>, tensor<4x16xi64> -> tensor<4x16x64xf32>
    %fc = train.matmul %x, %fcw {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x64xf32>, tensor<64x128xf32> -> tensor<4x16x128xf32>
    %fc1 = train.add %fc, %fcb {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x128xf32>, tensor<128xf32> -> tensor<4x16x128xf32>
    %act = train.gelu %fc1 {fp8.name = "h.0/mlp/act", fp8.phase = #fp8.phase<fwd>, tanh} : tensor<4x16x128xf32> -> tensor<4x16x128xf32>
    %proj = train.matmul %act, %projw {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x128xf32>, tensor<128x64xf32> -> tensor<4x16x64xf32>
    %x1 = train.add %x, %proj {fp8.name = "h.0/add", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x64xf32>, tensor<4x16x64xf32> -> tensor<4x16x64xf32>
    %logits = train.matmul %x1, %wte contracting [2] x [1] {fp8.name = "lm_head", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x64xf32>, tensor<256x64xf32> -> tensor<4x16x256xf32>
    %loss, %lse, %count = train.cross_entropy %logits, %targets {fp8.name = "loss", fp8.phase = #fp8.phase<fwd>} : tensor<4x16x256xf32>, tensor<4x16xi64> -> tensor<f32>, tensor<4x16xf32>, tensor<f32>

    %seed = train.hyper "grad_scale"
    %dlogits = train.cross_entropy_vjp %seed, %logits, %targets, %lse, %count {fp8.name = "loss", fp8.phase = #fp8.phase<dgrad>} : tensor<f32>, tensor<4x16x256xf32>, tensor<4x16xi64>, tensor<4x16xf32>, tensor<f32> -> tensor<4x16x256xf32>
    %dx1 = train.matmul %dlogits, %wte contracting [2] x [0] {fp8.name = "lm_head", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16x256xf32>, tensor<256x64xf32> -> tensor<4x16x64xf32>
    %dwte0 = train.matmul %dlogits, %x1 contracting [0, 1] x [0, 1] {fp8.name = "lm_head", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16x256xf32>, tensor<4x16x64xf32> -> tensor<256x64xf32>
    %dact = train.matmul %dx1, %projw contracting [2] x [1] {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16x64xf32>, tensor<128x64xf32> -> tensor<4x16x128xf32>
    %dprojw = train.matmul %act, %dx1 contracting [0, 1] x [0, 1] {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16x128xf32>, tensor<4x16x64xf32> -> tensor<128x64xf32>
    %dfc = train.gelu_vjp %fc1, %dact {fp8.name = "h.0/mlp/act", fp8.phase = #fp8.phase<dgrad>, tanh} : tensor<4x16x128xf32>, tensor<4x16x128xf32> -> tensor<4x16x128xf32>
    %dfcb = train.reduce_sum %dfc axes [0, 1] {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16x128xf32> -> tensor<128xf32>
    %dx0 = train.matmul %dfc, %fcw contracting [2] x [1] {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16x128xf32>, tensor<64x128xf32> -> tensor<4x16x64xf32>
    %dfcw = train.matmul %x, %dfc contracting [0, 1] x [0, 1] {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16x64xf32>, tensor<4x16x128xf32> -> tensor<64x128xf32>
    %dx = train.add %dx1, %dx0 {fp8.name = "h.0/add", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16x64xf32>, tensor<4x16x64xf32> -> tensor<4x16x64xf32>
    %dwte1 = train.embedding_vjp %dx, %tokens {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16x64xf32>, tensor<4x16xi64> -> tensor<256x64xf32>
    %dwte = train.add %dwte0, %dwte1 {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<256x64xf32>, tensor<256x64xf32> -> tensor<256x64xf32>

    %g0 = train.read @wte.grad accumulated {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<256x64xf32>
    %g0n = train.add %g0, %dwte {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<256x64xf32>, tensor<256x64xf32> -> tensor<256x64xf32>
    train.assign @wte.grad, %g0n : tensor<256x64xf32>
    %g1 = train.read @"h.0/mlp/fc.weight.grad" accumulated {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<64x128xf32>
    %g1n = train.add %g1, %dfcw {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<64x128xf32>, tensor<64x128xf32> -> tensor<64x128xf32>
    train.assign @"h.0/mlp/fc.weight.grad", %g1n : tensor<64x128xf32>
    %g2 = train.read @"h.0/mlp/fc.bias.grad" accumulated {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<128xf32>
    %g2n = train.add %g2, %dfcb {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<128xf32>, tensor<128xf32> -> tensor<128xf32>
    train.assign @"h.0/mlp/fc.bias.grad", %g2n : tensor<128xf32>
    %g3 = train.read @"h.0/mlp/proj.weight.grad" accumulated {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<wgrad>} : tensor<128x64xf32>
    %g3n = train.add %g3, %dprojw {fp8.name = "h.0/mlp/proj", fp8.phase = #fp8.phase<wgrad>} : tensor<128x64xf32>, tensor<128x64xf32> -> tensor<128x64xf32>
    train.assign @"h.0/mlp/proj.weight.grad", %g3n : tensor<128x64xf32>
    return %loss : tensor<f32>
  }

  // Only one parameter is updated here: enough to see what passes do with it.
  func.func @update() -> (tensor<f32> {fp8.name = "grad_norm"}) attributes {train.function = #train.function<update>} {
    %p = train.read @"h.0/mlp/fc.weight" {fp8.name = "h.0/mlp/fc.weight", fp8.phase = #fp8.phase<update>} : tensor<64x128xf32>
    %g = train.read @"h.0/mlp/fc.weight.grad" {fp8.name = "h.0/mlp/fc.weight", fp8.phase = #fp8.phase<update>} : tensor<64x128xf32>
    %m = train.read @"h.0/mlp/fc.weight.m" {fp8.name = "h.0/mlp/fc.weight", fp8.phase = #fp8.phase<update>} : tensor<64x128xf32>
    %v = train.read @"h.0/mlp/fc.weight.v" {fp8.name = "h.0/mlp/fc.weight", fp8.phase = #fp8.phase<update>} : tensor<64x128xf32>
    %sum = train.sum_squares %g {fp8.name = "h.0/mlp/fc.weight", fp8.phase = #fp8.phase<update>} : tensor<64x128xf32> -> tensor<f32>
    %max = train.hyper "clip_norm"
    %coefficient, %norm = train.clip_coefficient %max of %sum {fp8.phase = #fp8.phase<update>} : tensor<f32>, tensor<f32> -> tensor<f32>, tensor<f32>
    %lr = train.hyper "lr"
    %beta1 = train.hyper "beta1"
    %beta2 = train.hyper "beta2"
    %eps = train.hyper "eps"
    %decay = train.hyper "weight_decay"
    %step = train.hyper "step"
    %p1, %m1, %v1 = train.adamw %p, %g, %m, %v (%coefficient, %lr, %beta1, %beta2, %eps, %decay, %step) {decay, fp8.name = "h.0/mlp/fc.weight", fp8.phase = #fp8.phase<update>}
      : tensor<64x128xf32>, tensor<64x128xf32>, tensor<64x128xf32>, tensor<64x128xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<64x128xf32>, tensor<64x128xf32>, tensor<64x128xf32>
    train.assign @"h.0/mlp/fc.weight", %p1 : tensor<64x128xf32>
    train.assign @"h.0/mlp/fc.weight.m", %m1 : tensor<64x128xf32>
    train.assign @"h.0/mlp/fc.weight.v", %v1 : tensor<64x128xf32>
    %zero = arith.constant dense<0.0> : tensor<64x128xf32>
    train.assign @"h.0/mlp/fc.weight.grad", %zero : tensor<64x128xf32>
    return %norm : tensor<f32>
  }
}
