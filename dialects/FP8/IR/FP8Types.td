//===- FP8Types.td - Types of the fp8 dialect -----------------------------===//

#ifndef FP8_IR_FP8TYPES_TD
#define FP8_IR_FP8TYPES_TD

include "FP8/IR/FP8Dialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinTypeInterfaces.td"

class FP8_Type<string name, string typeMnemonic> : TypeDef<FP8_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def FP8_ScaledType : FP8_Type<"Scaled", "scaled"> {
  let summary = "A quantised tensor and the inverse scale it was quantised with";
  let description = [{
    Syntax: `!fp8.scaled<` shape `x` storage (`,` `tile<` `[` sizes `]` `>`)? `>`

    The storage is `f8E4M3FN`, `f8E5M2` or `f16` (scaled master weights). Without
    a tile there is one scale for the tensor; with `tile<[1, 128]>` there is one
    for every block of that size, and `?` stands for a whole dimension.

    Example: `!fp8.scaled<128x768xf8E4M3FN>`, `!fp8.scaled<8x64xf8E5M2, tile<[1, ?]>>`.
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t">:$shape,
    "::mlir::FloatType":$storage,
    OptionalArrayRefParameter<"int64_t">:$tile
  );
  let builders = [
    TypeBuilderWithInferredContext<(ins "::llvm::ArrayRef<int64_t>":$shape,
                                        "::mlir::FloatType":$storage,
                                        CArg<"::llvm::ArrayRef<int64_t>", "{}">:$tile), [{
      return $_get(storage.getContext(), shape, storage, tile);
    }]>
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getShape().size(); }
    bool isPerTensor() const { return getTile().empty(); }
  }];
}

def FP8_ScaleType : FP8_Type<"Scale", "scale"> {
  let summary = "A scale that was made for a format, and its inverse";
  let description = [{
    Syntax: `!fp8.scale<` storage `>`

    Two f32 numbers, of which the second is 1 over the first. What it was made
    for is part of its type: the scale of an amax for `f8E5M2` would saturate
    most of what it quantises to `f8E4M3FN`.

    Example: `!fp8.scale<f8E4M3FN>`.
  }];
  let parameters = (ins "::mlir::FloatType":$storage);
  let builders = [TypeBuilderWithInferredContext<(ins "::mlir::FloatType":$storage), [{
    return $_get(storage.getContext(), storage);
  }]>];
  let assemblyFormat = "`<` $storage `>`";
  let genVerifyDecl = 1;
}

def FP8_ScaleStateType : FP8_Type<"ScaleState", "scale_state"> {
  let summary = "What delayed scaling remembers about one quantisation site";
  let description = [{
    Syntax: `!fp8.scale_state<` storage `,` window `>`

    The current scale, the statistics gathered since the last update, and the
    last `window` amaxes of the site. Only `fp8.record` and `fp8.advance` change it.

    Example: `!fp8.scale_state<f8E4M3FN, 16>`.
  }];
  let parameters = (ins "::mlir::FloatType":$storage, "int64_t":$window);
  let assemblyFormat = "`<` $storage `,` $window `>`";
  let genVerifyDecl = 1;
}

def FP8_StatsType : FP8_Type<"Stats", "stats">,
                    BuildableType<"::fp8c::fp8::StatsType::get($_builder.getContext())"> {
  let summary = "amax, saturated and non-finite counts of one quantisation";
  let description = [{
    Three 32-bit words: the largest finite magnitude (its f32 bit pattern, so
    that maxima are integer maxima), the number of values that saturated and the
    number that were infinite or NaN.
  }];
}

#endif // FP8_IR_FP8TYPES_TD
