//===- ScaleSites.cpp - Where delayed scaling keeps its statistics --------===//

#include "FP8/Transforms/ScaleSites.h"

#include "Train/IR/Precision.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

ScalingSpec ScalingSpec::get(DictionaryAttr precision, StringRef side) {
  auto integer = [&](StringRef key, int64_t otherwise) {
    auto attr = precision.getAs<IntegerAttr>((side + key).str());
    return attr ? attr.getInt() : otherwise;
  };
  auto scaling = precision.getAs<StringAttr>((side + train::kScalingKey).str());
  ScalingSpec spec;
  spec.format = train::getFormat(precision, side);
  spec.delayed = scaling && scaling.getValue() == train::kDelayed;
  spec.bounded = scaling && scaling.getValue() == train::kBounded;
  spec.pow2 = precision.contains((side + train::kPow2Key).str());
  if (auto word =
          precision.getAs<StringAttr>((side + train::kGranularityKey).str()))
    spec.granularity =
        symbolizeGranularity(word.getValue()).value_or(Granularity::Tensor);
  spec.margin = integer(train::kMarginKey, spec.margin);
  // Current scaling has no window; all of its specs are one.
  if (spec.delayed)
    spec.window = integer(train::kWindowKey, spec.window);
  return spec;
}

bool ScalingSpec::operator==(const ScalingSpec &other) const {
  return getKey() == other.getKey();
}

Attribute ScalingSpec::getKey() const {
  Builder builder(format.getContext());
  return builder.getArrayAttr(
      {TypeAttr::get(format), builder.getBoolAttr(delayed),
       builder.getBoolAttr(bounded), builder.getBoolAttr(pow2),
       builder.getStringAttr(stringifyGranularity(granularity)),
       builder.getI64IntegerAttr(window), builder.getI64IntegerAttr(margin)});
}

ScaleSite *ScaleSites::getOrCreate(StringRef name, const ScalingSpec &spec) {
  MLIRContext *context = module.getContext();
  auto [it, isNew] = sites.try_emplace(StringAttr::get(context, name));
  if (!isNew)
    return it->second->spec == spec ? it->second.get() : nullptr;
  if (!lastVariable)
    for (auto variable : module.getOps<train::VariableOp>())
      lastVariable = variable;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  if (lastVariable)
    builder.setInsertionPointAfter(lastVariable);
  // Scale and inverse scale start as 1, so that a program without calibration
  // is sound.
  auto variable = train::VariableOp::create(
      builder, module.getLoc(), builder.getStringAttr(name + ".scale"),
      TypeAttr::get(ScaleStateType::get(context, spec.format, spec.window)),
      train::RoleAttr::get(context, train::Role::scale),
      train::ConstantInitAttr::get(context, 1.0), FlatSymbolRefAttr());
  symbols.insert(variable);
  lastVariable = variable;
  it->second.reset(new ScaleSite{it->first, variable, spec});
  return it->second.get();
}

ScaleSite *ScaleSites::lookup(StringRef name, const ScalingSpec &spec) const {
  auto it = sites.find(StringAttr::get(symbols.getOp()->getContext(), name));
  return it != sites.end() && it->second->spec == spec ? it->second.get()
                                                       : nullptr;
}
