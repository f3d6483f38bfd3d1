// RUN: fp8c-opt %s -split-input-file -verify-diagnostics --train-recompute=values=block
// RUN: not fp8c-opt %S/Inputs/mlp.mlir --train-recompute=values=embedding 2>&1 | FileCheck %s

// CHECK: error: cannot recompute 'embedding': it knows norm, gelu, quantize, block and block:<number of layers>

// expected-error@below {{cannot recompute blocks: no op's name has a layer's number, as "h.0/mlp/fc"}}
module {
  func.func @micro(%x: tensor<4xf32>) -> tensor<4xf32> attributes {train.function = #train.function<micro>} {
    %y = train.exp %x {fp8.name = "mlp/act", fp8.phase = #fp8.phase<fwd>} : tensor<4xf32> -> tensor<4xf32>
    %dx = train.mul %y, %y {fp8.name = "mlp/act", fp8.phase = #fp8.phase<dgrad>} : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
    return %dx : tensor<4xf32>
  }
}

// -----

// expected-error@below {{needs a function with train.function = #train.function<micro>: run train-autodiff before train-recompute}}
module {
}
