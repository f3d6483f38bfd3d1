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
