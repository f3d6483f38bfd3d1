// One matrix and its optimizer, as train-apply-precision leaves them for a recipe
// that keeps all states in few bits.
module {
  train.variable @w : tensor<32x16xf32> {init = #train.normal<mean = 0.0, stddev = 0.02>, fp8.precision = #fp8.precision<storage = <f16, scaled = true>>, role = #train.role<parameter>}
  train.variable @w.grad : tensor<32x16xf32> {init = #train.constant<0.0>, of = @w, fp8.precision = #fp8.precision<storage = <f8E4M3FN, scaled = true>>, role = #train.role<gradient>}
  train.variable @w.m : tensor<32x16xf32> {init = #train.constant<0.0>, of = @w, fp8.precision = #fp8.precision<storage = <f8E4M3FN, scaled = true>>, role = #train.role<moment1>}
  train.variable @w.v : tensor<32x16xf32> {init = #train.constant<0.0>, of = @w, fp8.precision = #fp8.precision<storage = <f8E4M3FN, scaled = true, sqrt = true, stochastic = true>>, role = #train.role<moment2>}

  func.func @micro(%x: tensor<64x32xbf16>, %dy: tensor<64x16xbf16>) -> tensor<64x16xbf16> attributes {train.function = #train.function<micro>} {
    %w = train.read @w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<32x16xf32>
    %c = train.cast %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<32x16xf32> -> tensor<32x16xbf16>
    %y = train.matmul %x, %c {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<64x32xbf16>, tensor<32x16xbf16> -> tensor<64x16xbf16>
    %dw = train.matmul %x, %dy contracting [0] x [0] {fp8.name = "fc", fp8.phase = #fp8.phase<wgrad>} : tensor<64x32xbf16>, tensor<64x16xbf16> -> tensor<32x16xbf16>
    %wide = train.cast %dw {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xbf16> -> tensor<32x16xf32>
    train.assign @w.grad, %wide {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    return %y : tensor<64x16xbf16>
  }

  func.func @update() -> tensor<f32> attributes {train.function = #train.function<update>} {
    %g = train.read @w.grad {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    %s = train.sum_squares %g {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32> -> tensor<f32>
    %clip = train.hyper "clip_norm"
    %k, %norm = train.clip_coefficient %clip of %s : tensor<f32>, tensor<f32> -> tensor<f32>, tensor<f32>
    %lr = train.hyper "lr"
    %b1 = train.hyper "beta1"
    %b2 = train.hyper "beta2"
    %eps = train.hyper "eps"
    %wd = train.hyper "weight_decay"
    %step = train.hyper "step"
    %p = train.read @w {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    %m = train.read @w.m {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    %v = train.read @w.v {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    %p1, %m1, %v1 = train.adamw %p, %g, %m, %v(%k, %lr, %b1, %b2, %eps, %wd, %step) {decay, fp8.name = "w", fp8.phase = #fp8.phase<update>}
      : tensor<32x16xf32>, tensor<32x16xf32>, tensor<32x16xf32>, tensor<32x16xf32>, tensor<f32>, tensor<f32>, tensor<f32>,
        tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<32x16xf32>, tensor<32x16xf32>, tensor<32x16xf32>
    train.assign @w, %p1 {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    train.assign @w.m, %m1 {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    train.assign @w.v, %v1 {fp8.name = "w", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>
    return %norm : tensor<f32>
  }
}
