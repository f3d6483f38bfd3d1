//===- QuantizeParts.cpp - fp8-quantize-parts -----------------------------===//
//
// What is joined and then quantised would be written in the wide format, and
// read again. With one scale each part can be quantised where it is computed.
//
//===----------------------------------------------------------------------===//

#include "FP8/Training/Passes.h"
#include "Target/IR/Target.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_QUANTIZEPARTS
#include "FP8/Training/Passes.h.inc"
} // namespace fp8c::fp8

/// Can a kernel that computes it quantise it? Is it for nothing else?
static bool isOwnElementwise(Value part) {
  Operation *op = part.getDefiningOp();
  return op && part.hasOneUse() && isa<train::ScalarExpansionOpInterface>(op) &&
         getShape(part.getType()).back() % kPartMultiple == 0;
}

/// The one op that records a quantisation's statistics, if nobody else reads
/// them.
static FailureOr<RecordOp> getRecord(QuantizeOp quantize) {
  if (quantize.getStats().use_empty())
    return RecordOp();
  auto record = quantize.getStats().hasOneUse()
                    ? dyn_cast<RecordOp>(*quantize.getStats().user_begin())
                    : RecordOp();
  if (!record)
    return failure();
  return record;
}

/// Moves a scale of the last step before what it quantises, so that each part
/// is quantised right where it is computed: kernels form around neighbours.
static bool hoistScale(QuantizeOp quantize, ValueRange parts) {
  auto scale = quantize.getScale().getDefiningOp<CurrentScaleOp>();
  auto state =
      scale ? scale.getState().getDefiningOp<train::ReadOp>() : train::ReadOp();
  auto isNear = [&](Operation *op) {
    return op->getBlock() == quantize->getBlock();
  };
  if (!state || !isNear(state) || !isNear(scale) ||
      !llvm::all_of(parts,
                    [&](Value part) { return isNear(part.getDefiningOp()); }))
    return false;
  Operation *first = state;
  for (Value part : parts)
    if (part.getDefiningOp()->isBeforeInBlock(first))
      first = part.getDefiningOp();
  if (first != state)
    state->moveBefore(first);
  if (first->isBeforeInBlock(scale))
    scale->moveAfter(state);
  return true;
}

static void quantizeParts(QuantizeOp quantize) {
  auto concat = quantize.getInput().getDefiningOp<train::ConcatOp>();
  int64_t rank = getShape(quantize.getInput().getType()).size();
  if (!concat || !concat->hasOneUse() || quantize.getKey() ||
      static_cast<int64_t>(concat.getAxis()) != rank - 1 ||
      !llvm::all_of(concat.getParts(), isOwnElementwise))
    return;
  FailureOr<RecordOp> record = getRecord(quantize);
  if (failed(record))
    return;

  bool isEarly = hoistScale(quantize, concat.getParts());
  OpBuilder builder(quantize);
  SmallVector<QuantizeOp> parts;
  for (Value part : concat.getParts()) {
    if (isEarly)
      builder.setInsertionPointAfterValue(part);
    parts.push_back(train::createFor<QuantizeOp>(
        builder, quantize, part, quantize.getScale(),
        quantize.getOutput().getType().getStorage()));
  }
  builder.setInsertionPoint(quantize);
  auto join = [&](ValueRange codes, int64_t axis, ScaledType type) {
    return train::createFor<ConcatOp>(builder, quantize, type, codes, axis);
  };
  auto codes = llvm::map_to_vector(
      parts, [](QuantizeOp part) -> Value { return part.getOutput(); });
  // Transposed copies are stored by the kernel that quantises.
  for (Operation *user :
       llvm::make_early_inc_range(quantize.getOutput().getUsers())) {
    auto transpose = dyn_cast<TransposeOp>(user);
    if (!transpose)
      continue;
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    auto transposed = llvm::map_to_vector(codes, [&](Value part) -> Value {
      builder.setInsertionPointAfterValue(part);
      auto type = cast<ScaledType>(part.getType());
      return train::createFor<TransposeOp>(
          builder, quantize,
          ScaledType::get(applyPermutation(type.getShape(), permutation),
                          type.getStorage(), /*tile=*/{}),
          part, permutation);
    });
    builder.setInsertionPoint(quantize);
    transpose.replaceAllUsesWith(
        join(transposed,
             llvm::find(permutation, rank - 1) - permutation.begin(),
             transpose.getType())
            .getOutput());
    transpose->erase();
  }
  if (!quantize.getOutput().use_empty())
    quantize.getOutput().replaceAllUsesWith(
        join(codes, rank - 1, quantize.getOutput().getType()));
  if (RecordOp last = *record) {
    OpBuilder atRecord(last);
    Value state = last.getState();
    for (QuantizeOp part : parts)
      state =
          train::createFor<RecordOp>(atRecord, last, state, part.getStats());
    last.getOutput().replaceAllUsesWith(state);
    last->erase();
  }
  quantize->erase();
  concat->erase();
}

namespace {
struct QuantizeParts : fp8::impl::QuantizePartsBase<QuantizeParts> {
  using Base::Base;
  void runOnProgram() override {
    SmallVector<QuantizeOp> quantizes;
    getOperation().walk([&](QuantizeOp op) { quantizes.push_back(op); });
    llvm::for_each(quantizes, quantizeParts);
  }
};
} // namespace
