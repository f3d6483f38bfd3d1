// RUN: fp8c-opt %s --train-form-fusions=sum-rows=32 | FileCheck %s
// RUN: fp8c-opt %s --train-form-fusions=sum-rows=32 --convert-to-exec | FileCheck %s --check-prefix=EXEC

train.variable @bias.grad : tensor<16xf32> {init = #train.constant<0.0>, role = #train.role<gradient>}
train.variable @norm.grad : tensor<16xf32> {init = #train.constant<0.0>, role = #train.role<gradient>}
train.variable @twice.grad : tensor<16xf32> {init = #train.constant<0.0>, role = #train.role<gradient>}
train.variable @kept : !fp8.scaled<4x25x16xf8E4M3FN> {init = #train.constant<0.0>, role = #train.role<buffer>}

// A bias gradient joins the kernel that makes what it sums, which nobody else reads: it is not stored. The accumulation follows.
// CHECK-LABEL: func.func @bias(
// CHECK-NEXT: fp8.current_scale
// CHECK-NEXT: %[[F:.*]]:2 = train.fusion rows(
// CHECK-NEXT:   %[[DX:.*]] = train.gelu_vjp
// CHECK-NEXT:   %[[Q:.*]], %{{.*}} = fp8.quantize %[[DX]]
// CHECK-NEXT:   %[[P:.*]] = train.partial_sum %[[DX]] {block_rows = 32 : i64} : tensor<4x25x16xbf16> -> tensor<4x16xf32>
// CHECK-NEXT:   train.yield %[[Q]], %[[P]]
// CHECK-NEXT: }
// CHECK-NEXT: %[[S:.*]] = train.fusion columns(%[[A:.*]] = %[[F]]#1 : tensor<4x16xf32>) -> tensor<16xf32> attributes {fp8.name = "bias", fp8.phase = #fp8.phase<wgrad>, train.result_names = ["bias"]} {
// CHECK-NEXT:   train.reduce_sum %[[A]] axes [0] : tensor<4x16xf32> -> tensor<16xf32>
// CHECK: }
// CHECK-NEXT: train.read @bias.grad accumulated
// CHECK-NEXT: %[[SUM:.*]] = train.add %{{.*}}, %[[S]]
// CHECK-NEXT: train.assign @bias.grad, %[[SUM]]
// EXEC-LABEL: func.func @bias(
// EXEC: exec.launch @gelu_vjp_quantize_partial_sum over[100, 16]
// EXEC: exec.launch @reduce_sum over[4, 16]
func.func @bias(%dy: tensor<4x25x16xbf16>, %x: tensor<4x25x16xbf16>, %state: !fp8.scale_state<f8E4M3FN, 16>) {
  %s = fp8.current_scale %state : !fp8.scale_state<f8E4M3FN, 16>
  %dx = train.gelu_vjp %dy, %x : tensor<4x25x16xbf16>, tensor<4x25x16xbf16> -> tensor<4x25x16xbf16>
  %q, %k = fp8.quantize %dx, %s : tensor<4x25x16xbf16> -> !fp8.scaled<4x25x16xf8E4M3FN>
  %db = train.reduce_sum %dx axes [0, 1] {fp8.name = "bias", fp8.phase = #fp8.phase<wgrad>} : tensor<4x25x16xbf16> -> tensor<16xf32>
  %g = train.read @bias.grad accumulated : tensor<16xf32>
  %g1 = train.add %g, %db : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
  train.assign @bias.grad, %g1 : tensor<16xf32>
  train.assign @kept, %q : !fp8.scaled<4x25x16xf8E4M3FN>
  return
}

// The gradient of a norm's gain joins the kernel that reads the same.
// CHECK-LABEL: func.func @norm(
// CHECK-NEXT: %[[F:.*]]:2 = train.fusion rows(
// CHECK-NEXT:   %[[DX:.*]] = train.rms_norm_vjp
// CHECK:        %[[P:.*]] = train.partial_sum
// CHECK-NEXT:   train.yield %[[DX]], %[[P]]
// CHECK-NEXT: }
// CHECK-NEXT: train.fusion columns
// EXEC-LABEL: func.func @norm(
func.func @norm(%dy: tensor<64x16xbf16>, %x: tensor<64x16xbf16>, %w: tensor<16xf32>, %rstd: tensor<64x1xf32>) -> tensor<64x16xbf16> {
  %dx = train.rms_norm_vjp %dy, %x, %w, %rstd : tensor<64x16xbf16>, tensor<64x16xbf16>, tensor<16xf32>, tensor<64x1xf32> -> tensor<64x16xbf16>
  %dw = train.rms_norm_params_vjp %dy, %x, %rstd : tensor<64x16xbf16>, tensor<64x16xbf16>, tensor<64x1xf32> -> tensor<16xf32>
  %g = train.read @norm.grad accumulated : tensor<16xf32>
  %g1 = train.add %g, %dw : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
  train.assign @norm.grad, %g1 : tensor<16xf32>
  return %dx : tensor<64x16xbf16>
}

// Alone, it stays a kernel over columns; so does a sum that keeps more than the last dimension.
// CHECK-LABEL: func.func @alone(
// CHECK-NOT: partial_sum
// CHECK: return
func.func @alone(%dy: tensor<4x25x16xbf16>, %other: tensor<4x25x16xbf16>) -> (tensor<16xf32>, tensor<25x16xf32>) {
  %db = train.reduce_sum %dy axes [0, 1] : tensor<4x25x16xbf16> -> tensor<16xf32>
  %x = train.tanh %other : tensor<4x25x16xbf16> -> tensor<4x25x16xbf16>
  %dp = train.reduce_sum %x axes [0] : tensor<4x25x16xbf16> -> tensor<25x16xf32>
  %used = train.add %db, %db : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
  return %used, %dp : tensor<16xf32>, tensor<25x16xf32>
}

// Terms of one gradient are added in program order: the first, which overwrites, cannot wait for a later kernel.
// CHECK-LABEL: func.func @two_terms(
// CHECK-NEXT: train.fusion columns
func.func @two_terms(%dy: tensor<64x16xbf16>, %other: tensor<64x16xbf16>) -> tensor<64x16xbf16> {
  %0 = train.reduce_sum %dy axes [0] : tensor<64x16xbf16> -> tensor<16xf32>
  %g = train.read @twice.grad accumulated : tensor<16xf32>
  %g1 = train.add %g, %0 : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
  %1 = train.reduce_sum %other axes [0] : tensor<64x16xbf16> -> tensor<16xf32>
  %g2 = train.add %g1, %1 : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
  train.assign @twice.grad, %g2 : tensor<16xf32>
  %y = train.tanh %dy : tensor<64x16xbf16> -> tensor<64x16xbf16>
  return %y : tensor<64x16xbf16>
}

// What barriers hold back for recomputation is the same value for both.
// CHECK-LABEL: func.func @behind_barriers(
// CHECK: train.fusion rows(%[[DY:.*]] = %arg0 : tensor<64x16xbf16>, %[[X:.*]] = %arg1 :
// CHECK-NEXT: train.rms_norm_vjp %[[DY]], %[[X]],
// CHECK: train.partial_sum
func.func @behind_barriers(%dy: tensor<64x16xbf16>, %x: tensor<64x16xbf16>, %w: tensor<16xf32>, %rstd: tensor<64x1xf32>) -> (tensor<64x16xbf16>, tensor<16xf32>) {
  %0 = train.barrier %x : tensor<64x16xbf16>
  %1 = train.barrier %x : tensor<64x16xbf16>
  %dx = train.rms_norm_vjp %dy, %0, %w, %rstd : tensor<64x16xbf16>, tensor<64x16xbf16>, tensor<16xf32>, tensor<64x1xf32> -> tensor<64x16xbf16>
  %dw = train.rms_norm_params_vjp %dy, %1, %rstd : tensor<64x16xbf16>, tensor<64x16xbf16>, tensor<64x1xf32> -> tensor<16xf32>
  return %dx, %dw : tensor<64x16xbf16>, tensor<16xf32>
}

// EXEC-LABEL: exec.kernel @gelu_vjp_quantize_partial_sum rows
// EXEC: exec.partial_sum %{{.*}}, %{{.*}} slot 0 block_rows 32 : memref<*xf32>
