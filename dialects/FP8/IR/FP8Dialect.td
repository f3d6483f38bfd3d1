//===- FP8Dialect.td - The dialect of scaled FP8 tensors ------------------===//
//
// A scaled tensor and the inverse scale it was quantised with are one SSA
// value, so that no value can ever be read with another value's scale.
//
//===----------------------------------------------------------------------===//

#ifndef FP8_IR_FP8DIALECT_TD
#define FP8_IR_FP8DIALECT_TD

include "mlir/IR/OpBase.td"

def FP8_Dialect : Dialect {
  let name = "fp8";
  let cppNamespace = "::fp8c::fp8";
  let summary = "Scaled FP8 tensors and the operations on them";
  let description = [{
    The dialect makes FP8 scaling explicit. `!fp8.scaled<128x768xf8E4M3FN>`
    is the quantised data together with the inverse scale it was quantised
    with; `fp8.quantize` makes one from a tensor and a scale and reports what
    it saw as `!fp8.stats`; `fp8.matmul` contracts two of them into a tensor of
    higher precision.

    A scale follows `scale = max * 2^-margin / amax`, where `max` is the largest
    finite value of the format: 448 for `f8E4M3FN`, 57344 for `f8E5M2`
    (Micikevicius et al., "FP8 Formats for Deep Learning", arXiv 2209.05433,
    section 3). Quantised data is `round(x * scale)`, rounded to nearest even
    and saturated; its value is `data * scale_inv` with `scale_inv = 1/scale`.

    Any op, of this dialect or another, may carry two discardable attributes that
    recipes and reports match on: `fp8.name`, the path of the node of a model that it stems
    from (`"h.0/mlp/fc"`), and `fp8.phase`, one of `#fp8.phase<fwd>`, `dgrad`,
    `wgrad`, `recompute` and `update`. An argument of a function says by `fp8.role` that it is a `weight` or a `gradient`. What a recipe
    decides about an op stands in `fp8.precision` until it is carried out, and the reason in `fp8.why` behind that. What else there is, and where it may stand,
    says `FP8Discardable.cpp`; another attribute called `fp8.` is an error.
  }];
  let dependentDialects = [];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

#endif // FP8_IR_FP8DIALECT_TD
