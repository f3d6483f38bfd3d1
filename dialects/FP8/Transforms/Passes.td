//===- Passes.td - Passes of the FP8 lowering -----------------------------===//

#ifndef FP8_TRANSFORMS_PASSES_TD
#define FP8_TRANSFORMS_PASSES_TD

include "Target/IR/TargetOptions.td"
include "mlir/Pass/PassBase.td"

def AssignPrecision : Pass<"fp8-assign-precision"> {
  let summary = "Give every variable, value and contraction operand a format, by a recipe";
  let description = [{
    Evaluates the recipe's rules in order, later ones winning, and writes the decision on each op as the discardable
    attribute `fp8.precision`, with the rule that made it. Of a program of the train dialect the module's attribute `fp8.products` counts what became of the
    contractions of `@micro`. Runs on a module, or on a function.
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"fp8-delayed\"", "Name of a built-in recipe, or path of a recipe file">
  ];
}

def InsertScaling : Pass<"fp8-insert-scaling"> {
  let summary = "Quantise FP8 contraction operands and make the contractions fp8.matmul";
  let description = [{
    Each value that some contraction wants in FP8 is quantised once per format. A contraction in the wide formats that it was
    given keeps of its `precision` the reason alone, as `why`. With current scaling `fp8.amax` and
    `fp8.compute_scale` stand before the quantisation; with delayed scaling the scale comes from a `!fp8.scale_state`.

    In a program of the train dialect states are variables: they record statistics in `@micro`, advance in `@update`, and are seeded by
    `@calibrate`. Any other function gets an argument and a result for each state, behind those that it has, in the order of the products; loops carry the
    states of what is inside of them, and each iteration advances them. Functions that others name have no states, nor have operands in other nested regions: their scales are current, with a remark.

    Of an operand with a granularity finer than the tensor `fp8.quantize_tiles` makes the scales as well. Its tiles lie along what the
    contraction sums over: the forward pass and the weight gradient have tensors of their own, made from the same value.

    Runs on a module, or on a function that nobody calls.
  }];
  let options = [
    Option<"states", "states", "::fp8c::fp8::StatesPlace", "::fp8c::fp8::StatesPlace::arguments",
           "Where the scale states of functions are that belong to no program: arguments (and results), or none",
           [{::llvm::cl::values(
             clEnumValN(::fp8c::fp8::StatesPlace::arguments, "arguments", "Arguments and results"),
             clEnumValN(::fp8c::fp8::StatesPlace::none, "none", "Nowhere: all scales are current"))}]>
  ];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect"];
}

def CheckPrecision : Pass<"fp8-check-precision"> {
  let summary = "Find decisions on precision that no pass has carried out";
  let description = [{
    `train-apply-precision`, `fp8-lower-states` and `fp8-insert-scaling` carry out what `fp8-assign-precision` writes as `fp8.precision`, and
    take it away; of contractions the reason remains, as `fp8.why`. An op that still has a precision behind them would be computed or stored in
    another format than the recipe says: an error. Changes nothing. The pipelines run it in builds with assertions.
  }];
}

def ChooseLayouts : Pass<"fp8-choose-layouts"> {
  let summary = "Bring FP8 contractions into the layout that the target takes";
  let description = [{
    On NVIDIA's GPUs from compute capability 8.9 on, both operands of an FP8 product have their contracted dimensions
    last ("TN"). `fp8.transpose` makes what does not, once per value and right after it: of an activation `x` of shape
    [B, T, C], the weight gradient's contraction over [0, 1] becomes one over [1, 2] of `x` transposed by [2, 0, 1].
    Run it before `train-materialize-compute-weights`, which turns the transposes of weights into variables. Where the target takes every
    layout, nothing is done.
  }];
  let options = [TargetOverride<"tn", "tn", "Whether FP8 products have to be TN">];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect"];
}

#endif // FP8_TRANSFORMS_PASSES_TD
