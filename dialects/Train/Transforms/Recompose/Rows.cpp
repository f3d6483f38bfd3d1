//===- Rows.cpp - Layers over rows, however rows are numbered -------------===//

#include "Train/Transforms/Recompose/Match.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// A reshape that numbers rows otherwise: the last dimension stays.
static ReshapeOp getRowReshape(Value value) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  if (!reshape)
    return {};
  ArrayRef<int64_t> from = shapeOf(reshape.getInput()), to = shapeOf(reshape);
  return !from.empty() && !to.empty() && from.back() == to.back() ? reshape
                                                                  : ReshapeOp();
}

/// `op`, on rows as they were before `reshape`, and then numbered as it did.
/// The first result alone may have users.
static void moveAbove(PatternRewriter &rewriter, Operation *op,
                      ReshapeOp reshape, ArrayRef<Value> operands) {
  ArrayRef<int64_t> rows = shapeOf(reshape.getInput()).drop_back();
  SmallVector<Type> types;
  for (Value result : op->getResults()) {
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<int64_t> shape(rows);
    shape.push_back(type.getShape().back());
    types.push_back(type.clone(shape));
  }
  OperationState state(op->getLoc(), op->getName(), operands, types,
                       op->getAttrs());
  Operation *moved = rewriter.create(state);
  auto result = ReshapeOp::create(
      rewriter, op->getLoc(), op->getResult(0).getType(), moved->getResult(0));
  result->setDiscardableAttrs(reshape->getDiscardableAttrDictionary());
  rewriter.replaceAllUsesWith(op->getResult(0), result);
  rewriter.eraseOp(op);
}

namespace {
/// x, rows numbered through, times W, becomes x times W, rows numbered through.
struct SinkBelowProduct : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    ReshapeOp reshape = getRowReshape(op.getLhs());
    SmallVector<int64_t> contracted = op.getLhsContractingDims();
    int64_t rank = shapeOf(op.getLhs()).size();
    if (!reshape || op.getBatch() || shapeOf(op.getRhs()).size() != 2 ||
        contracted != SmallVector<int64_t>{rank - 1})
      return failure();
    int64_t last = shapeOf(reshape.getInput()).size() - 1;
    auto type = cast<RankedTensorType>(op.getType());
    SmallVector<int64_t> shape(shapeOf(reshape.getInput()).drop_back());
    shape.push_back(type.getShape().back());
    auto moved =
        MatmulOp::create(rewriter, op.getLoc(), reshape.getInput(), op.getRhs(),
                         {last}, op.getRhsContractingDims());
    moved->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    moved.getOutput().setType(type.clone(shape));
    auto result = ReshapeOp::create(rewriter, op.getLoc(), type, moved);
    result->setDiscardableAttrs(reshape->getDiscardableAttrDictionary());
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// Likewise below what treats each row, or each element, by itself.
struct SinkBelowRows : RewritePattern {
  SinkBelowRows(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isRowByRow(op))
      return failure();
    ReshapeOp first;
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      ReshapeOp reshape = getRowReshape(operand);
      if (shapeOf(operand).size() <= 1) {
        operands.push_back(operand); // of every row
        continue;
      }
      if (!reshape || operand.getType() != op->getResult(0).getType() ||
          (first && reshape.getInput().getType() != first.getInput().getType()))
        return failure();
      first = reshape;
      operands.push_back(reshape.getInput());
    }
    if (!first)
      return failure();
    moveAbove(rewriter, op, first, operands);
    return success();
  }

  static bool isRowByRow(Operation *op) {
    if (isa<LayerNormOp, RMSNormOp>(op))
      return llvm::all_of(op->getResults().drop_front(),
                          [](Value result) { return result.use_empty(); });
    return isa<AddOp, SubOp, MulOp, DivOp, NegOp, TanhOp, SigmoidOp, ErfOp,
               ExpOp, ReluOp, GeluOp, PowOp>(op);
  }
};

/// Is it a parameter, or a box of one?
bool isParameter(Value value) {
  if (auto slice = value.getDefiningOp<SliceOp>())
    value = slice.getInput();
  return value.getDefiningOp<ReadOp>() != nullptr;
}

/// A parameter that is repeated needs no dimensions of size 1 in front: a table
/// of positions, say, that is added to every sequence.
struct DropLeadingOnes : RewritePattern {
  DropLeadingOnes(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isa<AddOp, SubOp, MulOp, DivOp>(op))
      return failure();
    for (unsigned i = 0; i < 2; ++i) {
      auto reshape = op->getOperand(i).getDefiningOp<ReshapeOp>();
      if (!reshape || !isParameter(reshape.getInput()) ||
          op->getOperand(1 - i).getType() != op->getResult(0).getType())
        continue;
      ArrayRef<int64_t> from = shapeOf(reshape.getInput()),
                        to = shapeOf(reshape);
      if (from.size() >= to.size() || to.take_back(from.size()) != from)
        continue; // as many elements: all in front are 1
      rewriter.modifyOpInPlace(op,
                               [&] { op->setOperand(i, reshape.getInput()); });
      return success();
    }
    return failure();
  }
};

/// Does a product make it, with a bias or without?
bool isProduct(Value value) {
  auto add = value.getDefiningOp<AddOp>();
  if (add && shapeOf(add.getRhs()).size() == 1)
    value = add.getLhs();
  return value.getDefiningOp<MatmulOp>() != nullptr;
}

/// Operands in the order in which models of ours have them: what is repeated
/// stands second, a bias say, and of two values the one that a product makes,
/// unless the other one is computed of it.
template <typename Op> struct OrderOperands : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Value lhs = op.getLhs(), rhs = op.getRhs();
    if (rhs.getType() != op.getType() || getConstant(rhs))
      return failure(); // constants stand second everywhere
    Operation *user = rhs.getDefiningOp();
    if (lhs.getType() == op.getType() &&
        (!isProduct(lhs) || isProduct(rhs) ||
         (user && llvm::is_contained(user->getOperands(), lhs))))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op->setOperands({rhs, lhs}); });
    return success();
  }
};
} // namespace

void train::addRowPatterns(RewritePatternSet &patterns) {
  patterns.add<SinkBelowProduct, SinkBelowRows, DropLeadingOnes,
               OrderOperands<AddOp>, OrderOperands<MulOp>>(
      patterns.getContext());
}
