// Delayed scaling in another compiler's functions: states are arguments and results.
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=%S/Inputs/delayed.yaml},fp8-insert-scaling)' 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK <%t.remarks
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=%S/Inputs/delayed.yaml},fp8-insert-scaling{states=none})' 2>%t.none | FileCheck %s --check-prefix=NONE
// RUN: FileCheck %s --check-prefix=NONE-REMARK <%t.none
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=%S/Inputs/delayed.yaml},fp8-insert-scaling,fp8-lower-to-upstream)' 2>/dev/null | FileCheck %s --check-prefix=DOWN

// NONE-NOT: !fp8.scale_state
// NONE-REMARK: remark: scales are current, not delayed: no states are asked for
// DOWN-NOT: !fp8

// A state for each tensor, named by the first product that reads it; all returns give it.
// CHECK-LABEL: func.func @named(
// CHECK-SAME: %[[FIRST:[a-z0-9]+]]: !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "fc.x"}, %[[W:[a-z0-9]+]]: !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "fc.w"}, %{{[a-z0-9]+}}: !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "proj.x"})
// CHECK-SAME: -> (tensor<32x32xf32>, !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "fc.x"}, !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "fc.w"}, !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "proj.x"})
// CHECK-DAG: %[[SCALE:.*]] = fp8.current_scale %[[FIRST]]
// CHECK-DAG: %{{.*}}, %[[STATS:.*]] = fp8.quantize %arg0, %[[SCALE]]
// CHECK: %[[RECORDED:.*]] = fp8.record %[[FIRST]], %[[STATS]]
// CHECK: %[[NEXT:.*]] = fp8.advance %[[RECORDED]]
// CHECK: return %{{.*}}, %[[NEXT]], %{{.*}}, %{{.*}} :
func.func @named(%x: tensor<32x32xf32>, %w: tensor<32x32xf32> {fp8.role = "weight"}) -> tensor<32x32xf32> {
  %0 = linalg.matmul {fp8.name = "fc"} ins(%x, %w : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  %1 = linalg.matmul {fp8.name = "proj"} ins(%0, %w : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  return %1 : tensor<32x32xf32>
}

// -----

// Products without names are numbered; those of equal names too.
// CHECK-LABEL: func.func @unnamed(
// CHECK-SAME: {fp8.name = "product0.lhs"}, {{.*}} {fp8.name = "product1.rhs"}, {{.*}} {fp8.name = "product2.lhs"}, {{.*}} {fp8.name = "product3.lhs"})
func.func @unnamed(%x: tensor<32x32xf32>, %y: tensor<32x32xf32>) -> tensor<32x32xf32> {
  %0 = linalg.matmul ins(%x, %y : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  %1 = linalg.matmul {fp8.name = "a"} ins(%0, %y : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  %2 = linalg.matmul {fp8.name = "a"} ins(%1, %y : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  return %2 : tensor<32x32xf32>
}

// -----

// Loops carry the states of what is inside of them, each as far as it must; what is
// outside is quantised, and recorded, once.
// CHECK-LABEL: func.func @loops(
// CHECK-SAME: %[[A:[a-z0-9]+]]: !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "fc.x"}, %[[W:[a-z0-9]+]]: !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "fc.w"}, %[[B:[a-z0-9]+]]: !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "in.x"})
// CHECK: fp8.current_scale %[[W]]
// CHECK: %[[OUTER:.*]]:3 = scf.for {{.*}} iter_args(%[[X:.*]] = %arg0, %[[A1:.*]] = %[[A]], %[[B1:.*]] = %[[B]])
// CHECK:   fp8.current_scale %[[A1]]
// CHECK:   %[[INNER:.*]]:2 = scf.for {{.*}} iter_args(%[[Y:.*]] = %{{.*}}, %[[B2:.*]] = %[[B1]])
// CHECK:     fp8.current_scale %[[B2]]
// CHECK:     fp8.record %[[B2]]
// CHECK:     %[[B3:.*]] = fp8.advance
// CHECK:     scf.yield %{{.*}}, %[[B3]]
// CHECK:   fp8.record %[[A1]]
// CHECK:   %[[A2:.*]] = fp8.advance
// CHECK:   scf.yield %[[INNER]]#0, %[[A2]], %[[INNER]]#1
// CHECK: fp8.record %[[W]]
// CHECK: %[[W1:.*]] = fp8.advance
// CHECK: return %[[OUTER]]#0, %[[OUTER]]#1, %[[W1]], %[[OUTER]]#2
func.func @loops(%x: tensor<32x32xf32>, %w: tensor<32x32xf32> {fp8.role = "weight"}, %n: index) -> tensor<32x32xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> tensor<32x32xf32> {
    %0 = linalg.matmul {fp8.name = "fc"} ins(%a, %w : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
    %s = scf.for %j = %c0 to %n step %c1 iter_args(%b = %0) -> tensor<32x32xf32> {
      %1 = linalg.matmul {fp8.name = "in"} ins(%b, %w : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
      scf.yield %1 : tensor<32x32xf32>
    }
    scf.yield %s : tensor<32x32xf32>
  }
  return %r : tensor<32x32xf32>
}

// -----

// A weight that a loop carries is one; its site is inside.
// CHECK-LABEL: func.func @carried(
// CHECK-SAME: {fp8.name = "fc.x"}, {{.*}} {fp8.name = "fc.w"})
func.func @carried(%x: tensor<32x32xf32>, %w: tensor<32x32xf32> {fp8.role = "weight"}, %n: index) -> tensor<32x32xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%v = %w) -> tensor<32x32xf32> {
    %e = tensor.empty() : tensor<32x32xf32>
    %t = linalg.transpose ins(%v : tensor<32x32xf32>) outs(%e : tensor<32x32xf32>) permutation = [1, 0]
    %0 = linalg.matmul {fp8.name = "fc"} ins(%x, %t : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
    scf.yield %0 : tensor<32x32xf32>
  }
  return %r : tensor<32x32xf32>
}

// -----

// Elsewhere statistics cannot leave; what is named by others has none.
// REMARK-DAG: states.mlir:[[#]]:{{.*}} remark: scales operand 'x' currently, not delayed: statistics leave the function's first block and loops (scf.for, affine.for) alone, and the operand is computed elsewhere
// REMARK-DAG: remark: scales are current, not delayed: other functions name it, which do not have its states: inline it, or give it to this pass alone
// CHECK-LABEL: func.func @branch(
// CHECK-SAME: %arg2: i1, %{{.*}}: !fp8.scale_state<f8E4M3FN, 4> {fp8.name = "fc.w"})
// CHECK-LABEL: func.func @named(
// CHECK-NOT: !fp8.scale_state
func.func @branch(%x: tensor<32x32xf32>, %w: tensor<32x32xf32> {fp8.role = "weight"}, %p: i1) -> tensor<32x32xf32> {
  %r = scf.if %p -> tensor<32x32xf32> {
    %y = arith.addf %x, %x : tensor<32x32xf32>
    %0 = linalg.matmul {fp8.name = "fc"} ins(%y, %w : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
    scf.yield %0 : tensor<32x32xf32>
  } else {
    scf.yield %x : tensor<32x32xf32>
  }
  return %r : tensor<32x32xf32>
}
func.func @named(%x: tensor<32x32xf32>) -> tensor<32x32xf32> {
  %0 = linalg.matmul ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  return %0 : tensor<32x32xf32>
}
func.func @caller(%x: tensor<32x32xf32>) -> tensor<32x32xf32> {
  %0 = call @named(%x) : (tensor<32x32xf32>) -> tensor<32x32xf32>
  return %0 : tensor<32x32xf32>
}
