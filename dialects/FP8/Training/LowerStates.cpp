//===- LowerStates.cpp - fp8-lower-states ---------------------------------===//
//
// What lives from step to step is stored as the recipe says and computed with
// in f32: readers dequantise, assignments quantise. Scales are current here,
// which is simple and right; train-fuse-optimizer makes the update one pass.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/Precision.h"
#include "FP8/Training/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_LOWERSTATES
#include "FP8/Training/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
/// Changes the storage of one variable.
class StateLowering {
public:
  StateLowering(train::VariableOp variable, ArrayRef<train::ReadOp> reads,
                ArrayRef<train::AssignOp> assigns)
      : variable(variable), reads(reads), assigns(assigns),
        precision(train::getPrecision(variable)),
        storage(precision.getStorage()),
        type(ScaledType::get(getShape(variable.getType()),
                             storage.getFormat())) {}

  void run();

private:
  Value quantize(OpBuilder &builder, Operation *served, Value value);
  void dequantizeUses(Value scaled, Operation *served,
                      ArrayRef<OpOperand *> uses);

  train::VariableOp variable;
  ArrayRef<train::ReadOp> reads;
  ArrayRef<train::AssignOp> assigns;
  train::PrecisionAttr precision;
  train::StorageAttr storage;
  ScaledType type;
};
} // namespace

static bool isInUpdate(Operation *op) {
  return train::isInFunction(op, train::FunctionKind::update);
}

Value StateLowering::quantize(OpBuilder &builder, Operation *served,
                              Value value) {
  bool isGradient = variable.getRole() == train::Role::gradient;
  if (storage.getSqrt())
    value = train::createFor<train::SqrtOp>(builder, served, value);
  Value amax = train::createFor<AmaxOp>(builder, served, value);
  Value scale = train::createFor<ComputeScaleOp>(
      builder, served, amax, type.getStorage(), /*margin=*/0, /*pow2=*/true,
      /*poison=*/isGradient, /*bounded=*/!isGradient);
  auto quantized = train::createFor<QuantizeOp>(builder, served, value, scale,
                                                type.getStorage());
  if (storage.getStochastic())
    quantized.setStochastic(static_cast<int64_t>(variable.getRole()));
  return quantized.getOutput();
}

/// Gives each use the value in the type it wants, right after `scaled`.
void StateLowering::dequantizeUses(Value scaled, Operation *served,
                                   ArrayRef<OpOperand *> uses) {
  OpBuilder builder(served->getContext());
  DenseMap<Type, Value> values;
  auto get = [&](Type element) {
    Value &value = values[element];
    if (value)
      return value;
    // Anew each time: the op that follows may be a cast that is erased below.
    builder.setInsertionPointAfterValue(scaled);
    value = train::createFor<DequantizeOp>(
        builder, served, RankedTensorType::get(type.getShape(), element),
        scaled);
    if (storage.getSqrt())
      value = train::createFor<train::MulOp>(builder, served, value, value);
    return value;
  };
  for (OpOperand *use : uses) {
    Operation *user = use->getOwner();
    if (isa<train::SumSquaresOp>(user)) {
      use->set(scaled); // it reads any storage
    } else if (auto cast = dyn_cast<train::CastOp>(user)) {
      // Rounded once, from the storage.
      cast.getOutput().replaceAllUsesWith(get(cast.getType().getElementType()));
      cast.erase();
    } else if (auto embedding = dyn_cast<train::EmbeddingOp>(user)) {
      use->set(get(embedding.getType().getElementType()));
    } else {
      use->set(get(builder.getF32Type()));
    }
  }
}

static SmallVector<OpOperand *> getUses(Value value) {
  return llvm::map_to_vector(value.getUses(),
                             [](OpOperand &use) { return &use; });
}

void StateLowering::run() {
  train::keepReason(variable, precision);
  // A sum over micro-batches stays f32 and is quantised once it is complete.
  if (variable.getRole() == train::Role::gradient &&
      llvm::any_of(reads, [](Operation *read) { return !isInUpdate(read); })) {
    for (train::ReadOp read : reads) {
      if (!isInUpdate(read))
        continue;
      SmallVector<OpOperand *> uses = getUses(read.getValue());
      OpBuilder builder(read->getContext());
      builder.setInsertionPointAfter(read);
      dequantizeUses(quantize(builder, read, read.getValue()), read, uses);
    }
    return;
  }
  variable.setType(type);
  for (train::ReadOp read : reads) {
    SmallVector<OpOperand *> uses = getUses(read.getValue());
    read.getValue().setType(type);
    dequantizeUses(read.getValue(), read, uses);
  }
  for (train::AssignOp assign : assigns) {
    // Quantised from what its producer gives, where the producer stands.
    Value value = assign.getValue();
    Operation *cast = value.getDefiningOp<train::CastOp>();
    if (cast)
      value = cast->getOperand(0);
    OpBuilder builder(assign->getContext());
    builder.setInsertionPointAfterValue(value);
    assign.getValueMutable().set(quantize(builder, assign, value));
    if (cast && cast->use_empty())
      cast->erase();
  }
}

namespace {
struct LowerStates : fp8::impl::LowerStatesBase<LowerStates> {
  using Base::Base;
  void runOnProgram() override {
    DenseMap<StringAttr, SmallVector<train::ReadOp>> reads;
    DenseMap<StringAttr, SmallVector<train::AssignOp>> assigns;
    getOperation().walk([&](Operation *op) {
      if (auto read = dyn_cast<train::ReadOp>(op))
        reads[read.getVariableAttr().getAttr()].push_back(read);
      else if (auto assign = dyn_cast<train::AssignOp>(op))
        assigns[assign.getVariableAttr().getAttr()].push_back(assign);
    });
    for (auto variable : getOperation().getOps<train::VariableOp>()) {
      train::PrecisionAttr precision = train::getPrecision(variable);
      StringAttr name = variable.getSymNameAttr();
      if (precision && precision.getStorage() &&
          precision.getStorage().getScaled())
        StateLowering(variable, reads[name], assigns[name]).run();
    }
  }
};
} // namespace
