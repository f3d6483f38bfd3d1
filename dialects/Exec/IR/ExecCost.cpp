//===- ExecCost.cpp - What ops cost ---------------------------------------===//

#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

/// Bytes of the elements of a buffer, those of a repeated dimension once.
static double bytesOf(Value buffer) {
  MemRefType type = typeOf(buffer);
  double elements = 1;
  for (auto [size, stride] :
       llvm::zip(type.getShape(), type.getStridesAndOffset().first))
    elements *= stride == 0 ? 1 : size;
  return elements * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

Cost exec::getMoveCost(Operation *op) {
  Cost cost;
  for (Value buffer : op->getOperands())
    cost.bytes += bytesOf(buffer);
  return cost;
}

static Unit getUnit(Type a, Type b, bool fast) {
  if (fp8::isFP8(a) && fp8::isFP8(b))
    return fast ? Unit::fp8Fast : Unit::fp8Slow;
  return a.isF32() || b.isF32() ? Unit::f32 : Unit::bf16;
}

Cost GemmOp::getCost(const SymbolTable &) {
  Cost cost;
  cost.flops = 2.0 * getBatch() * getM() * getN() * getK();
  bool readsC = getAccumulate() && !getUnlessFirst();
  cost.bytes =
      bytesOf(getA()) + bytesOf(getB()) + bytesOf(getC()) * (readsC ? 2 : 1);
  cost.unit = getUnit(typeOf(getA()).getElementType(),
                      typeOf(getB()).getElementType(), getFastAccum());
  cost.k = getK();
  return cost;
}

template <typename Op> static Cost getAttentionCost(Op op, double products) {
  Cost cost = getMoveCost(op);
  double keys = typeOf(op.getK()).getDimSize(1), seen = keys;
  if (op.getCausal())
    seen /= 2;
  if (op.getWindow()) {
    double window = std::min<double>(*op.getWindow(), keys);
    seen = window - window * window / (2 * keys);
  }
  cost.flops = products * 2 * typeOf(op.getQ()).getNumElements() * seen;
  Type element = typeOf(op.getQ()).getElementType();
  cost.unit = getUnit(element, element, false);
  return cost;
}
Cost AttentionOp::getCost(const SymbolTable &) {
  return getAttentionCost(*this, 2);
}
Cost AttentionBackwardOp::getCost(const SymbolTable &) {
  return getAttentionCost(*this, 5);
}

Cost EmbeddingOp::getCost(const SymbolTable &) {
  // Of the table only the rows that are asked for.
  Cost cost;
  double rows = 4.0 * typeOf(getOutput()).getNumElements();
  cost.bytes = std::min(rows, bytesOf(getTable())) + bytesOf(getIds()) +
               bytesOf(getOutput());
  return cost;
}

Cost EmbeddingBackwardOp::getCost(const SymbolTable &) {
  Cost cost;
  double table = bytesOf(getDTable());
  double rows = std::min(4.0 * typeOf(getCotangent()).getNumElements(), table);
  bool readsTable = getAccumulate() && !getUnlessFirst();
  cost.bytes = bytesOf(getIds()) + bytesOf(getCotangent()) +
               (readsTable ? 2 * rows : table + rows);
  return cost;
}

/// Arithmetic in a block, not in its regions' blocks. Conversions are free:
/// loads and stores do them.
static double countArithmetic(Block &block) {
  return llvm::count_if(block, [](Operation &op) {
    return isa<math::MathDialect>(op.getDialect()) ||
           isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
               arith::NegFOp, arith::MaximumFOp>(op);
  });
}

/// Arithmetic of a kernel on a matrix.
static double countArithmetic(KernelOp kernel, double rows, double cols) {
  Block &body = kernel.getBody().front();
  double count = rows * countArithmetic(body);
  for (Operation &inner : body)
    if (inner.getNumRegions())
      count += rows * cols * countArithmetic(inner.getRegion(0).front());
  return count;
}

Cost LaunchOp::getCost(const SymbolTable &kernels) {
  Cost cost = getMoveCost(*this);
  cost.flops = countArithmetic(kernels.lookup<KernelOp>(getKernel()), getRows(),
                               getCols());
  return cost;
}

Cost LaunchMultiOp::getCost(const SymbolTable &kernels) {
  Cost cost = getMoveCost(*this);
  auto kernel = kernels.lookup<KernelOp>(getKernel());
  for (auto [rows, cols] : llvm::zip(getRows(), getCols()))
    cost.flops += countArithmetic(kernel, rows, cols);
  return cost;
}
