//===- PadProducts.cpp - fp8-pad-products ---------------------------------===//
//
// FP8 tensor cores take sizes that are multiples of 16. Where a product has
// another, its operands become matrices with zeros behind their rows and
// columns, and its result is a part of a larger one. Zeros add nothing to sums
// and to amaxes.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/Precision.h"
#include "FP8/Training/Passes.h"
#include "FP8/Training/ScaleSites.h"
#include "FP8/Transforms/Eligibility.h"
#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_PADPRODUCTS
#include "FP8/Training/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
struct PadProducts : fp8::impl::PadProductsBase<PadProducts> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<train::MatmulOp> products;
    getOperation()->walk([&](train::MatmulOp op) { products.push_back(op); });
    for (train::MatmulOp op : products)
      pad(op);
  }

  void pad(train::MatmulOp op);
  Value toMatrix(Value operand, ArrayRef<int64_t> shape,
                 ArrayRef<int64_t> padded, Operation *user);

  /// By value and shape, so that products that share an operand still do.
  DenseMap<std::pair<Value, Attribute>, Value> matrices;
};
} // namespace

static Value reshape(OpBuilder &builder, Location loc, Value value,
                     ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getShape() == shape
             ? value
             : train::ReshapeOp::create(
                   builder, loc,
                   RankedTensorType::get(shape, type.getElementType()), value);
}

/// Names what was inserted after `first` for `user`, up to `last`.
static void keepNames(Value first, Value last, Operation *user) {
  for (Value value = last; value != first;
       value = value.getDefiningOp()->getOperand(0))
    train::copyNameAndPhase(user, value.getDefiningOp());
}

/// `operand` as a matrix of `shape`, with zeros up to `padded`.
Value PadProducts::toMatrix(Value operand, ArrayRef<int64_t> shape,
                            ArrayRef<int64_t> padded, Operation *user) {
  OpBuilder builder(operand.getContext());
  Attribute key = builder.getArrayAttr({builder.getDenseI64ArrayAttr(shape),
                                        builder.getDenseI64ArrayAttr(padded)});
  Value &result = matrices[{operand, key}];
  if (result)
    return result;
  builder.setInsertionPointAfterValue(operand);
  result = reshape(builder, user->getLoc(), operand, shape);
  if (shape != padded)
    result = train::PlaceOp::create(
        builder, user->getLoc(),
        RankedTensorType::get(padded, getElementTypeOrSelf(operand.getType())),
        result, ArrayRef<int64_t>{0, 0}, ArrayRef<int64_t>{1, 1});
  keepNames(operand, result, user);
  return result;
}

void PadProducts::pad(train::MatmulOp op) {
  train::PrecisionAttr precision = train::getPrecision(op);
  if (!precision || !precision.isFP8())
    return;
  std::optional<GemmDims> to =
      getPaddedDims(op, precision.getLhs().getGranularity(),
                    precision.getRhs().getGranularity());
  if (!to)
    return;
  GemmDims from = getGemmDims(op);
  auto shapeOf = [](int64_t rows, int64_t cols, bool transposed) {
    return transposed ? SmallVector<int64_t>{cols, rows}
                      : SmallVector<int64_t>{rows, cols};
  };
  Value lhs = toMatrix(op.getLhs(), shapeOf(from.m, from.k, from.transposeA),
                       shapeOf(to->m, to->k, from.transposeA), op);
  Value rhs = toMatrix(op.getRhs(), shapeOf(from.k, from.n, from.transposeB),
                       shapeOf(to->k, to->n, from.transposeB), op);
  OpBuilder builder(op);
  auto type = cast<RankedTensorType>(op.getType());
  auto wide = RankedTensorType::get({to->m, to->n}, type.getElementType());
  auto product = train::MatmulOp::create(builder, op.getLoc(), lhs, rhs,
                                         ArrayRef<int64_t>{!from.transposeA},
                                         ArrayRef<int64_t>{from.transposeB});
  product.getOutput().setType(wide);
  product->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  Value result = product;
  if (to->m != from.m || to->n != from.n)
    result = train::SliceOp::create(
        builder, op.getLoc(),
        RankedTensorType::get({from.m, from.n}, type.getElementType()), result,
        ArrayRef<int64_t>{0, 0}, ArrayRef<int64_t>{1, 1});
  result = reshape(builder, op.getLoc(), result, type.getShape());
  keepNames(product, result, op);
  op.replaceAllUsesWith(result);
  op.erase();
}
