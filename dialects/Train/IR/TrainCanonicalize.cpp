//===- TrainCanonicalize.cpp - Canonicalizations of train ops -------------===//

#include "Train/IR/Train.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// Contracts what a transpose reads instead of its result: the tied embedding's
/// table, say, of which no transposed copy should exist. It works where the
/// batch dimensions stay and neither the free nor the contracted dimensions
/// change their order among themselves.
struct AbsorbTranspose : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    SmallVector<int64_t> lhs = op.getLhsContractingDims();
    SmallVector<int64_t> rhs = op.getRhsContractingDims();
    Value newLhs = absorb(op.getLhs(), op.getBatch(), lhs);
    Value newRhs = absorb(op.getRhs(), op.getBatch(), rhs);
    if (newLhs == op.getLhs() && newRhs == op.getRhs())
      return failure();
    auto matmul = MatmulOp::create(rewriter, op.getLoc(), newLhs, newRhs, lhs,
                                   rhs, op.getBatch());
    matmul->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    matmul.getOutput().setType(op.getType());
    rewriter.replaceOp(op, matmul);
    return success();
  }

private:
  /// The operand of the transpose that `value` is, with the contracted
  /// dimensions `dims` turned into its own; else `value`.
  static Value absorb(Value value, int64_t batch, SmallVector<int64_t> &dims) {
    auto transpose = value.getDefiningOp<TransposeOp>();
    if (!transpose || getElementTypeOrSelf(transpose.getInput()) !=
                          getElementTypeOrSelf(value))
      return value;
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    SmallVector<int64_t> contracting, free;
    for (auto [i, dim] : llvm::enumerate(permutation)) {
      int64_t index = i;
      if (index < batch && dim != index)
        return value;
      if (index >= batch)
        (llvm::is_contained(dims, index) ? contracting : free).push_back(dim);
    }
    int64_t rank = permutation.size();
    bool together =
        llvm::is_sorted(free) && llvm::is_sorted(contracting) &&
        contracting.back() - contracting.front() ==
            static_cast<int64_t>(contracting.size()) - 1 &&
        (contracting.front() == batch || contracting.back() == rank - 1);
    if (!together)
      return value;
    dims = std::move(contracting);
    return transpose.getInput();
  }
};
} // namespace

void MatmulOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *context) {
  patterns.add<AbsorbTranspose>(context);
}
