//===- Passes.td - FP8 passes over training programs ----------------------===//

#ifndef FP8_TRAINING_PASSES_TD
#define FP8_TRAINING_PASSES_TD

include "Train/IR/ProgramPass.td"

def MergeProducts : ProgramPass<"fp8-merge-products"> {
  let summary = "Make one product of those that read the same input, where the recipe says the same of them";
  let description = [{
    Products of one value with parameters that each function reads once, as those for queries, keys and values or a gated MLP's two, become
    one, of one variable whose initial value is `#train.joined`; their biases too. Runs before `train-autodiff`, so that their gradients come from one product each.
    The parts' sizes must be multiples of 16. Rules of the recipe (`name`, `variable`) that tell
    two of them apart keep them apart, with a remark, as `merge: none` does.

    Example:
    ```mlir
    %q = train.matmul %x, %wq : tensor<2x64x128xf32>, tensor<128x128xf32> -> tensor<2x64x128xf32>
    %k = train.matmul %x, %wk : tensor<2x64x128xf32>, tensor<128x64xf32> -> tensor<2x64x64xf32>
    ```
    becomes
    ```mlir
    %y = train.matmul %x, %w : tensor<2x64x128xf32>, tensor<128x192xf32> -> tensor<2x64x192xf32>
    %q, %k = train.split %y axis 2 : tensor<2x64x192xf32> -> tensor<2x64x128xf32>, tensor<2x64x64xf32>
    ```
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"fp8-delayed\"", "Name of a built-in recipe, or path of a recipe file">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def ExposeOperands : ProgramPass<"fp8-expose-operands"> {
  let summary = "Make @observe, which returns what the contractions of @micro read";
  let description = [{
    `@observe` takes what `@micro` takes, assigns no variable, and returns every operand of a contraction once,
    however many read it: as it is before quantisation. A result's `fp8.name` is the operand's, as that of a scale
    site (`h.0/mlp/fc.x`); `fp8.role` says what it is (weight, gradient, activation), `fp8.uses` for each contraction that
    reads it `{op, gemm, operand, contracting}`: its name, `fwd`, `dgrad` or `wgrad`, what the operand is called there
    (`x`, `w`, `dy`; `lhs` or `rhs` where both have one role), and its dimensions that are summed over. Runs after `train-add-optimizer` and before `fp8-assign-precision`. No `@micro`, or one without
    contractions, is an error.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def LowerStates : ProgramPass<"fp8-lower-states"> {
  let summary = "Keep parameters, gradients and moments in scaled FP8 or f16, as the recipe says";
  let description = [{
    A variable whose `fp8.precision` says `scaled` becomes `!fp8.scaled<...>`: its readers dequantise it, what is assigned to it is
    quantised with the scale of its own amax. `sqrt` keeps the square root of a second moment. A scale of a parameter or moment is marked
    `bounded` for `train-fuse-optimizer`; one of a gradient becomes NaN if the gradient is not finite everywhere, so that the step is skipped.

    A gradient that `@micro` adds to stays f32 and is quantised once, in `@update`.
  }];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect", "::fp8c::train::TrainDialect"];
}

def PadProducts : Pass<"fp8-pad-products"> {
  let summary = "Pad products that shall be in FP8 to sizes that hardware multiplies";
  let description = [{
    A `train.matmul` that `fp8-assign-precision` wants in FP8 and whose m, n or k is no multiple of 16 becomes one of matrices that are: its operands
    get zeros behind their rows and columns, and its result is sliced. In blocks of 128 a k that is no multiple of 16 becomes one of 128.

    Example: with 3 x 33 tokens
    ```mlir
    %y = train.matmul %x, %w : tensor<3x33x128xbf16>, tensor<128x512xbf16> -> tensor<3x33x512xbf16>
    ```
    becomes
    ```mlir
    %0 = train.reshape %x : tensor<3x33x128xbf16> -> tensor<99x128xbf16>
    %1 = train.place %0 at [0, 0] by [1, 1] : tensor<99x128xbf16> -> tensor<112x128xbf16>
    %2 = train.matmul %1, %w : tensor<112x128xbf16>, tensor<128x512xbf16> -> tensor<112x512xbf16>
    %3 = train.slice %2 at [0, 0] by [1, 1] : tensor<112x512xbf16> -> tensor<99x512xbf16>
    %y = train.reshape %3 : tensor<99x512xbf16> -> tensor<3x33x512xbf16>
    ```
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def QuantizeParts : ProgramPass<"fp8-quantize-parts"> {
  let summary = "Quantise values that are joined before they are";
  let description = [{
    The quantisation of a `train.concat` along the last dimension becomes an `fp8.concat` of quantisations with the same scale, and so do its
    transposed copies, where what computes the parts can quantise them: element-wise ops whose results nobody else reads, and sizes
    that are multiples of 16. Runs before `train-form-fusions`.

    Example:
    ```mlir
    %x = train.concat %a, %b axis 1 : tensor<4x16xbf16>, tensor<4x16xbf16> -> tensor<4x32xbf16>
    %q, %stats = fp8.quantize %x, %scale : tensor<4x32xbf16> -> !fp8.scaled<4x32xf8E5M2>
    ```
    becomes
    ```mlir
    %qa, %sa = fp8.quantize %a, %scale : tensor<4x16xbf16> -> !fp8.scaled<4x16xf8E5M2>
    %qb, %sb = fp8.quantize %b, %scale : tensor<4x16xbf16> -> !fp8.scaled<4x16xf8E5M2>
    %q = fp8.concat %qa, %qb axis 1 : !fp8.scaled<4x16xf8E5M2>, !fp8.scaled<4x16xf8E5M2> -> !fp8.scaled<4x32xf8E5M2>
    ```
  }];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect"];
}

def AgreeScales : ProgramPass<"fp8-agree-scales"> {
  let summary = "Let processes with other data make the same scales";
  let description = [{
    Statistics differ between processes that see other data. Before a function's first `fp8.advance` one `fp8.agree` joins those of all its
    sites. In `@micro` and `@calibrate` an amax that varies is agreed on before `fp8.compute_scale`, but for that of a gradient, which is still to be summed. A module without a grid, or with one
    process along `dp`, stays as it is. Of a reproducible module an amax in `@micro` stays the micro-batch's own.
  }];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect"];
}

def LowerComm : ProgramPass<"fp8-lower-comm"> {
  let summary = "Send gradients in FP8";
  let description = [{
    Of a `train.all_reduce`, a gradient whose variable says `train.wire` in FP8 is scaled by one scale of all processes, from the largest of their amaxes; codes are summed by `fp8.all_reduce`. One
    `fp8.agree` joins the amaxes of a bucket. A variable that keeps its gradient in that format takes the sum as it is: it is quantised once. (FP8-LM, arXiv 2310.18313, section 2.2, shares scales likewise; it
    sums in FP8.)

    ```mlir
    %h = train.all_reduce %g sum over ["dp"] : tensor<128x512xbf16>
    ```
    becomes
    ```mlir
    %a = fp8.amax %g : tensor<128x512xbf16>
    %b = fp8.agree %a over ["dp"] : tensor<f32>
    %s = fp8.compute_scale %b {poison, pow2} : !fp8.scale<f8E4M3FN>
    %q, %k = fp8.quantize %g, %s : tensor<128x512xbf16> -> !fp8.scaled<128x512xf8E4M3FN>
    %r = fp8.all_reduce %q over ["dp"] : !fp8.scaled<128x512xf8E4M3FN>
    %h = fp8.dequantize %r : !fp8.scaled<128x512xf8E4M3FN> -> tensor<128x512xbf16>
    ```
    Of a gradient whose variable says `train.native_sum` the scale is multiplied by a factor mu before (`fp8.scale_by`), the sum is the library's, and mu, a variable, is adjusted by what comes out
    (`fp8.adjust_mu`). One process has that variable too.
  }];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect", "::fp8c::train::TrainDialect"];
}

#endif // FP8_TRAINING_PASSES_TD
