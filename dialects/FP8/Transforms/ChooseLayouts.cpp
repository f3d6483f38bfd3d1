//===- ChooseLayouts.cpp - fp8-choose-layouts -----------------------------===//
//
// FP8 tensor cores read both operands of a product along the contracted
// dimension, so that the libraries above them offer FP8 products in one layout
// only ("TN"). 16-bit products have no such limit: only fp8.matmul is brought
// into this form.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/OpNames.h"
#include "FP8/Transforms/Passes.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
struct ChooseLayouts : fp8::impl::ChooseLayoutsBase<ChooseLayouts> {
  using Base::Base;
  void runOnOperation() override {
    if (overrule(getTarget(getOperation()).fp8TN, tn))
      getOperation()->walk([&](MatmulOp matmul) { bringIntoTN(matmul); });
  }

  void bringIntoTN(MatmulOp matmul);
  Value transpose(Value value, ArrayRef<int64_t> permutation, Operation *user);

  /// By value and permutation.
  DenseMap<std::pair<Value, Attribute>, Value> transposes;
};
} // namespace

/// `value` transposed, right after it: what quantises it can then write both.
Value ChooseLayouts::transpose(Value value, ArrayRef<int64_t> permutation,
                               Operation *user) {
  OpBuilder builder(value.getContext());
  auto key = builder.getDenseI64ArrayAttr(permutation);
  Value &result = transposes[{value, key}];
  if (result)
    return result;
  builder.setInsertionPointAfterValue(value);
  auto type = cast<ScaledType>(value.getType());
  SmallVector<int64_t> tile;
  if (!type.isPerTensor())
    tile = applyPermutation(type.getTile(), permutation);
  auto transposed = ScaledType::get(
      applyPermutation(type.getShape(), permutation), type.getStorage(), tile);
  auto op =
      TransposeOp::create(builder, user->getLoc(), transposed, value, key);
  // It belongs to the value, not to the one of its users that asked first.
  Operation *origin = value.getDefiningOp() ? value.getDefiningOp() : user;
  copyNameAndPhase(origin, op);
  return result = op;
}

void ChooseLayouts::bringIntoTN(MatmulOp matmul) {
  SmallVector<int64_t> lhsDims = matmul.getLhsContractingDims(),
                       rhsDims = matmul.getRhsContractingDims();
  auto contractLast = [&](Value operand, SmallVector<int64_t> &dims) -> Value {
    int64_t rank = getShape(operand.getType()).size();
    if (dims.back() == rank - 1)
      return operand;
    // Contracted dimensions stand together behind the batch: the others keep
    // their order, and so does the result.
    SmallVector<int64_t> permutation;
    for (int64_t dim = 0; dim < rank; ++dim)
      if (!llvm::is_contained(dims, dim))
        permutation.push_back(dim);
    llvm::append_range(permutation, dims);
    Value result = transpose(operand, permutation, matmul);
    for (auto [i, dim] : llvm::enumerate(dims))
      dim = rank - dims.size() + i;
    return result;
  };
  Value lhs = contractLast(matmul.getLhs(), lhsDims);
  Value rhs = contractLast(matmul.getRhs(), rhsDims);
  if (lhs == matmul.getLhs() && rhs == matmul.getRhs())
    return;
  OpBuilder builder(matmul);
  auto tn = MatmulOp::create(
      builder, matmul.getLoc(), matmul.getOutput().getType(), lhs, rhs, lhsDims,
      rhsDims, matmul.getFastAccum(), matmul.getBatchRank());
  tn->setDiscardableAttrs(matmul->getDiscardableAttrDictionary());
  matmul.replaceAllUsesWith(tn.getOutput());
  matmul.erase();
}
