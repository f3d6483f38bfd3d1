// RUN: fp8c-opt %s --train-form-fusions --convert-to-exec | FileCheck %s

// A weight and its transpose have one scale: both are written with it, wherever they are written.
// CHECK: exec.variable @w.e4m3 : memref<16x32xf8E4M3FN>
// CHECK-NEXT: exec.variable @w.e4m3.scale : memref<5xf32>
// CHECK-NEXT: exec.variable @w.e4m3t : memref<32x16xf8E4M3FN>
// CHECK-NEXT: exec.variable @other.e4m3 : memref<16x32xf8E4M3FN>
// CHECK-NEXT: exec.variable @other.e4m3.scale : memref<5xf32>
train.variable @w : tensor<16x32xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @w.e4m3 : !fp8.scaled<16x32xf8E4M3FN> {init = #train.constant<0.0>, of = @w, role = #train.role<compute_weight>}
train.variable @w.e4m3t : !fp8.scaled<32x16xf8E4M3FN> {init = #train.constant<0.0>, of = @w, role = #train.role<compute_weight>}
train.variable @other.e4m3 : !fp8.scaled<16x32xf8E4M3FN> {init = #train.constant<0.0>, of = @w, role = #train.role<compute_weight>}
train.variable @w.grad : tensor<16x32xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
train.variable @h.grad : tensor<16x32xf32> {init = #train.constant<0.0>, of = @w, role = #train.role<gradient>}
train.variable @b : tensor<32xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @b.grad : tensor<32xf32> {init = #train.constant<0.0>, of = @b, role = #train.role<gradient>}

// CHECK-LABEL: func.func @init(
// CHECK-DAG: %[[SCALE:.*]] = exec.get @w.e4m3.scale
// CHECK-DAG: %[[OTHER:.*]] = exec.get @other.e4m3.scale
// CHECK: exec.compute_scale {{.*}} into %[[SCALE]] {
// CHECK: exec.launch @quantize_transpose
// The scale that is given goes along with the data.
// CHECK: exec.copy %{{.*}} to %[[OTHER]]
func.func @init(%given: !fp8.scale_state<f8E4M3FN, 4>) attributes {train.function = #train.function<init>} {
  %w = train.read @w : tensor<16x32xf32>
  %amax = fp8.amax %w : tensor<16x32xf32>
  %scale = fp8.compute_scale %amax : !fp8.scale<f8E4M3FN>
  %q, %k = fp8.quantize %w, %scale : tensor<16x32xf32> -> !fp8.scaled<16x32xf8E4M3FN>
  %t = fp8.transpose %q [1, 0] : !fp8.scaled<16x32xf8E4M3FN> -> !fp8.scaled<32x16xf8E4M3FN>
  train.assign @w.e4m3, %q : !fp8.scaled<16x32xf8E4M3FN>
  train.assign @w.e4m3t, %t : !fp8.scaled<32x16xf8E4M3FN>
  %s = fp8.current_scale %given : !fp8.scale_state<f8E4M3FN, 4>
  %o, %ok = fp8.quantize %w, %s : tensor<16x32xf32> -> !fp8.scaled<16x32xf8E4M3FN>
  train.assign @other.e4m3, %o : !fp8.scaled<16x32xf8E4M3FN>
  return
}

// A transpose of what is there already is a copy.
// CHECK-LABEL: func.func @read(
// CHECK-DAG: %[[SCALE:.*]] = exec.get @w.e4m3.scale
// CHECK-DAG: %[[WT:.*]] = exec.get @w.e4m3t
// CHECK: %[[VIEW:.*]] = exec.view %[[WT]] {{.*}} to memref<16x32xf8E4M3FN, strided<[1, 16]>>
// CHECK: exec.copy %[[VIEW]] to %[[COPY:.*]] :
// CHECK: exec.gemm %[[COPY]], %[[WT]] into %{{.*}} scales %[[SCALE]], %[[SCALE]]
func.func @read() -> tensor<16x16xf32> {
  %t = train.read @w.e4m3t : !fp8.scaled<32x16xf8E4M3FN>
  %w = fp8.transpose %t [1, 0] : !fp8.scaled<32x16xf8E4M3FN> -> !fp8.scaled<16x32xf8E4M3FN>
  %y = fp8.matmul %w, %t : !fp8.scaled<16x32xf8E4M3FN>, !fp8.scaled<32x16xf8E4M3FN> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}

// The loss and its gradient are one pass over the logits, which the gradient replaces.
// CHECK-LABEL: func.func @loss(
// CHECK: exec.gemm {{.*}} into %[[LOGITS:[^ ]*]]
// CHECK: exec.count_labels %arg1 into %[[COUNT:[^ ]*]] : memref<4xi64>, memref<i64>
// CHECK: %[[HYPER:.*]] = exec.hyper "grad_scale"
// CHECK: exec.cross_entropy_fused %[[LOGITS]], %arg1, %[[COUNT]], %[[HYPER]] into %[[ROWS:[^ ,]*]], %[[LOGITS]] : {{.*}} memref<4xf32>, memref<4x32xf32>
// CHECK-NEXT: exec.mean_loss %[[ROWS]], %[[COUNT]] into %arg2
// CHECK-NEXT: exec.gemm %[[LOGITS]],
func.func @loss(%x: tensor<4x16xf32>, %labels: tensor<4xi64>) -> (tensor<f32>, tensor<4x16xf32>) {
  %w = train.read @w : tensor<16x32xf32>
  %logits = train.matmul %x, %w : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  %loss, %lse, %inv_count = train.cross_entropy %logits, %labels : tensor<4x32xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  %scale = train.hyper "grad_scale"
  %d = train.cross_entropy_vjp %scale, %logits, %labels, %lse, %inv_count
     : tensor<f32>, tensor<4x32xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32> -> tensor<4x32xf32>
  %dx = train.matmul %d, %w contracting [1] x [1] : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  return %loss, %dx : tensor<f32>, tensor<4x16xf32>
}

// Logits that somebody wants as well are not overwritten.
// CHECK-LABEL: func.func @logits_too(
// CHECK: exec.cross_entropy_fused %arg2, {{.*}} into %{{[^ ,]*}}, %arg3 :
func.func @logits_too(%x: tensor<4x16xf32>, %labels: tensor<4xi64>) -> (tensor<4x32xf32>, tensor<4x32xf32>) {
  %w = train.read @w : tensor<16x32xf32>
  %logits = train.matmul %x, %w : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  %loss, %lse, %inv_count = train.cross_entropy %logits, %labels : tensor<4x32xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  %scale = train.hyper "grad_scale"
  %d = train.cross_entropy_vjp %scale, %logits, %labels, %lse, %inv_count
     : tensor<f32>, tensor<4x32xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32> -> tensor<4x32xf32>
  return %logits, %d : tensor<4x32xf32>, tensor<4x32xf32>
}

// Without a gradient, too.
// CHECK-LABEL: func.func @loss_only(
// CHECK: exec.count_labels
// CHECK-NEXT: exec.cross_entropy_rows %arg0, %arg1 into %[[ROWS:[^ ]*]] :
// CHECK-NEXT: exec.mean_loss %[[ROWS]],
func.func @loss_only(%logits: tensor<4x32xf32>, %labels: tensor<4xi64>) -> tensor<f32> {
  %loss, %lse, %inv_count = train.cross_entropy %logits, %labels : tensor<4x32xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  return %loss : tensor<f32>
}

// A cotangent that depends on the loss needs two passes.
// CHECK-LABEL: func.func @squared_loss(
// CHECK: exec.cross_entropy %
// CHECK: exec.launch
// CHECK: exec.cross_entropy_backward %
func.func @squared_loss(%logits: tensor<4x32xf32>, %labels: tensor<4xi64>) -> tensor<4x32xf32> {
  %loss, %lse, %inv_count = train.cross_entropy %logits, %labels : tensor<4x32xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  %twice = train.add %loss, %loss : tensor<f32>, tensor<f32> -> tensor<f32>
  %d = train.cross_entropy_vjp %twice, %logits, %labels, %lse, %inv_count
     : tensor<f32>, tensor<4x32xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32> -> tensor<4x32xf32>
  return %d : tensor<4x32xf32>
}

// The first term that is added to an accumulated variable writes over it in the first micro-batch; the next ones add.
// CHECK-LABEL: func.func @micro(
// CHECK-DAG: %[[G:.*]] = exec.get @w.grad
// CHECK-DAG: %[[H:.*]] = exec.get @h.grad
// CHECK: exec.gemm %arg0, %arg1 into %[[G]] {accumulate, {{.*}} transpose_a, unless_first}
// CHECK: exec.gemm %arg0, %arg1 into %[[G]] {accumulate, {{.*}} transpose_a}
// CHECK: exec.accumulate %{{.*}} into %[[H]] {accumulate, unless_first} : {{.*}}
func.func @micro(%x: tensor<8x16xf32>, %dy: tensor<8x32xf32>, %dh: tensor<32x16xf32>) attributes {train.function = #train.function<micro>} {
  %g = train.read @w.grad accumulated : tensor<16x32xf32>
  %0 = train.matmul %x, %dy contracting [0] x [0] : tensor<8x16xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  %g1 = train.add %g, %0 : tensor<16x32xf32>, tensor<16x32xf32> -> tensor<16x32xf32>
  %1 = train.matmul %x, %dy contracting [0] x [0] {fp8.name = "other"} : tensor<8x16xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  %g2 = train.add %g1, %1 : tensor<16x32xf32>, tensor<16x32xf32> -> tensor<16x32xf32>
  train.assign @w.grad, %g2 : tensor<16x32xf32>
  %h = train.read @h.grad accumulated : tensor<16x32xf32>
  %2 = train.transpose %dh [1, 0] : tensor<32x16xf32> -> tensor<16x32xf32>
  %h1 = train.add %h, %2 : tensor<16x32xf32>, tensor<16x32xf32> -> tensor<16x32xf32>
  train.assign @h.grad, %h1 : tensor<16x32xf32>
  return
}

// Whoever reads it otherwise finds zeros there.
// CHECK-LABEL: func.func @other_use(
// CHECK: exec.clear_if_first %{{.*}} : memref<16x32xf32>
// CHECK: exec.launch
func.func @other_use() -> tensor<16x32xf32> {
  %g = train.read @w.grad accumulated : tensor<16x32xf32>
  %0 = train.neg %g : tensor<16x32xf32> -> tensor<16x32xf32>
  return %0 : tensor<16x32xf32>
}

// So do column sums.
// CHECK-LABEL: func.func @bias(
// CHECK: exec.launch @reduce_sum over
func.func @bias(%dy: tensor<8x32xf32>) {
  %g = train.read @b.grad accumulated : tensor<32xf32>
  %0 = train.reduce_sum %dy axes [0] : tensor<8x32xf32> -> tensor<32xf32>
  %g1 = train.add %g, %0 : tensor<32xf32>, tensor<32xf32> -> tensor<32xf32>
  train.assign @b.grad, %g1 : tensor<32xf32>
  return
}

// A function that takes a scale takes its inverse with it.
// CHECK-LABEL: func.func @given_scale(
// CHECK-SAME: %[[S:[^:]*]]: memref<5xf32>
// CHECK: exec.launch @quantize over[16, 16] ins(%arg0, %[[S]] :
// CHECK: exec.gemm {{.*}} scales %[[S]], %[[S]]
func.func @given_scale(%x: tensor<16x16xf32>, %w: tensor<16x16xf32>, %s: !fp8.scale<f8E4M3FN>) -> tensor<16x16xf32> {
  %q, %k = fp8.quantize %x, %s : tensor<16x16xf32> -> !fp8.scaled<16x16xf8E4M3FN>
  %p, %l = fp8.quantize %w, %s : tensor<16x16xf32> -> !fp8.scaled<16x16xf8E4M3FN>
  %y = fp8.matmul %q, %p : !fp8.scaled<16x16xf8E4M3FN>, !fp8.scaled<16x16xf8E4M3FN> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}

// The kernel stores one code twice.
// CHECK-LABEL: exec.kernel @quantize_transpose rows
// CHECK: exec.quantize %{{.*}}, %{{.*}} to %{{.*}} : memref<*xf8E4M3FN> transposed %{{.*}} : memref<*xf8E4M3FN>

// CHECK-LABEL: exec.kernel @reduce_sum columns
// CHECK: } {accumulate, unless_first} : memref<*xf32>
