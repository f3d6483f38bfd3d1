//===- Passes.td - fp8-lower-to-upstream ----------------------------------===//

#ifndef CONVERSION_FP8TOUPSTREAM_PASSES_TD
#define CONVERSION_FP8TOUPSTREAM_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerToUpstream : Pass<"fp8-lower-to-upstream", "::mlir::ModuleOp"> {
  let summary = "Turn the fp8 dialect into linalg, tensor, arith and math on tensors of f8 element types";
  let description = [{
    What is left has no op and no type of the fp8 dialect, so that any compiler that knows upstream's dialects can go on with it. A type becomes one or several:

    | type | becomes |
    |---|---|
    | `!fp8.scale<F>` | `f32`: the scale; its inverse is computed where it is read |
    | `!fp8.scaled<4x8xF>` | `tensor<4x8xF>`, `f32`: the codes, the inverse scale |
    | `!fp8.scaled<4x8xF, tile<[1, ?]>>` | `tensor<4x8xF>`, `tensor<4x1xf32>`: the codes, the inverse scale of each tile |
    | `!fp8.stats` | `f32`: the amax |
    | `!fp8.scale_state<F, 16>` | `f32`, `f32`, `tensor<16xf32>`: the scale, the amax recorded since the last `advance` (0: nothing was), the amaxes of the last steps, newest first (0: none yet) |

    Counts of saturated and of infinite values go: no op can read them. Functions, calls, branches, `scf.for`, `scf.if`, `scf.while` and `arith.select` are converted along; an argument's attributes stay with
    the first of those that it becomes. Attributes of the fp8 dialect are taken off.

    Codes, scales and states are those of the cpu target, bit for bit, but for which NaN a NaN becomes. `fast_accum` and `bounded`, which allow something, are not made use of.

    Rounding that is stochastic, exchanges between processes, and ops of other dialects that have values of the fp8 dialect are errors; then nothing is changed.

    Example:
    ```mlir
    func.func @f(%x: tensor<4x8xf32>, %s: !fp8.scale<f8E4M3FN>) -> !fp8.scaled<4x8xf8E4M3FN>
    ```
    becomes
    ```mlir
    func.func @f(%x: tensor<4x8xf32>, %s: f32) -> (tensor<4x8xf8E4M3FN>, f32)
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // CONVERSION_FP8TOUPSTREAM_PASSES_TD
