//===- TestDialect.cpp - Another compiler's matrix products ---------------===//

#include "TestDialect.h"

using namespace mlir;
using namespace test;

#include "TestDialect.cpp.inc"

#define GET_OP_CLASSES
#include "TestOps.cpp.inc"

void TestDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "TestOps.cpp.inc"
      >();
}

OpOperand &MatmulOp::getContractionLhs() { return getAMutable(); }
OpOperand &MatmulOp::getContractionRhs() { return getBMutable(); }
SmallVector<int64_t> MatmulOp::getLhsContractingDims() { return {1}; }
SmallVector<int64_t> MatmulOp::getRhsContractingDims() {
  return {getTransposeB() ? 1 : 0};
}

OpOperand &MatmulBiasOp::getContractionLhs() { return getAMutable(); }
OpOperand &MatmulBiasOp::getContractionRhs() { return getBMutable(); }
SmallVector<int64_t> MatmulBiasOp::getLhsContractingDims() { return {1}; }
SmallVector<int64_t> MatmulBiasOp::getRhsContractingDims() { return {0}; }

OpOperand &SaysOp::getContractionLhs() { return getAMutable(); }
OpOperand &SaysOp::getContractionRhs() { return getBMutable(); }
OpOperand *SaysOp::getContractionInit() {
  return getInit() ? &getOperation()->getOpOperand(2) : nullptr;
}
int64_t SaysOp::getContractionBatchRank() { return getBatch(); }
SmallVector<int64_t> SaysOp::getLhsContractingDims() {
  return SmallVector<int64_t>(getLhs());
}
SmallVector<int64_t> SaysOp::getRhsContractingDims() {
  return SmallVector<int64_t>(getRhs());
}
Value SaysOp::buildSum(OpBuilder &, Value product) {
  return getNoSum() ? Value() : product;
}
