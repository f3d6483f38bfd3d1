//===- TrainPrecision.cpp - Which results have a float type of their own --===//

#include "Train/IR/Train.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

// Ops that move values: nothing is computed, so nothing is rounded.
#define INHERITED(Op)                                                          \
  ResultPrecision Op::getResultPrecision(unsigned) {                           \
    return ResultPrecision::Inherited;                                         \
  }
INHERITED(BarrierOp)
INHERITED(ReshapeOp)
INHERITED(TransposeOp)
INHERITED(BroadcastToOp)
INHERITED(SliceOp)
INHERITED(PlaceOp)
INHERITED(SplitOp)
INHERITED(ConcatOp)
INHERITED(GatherElementsOp)

// A main result, then statistics that backward needs exactly.
#define FIRST_CHOSEN(Op)                                                       \
  ResultPrecision Op::getResultPrecision(unsigned result) {                    \
    return result == 0 ? ResultPrecision::Chosen : ResultPrecision::Fixed;     \
  }
FIRST_CHOSEN(LayerNormOp)
FIRST_CHOSEN(RMSNormOp)
FIRST_CHOSEN(AttentionOp)

// Cotangents of queries, keys and values; that of the bias is a long sum.
ResultPrecision AttentionVJPOp::getResultPrecision(unsigned result) {
  return result < 3 ? ResultPrecision::Chosen : ResultPrecision::Fixed;
}

// Losses, norms, long sums, and numbers that count something.
#define FIXED(Op)                                                              \
  ResultPrecision Op::getResultPrecision(unsigned) {                           \
    return ResultPrecision::Fixed;                                             \
  }
FIXED(CrossEntropyOp)
FIXED(EmbeddingVJPOp)
FIXED(GatherElementsVJPOp)
FIXED(ConvertOp)
FIXED(SumSquaresOp)
FIXED(ClipCoefficientOp)

OpOperand *CastOp::getMovedOperand(unsigned) { return &getInputMutable(); }
