//===- FP8Attrs.td - Attributes of the fp8 dialect ------------------------===//

#ifndef FP8_IR_FP8ATTRS_TD
#define FP8_IR_FP8ATTRS_TD

include "FP8/IR/FP8Dialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

// Where a scale comes from.
//   current  the value's own amax
//   delayed  the amaxes of past steps
//   bounded  the value's own amax at the last update, and how far an update can move it
def FP8_Scaling : I32EnumAttr<"Scaling", "Where a scale comes from", [
    I32EnumAttrCase<"Current", 0, "current">,
    I32EnumAttrCase<"Delayed", 1, "delayed">,
    I32EnumAttrCase<"Bounded", 2, "bounded">]> {
  let cppNamespace = "::fp8c::fp8";
  let genSpecializedAttr = 0;
}

// Which elements of a contraction's operand share a scale: all of them, those
// that one result sums over (a row), 128 neighbours of these, or those of 128
// neighbouring rows.
def FP8_Granularity : I32EnumAttr<"Granularity", "Which elements of an operand share a scale", [
    I32EnumAttrCase<"Tensor", 0, "tensor">,
    I32EnumAttrCase<"Row", 1, "row">,
    I32EnumAttrCase<"Block1x128", 2, "1x128">,
    I32EnumAttrCase<"Block128x128", 3, "128x128">]> {
  let cppNamespace = "::fp8c::fp8";
  let genSpecializedAttr = 0;
}
def FP8_GranularityAttr : EnumAttr<FP8_Dialect, FP8_Granularity, "granularity"> {
  // Not EnumParameter, which prints 1x128 without the quotes that it needs.
  let parameters = (ins "::fp8c::fp8::Granularity":$value);
  let assemblyFormat = "`<` $value `>`";
}

// What an op is for: `fp8.phase = #fp8.phase<...>`.
//   fwd        computes the model's values
//   dgrad      computes a gradient of a value
//   wgrad      computes a gradient of a parameter
//   recompute  computes a value of the forward pass anew, for backward
//   update     is the optimizer's
def FP8_Phase : I32EnumAttr<"Phase", "What an op is for", [
    I32EnumAttrCase<"fwd", 0>,
    I32EnumAttrCase<"dgrad", 1>,
    I32EnumAttrCase<"wgrad", 2>,
    I32EnumAttrCase<"recompute", 3>,
    I32EnumAttrCase<"update", 4>]> {
  let cppNamespace = "::fp8c::fp8";
  let genSpecializedAttr = 0;
}
def FP8_PhaseAttr : EnumAttr<FP8_Dialect, FP8_Phase, "phase"> {
  let assemblyFormat = "`<` $value `>`";
}

def FP8_OperandAttr : AttrDef<FP8_Dialect, "Operand"> {
  let mnemonic = "operand";
  let summary = "In which format a contraction reads an operand, and how it is scaled";
  let description = [{
    Syntax: `#fp8.operand<` format (`,` field `=` value)* `>`

    The format is an MLIR float type: `f32`, `bf16` or `f16`, which have no scale, `f8E4M3FN` or `f8E5M2`. The fields say how the
    scale of FP8 is found: `scaling` (`current`, `delayed` or `bounded`), of delayed scaling the `window` (amaxes, at least one), `margin`
    (binades that the scale stays below the largest one, not negative), `pow2` (scales are powers of two) and `granularity` (`tensor`,
    `row`, `"1x128"` or `"128x128"`: which elements share a scale).

    Example: `#fp8.operand<f8E4M3FN, scaling = delayed, window = 16, pow2 = true>`.
  }];
  let parameters = (ins
    "::mlir::FloatType":$format,
    DefaultValuedParameter<"::fp8c::fp8::Scaling", "::fp8c::fp8::Scaling::Current">:$scaling,
    DefaultValuedParameter<"int64_t", "0">:$window,
    DefaultValuedParameter<"int64_t", "0">:$margin,
    DefaultValuedParameter<"bool", "false">:$pow2,
    DefaultValuedParameter<"::fp8c::fp8::Granularity", "::fp8c::fp8::Granularity::Tensor">:$granularity);
  let builders = [
    AttrBuilderWithInferredContext<(ins "::mlir::FloatType":$format,
        "::fp8c::fp8::Scaling":$scaling, "int64_t":$window, "int64_t":$margin,
        "bool":$pow2, "::fp8c::fp8::Granularity":$granularity), [{
      return $_get(format.getContext(), format, scaling, window, margin, pow2,
                   granularity);
    }]>
  ];
  let assemblyFormat = [{
    `<` $format (`,` struct($scaling, $window, $margin, $pow2, $granularity)^)? `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isFP8() const { return ::fp8c::fp8::isFP8(getFormat()); }
    bool isDelayed() const { return getScaling() == Scaling::Delayed; }
    bool isBounded() const { return getScaling() == Scaling::Bounded; }
  }];
}

def FP8_StorageAttr : AttrDef<FP8_Dialect, "Storage"> {
  let mnemonic = "storage";
  let summary = "How a variable is stored from step to step";
  let description = [{
    Syntax: `#fp8.storage<` format (`,` flag `= true`)* `>`

    `scaled`: with a scale, as `!fp8.scaled` (f8E4M3FN, f8E5M2 always, f16 if so). Of scaled ones `sqrt`: the square root is kept, of second
    moments; `stochastic`: rounded stochastically.

    Example: `#fp8.storage<f8E4M3FN, scaled = true>`.
  }];
  let parameters = (ins "::mlir::FloatType":$format,
    DefaultValuedParameter<"bool", "false">:$scaled,
    DefaultValuedParameter<"bool", "false">:$sqrt,
    DefaultValuedParameter<"bool", "false">:$stochastic);
  let builders = [
    AttrBuilderWithInferredContext<(ins "::mlir::FloatType":$format, "bool":$scaled,
        "bool":$sqrt, "bool":$stochastic), [{
      return $_get(format.getContext(), format, scaled, sqrt, stochastic);
    }]>
  ];
  let assemblyFormat = "`<` $format (`,` struct($scaled, $sqrt, $stochastic)^)? `>`";
  let genVerifyDecl = 1;
}

def FP8_PrecisionAttr : AttrDef<FP8_Dialect, "Precision"> {
  let mnemonic = "precision";
  let summary = "What fp8-assign-precision decides about an op or a variable";
  let description = [{
    Syntax: `#fp8.precision<` (field `=` value), `>`

    `result`: the float type of all results, or an array of one per result. Of contractions `lhs` and `rhs`, each an `#fp8.operand`, and
    `fast_accum`. Of variables `storage`, a `#fp8.storage`. `why`: which lines of the recipe, or which facts, decided.

    Example: `#fp8.precision<result = bf16, lhs = <f8E4M3FN>, rhs = <f8E4M3FN>, why = "fp8-current.yaml:12">`.
  }];
  let parameters = (ins
    OptionalArrayRefParameter<"::mlir::Type">:$result,
    OptionalParameter<"::fp8c::fp8::OperandAttr">:$lhs,
    OptionalParameter<"::fp8c::fp8::OperandAttr">:$rhs,
    DefaultValuedParameter<"bool", "false">:$fast_accum,
    OptionalParameter<"::fp8c::fp8::StorageAttr">:$storage,
    OptionalParameter<"::mlir::StringAttr">:$why);
  let assemblyFormat = [{
    `<` struct(custom<ResultTypes>($result), $lhs, $rhs, $fast_accum, $storage, $why) `>`
  }];
  let extraClassDeclaration = [{
    /// The type decided for a result; null if there is none.
    ::mlir::Type getResult(unsigned index) const {
      ::llvm::ArrayRef<::mlir::Type> types = getResult();
      return types.empty() ? ::mlir::Type() : types[types.size() == 1 ? 0 : index];
    }
    /// Are both operands of a contraction FP8?
    bool isFP8() const {
      return getLhs() && getRhs() && getLhs().isFP8() && getRhs().isFP8();
    }
  }];
}

#endif // FP8_IR_FP8ATTRS_TD
