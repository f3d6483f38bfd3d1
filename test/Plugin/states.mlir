// Delayed scaling in another compiler's functions: states are arguments and results.
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=%S/Inputs/delayed.yaml},fp8-insert-scaling)' 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK <%t.remarks
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=%S/Inputs/delayed.yaml},fp8-insert-scaling{states=none})' 2>%t.none | FileCheck %s --check-prefix=NONE
// RUN: FileCheck %s --check-prefix=NONE-REMARK <%t.none
// RUN: %mlir-opt-fp8c %s --split-input-file --pass-pipeline='builtin.module(fp8-assign-precision{recipe=%S/Inputs/delayed.yaml},fp8-insert-scaling,lower-affine,fp8-lower-to-upstream)' 2>/dev/null | FileCheck %s --check-prefix=DOWN

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
// CHECK-SAME: {fp8.name = "product0.lhs"}, {{.*}} {fp8.name = "product0.rhs"}, {{.*}} {fp8.name = "product1.lhs"}, {{.*}} {fp8.name = "product2.lhs"})
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
// REMARK-DAG: remark: scales are current, not delayed: it is named by ops that do not have its states: inline it, or give it to this pass alone
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

// -----

// affine.for does the same, around another loop and inside of one.
// CHECK-LABEL: func.func @affine(
// CHECK: %[[OUTER:.*]]:2 = affine.for {{.*}} iter_args(%{{.*}} = %arg0, %{{.*}} = %[[S:[a-z0-9]+]])
// CHECK:   %[[INNER:.*]]:2 = scf.for
// CHECK:     %[[LAST:.*]]:2 = affine.for {{.*}} iter_args(%{{.*}}, %[[STATE:.*]] = %{{.*}})
// CHECK:       fp8.current_scale %[[STATE]]
// CHECK:       %[[NEXT:.*]] = fp8.advance
// CHECK:       affine.yield %{{.*}}, %[[NEXT]]
// CHECK:     scf.yield %[[LAST]]#0, %[[LAST]]#1
// CHECK:   affine.yield %[[INNER]]#0, %[[INNER]]#1
// CHECK: return %[[OUTER]]#0, %[[OUTER]]#1
func.func @affine(%x: tensor<32x32xf32>, %n: index) -> tensor<32x32xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = affine.for %i = 0 to 4 iter_args(%a = %x) -> tensor<32x32xf32> {
    %s = scf.for %j = %c0 to %n step %c1 iter_args(%b = %a) -> tensor<32x32xf32> {
      %t = affine.for %k = 0 to 3 iter_args(%c = %b) -> tensor<32x32xf32> {
        %0 = linalg.matmul ins(%c, %c : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
        affine.yield %0 : tensor<32x32xf32>
      }
      scf.yield %t : tensor<32x32xf32>
    }
    affine.yield %s : tensor<32x32xf32>
  }
  return %r : tensor<32x32xf32>
}

// -----

// Products of equal names in a backward pass are told apart; a name like a number's is
// another one.
// CHECK-LABEL: func.func @twins(
// CHECK-SAME: {fp8.name = "product0.lhs"}, {{.*}} {fp8.name = "product1.lhs"}, {{.*}} {fp8.name = "product1.lhs.fwd"})
func.func @twins(%x: tensor<32x32xf32>, %y: tensor<32x32xf32>, %z: tensor<32x32xf32>) -> (tensor<32x32xf32>, tensor<32x32xf32>, tensor<32x32xf32>) {
  %0 = linalg.matmul {fp8.name = "a", fp8.phase = #fp8.phase<wgrad>} ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  %1 = linalg.matmul {fp8.name = "a", fp8.phase = #fp8.phase<wgrad>} ins(%y, %y : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  %2 = linalg.matmul {fp8.name = "product1"} ins(%z, %z : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  return %0, %1, %2 : tensor<32x32xf32>, tensor<32x32xf32>, tensor<32x32xf32>
}

// -----

// Functions that cannot have more arguments and results.
// REMARK: remark: scales are current, not delayed: it cannot have more arguments and results
// REMARK: remark: scales are current, not delayed: it cannot have more arguments and results
// CHECK-LABEL: llvm.func @other(
// CHECK-NOT: !fp8.scale_state
// CHECK: fp8.matmul
// CHECK-LABEL: gpu.func @device(
// CHECK-NOT: !fp8.scale_state
// CHECK: fp8.matmul
llvm.func @other() {
  %x = arith.constant dense<1.0> : tensor<32x32xf32>
  %0 = linalg.matmul ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
  llvm.return
}
gpu.module @module {
  gpu.func @device(%x: tensor<32x32xf32>) -> tensor<32x32xf32> {
    %0 = linalg.matmul ins(%x, %x : tensor<32x32xf32>, tensor<32x32xf32>) outs(%x : tensor<32x32xf32>) -> tensor<32x32xf32>
    gpu.return %0 : tensor<32x32xf32>
  }
}
