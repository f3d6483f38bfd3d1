//===- MemorySource.cpp - Buffers in source -------------------------------===//

#include "Target/Source/KernelPrinter.h"
#include "Target/Source/SourceModels.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::target {

/// A pointer to a place of one of a call's blocks of memory.
static std::string at(Value buffer, StringRef block, int64_t offset) {
  return "at<" + getElementName(typeOf(buffer).getElementType()) + ">(call->" +
         block.str() + ", " + std::to_string(offset) + ")";
}

static LogicalResult print(GetOp op, SourceWriter &writer) {
  auto variable = writer.symbols.lookup<VariableOp>(op.getVariable());
  writer.declare(op, toIdentifier(op.getVariable()),
                 at(op, "variables", variable.getOffset()));
  return success();
}

/// A buffer's name after what computes it; gradients are called d_….
static std::string getBufferName(Operation *op) {
  StringRef name = train::getName(op);
  if (name.contains(" + "))
    name = name.rsplit(" + ").second;
  std::string result = name.empty() ? "t" : toIdentifier(name);
  return train::isBackward(op) ? "d_" + result : result;
}

static LogicalResult print(AllocOp op, SourceWriter &writer) {
  if (!op.getOffset())
    return op.emitOpError("has no offset: run exec-plan-memory");
  writer.declare(op, getBufferName(op), at(op, "arena", *op.getOffset()));
  return success();
}

/// Does the buffer begin with a scale and its inverse?
static bool isScale(Value buffer, const SymbolTable &symbols) {
  if (auto get = buffer.getDefiningOp<GetOp>())
    return symbols.lookup<VariableOp>(get.getVariable()).getRole() ==
           train::Role::scale;
  return isScalePair(buffer.getType());
}

static LogicalResult print(ViewOp op, SourceWriter &writer) {
  Value viewed = op.getSource();
  std::string from = getElementName(typeOf(viewed).getElementType()),
              to = getElementName(typeOf(op).getElementType());
  std::string source = writer.use(viewed);
  int64_t offset = op.getOffset();
  if (to == "Stats" && from == "float")
    source = "pending_stats(" + source + ")", offset = 0;
  else if (isScale(viewed, writer.symbols) && offset == kScaleInverseWord)
    source = "scale_inv(" + source + ")", offset = 0;
  else if (from != to)
    source = "as<" + to + ">(" + source + ")";
  if (offset)
    source += " + " + std::to_string(offset);
  writer.set(op, source);
  return success();
}

static LogicalResult print(HyperOp op, SourceWriter &writer) {
  writer.set(op, "&call->hyper[hyper::" + op.getSymbol().str() + "]");
  return success();
}

static LogicalResult print(ConstantOp op, SourceWriter &writer) {
  const std::string &name = writer.constants.find(op.getValue())->second;
  if (!writer.isCUDA) {
    writer.set(op, name);
    return success();
  }
  std::string pointer = writer.unique("constant");
  writer.set(op, pointer);
  writer.os << "  const auto *" << pointer << " = device_address(" << name
            << ");\n";
  return success();
}

void attachMemorySource(MLIRContext &context) {
  attachSource<GetOp, AllocOp, ViewOp, HyperOp, ConstantOp>(context);
}

} // namespace fp8c::target
