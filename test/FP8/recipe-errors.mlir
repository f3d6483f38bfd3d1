// Mistakes in recipes; what is expected stands beside each of them.
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/reader-errors.yaml 2>&1 | FileCheck %S/Inputs/reader-errors.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/syntax-error.yaml 2>&1 | FileCheck %S/Inputs/syntax-error.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/no-name.yaml 2>&1 | FileCheck %S/Inputs/no-name.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/empty.yaml 2>&1 | FileCheck %S/Inputs/empty.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/rule-errors.yaml 2>&1 | FileCheck %S/Inputs/rule-errors.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/e5m2-errors.yaml 2>&1 | FileCheck %S/Inputs/e5m2-errors.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/granularity-errors.yaml 2>&1 | FileCheck %S/Inputs/granularity-errors.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/granularity-square.yaml 2>&1 | FileCheck %S/Inputs/granularity-square.yaml
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=%S/Inputs/granularity-delayed.yaml 2>&1 | FileCheck %S/Inputs/granularity-delayed.yaml

// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=fp8-delaied 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: error: no recipe is called 'fp8-delaied'; did you mean 'fp8-delayed'? (a path contains a '/' or ends in .yaml)
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=mxfp8 2>&1 | FileCheck %s --check-prefix=MX
// MX: error: no recipe is called 'mxfp8': MX formats scale blocks of 32 by powers of two in hardware that GPUs have from compute capability 10.0 on, and fp8c has no target for; the nearest is 'fp8-block' (a path contains a '/' or ends in .yaml)
// RUN: not fp8c-opt %s --fp8-assign-precision=recipe=none.yaml 2>&1 | FileCheck %s --check-prefix=FILE
// FILE: error: cannot read the recipe 'none.yaml': No such file or directory

func.func @forward(%x: tensor<16x32xf32>, %w: tensor<32x16xf32>) -> tensor<16x16xf32> attributes {train.function = #train.function<forward>} {
  %y = train.matmul %x, %w {fp8.name = "h.0/mlp/fc", fp8.phase = #fp8.phase<fwd>} : tensor<16x32xf32>, tensor<32x16xf32> -> tensor<16x16xf32>
  %z = train.add %y, %y : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return %z : tensor<16x16xf32>
}
