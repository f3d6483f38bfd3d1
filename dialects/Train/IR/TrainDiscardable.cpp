//===- TrainDiscardable.cpp - Discardable attributes of the train dialect -===//

#include "FP8/IR/DiscardableAttrs.h"
#include "Train/IR/Functions.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static constexpr KnownAttr kKnownAttrs[] = {
    {kResultNamesAttr, OnOp, isArrayOf<StringAttr>, "an array of strings"},
    knownI64(kSavedBytesAttr, OnOp),
    knownAttr<InputAttr>(kInputAttr, OnArgument, "a #train.input"),
    knownAttr<OutputAttr>(kOutputAttr, OnArgument | OnResult,
                          "a #train.output"),
    knownAttr<FlatSymbolRefAttr>(kGradientOfAttr, OnArgument | OnResult,
                                 "the symbol of a parameter"),
    knownI64(kIdsAttr, OnArgument),
    knownI64(kIgnoreIndexAttr, OnArgument),
    knownAttr<FunctionKindAttr>(kFunctionAttr, OnFunction, "a #train.function"),
    knownAttr<InputAttr>(kLabelsAttr, OnFunction, "a #train.input"),
    knownAttr<StringAttr>(kFileNameAttr, OnVariable, "a string"),
    knownAttr<UnitAttr>(kTransposedAttr, OnVariable, "a unit"),
    knownAttr<TypeAttr>(kWireAttr, OnVariable, "a type"),
    knownAttr<UnitAttr>(kNativeSumAttr, OnVariable, "a unit"),
    knownAttr<StringAttr>(kModelAttr, OnModule, "a string"),
    knownAttr<StringAttr>(kRecomputeAttr, OnModule, "a string"),
    knownI64(kMicroBatchesAttr, OnModule),
    knownAttr<UnitAttr>(kReproducibleAttr, OnModule, "a unit"),
    knownI64(kPadAttr, OnModule)};

//===----------------------------------------------------------------------===//
// The kind of a function
//===----------------------------------------------------------------------===//

static LogicalResult verifyFunction(FunctionOpInterface function,
                                    Attribute kind) {
  Region &body = function.getFunctionBody();
  if (body.empty())
    return function.emitOpError("is a program's function, ")
           << kind << ", but has no body";
  if (!body.hasOneBlock())
    return function.emitOpError("is a program's function, ")
           << kind << ", which has one block, not " << body.getBlocks().size();
  for (Operation *other = function->getPrevNode(); other;
       other = other->getPrevNode())
    if (isa<FunctionOpInterface>(other) &&
        other->getAttr(kFunctionAttr) == kind) {
      InFlightDiagnostic diagnostic = function.emitOpError("is the second ")
                                      << kind << " of the module";
      diagnostic.attachNote(other->getLoc()) << "the first is here";
      return diagnostic;
    }
  return success();
}

//===----------------------------------------------------------------------===//
// Hooks
//===----------------------------------------------------------------------===//

LogicalResult TrainDialect::verifyOperationAttribute(Operation *op,
                                                     NamedAttribute attr) {
  if (failed(verifyOperationAttr(op, attr, kKnownAttrs)))
    return failure();
  StringRef name = attr.getName();
  if (name == kFunctionAttr)
    return verifyFunction(cast<FunctionOpInterface>(op), attr.getValue());
  if (name != kResultNamesAttr && name != kSavedBytesAttr)
    return success();
  if (!isa<FusionOp>(op))
    return op->emitOpError("has the attribute ")
           << attr.getName() << ", which stands on train.fusion only";
  auto names = dyn_cast<ArrayAttr>(attr.getValue());
  if (names && names.size() != op->getNumResults())
    return op->emitOpError("has ") << names.size() << " result names, but "
                                   << op->getNumResults() << " results";
  return success();
}
LogicalResult TrainDialect::verifyRegionArgAttribute(Operation *op, unsigned,
                                                     unsigned index,
                                                     NamedAttribute attr) {
  return verifySignatureAttr(op, OnArgument, index, attr, kKnownAttrs);
}
LogicalResult TrainDialect::verifyRegionResultAttribute(Operation *op, unsigned,
                                                        unsigned index,
                                                        NamedAttribute attr) {
  return verifySignatureAttr(op, OnResult, index, attr, kKnownAttrs);
}
