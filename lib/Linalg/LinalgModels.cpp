//===- LinalgModels.cpp - Products of linalg for the FP8 lowering ---------===//

#include "fp8c/LinalgModels.h"

#include "FP8/IR/FP8.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace fp8c;

/// Nothing is there yet, or zeros.
static bool isEmpty(Value init) {
  if (auto fill = init.getDefiningOp<linalg::FillOp>())
    return matchPattern(fill.value(), m_AnyZeroFloat());
  return matchPattern(init, m_AnyZeroFloat()) ||
         init.getDefiningOp<tensor::EmptyOp>();
}

namespace {
/// Both operands are read by permutations of loops: those of the result, and
/// the one that is summed over.
template <typename Op>
struct MatmulModel
    : fp8::FP8ContractionOpInterface::ExternalModel<MatmulModel<Op>, Op> {
  OpOperand &getContractionLhs(Operation *op) const {
    return op->getOpOperand(0);
  }
  OpOperand &getContractionRhs(Operation *op) const {
    return op->getOpOperand(1);
  }
  OpOperand *getContractionInit(Operation *op) const {
    return &op->getOpOperand(2);
  }
  int64_t getContractionBatchRank(Operation *op) const {
    return std::is_same_v<Op, linalg::BatchMatmulOp>;
  }
  SmallVector<int64_t> getLhsContractingDims(Operation *op) const {
    return getReduced(op, 0);
  }
  SmallVector<int64_t> getRhsContractingDims(Operation *op) const {
    return getReduced(op, 1);
  }
  Value buildSum(Operation *op, OpBuilder &builder, Value product) const {
    Value init = op->getOperand(2);
    if (isEmpty(init))
      return product;
    return linalg::AddOp::create(builder, op->getLoc(),
                                 ValueRange{init, product}, ValueRange{init})
        .getResult(0);
  }

private:
  /// Where the loop that is summed over stands in an operand; nothing, which is
  /// no contraction, if the operand repeats or lacks one.
  static SmallVector<int64_t> getReduced(Operation *op, unsigned operand) {
    auto product = cast<linalg::LinalgOp>(op);
    SmallVector<AffineMap> maps = product.getIndexingMapsArray();
    unsigned loops = product.getNumLoops();
    auto isPlain = [&](AffineMap map) {
      return map.isProjectedPermutation() && map.getNumResults() + 1 == loops;
    };
    // The result is in the order of the loops.
    if (!llvm::all_of(maps, isPlain) ||
        maps[2] != AffineMap::getMultiDimIdentityMap(loops, op->getContext())
                       .getMajorSubMap(loops - 1))
      return {};
    auto place = maps[operand].getResultPosition(
        getAffineDimExpr(loops - 1, op->getContext()));
    return place ? SmallVector<int64_t>{*place} : SmallVector<int64_t>();
  }
};
} // namespace

void fp8c::registerLinalgModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, linalg::LinalgDialect *) {
    linalg::MatmulOp::attachInterface<MatmulModel<linalg::MatmulOp>>(*context);
    linalg::BatchMatmulOp::attachInterface<MatmulModel<linalg::BatchMatmulOp>>(
        *context);
    context->loadDialect<fp8::FP8Dialect>();
  });
}
