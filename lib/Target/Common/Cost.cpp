//===- Cost.cpp - What an exec op does and moves --------------------------===//

#include "Target/Common/Cost.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;
using namespace fp8c::target;

static MemRefType typeOf(Value buffer) {
  return cast<MemRefType>(buffer.getType());
}

/// Bytes of the elements of a buffer, those of a repeated dimension once.
static double bytesOf(Value buffer) {
  MemRefType type = typeOf(buffer);
  double elements = 1;
  for (auto [size, stride] :
       llvm::zip(type.getShape(), type.getStridesAndOffset().first))
    elements *= stride == 0 ? 1 : size;
  return elements * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}
static double bytesOf(ValueRange buffers) {
  double bytes = 0;
  for (Value buffer : buffers)
    bytes += bytesOf(buffer);
  return bytes;
}

static bool isFP8(Type type) {
  return isa<Float8E4M3FNType, Float8E5M2Type>(type);
}

static Unit getUnit(Type a, Type b, bool fast) {
  if (isFP8(a) && isFP8(b))
    return fast ? Unit::fp8Fast : Unit::fp8Slow;
  return a.isF32() || b.isF32() ? Unit::f32 : Unit::bf16;
}

static Cost getCost(GemmOp op) {
  Cost cost;
  cost.flops = 2.0 * op.getBatch() * op.getM() * op.getN() * op.getK();
  bool readsC = op.getAccumulate() && !op.getUnlessFirst();
  cost.bytes = bytesOf(op.getA()) + bytesOf(op.getB()) +
               bytesOf(op.getC()) * (readsC ? 2 : 1);
  cost.unit = getUnit(typeOf(op.getA()).getElementType(),
                      typeOf(op.getB()).getElementType(), op.getFastAccum());
  cost.k = op.getK();
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

static Cost getCost(LaunchOp op, const SymbolTable &symbols) {
  Cost cost;
  cost.flops = countArithmetic(symbols.lookup<KernelOp>(op.getKernel()),
                               op.getRows(), op.getCols());
  cost.bytes = bytesOf(op.getBuffers());
  return cost;
}

static Cost getCost(LaunchMultiOp op, const SymbolTable &symbols) {
  Cost cost;
  auto kernel = symbols.lookup<KernelOp>(op.getKernel());
  for (auto [rows, cols] : llvm::zip(op.getRows(), op.getCols()))
    cost.flops += countArithmetic(kernel, rows, cols);
  cost.bytes = bytesOf(op.getBuffers());
  return cost;
}

static Cost getCost(CallOp op) {
  auto number = [&](StringRef name) {
    return static_cast<double>(op->getAttrOfType<IntegerAttr>(name).getInt());
  };
  ValueRange inputs = op.getInputs(), outputs = op.getOutputs();
  StringRef callee = op.getCallee();
  Cost cost;
  cost.bytes = bytesOf(inputs) + bytesOf(outputs);
  bool backward = callee == "attention_backward";
  if (callee == "attention" || backward) {
    double product = 2 * number("batch") * number("heads") * number("seq") *
                     number("kv_seq") * number("head_dim");
    cost.flops =
        product * (backward ? 5 : 2) * (op->hasAttr("causal") ? 0.5 : 1);
    Type element = typeOf(inputs[0]).getElementType();
    cost.unit = getUnit(element, element, false);
  } else if (callee == "embedding") {
    // Of the table only the rows that are asked for.
    double rows = number("n") * number("width") * 4;
    cost.bytes = std::min(rows, bytesOf(inputs[0])) + bytesOf(inputs[1]) +
                 bytesOf(outputs);
  } else if (callee == "embedding_backward") {
    double rows = std::min(number("n") * number("width") * 4, bytesOf(outputs));
    bool readsTable =
        op->hasAttr(kAccumulateAttr) && !op->hasAttr(kUnlessFirstAttr);
    cost.bytes =
        bytesOf(inputs) + (readsTable ? 2 * rows : bytesOf(outputs) + rows);
  }
  return cost;
}

Cost target::getCost(Operation *op, const SymbolTable &symbols) {
  if (auto gemm = dyn_cast<GemmOp>(op))
    return ::getCost(gemm);
  if (auto launch = dyn_cast<LaunchOp>(op))
    return ::getCost(launch, symbols);
  if (auto launch = dyn_cast<LaunchMultiOp>(op))
    return ::getCost(launch, symbols);
  if (auto call = dyn_cast<CallOp>(op))
    return ::getCost(call);
  Cost cost;
  if (isa<CopyOp, FillOp>(op))
    cost.bytes = bytesOf(op->getOperands());
  return cost;
}
