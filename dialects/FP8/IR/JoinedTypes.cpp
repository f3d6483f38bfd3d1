//===- JoinedTypes.cpp - What collectives take and make -------------------===//

#include "FP8/IR/JoinedTypes.h"

#include "FP8/IR/FP8.h"

using namespace mlir;
using namespace fp8c;

Type fp8c::getPartType(Type type) {
  if (auto scaled = dyn_cast<fp8::ScaledType>(type))
    return scaled.getRank() && scaled.isPerTensor()
               ? fp8::ScaledType::get(scaled.getShape().drop_front(),
                                      scaled.getStorage())
               : Type();
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank()
             ? RankedTensorType::get(tensor.getShape().drop_front(),
                                     tensor.getElementType())
             : Type();
}

int64_t fp8c::countParts(Type input, Type output) {
  if (input == output)
    return 1;
  return getPartType(input) == output ? fp8::getShape(input).front() : 0;
}

LogicalResult fp8c::verifyJoinedTypes(Operation *op) {
  if (op->getNumOperands() != op->getNumResults())
    return op->emitOpError("joins ") << op->getNumOperands() << " values, but "
                                     << op->getNumResults() << " come out";
  int64_t all = 0;
  for (auto [input, output] :
       llvm::zip(op->getOperandTypes(), op->getResultTypes())) {
    int64_t parts = countParts(input, output);
    if (!parts)
      return op->emitOpError("makes ") << output << " of " << input;
    if (all && parts != all)
      return op->emitOpError("joins values of ")
             << all << " parts and of " << parts;
    all = parts;
  }
  return success();
}

Type fp8c::withFirstDimension(Type type, int64_t size) {
  ArrayRef<int64_t> shape = fp8::getShape(type);
  auto scaled = dyn_cast<fp8::ScaledType>(type);
  if (shape.empty() || (scaled && !scaled.isPerTensor()))
    return {};
  SmallVector<int64_t> sizes(shape);
  sizes.front() = size;
  if (scaled)
    return fp8::ScaledType::get(sizes, scaled.getStorage());
  return cast<RankedTensorType>(type).clone(sizes);
}

/// How many `share` make `whole`; 0 if none do.
static int64_t countShares(Type share, Type whole) {
  ArrayRef<int64_t> shape = fp8::getShape(whole);
  if (shape.empty() || withFirstDimension(share, shape.front()) != whole)
    return 0;
  int64_t one = fp8::getShape(share).front();
  return one && shape.front() % one == 0 ? shape.front() / one : 0;
}

LogicalResult fp8c::verifyShareTypes(Operation *op, TypeRange shares,
                                     TypeRange wholes) {
  if (shares.empty())
    return op->emitOpError("moves nothing");
  if (shares.size() != wholes.size())
    return op->emitOpError("takes ") << op->getNumOperands() << " values, but "
                                     << op->getNumResults() << " come out";
  int64_t all = 0;
  for (auto [share, whole] : llvm::zip(shares, wholes)) {
    int64_t count = countShares(share, whole);
    if (!count)
      return op->emitOpError("has ")
             << whole << ", which no number of " << share << " makes";
    if (all && count != all)
      return op->emitOpError("divides values into ")
             << all << " shares and into " << count;
    all = count;
  }
  return success();
}

ParseResult fp8c::parseJoinedTypes(OpAsmParser &parser,
                                   SmallVectorImpl<Type> &inputs,
                                   SmallVectorImpl<Type> &outputs) {
  if (parser.parseTypeList(inputs))
    return failure();
  if (succeeded(parser.parseOptionalArrow()))
    return parser.parseTypeList(outputs);
  outputs.assign(inputs.begin(), inputs.end());
  return success();
}

void fp8c::printJoinedTypes(OpAsmPrinter &printer, Operation *,
                            TypeRange inputs, TypeRange outputs) {
  llvm::interleaveComma(inputs, printer);
  if (inputs != outputs) {
    printer << " -> ";
    llvm::interleaveComma(outputs, printer);
  }
}
