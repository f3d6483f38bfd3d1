//===- ExecInPlace.cpp - Which kernels may write over what they read ------===//

#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

/// Everything that a scalar is computed from, through the reductions over the
/// row.
static DenseSet<Operation *> getSources(Value value) {
  DenseSet<Operation *> sources;
  SmallVector<Value> pending = {value};
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val().getDefiningOp();
    if (!op || !sources.insert(op).second)
      continue;
    llvm::append_range(pending, op->getOperands());
    for (Region &region : op->getRegions())
      llvm::append_range(pending, region.front().back().getOperands());
  }
  return sources;
}

/// Element-wise, and what is stored depends on every load of the input: no
/// compiler can move a load behind the store, though kernels read through
/// caches that do not see it.
static bool mayOverwrite(KernelOp kernel, unsigned input, unsigned output) {
  if (!llvm::is_contained({train::Skeleton::map, train::Skeleton::rows},
                          kernel.getSkeleton()))
    return false;
  Block &body = kernel.getBody().front();
  BlockArgument in = body.getArgument(input), out = body.getArgument(output);
  if (!out.hasOneUse())
    return false;
  Operation *write = *out.user_begin();
  auto store = dyn_cast<StoreOp>(write);
  auto quantize = dyn_cast<QuantizeOp>(write);
  if (!(store && store.getAccess() == Access::full) &&
      !(quantize && quantize.getBuffer() == out))
    return false;
  DenseSet<Operation *> sources = getSources(write->getOperand(0));
  return llvm::all_of(in.getUsers(), [&](Operation *user) {
    auto load = dyn_cast<LoadOp>(user);
    return load && load.getAccess() == Access::full && sources.contains(load);
  });
}

bool LaunchOp::mayOverwrite(OpOperand &input, OpOperand &output,
                            const SymbolTable &kernels) {
  return ::mayOverwrite(kernels.lookup<KernelOp>(getKernel()),
                        input.getOperandNumber(), output.getOperandNumber());
}
