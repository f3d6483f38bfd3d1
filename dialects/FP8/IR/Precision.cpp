//===- Precision.cpp - What fp8.precision can say of an op --------------===//

#include "FP8/IR/Precision.h"

#include "FP8/IR/DiscardableAttrs.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

LogicalResult StorageAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  FloatType format, bool scaled, bool sqrt,
                                  bool stochastic) {
  if (!isFP8(format) && !isWide(format))
    return emitError() << "a variable is stored as f32, bf16, f16, f8E4M3FN or "
                          "f8E5M2, but this is "
                       << format;
  if (scaled ? !isFP8(format) && !format.isF16() : isFP8(format))
    return emitError() << "storage is " << format
                       << (scaled ? ", but 'scaled' are f8E4M3FN, f8E5M2 and "
                                    "f16"
                                  : ", which needs a scale: say 'scaled'");
  if (stochastic && !scaled)
    return emitError() << "'stochastic' is for scaled storage";
  return success();
}

/// A field on an op that has none for it would be a decision that nobody
/// carries out.
static LogicalResult verifyFields(Operation *op, PrecisionAttr precision) {
  bool chooses = isa<PrecisionOpInterface>(op),
       contracts = getContraction(op) != nullptr;
  std::pair<StringRef, bool> fields[] = {
      {"result", chooses || precision.getResult().empty()},
      {"lhs", contracts || !precision.getLhs()},
      {"rhs", contracts || !precision.getRhs()},
      {"fast_accum", contracts || !precision.getFastAccum()},
      {"storage", isVariable(op) || !precision.getStorage()}};
  for (auto [name, isRead] : fields)
    if (!isRead)
      return op->emitOpError("precision: nobody reads '") << name << "'";
  return success();
}

static LogicalResult verifyResults(Operation *op, PrecisionAttr precision) {
  ArrayRef<Type> types = precision.getResult();
  if (types.empty())
    return success();
  bool fits =
      (types.size() == 1 || types.size() == op->getNumResults()) &&
      llvm::all_of(op->getOpResults(), [&](OpResult result) {
        return !isa<FloatType>(getElementTypeOrSelf(result.getType())) ||
               isWide(precision.getResult(result.getResultNumber()));
      });
  if (!fits)
    return op->emitOpError("precision: 'result' must be f32, bf16 or f16, or "
                           "one of these a result, but is ")
           << types;
  return success();
}

/// Operands that belong together.
static LogicalResult verifyOperands(Operation *op, OperandAttr lhs,
                                    OperandAttr rhs) {
  FloatType left = getFormat(lhs), right = getFormat(rhs);
  if (isFP8(left) != isFP8(right))
    return op->emitOpError("precision: one operand alone cannot be FP8");
  if (isa_and_nonnull<Float8E5M2Type>(left) && left == right)
    return op->emitOpError("precision: both operands would be f8E5M2, which no "
                           "hardware contracts");
  return success();
}

LogicalResult fp8::verifyPrecision(Operation *op, PrecisionAttr precision) {
  if (failed(verifyFields(op, precision)) ||
      failed(verifyResults(op, precision)) ||
      failed(verifyOperands(op, precision.getLhs(), precision.getRhs())))
    return failure();
  return success();
}
