//===- Precision.cpp - The form of train.precision ------------------------===//

#include "Train/IR/Precision.h"

#include "Train/IR/Train.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// Checks a precision entry by entry: an unknown one would be a decision
/// that nobody carries out.
class PrecisionVerifier {
public:
  PrecisionVerifier(Operation *op, DictionaryAttr precision)
      : op(op), precision(precision) {}
  LogicalResult verify();

private:
  LogicalResult verifyEntry(StringRef key, Attribute value);
  LogicalResult verifyOperandEntry(StringRef key, Attribute value);
  LogicalResult verifyResult(Attribute value);
  LogicalResult verifyStorage();
  LogicalResult verifyOperands();
  bool has(const Twine &key) const { return precision.contains(key.str()); }

  InFlightDiagnostic wrong(StringRef key, StringRef expected, Attribute value) {
    return op->emitOpError("precision: '")
           << key << "' must be " << expected << ", but is " << value;
  }
  LogicalResult require(bool holds, StringRef key, StringRef expected,
                        Attribute value) {
    return holds ? success() : LogicalResult(wrong(key, expected, value));
  }

  Operation *op;
  DictionaryAttr precision;
};
} // namespace

static Type getType(Attribute value) {
  auto type = dyn_cast_or_null<TypeAttr>(value);
  return type ? type.getValue() : Type();
}

static bool isOneOf(Attribute value, ArrayRef<StringRef> words) {
  auto word = dyn_cast<StringAttr>(value);
  return word && llvm::is_contained(words, word.getValue());
}

LogicalResult PrecisionVerifier::verifyResult(Attribute value) {
  if (isWide(getType(value)))
    return success();
  auto types = dyn_cast<ArrayAttr>(value);
  bool fits = types && types.size() == op->getNumResults();
  for (auto [type, result] : llvm::zip(
           fits ? types.getValue() : ArrayRef<Attribute>(), op->getResults()))
    fits &= isFloat(result) ? isWide(getType(type)) : bool(getType(type));
  return require(fits, kResultKey, "f32, bf16 or f16, or one of these a result",
                 value);
}

/// What comes after `lhs` or `rhs`.
LogicalResult PrecisionVerifier::verifyOperandEntry(StringRef key,
                                                    Attribute value) {
  StringRef what = key.drop_front(kLhsKey.size());
  auto number = dyn_cast<IntegerAttr>(value);
  bool isNumber = number && number.getType().isSignlessInteger(64);
  if (what.empty())
    return require(isWide(getType(value)) || isFP8(getType(value)), key,
                   "f32, bf16, f16, f8E4M3FN or f8E5M2", value);
  if (what == kScalingKey)
    return require(isOneOf(value, {kDelayed, kCurrent, kBounded}), key,
                   "delayed, current or bounded", value);
  if (what == kWindowKey)
    return require(isNumber && number.getInt() >= 1, key,
                   "the number of amaxes, at least one", value);
  if (what == kMarginKey)
    return require(isNumber && number.getInt() >= 0, key,
                   "a number of binades, not negative", value);
  if (what == kPow2Key)
    return require(isa<UnitAttr>(value), key, "a flag", value);
  if (what == kGranularityKey) {
    auto word = dyn_cast<StringAttr>(value);
    return require(word && fp8::symbolizeGranularity(word.getValue()), key,
                   "tensor, row, 1x128 or 128x128", value);
  }
  return op->emitOpError("precision: nobody reads '") << key << "'";
}

LogicalResult PrecisionVerifier::verifyEntry(StringRef key, Attribute value) {
  if (key == kWhyKey)
    return require(isa<StringAttr>(value), key, "a text", value);
  if (isa<VariableOp>(op)) {
    if (key == kStorageKey)
      return require(isWide(getType(value)) || isFP8(getType(value)), key,
                     "f32, bf16, f16, f8E4M3FN or f8E5M2", value);
    if (key == kScaledKey || key == kSquareRootKey || key == kStochasticKey)
      return require(isa<UnitAttr>(value), key, "a flag", value);
  }
  if (isa<PrecisionOpInterface>(op) && key == kResultKey)
    return verifyResult(value);
  if (isa<fp8::FP8ContractionOpInterface>(op)) {
    if (key == kFastAccumKey)
      return require(isa<UnitAttr>(value), key, "a flag", value);
    if (key.starts_with(kLhsKey) || key.starts_with(kRhsKey))
      return verifyOperandEntry(key, value);
  }
  return op->emitOpError("precision: nobody reads '") << key << "'";
}

/// Of a variable: what fp8-lower-states and train-apply-precision can store.
LogicalResult PrecisionVerifier::verifyStorage() {
  auto variable = dyn_cast<VariableOp>(op);
  if (!variable || !(has(kStorageKey) || has(kScaledKey) ||
                     has(kSquareRootKey) || has(kStochasticKey)))
    return success();
  auto tensor = dyn_cast<RankedTensorType>(variable.getType());
  if (!tensor || !isWide(tensor.getElementType()))
    return op->emitOpError("precision: only tensors of f32, bf16 or f16 have a "
                           "storage to choose, but it is ")
           << variable.getType();
  FloatType storage = getFormat(precision, kStorageKey);
  if (!storage)
    return op->emitOpError("precision: says how to store it, but not as "
                           "'storage' in what");
  if (has(kScaledKey) ? !isFP8(storage) && !storage.isF16() : isFP8(storage))
    return op->emitOpError("precision: storage is ")
           << storage
           << (has(kScaledKey) ? ", but 'scaled' are f8E4M3FN, f8E5M2 and f16"
                               : ", which needs a scale: say 'scaled'");
  if (has(kSquareRootKey) && variable.getRole() != Role::moment2)
    return op->emitOpError("precision: 'sqrt' is for second moments, which are "
                           "never negative; this is a ")
           << stringifyRole(variable.getRole());
  if (has(kStochasticKey) &&
      (!has(kScaledKey) || variable.getRole() == Role::gradient))
    return op->emitOpError("precision: 'stochastic' is for parameters and "
                           "moments in scaled storage");
  return success();
}

/// Of a contraction: operands that belong together.
LogicalResult PrecisionVerifier::verifyOperands() {
  if (!isa<fp8::FP8ContractionOpInterface>(op))
    return success();
  FloatType lhs = getFormat(precision, kLhsKey),
            rhs = getFormat(precision, kRhsKey);
  if (isFP8(lhs) != isFP8(rhs))
    return op->emitOpError("precision: one operand alone cannot be FP8");
  if (isFP8(lhs) && isa<Float8E5M2Type>(lhs) && isa<Float8E5M2Type>(rhs))
    return op->emitOpError("precision: both operands would be f8E5M2, which no "
                           "hardware contracts");
  for (StringRef side : {kLhsKey, kRhsKey}) {
    auto granularity =
        precision.getAs<StringAttr>((side + kGranularityKey).str());
    auto scaling = precision.getAs<StringAttr>((side + kScalingKey).str());
    if (granularity && granularity != "tensor" && scaling &&
        scaling != StringRef(kCurrent))
      return op->emitOpError("precision: only one scale per tensor can be ")
             << scaling.getValue() << ", but " << side << " has granularity "
             << granularity.getValue();
  }
  return success();
}

LogicalResult PrecisionVerifier::verify() {
  for (NamedAttribute entry : precision)
    if (failed(verifyEntry(entry.getName(), entry.getValue())))
      return failure();
  if (failed(verifyStorage()))
    return failure();
  return verifyOperands();
}

LogicalResult train::verifyPrecision(Operation *op, DictionaryAttr precision) {
  return PrecisionVerifier(op, precision).verify();
}
