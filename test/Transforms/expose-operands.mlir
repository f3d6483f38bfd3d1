// RUN: fp8c-opt %s --fp8-expose-operands | FileCheck %s
// RUN: fp8c-opt %s --fp8-expose-operands --fp8-assign-precision=recipe=fp8-delayed --train-apply-precision --fp8-insert-scaling | FileCheck %s --check-prefix=SCALED
// RUN: fp8c-opt %s --fp8-expose-operands --fp8-assign-precision=recipe=fp8-rowwise --train-apply-precision --fp8-insert-scaling | FileCheck %s --check-prefix=CURRENT

// A linear layer and a product of two activations, with their gradients.

train.variable @"h.0/fc.weight" : tensor<32x64xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"h.0/fc.weight.grad" : tensor<32x64xf32> {init = #train.constant<0.0>, of = @"h.0/fc.weight", role = #train.role<gradient>}

// @micro stays as it is.
// CHECK-LABEL: func.func @micro(
// CHECK: train.assign @"h.0/fc.weight.grad"
// CHECK: return %{{.*}} : tensor<16x16xf32>

// What several contractions read is there once, with all of them; what served
// the assignment and the results alone is gone.
// CHECK-LABEL: func.func @observe(
// CHECK-SAME:    %[[X:[^:]*]]: tensor<16x32xf32> {fp8.name = "x"}, %[[DY0:[^:]*]]: tensor<16x64xf32>)
// CHECK-SAME:  -> (tensor<16x32xf32> {fp8.name = "h.0/fc.x", fp8.role = "activation", fp8.uses = [
// CHECK-SAME:        {contracting = array<i64: 1>, gemm = "fwd", op = "h.0/fc", operand = "x"},
// CHECK-SAME:        {contracting = array<i64: 0>, gemm = "wgrad", op = "h.0/fc", operand = "x"}]},
// CHECK-SAME:      tensor<32x64xf32> {fp8.name = "h.0/fc.w", fp8.role = "weight", fp8.uses = [
// CHECK-SAME:        {contracting = array<i64: 0>, gemm = "fwd", op = "h.0/fc", operand = "w"},
// CHECK-SAME:        {contracting = array<i64: 1>, gemm = "dgrad", op = "h.0/fc", operand = "w"}]},
// CHECK-SAME:      tensor<16x64xf32> {fp8.name = "h.0/scores.lhs", fp8.role = "activation", fp8.uses = [
// CHECK-SAME:        {contracting = array<i64: 1>, gemm = "fwd", op = "h.0/scores", operand = "lhs"},
// CHECK-SAME:        {contracting = array<i64: 1>, gemm = "fwd", op = "h.0/scores", operand = "rhs"}]},
// CHECK-SAME:      tensor<16x64xf32> {fp8.name = "h.0/fc.dy", fp8.role = "gradient", fp8.uses = [
// CHECK-SAME:        {contracting = array<i64: 1>, gemm = "dgrad", op = "h.0/fc", operand = "dy"},
// CHECK-SAME:        {contracting = array<i64: 0>, gemm = "wgrad", op = "h.0/fc", operand = "dy"}]})
// CHECK-NEXT:  %[[W:.*]] = train.read @"h.0/fc.weight"
// CHECK-NEXT:  %[[Y:.*]] = train.matmul %[[X]], %[[W]]
// CHECK-NEXT:  %[[DY:.*]] = train.mul %[[DY0]], %[[Y]]
// CHECK-NEXT:  return %[[X]], %[[W]], %[[Y]], %[[DY]]

// Whatever the recipe, results are values before they are quantised; scales
// are read, and no statistics kept.
// SCALED-LABEL: func.func @observe(
// SCALED:         %[[STATE:.*]] = train.read @"h.0/fc.x.scale"
// SCALED:         %[[SCALE:.*]] = fp8.current_scale %[[STATE]]
// SCALED:         fp8.quantize %arg0, %[[SCALE]]
// SCALED:         %[[Y:.*]] = fp8.matmul {{.*}} -> tensor<16x64xbf16>
// SCALED-NOT:     fp8.record
// SCALED-NOT:     train.assign
// SCALED:         return %arg0, %{{.*}} : tensor<16x32xf32>, tensor<32x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>

// What is scaled by its own amaxes says how: x by rows for the one product, by
// columns for the other. Of weights the codes are kept: they do not count.
// CURRENT: module attributes {{.*}}fp8.current_uses = 6
// CURRENT-LABEL: func.func @observe(
// CURRENT:     {fp8.name = "h.0/fc.x", fp8.role = "activation", fp8.uses = [
// CURRENT-SAME:  {contracting = array<i64: 1>, gemm = "fwd", op = "h.0/fc", operand = "x", quantised = {format = f8E4M3FN, margin = 0 : i64, pow2, tile = array<i64: 1, 32>}},
// CURRENT-SAME:  {contracting = array<i64: 0>, gemm = "wgrad", op = "h.0/fc", operand = "x", quantised = {format = f8E4M3FN, margin = 0 : i64, pow2, tile = array<i64: 16, 1>}}]}
func.func @micro(%x: tensor<16x32xf32> {fp8.name = "x"}, %dy0: tensor<16x64xf32>) -> tensor<16x16xf32> attributes {train.function = #train.function<micro>} {
  %w = train.read @"h.0/fc.weight" : tensor<32x64xf32>
  %y = train.matmul %x, %w {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<fwd>} : tensor<16x32xf32>, tensor<32x64xf32> -> tensor<16x64xf32>
  %scores = train.matmul %y, %y contracting [1] x [1] {fp8.name = "h.0/scores", fp8.phase = #fp8.phase<fwd>} : tensor<16x64xf32>, tensor<16x64xf32> -> tensor<16x16xf32>
  %dy = train.mul %dy0, %y {fp8.name = "h.0/act", fp8.phase = #fp8.phase<dgrad>} : tensor<16x64xf32>, tensor<16x64xf32> -> tensor<16x64xf32>
  %dx = train.matmul %dy, %w contracting [1] x [1] {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<dgrad>} : tensor<16x64xf32>, tensor<32x64xf32> -> tensor<16x32xf32>
  %dw = train.matmul %x, %dy contracting [0] x [0] {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<16x32xf32>, tensor<16x64xf32> -> tensor<32x64xf32>
  train.assign @"h.0/fc.weight.grad", %dw : tensor<32x64xf32>
  return %scores : tensor<16x16xf32>
}

func.func @update() attributes {train.function = #train.function<update>} {
  return
}
