//===- TosaModels.cpp - Products of tosa for the FP8 lowering -------------===//

#include "Upstream/Models.h"
#include "mlir/Dialect/Tosa/IR/TosaOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

namespace {
struct MatmulModel
    : fp8::FP8ContractionOpInterface::ExternalModel<MatmulModel,
                                                    tosa::MatMulOp> {
  OpOperand &getContractionLhs(Operation *op) const {
    return op->getOpOperand(0);
  }
  OpOperand &getContractionRhs(Operation *op) const {
    return op->getOpOperand(1);
  }
  std::string getContractionObstacle(Operation *op) const {
    for (Value zeroPoint : op->getOperands().drop_front(2))
      if (!matchPattern(zeroPoint, m_Zero()) &&
          !matchPattern(zeroPoint, m_AnyZeroFloat()))
        return "its zero points are not known to be 0";
    return "";
  }
  int64_t getContractionBatchRank(Operation *) const { return 1; }
  SmallVector<int64_t> getLhsContractingDims(Operation *) const { return {2}; }
  SmallVector<int64_t> getRhsContractingDims(Operation *) const { return {1}; }
};
} // namespace

void upstream::registerTosaModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, tosa::TosaDialect *) {
    tosa::MatMulOp::attachInterface<MatmulModel>(*context);
    attachMovedOperand<tosa::CastOp, tosa::ReshapeOp, tosa::TransposeOp>(
        context);
    context->loadDialect<fp8::FP8Dialect>();
  });
}
