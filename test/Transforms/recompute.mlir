// RUN: fp8c-opt %s --train-recompute=values=norm | FileCheck %s --check-prefixes=CHECK,NORM
// RUN: fp8c-opt %s --train-recompute=values=gelu | FileCheck %s --check-prefixes=CHECK,GELU
// RUN: fp8c-opt %s --train-recompute=values=block | FileCheck %s --check-prefixes=CHECK,BLOCK
// RUN: fp8c-opt %s --train-recompute=values=block --cse --canonicalize | FileCheck %s --check-prefixes=CHECK,BLOCK
// RUN: fp8c-opt %s --train-recompute=values=block:1 | FileCheck %s --check-prefixes=CHECK,BLOCK
// RUN: fp8c-opt %s --train-recompute=values=block:0 | FileCheck %s --check-prefix=NONE
// RUN: fp8c-opt %s --train-recompute | FileCheck %s --check-prefix=NONE

// Clones stand right before their first use; a block starts over from its input alone.

train.variable @gain : tensor<16xf32> {init = #train.constant<1.0>, role = #train.role<parameter>}
train.variable @fc : tensor<16x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @proj : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// NONE-NOT: train.barrier

// CHECK-LABEL: func.func @micro(
// CHECK-SAME: %[[X0:.*]]: tensor<4x16xf32>, %[[DY:.*]]: tensor<4x16xf32>
func.func @micro(%x0: tensor<4x16xf32>, %dy: tensor<4x16xf32>) -> tensor<4x16xf32> attributes {train.function = #train.function<micro>} {
  // CHECK: %[[GAIN:.*]] = train.read @gain
  // CHECK: %[[FC:.*]] = train.read @fc
  %gain = train.read @gain {fp8.name = "h.0/gain", fp8.phase = #fp8.phase<fwd>} : tensor<16xf32>
  %fc = train.read @fc {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<fwd>} : tensor<16x32xf32>
  %proj = train.read @proj {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<fwd>} : tensor<32x16xf32>
  // CHECK: %[[X:.*]] = train.exp %[[X0]] {fp8.name = "input"
  %x = train.exp %x0 {fp8.name = "input", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32> -> tensor<4x16xf32>
  // CHECK: %[[H:.*]], %[[RSTD:.*]] = train.rms_norm %[[X]]
  %h, %rstd = train.rms_norm %x, %gain {epsilon = 1.0e-5 : f32, fp8.name = "h.0/norm", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<16xf32> -> tensor<4x16xf32>, tensor<4x1xf32>
  // CHECK: %[[A:.*]] = train.matmul %[[H]], %[[FC]]
  %a = train.matmul %h, %fc {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  // CHECK: %[[S:.*]] = train.sigmoid %[[A]]
  // CHECK: %[[G:.*]] = train.mul %[[A]], %[[S]]
  %s = train.sigmoid %a {fp8.name = "h.0/act", fp8.phase = #fp8.phase<fwd>} : tensor<4x32xf32> -> tensor<4x32xf32>
  %g = train.mul %a, %s {fp8.name = "h.0/act", fp8.phase = #fp8.phase<fwd>} : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  %p = train.matmul %g, %proj {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<fwd>} : tensor<4x32xf32>, tensor<32x16xf32> -> tensor<4x16xf32>
  // CHECK: %[[Y:.*]] = train.add %[[X]], {{.*}} {fp8.name = "h.0/residual"
  %y = train.add %x, %p {fp8.name = "h.0/residual", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  %z = train.mul %y, %y {fp8.name = "output", fp8.phase = #fp8.phase<fwd>} : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>

  // The block's output is the next one's input.
  // CHECK: train.mul %[[DY]], %[[Y]]
  %dz = train.mul %dy, %y {fp8.name = "output", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  // CHECK-NEXT: %[[DG:.*]] = train.matmul {{.*}} {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<dgrad>}
  %dg = train.matmul %dz, %proj contracting [1] x [1] {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16xf32>, tensor<32x16xf32> -> tensor<4x32xf32>

  // Weight gradients wait for the VJP that reads what the clones read.
  // NORM-NEXT: train.matmul %[[G]], {{.*}} {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<wgrad>}
  // NORM-NEXT: %[[DA:.*]] = train.mul %[[DG]], %[[S]]

  // GELU-NEXT: %[[A1:.*]] = train.barrier %[[A]]
  // GELU-NEXT: %[[S1:.*]] = train.sigmoid %[[A1]] {fp8.name = "h.0/act", fp8.phase = #fp8.phase<recompute>}
  // GELU-NEXT: %[[G1:.*]] = train.mul %[[A1]], %[[S1]] {fp8.name = "h.0/act", fp8.phase = #fp8.phase<recompute>}
  // GELU-NEXT: %[[DA:.*]] = train.mul %[[DG]], %[[S1]]
  // GELU-NEXT: train.matmul %[[G1]], {{.*}} {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<wgrad>}
  // GELU-NEXT: train.matmul %[[H]], %[[DA]] {{.*}} {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<wgrad>}

  // BLOCK-DAG: %[[X1:.*]] = train.barrier %[[X]]
  // BLOCK-DAG: %[[RSTD1:.*]] = train.barrier %[[RSTD]]
  // BLOCK-NEXT: %[[H1:.*]] = train.rms_norm_apply %[[X1]], %[[GAIN]], %[[RSTD1]] {fp8.name = "h.0/norm", fp8.phase = #fp8.phase<recompute>}
  // BLOCK-NEXT: %[[A1:.*]] = train.matmul %[[H1]], %[[FC]] {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<recompute>}
  // BLOCK-NEXT: %[[S1:.*]] = train.sigmoid %[[A1]] {fp8.name = "h.0/act", fp8.phase = #fp8.phase<recompute>}
  // BLOCK-NEXT: %[[G1:.*]] = train.mul %[[A1]], %[[S1]] {fp8.name = "h.0/act", fp8.phase = #fp8.phase<recompute>}
  // BLOCK-NEXT: train.matmul %[[G1]], {{.*}} {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<wgrad>}
  // BLOCK-NEXT: %[[DA:.*]] = train.mul %[[DG]], %[[S1]]
  // BLOCK-NEXT: train.matmul %[[H1]], %[[DA]] {{.*}} {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<wgrad>}
  %dproj = train.matmul %g, %dz contracting [0] x [0] {fp8.name = "h.0/proj", fp8.phase = #fp8.phase<wgrad>} : tensor<4x32xf32>, tensor<4x16xf32> -> tensor<32x16xf32>
  %da = train.mul %dg, %s {fp8.name = "h.0/act", fp8.phase = #fp8.phase<dgrad>} : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>

  %dfc = train.matmul %h, %da contracting [0] x [0] {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<wgrad>} : tensor<4x16xf32>, tensor<4x32xf32> -> tensor<16x32xf32>
  train.assign @proj, %dproj : tensor<32x16xf32>
  train.assign @fc, %dfc : tensor<16x32xf32>
  // NORM-NEXT: train.assign @proj
  // NORM-NEXT: %[[DH:.*]] = train.matmul %[[DA]], {{.*}} {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<dgrad>}
  // NORM-NEXT: %[[X1:.*]] = train.barrier %[[X]]
  // NORM-NEXT: %[[RSTD1:.*]] = train.barrier %[[RSTD]]
  // NORM-NEXT: %[[H1:.*]] = train.rms_norm_apply %[[X1]], %[[GAIN]], %[[RSTD1]] {fp8.name = "h.0/norm", fp8.phase = #fp8.phase<recompute>}
  // The statistic itself is kept.
  // CHECK: train.rms_norm_vjp {{.*}}, %[[X]], %[[GAIN]], %[[RSTD]]
  // NORM-NEXT: train.matmul %[[H1]], %[[DA]] {{.*}} {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<wgrad>}
  // NORM-NEXT: train.assign @fc
  %dh = train.matmul %da, %fc contracting [1] x [1] {fp8.name = "h.0/fc", fp8.phase = #fp8.phase<dgrad>} : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  %dx = train.rms_norm_vjp %dh, %x, %gain, %rstd {fp8.name = "h.0/norm", fp8.phase = #fp8.phase<dgrad>} : tensor<4x16xf32>, tensor<4x16xf32>, tensor<16xf32>, tensor<4x1xf32> -> tensor<4x16xf32>
  return %dx : tensor<4x16xf32>
}
