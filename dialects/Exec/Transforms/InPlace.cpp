//===- InPlace.cpp - Which ops may write over what they read --------------===//

#include "Exec/Transforms/InPlace.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

/// Functions of the kernel library that say of their first output that it may
/// be their first input.
static bool worksInPlace(CallOp call) {
  return llvm::is_contained({"cross_entropy_backward", "rotary"},
                            call.getCallee());
}

/// Floats of one width take each other's place. Integers do not take theirs: a
/// compiler may take a float and an integer for different memory.
static bool areOfOneSize(Value a, Value b) {
  Type from = getElementTypeOrSelf(a.getType()),
       to = getElementTypeOrSelf(b.getType());
  return from == to ||
         (isa<FloatType>(from) && isa<FloatType>(to) &&
          from.getIntOrFloatBitWidth() == to.getIntOrFloatBitWidth());
}

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

bool exec::isOutput(Operation *op, unsigned index, const SymbolTable &symbols) {
  if (auto launch = dyn_cast<LaunchOp>(op))
    return index >= symbols.lookup<KernelOp>(launch.getKernel()).getInputs();
  auto call = dyn_cast<CallOp>(op);
  return call && index >= call.getInputs().size();
}

bool exec::mayOverwrite(Operation *op, unsigned input, unsigned output,
                        const SymbolTable &symbols) {
  if (!areOfOneSize(op->getOperand(input), op->getOperand(output)))
    return false;
  if (auto launch = dyn_cast<LaunchOp>(op))
    return ::mayOverwrite(symbols.lookup<KernelOp>(launch.getKernel()), input,
                          output);
  auto call = dyn_cast<CallOp>(op);
  return call && worksInPlace(call) && input == 0 &&
         output == call.getInputs().size();
}
