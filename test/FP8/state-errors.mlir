// Settings that only a program shows to be wrong; what is expected stands beside each of them.
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/state-errors.yaml 2>&1 | FileCheck %S/Inputs/state-errors.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/rounding-errors.yaml 2>&1 | FileCheck %S/Inputs/rounding-errors.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/bounded-errors.yaml 2>&1 | FileCheck %S/Inputs/bounded-errors.yaml

train.variable @w : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @forward(%x: tensor<16x32xf32>) -> tensor<16x16xf32> attributes {train.function = #train.function<forward>} {
  %w = train.read @w {fp8.phase = #fp8.phase<fwd>} : tensor<32x16xf32>
  %y = train.matmul %x, %w {fp8.name = "fc", fp8.phase = #fp8.phase<fwd>} : tensor<16x32xf32>, tensor<32x16xf32> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}
