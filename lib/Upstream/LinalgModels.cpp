//===- LinalgModels.cpp - Products of linalg for the FP8 lowering ---------===//

#include "Upstream/Models.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

/// Nothing is there yet, or zeros.
static bool isEmpty(Value init) {
  if (auto fill = init.getDefiningOp<linalg::FillOp>())
    return matchPattern(fill.value(), m_AnyZeroFloat());
  return matchPattern(init, m_AnyZeroFloat()) ||
         init.getDefiningOp<tensor::EmptyOp>();
}

namespace {
/// The loops of a product, by what reads them.
struct Loops {
  int64_t batch = 0;
  /// Where the loops that are summed over stand in each operand, in the order
  /// of the left one; empty if the product is none of two matrices.
  SmallVector<int64_t> lhs, rhs;
};
} // namespace

/// Operands read loops each once, batches first and in one order, and the
/// result has the batches and what is left of each operand, in this order.
static Loops getLoops(linalg::LinalgOp op) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<unsigned> reads[3];
  for (auto [map, loops] : llvm::zip_equal(maps, reads)) {
    if (!map.isProjectedPermutation())
      return {};
    for (unsigned i = 0; i < map.getNumResults(); ++i)
      loops.push_back(map.getDimPosition(i));
  }
  auto &[lhs, rhs, result] = reads;
  auto has = [](ArrayRef<unsigned> loops, unsigned loop) {
    return llvm::is_contained(loops, loop);
  };
  Loops loops;
  while (loops.batch < static_cast<int64_t>(lhs.size()) &&
         has(rhs, lhs[loops.batch]) && has(result, lhs[loops.batch]))
    ++loops.batch;
  SmallVector<unsigned> expected(lhs.begin(), lhs.begin() + loops.batch);
  if (!ArrayRef(rhs).take_front(loops.batch).equals(expected))
    return {};
  for (auto [i, loop] : llvm::enumerate(lhs)) {
    if (has(result, loop))
      continue;
    auto other = llvm::find(rhs, loop);
    if (other == rhs.end())
      return {}; // summed over in one operand alone
    loops.lhs.push_back(i);
    loops.rhs.push_back(other - rhs.begin());
  }
  for (ArrayRef<unsigned> operand : {ArrayRef(lhs), ArrayRef(rhs)})
    for (unsigned loop : operand.drop_front(loops.batch))
      if (has(result, loop))
        expected.push_back(loop);
  return ArrayRef(result).equals(expected) ? loops : Loops();
}

/// What upstream takes for a contraction may compute more by the way, on
/// operands, products and sums, as long as it is element by element. A plain
/// one yields `c + a * b` and nothing else, in whatever order; a and b, and
/// their product, may be widened first.
static bool isPlainBody(Block &block) {
  auto widened = [](Value value) {
    while (auto ext = value.getDefiningOp<arith::ExtFOp>())
      value = ext.getIn();
    return value;
  };
  bool isPlain = llvm::all_of(block, [](Operation &op) {
    return isa<arith::ExtFOp, arith::MulFOp, arith::AddFOp, linalg::YieldOp>(
        op);
  });
  auto sum =
      block.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!isPlain || !sum)
    return false;
  auto matches = [&](Value acc, Value product) {
    auto mul = widened(product).getDefiningOp<arith::MulFOp>();
    if (!mul || acc != block.getArgument(2))
      return false;
    Value a = widened(mul.getLhs()), b = widened(mul.getRhs());
    Value lhs = block.getArgument(0), rhs = block.getArgument(1);
    return (a == lhs && b == rhs) || (a == rhs && b == lhs);
  };
  return matches(sum.getLhs(), sum.getRhs()) ||
         matches(sum.getRhs(), sum.getLhs());
}

namespace {
template <typename Op>
struct ProductModel
    : fp8::FP8ContractionOpInterface::ExternalModel<ProductModel<Op>, Op> {
  bool isContraction(Operation *op) const {
    return linalg::isaContractionOpInterface(cast<linalg::LinalgOp>(op));
  }
  OpOperand &getContractionLhs(Operation *op) const {
    return op->getOpOperand(0);
  }
  OpOperand &getContractionRhs(Operation *op) const {
    return op->getOpOperand(1);
  }
  OpOperand *getContractionInit(Operation *op) const {
    return &op->getOpOperand(2);
  }
  std::string getContractionObstacle(Operation *op) const {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (generic &&
        isa<FloatType>(
            getElementTypeOrSelf(generic.getDpsInits().front().getType())) &&
        !isPlainBody(*generic.getBody()))
      return "its body does more than multiply and add";
    return fp8::getOperandsObstacle(cast<fp8::FP8ContractionOpInterface>(op));
  }
  int64_t getContractionBatchRank(Operation *op) const {
    return getLoops(cast<linalg::LinalgOp>(op)).batch;
  }
  SmallVector<int64_t> getLhsContractingDims(Operation *op) const {
    return getLoops(cast<linalg::LinalgOp>(op)).lhs;
  }
  SmallVector<int64_t> getRhsContractingDims(Operation *op) const {
    return getLoops(cast<linalg::LinalgOp>(op)).rhs;
  }
  Value buildSum(Operation *op, OpBuilder &builder, Value product) const {
    Value init = op->getOperand(2);
    if (isEmpty(init))
      return product;
    return linalg::AddOp::create(builder, op->getLoc(),
                                 ValueRange{init, product}, ValueRange{init})
        .getResult(0);
  }
};

/// Attaches the model to ops that are products, or may be.
template <typename... Ops> void attachProducts(MLIRContext *context) {
  (Ops::template attachInterface<ProductModel<Ops>>(*context), ...);
}
} // namespace

void upstream::registerLinalgModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, linalg::LinalgDialect *) {
    attachProducts<linalg::BatchMatmulOp, linalg::BatchMatvecOp,
                   linalg::BatchMmt4DOp, linalg::BatchReduceMatmulOp,
                   linalg::BatchVecmatOp, linalg::ContractOp, linalg::DotOp,
                   linalg::GenericOp, linalg::MatmulOp, linalg::MatvecOp,
                   linalg::Mmt4DOp, linalg::VecmatOp>(context);
    attachMovedOperand<linalg::TransposeOp>(context);
    context->loadDialect<fp8::FP8Dialect>();
  });
  registry.addExtension(+[](MLIRContext *context, tensor::TensorDialect *) {
    attachMovedOperand<tensor::CastOp, tensor::CollapseShapeOp,
                       tensor::ExpandShapeOp, tensor::ExtractSliceOp,
                       tensor::ReshapeOp>(context);
  });
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    attachMovedOperand<arith::ExtFOp, arith::TruncFOp>(context);
  });
}
