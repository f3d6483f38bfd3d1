//===- TrainVJPContraction.cpp - VJPs of contractions ---------------------===//

#include "Train/IR/TrainVJP.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

using Dims = SmallVector<int64_t>;

static Dims range(int64_t begin, int64_t end) {
  return llvm::to_vector(llvm::seq(begin, end));
}

namespace {
/// An operand of a contraction, and which of its dimensions behind the batch
/// are contracted and which are free.
struct Side {
  Value value;
  Dims contracting, free;

  Side(Value value, Dims contracting, int64_t batch)
      : value(value), contracting(std::move(contracting)) {
    for (int64_t i = batch, e = rank(); i < e; ++i)
      if (!llvm::is_contained(this->contracting, i))
        free.push_back(i);
  }

  RankedTensorType type() const {
    return cast<RankedTensorType>(value.getType());
  }
  int64_t rank() const { return type().getRank(); }

  /// A contraction needs a dimension to sum over: a side without free ones is
  /// given one of size 1 behind the others.
  void padFree(OpBuilder &builder, Location loc) {
    if (!free.empty())
      return;
    Dims shape(type().getShape());
    shape.push_back(1);
    free = {rank()};
    value = ReshapeOp::create(
        builder, loc, RankedTensorType::get(shape, type().getElementType()),
        value);
  }

  bool contractsFirst() const { return contracting.front() < free.front(); }
};

struct MatmulVJP {
  OpBuilder &builder;
  MatmulOp op;
  int64_t batch = op.getBatch();
  Side lhs{op.getLhs(), op.getLhsContractingDims(), batch};
  Side rhs{op.getRhs(), op.getRhsContractingDims(), batch};
  Value dy;
  Dims dyLhs, dyRhs; // dy's dimensions that stem from lhs, from rhs

  MatmulVJP(OpBuilder &builder, MatmulOp op, Value cotangent)
      : builder(builder), op(op), dy(cotangent) {
    lhs.padFree(builder, op.getLoc());
    rhs.padFree(builder, op.getLoc());
    int64_t middle = batch + lhs.free.size();
    dyLhs = range(batch, middle);
    dyRhs = range(middle, middle + rhs.free.size());
    auto shape = llvm::to_vector(lhs.type().getShape().take_front(batch));
    for (const Side *side : {&lhs, &rhs})
      for (int64_t dim : side->free)
        shape.push_back(side->type().getDimSize(dim));
    dy = reshape(dy, shape);
  }

  /// The gradient of `side`: dy, whose dimensions `dyOther` stem from the other
  /// side, contracted with that. Of the two orders of the product one has the
  /// result's dimensions as `operand` has them.
  Value gradient(Value operand, const Side &side, const Side &other,
                 const Dims &dyOther) {
    Location loc = op.getLoc();
    auto product = side.contractsFirst()
                       ? MatmulOp::create(builder, loc, other.value, dy,
                                          other.free, dyOther, batch)
                       : MatmulOp::create(builder, loc, dy, other.value,
                                          dyOther, other.free, batch);
    auto type = cast<RankedTensorType>(operand.getType());
    Value result = product.getOutput();
    result.setType(withElementType(result.getType(), type.getElementType()));
    markIfParameter(result, operand);
    return reshape(result, type.getShape());
  }

  Value reshape(Value value, ArrayRef<int64_t> shape) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getShape() == shape)
      return value;
    return ReshapeOp::create(
        builder, op.getLoc(),
        RankedTensorType::get(shape, type.getElementType()), value);
  }
};
} // namespace

SmallVector<Value> MatmulOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                      ArrayRef<bool> needed) {
  MatmulVJP vjp(builder, *this, cotangents[0]);
  Value dlhs, drhs;
  if (needed[0])
    dlhs = vjp.gradient(getLhs(), vjp.lhs, vjp.rhs, vjp.dyRhs);
  if (needed[1])
    drhs = vjp.gradient(getRhs(), vjp.rhs, vjp.lhs, vjp.dyLhs);
  return {dlhs, drhs};
}
