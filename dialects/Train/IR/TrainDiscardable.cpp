//===- TrainDiscardable.cpp - Discardable attributes of the train dialect -===//

#include "FP8/IR/DiscardableAttrs.h"
#include "Train/IR/Functions.h"
#include "Train/IR/Precision.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static constexpr KnownAttr kKnownAttrs[] = {
    knownAttr<StringAttr>(kNameAttr, OnOp | OnArgument | OnResult, "a string"),
    knownAttr<PhaseAttr>(kPhaseAttr, OnOp, "a #train.phase"),
    knownAttr<DictionaryAttr>(kPrecisionAttr, OnOp, "a dictionary"),
    knownAttr<StringAttr>(kWhyAttr, OnOp, "a string"),
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
    knownAttr<StringAttr>(kModelAttr, OnModule, "a string"),
    knownAttr<StringAttr>(kRecomputeAttr, OnModule, "a string"),
    knownI64(kMicroBatchesAttr, OnModule),
    knownI64(kPadAttr, OnModule)};

//===----------------------------------------------------------------------===//
// The precision of an op
//===----------------------------------------------------------------------===//

template <typename Attr> static bool is(Attribute attr) {
  return isa<Attr>(attr);
}

static bool isFloat(Attribute attr) {
  auto type = dyn_cast<TypeAttr>(attr);
  return type && isa<FloatType>(type.getValue());
}

/// One format for all results, or a type for each.
static bool isResults(Attribute attr) {
  return isFloat(attr) || isArrayOf<TypeAttr>(attr);
}

static bool isScaling(Attribute attr) {
  auto word = dyn_cast<StringAttr>(attr);
  return word &&
         llvm::is_contained({kDelayed, kCurrent, kBounded}, word.getValue());
}

static bool isGranularity(Attribute attr) {
  auto word = dyn_cast<StringAttr>(attr);
  return word && fp8::symbolizeGranularity(word.getValue());
}

/// How many values of the past a delayed scale looks at.
static bool isWindow(Attribute attr) {
  return isI64(attr) && cast<IntegerAttr>(attr).getInt() > 0;
}

namespace {
struct PrecisionKey {
  StringLiteral name;
  bool (*isOfType)(Attribute);
  StringLiteral type;
};
} // namespace

static constexpr PrecisionKey kPrecisionKeys[] = {
    {kResultKey, isResults, "a float type, or an array of types"},
    {kStorageKey, isFloat, "a float type"},
    {kFastAccumKey, is<UnitAttr>, "a unit"},
    {kWhyKey, is<StringAttr>, "a string"},
    {kScaledKey, is<UnitAttr>, "a unit"},
    {kSquareRootKey, is<UnitAttr>, "a unit"},
    {kStochasticKey, is<UnitAttr>, "a unit"}};

/// Those of an operand, after `lhs` or `rhs`.
static constexpr PrecisionKey kOperandKeys[] = {
    {"", isFloat, "a float type"},
    {kScalingKey, isScaling, "delayed, current or bounded"},
    {kWindowKey, isWindow, "an integer above 0"},
    {kMarginKey, isI64, "an integer of type i64"},
    {kPow2Key, is<UnitAttr>, "a unit"},
    {kGranularityKey, isGranularity, "tensor, row, 1x128 or 128x128"}};

static LogicalResult verifyPrecision(Operation *op, DictionaryAttr precision) {
  if (!isa<VariableOp, PrecisionOpInterface, fp8::FP8ContractionOpInterface>(
          op))
    return op->emitOpError("has the attribute ")
           << kPrecisionAttr
           << ", but is neither a variable nor an op whose formats are chosen";
  for (NamedAttribute entry : precision) {
    StringRef name = entry.getName(), key = name;
    bool ofOperand = key.consume_front(kLhsKey) || key.consume_front(kRhsKey);
    ArrayRef<PrecisionKey> keys =
        ofOperand ? ArrayRef(kOperandKeys) : ArrayRef(kPrecisionKeys);
    auto found = llvm::find_if(
        keys, [&](const PrecisionKey &known) { return known.name == key; });
    if (found == keys.end())
      return op->emitOpError("has a precision with an unknown key '")
             << name << "'";
    if (!found->isOfType(entry.getValue()))
      return op->emitOpError("has a precision whose '")
             << name << "' must be " << found->type << ", but is "
             << entry.getValue();
  }
  FloatType storage = getFormat(precision, kStorageKey);
  if (precision.contains(kScaledKey) && !isFP8(storage) &&
      !isa_and_nonnull<Float16Type>(storage))
    return op->emitOpError("has a precision that is scaled, whose 'storage' "
                           "must be f8E4M3FN, f8E5M2 or f16");
  auto results = precision.getAs<ArrayAttr>(kResultKey);
  if (results && results.size() != op->getNumResults())
    return op->emitOpError("has a precision for ")
           << results.size() << " results, but has " << op->getNumResults();
  return success();
}

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
  if (name == kPrecisionAttr)
    return verifyPrecision(op, cast<DictionaryAttr>(attr.getValue()));
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
