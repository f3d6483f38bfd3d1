//===- JoinProducts.cpp - train-join-products -----------------------------===//
//
// Products of one input with the parts of one tensor are parts of one product.
// Their gradients stay apart, each with a scale of its own.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_JOINPRODUCTS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

/// The product of `input` with a part, in forward.
static MatmulOp getProduct(Value part, Value input) {
  MatmulOp found;
  for (Operation *user : part.getUsers()) {
    auto matmul = dyn_cast<MatmulOp>(user);
    if (!matmul || matmul.getRhs() != part || isBackward(matmul) ||
        matmul.getBatch() != 0)
      continue;
    if (found || (input && matmul.getLhs() != input))
      return {};
    found = matmul;
  }
  return found;
}

static void join(SplitOp split) {
  auto whole = split.getInput().getDefiningOp<ReadOp>();
  if (!whole || fp8::getShape(whole.getType()).size() != 2)
    return;
  SmallVector<MatmulOp> products;
  for (Value part : split.getParts()) {
    MatmulOp product = getProduct(
        part, products.empty() ? Value() : products.front().getLhs());
    // The dimension that is split is the one that is not contracted.
    if (!product || product.getRhsContractingDims() !=
                        SmallVector<int64_t>{1 - int64_t(split.getAxis())})
      return;
    products.push_back(product);
  }
  MatmulOp first = products.front();
  if (llvm::any_of(products, [&](MatmulOp product) {
        return product.getLhsContractingDims() !=
                   first.getLhsContractingDims() ||
               product->getBlock() != first->getBlock();
      }))
    return;
  MatmulOp earliest = *llvm::min_element(
      products, [](MatmulOp a, MatmulOp b) { return a->isBeforeInBlock(b); });
  OpBuilder builder(earliest);
  auto product = createFor<MatmulOp>(builder, split, first.getLhs(), whole,
                                     first.getLhsContractingDims(),
                                     first.getRhsContractingDims());
  setPhase(product, getPhase(first).value_or(Phase::fwd));
  auto types = llvm::map_to_vector(
      products, [](MatmulOp part) -> Type { return part.getType(); });
  auto parts = createFor<SplitOp>(builder, product, types, product.getOutput(),
                                  fp8::getShape(types.front()).size() - 1);
  for (auto [old, part] : llvm::zip_equal(products, parts.getParts())) {
    old.replaceAllUsesWith(part);
    old->erase();
  }
}

namespace {
struct JoinProducts : train::impl::JoinProductsBase<JoinProducts> {
  using Base::Base;
  void runOnProgram() override {
    SmallVector<SplitOp> splits;
    getOperation().walk([&](SplitOp op) { splits.push_back(op); });
    llvm::for_each(splits, join);
  }
};
} // namespace
