//===- TrainVJP.cpp - Vector-Jacobian products of train ops ---------------===//

#include "Train/IR/Train.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

#define TODO_VJP(Op)                                                                               \
  SmallVector<Value> Op::buildVJP(OpBuilder &, ValueRange, ArrayRef<bool>) { return {}; }
TODO_VJP(AddOp) TODO_VJP(SubOp) TODO_VJP(MulOp) TODO_VJP(DivOp) TODO_VJP(PowOp)
TODO_VJP(CastOp) TODO_VJP(NegOp) TODO_VJP(AbsOp) TODO_VJP(ExpOp) TODO_VJP(LogOp)
TODO_VJP(SqrtOp) TODO_VJP(RsqrtOp) TODO_VJP(ReciprocalOp) TODO_VJP(TanhOp)
TODO_VJP(SigmoidOp) TODO_VJP(ErfOp) TODO_VJP(ReluOp) TODO_VJP(StepOp) TODO_VJP(GeluOp)
TODO_VJP(ReduceSumOp) TODO_VJP(LayerNormOp) TODO_VJP(RMSNormOp) TODO_VJP(SoftmaxOp)
TODO_VJP(MatmulOp) TODO_VJP(ReshapeOp) TODO_VJP(TransposeOp) TODO_VJP(BroadcastToOp)
TODO_VJP(SliceOp) TODO_VJP(PlaceOp) TODO_VJP(SplitOp) TODO_VJP(ConcatOp)
TODO_VJP(AttentionOp) TODO_VJP(RotaryOp) TODO_VJP(EmbeddingOp) TODO_VJP(CrossEntropyOp)
