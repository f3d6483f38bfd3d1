// RUN: fp8c-opt %s --train-form-fusions --convert-to-exec=gemm-workspace=false | FileCheck %s

// A gradient has two terms. The sum is rounded to bf16 once, wherever they meet.

train.variable @wte.grad : tensor<32x16xbf16> {init = #train.constant<0.0>, role = #train.role<gradient>}

// The first term has the sum's type: the variable holds it, and the second is added in place.
// CHECK-LABEL: func.func @same(
// CHECK: %[[G:.*]] = exec.get @wte.grad
// CHECK: exec.gemm {{.*}} into %[[G]]
// CHECK: exec.embedding_backward {{.*}} into %[[G]] {accumulate
// CHECK-NOT: exec.launch
// CHECK: return
func.func @same(%dlogits: tensor<8x32xbf16>, %h: tensor<8x16xbf16>, %ids: tensor<8xi64>, %dx: tensor<8x16xbf16>) {
  %head = train.matmul %dlogits, %h contracting [0] x [0] {fp8.name = "lm_head", fp8.phase = #fp8.phase<wgrad>} : tensor<8x32xbf16>, tensor<8x16xbf16> -> tensor<32x16xbf16>
  %embed = train.embedding_vjp %dx, %ids {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<8x16xbf16>, tensor<8xi64> -> tensor<32x16xf32>
  %sum = train.add %head, %embed {fp8.name = "wte", fp8.phase = #fp8.phase<update>} : tensor<32x16xbf16>, tensor<32x16xf32> -> tensor<32x16xbf16>
  train.assign @wte.grad, %sum {fp8.phase = #fp8.phase<update>} : tensor<32x16xbf16>
  return
}

// In the variable a first term in f32 would be rounded once more: a kernel adds.
// CHECK-LABEL: func.func @wider(
// CHECK: %[[G:.*]] = exec.get @wte.grad
// CHECK: %[[HEAD:.*]] = exec.alloc {{.*}} : memref<32x16xf32>
// CHECK: exec.gemm {{.*}} into %[[HEAD]]
// CHECK: %[[EMBED:.*]] = exec.alloc {{.*}} : memref<32x16xf32>
// CHECK: exec.embedding_backward {{.*}} into %[[EMBED]] {fp8.name
// CHECK: exec.launch @add over[32, 16] ins(%[[HEAD]], %[[EMBED]] : {{.*}} outs(%[[G]] :
func.func @wider(%dlogits: tensor<8x32xbf16>, %h: tensor<8x16xbf16>, %ids: tensor<8xi64>, %dx: tensor<8x16xbf16>) {
  %head = train.matmul %dlogits, %h contracting [0] x [0] {fp8.name = "lm_head", fp8.phase = #fp8.phase<wgrad>} : tensor<8x32xbf16>, tensor<8x16xbf16> -> tensor<32x16xf32>
  %embed = train.embedding_vjp %dx, %ids {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<8x16xbf16>, tensor<8xi64> -> tensor<32x16xf32>
  %sum = train.add %head, %embed {fp8.name = "wte", fp8.phase = #fp8.phase<update>} : tensor<32x16xf32>, tensor<32x16xf32> -> tensor<32x16xbf16>
  train.assign @wte.grad, %sum {fp8.phase = #fp8.phase<update>} : tensor<32x16xbf16>
  return
}
