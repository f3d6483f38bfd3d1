// RUN: fp8c-opt %s --train-add-optimizer=micro-batches=1 | FileCheck %s
// RUN: fp8c-opt %s --train-add-optimizer=micro-batches=1 --train-form-fusions --convert-to-exec=gemm-workspace=false | FileCheck %s --check-prefix=EXEC

// With one micro-batch a step the first term of a gradient is what the others are added to, each where it is computed.
train.variable @wte : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// CHECK-LABEL: func.func @micro(
// CHECK-NEXT: %[[HEAD:.*]] = train.matmul
// CHECK-NEXT: %[[EMBED:.*]] = train.embedding_vjp
// CHECK-NEXT: %[[SUM:.*]] = train.add %[[HEAD]], %[[EMBED]] {fp8.name = "wte", fp8.phase = #fp8.phase<update>}
// CHECK-NEXT: train.assign @wte.grad, %[[SUM]]
// CHECK-NEXT: return

// The product writes the variable, and the embedding's gradient adds to it in place.
// EXEC-LABEL: func.func @micro(
// EXEC: %[[G:.*]] = exec.get @wte.grad
// EXEC: exec.gemm {{.*}} %[[G]]
// EXEC: exec.embedding_backward {{.*}} into %[[G]] {accumulate
// EXEC-NOT: exec.launch
// EXEC: return
func.func @micro(%loss: tensor<f32>, %dlogits: tensor<8x32xf32>, %h: tensor<8x16xf32>, %ids: tensor<8xi64>, %dx: tensor<8x16xf32>)
    -> (tensor<f32>, tensor<32x16xf32> {train.gradient_of = @wte}) attributes {train.function = #train.function<micro>} {
  %head = train.matmul %dlogits, %h contracting [0] x [0] {fp8.name = "lm_head", fp8.phase = #fp8.phase<wgrad>} : tensor<8x32xf32>, tensor<8x16xf32> -> tensor<32x16xf32>
  %embed = train.embedding_vjp %dx, %ids {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<8x16xf32>, tensor<8xi64> -> tensor<32x16xf32>
  %sum = train.add %head, %embed {fp8.name = "wte", fp8.phase = #fp8.phase<wgrad>} : tensor<32x16xf32>, tensor<32x16xf32> -> tensor<32x16xf32>
  return %loss, %sum : tensor<f32>, tensor<32x16xf32>
}
