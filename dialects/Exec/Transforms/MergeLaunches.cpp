//===- MergeLaunches.cpp - exec-merge-launches ----------------------------===//
//
// One scan over each function gathers launches of a kernel, or like calls, that
// may still move down: those of the update, and sums of partial sums. An op
// that stays where it is and touches what they write, or writes what they read,
// ends that: they are done right before it. One that is put off itself only has
// to come after them.
//
//===----------------------------------------------------------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Effects.h"
#include "Exec/Transforms/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_MERGELAUNCHES
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

namespace {
/// Launches of one kernel, or like calls, that have been put off.
struct Group {
  SmallVector<Operation *> ops;
  Effects effects;
  /// Bytes of temporaries that live on for them.
  int64_t heldBytes = 0;
  /// Keys of groups that must be done before.
  SmallVector<Attribute> after;
};
} // namespace

/// Can one launch run the kernel on matrices of many shapes?
static bool isMergeable(KernelOp kernel) {
  switch (kernel.getSkeleton()) {
  case train::Skeleton::map:
  case train::Skeleton::sum:
    return true;
  case train::Skeleton::rows:
    if (AcrossRows across = getAcrossRows(kernel);
        across.transposedCopies && !across.sumRows)
      return isElementwise(kernel);
    return false;
  case train::Skeleton::columns:
    return false;
  }
  llvm_unreachable("all skeletons are handled");
}

/// What ops of the update must share to merge; null for those that never do.
static Attribute getKey(Operation &op, const SymbolTable &symbols) {
  if (train::getPhase(&op) != train::Phase::update)
    return {};
  if (auto launch = dyn_cast<LaunchOp>(op))
    return isMergeable(symbols.lookup<KernelOp>(launch.getKernel()))
               ? launch.getKernelAttr()
               : Attribute();
  if (!isa<AdvanceScaleOp, ComputeScaleOp>(op))
    return {};
  // The type has a state's window.
  Builder builder(op.getContext());
  return builder.getArrayAttr({op.getName().getIdentifier(),
                               op.getPropertiesAsAttribute(),
                               TypeAttr::get(op.getOperand(0).getType())});
}

static void mergeLaunches(ArrayRef<Operation *> ops, OpBuilder &builder) {
  SmallVector<Value> buffers;
  SmallVector<int64_t> rows, cols;
  for (Operation *op : ops) {
    auto launch = cast<LaunchOp>(op);
    llvm::append_range(buffers, launch->getOperands());
    rows.push_back(launch.getRows());
    cols.push_back(launch.getCols());
  }
  auto first = cast<LaunchOp>(ops.front());
  auto multi =
      LaunchMultiOp::create(builder, first.getLoc(), first.getKernelAttr(),
                            builder.getDenseI64ArrayAttr(rows),
                            builder.getDenseI64ArrayAttr(cols), buffers);
  if (std::optional<train::Phase> phase = train::getPhase(first))
    train::setPhase(multi, *phase);
}

static void mergeCalls(ArrayRef<Operation *> ops, OpBuilder &builder) {
  SmallVector<Value> first, second;
  for (Operation *op : ops) {
    auto compute = dyn_cast<ComputeScaleOp>(op);
    llvm::append_range(first,
                       compute ? compute.getAmaxes() : op->getOperands());
    if (compute)
      llvm::append_range(second, compute.getPairs());
  }
  first.append(second);
  Operation *merged = builder.clone(*ops.front());
  merged->setOperands(first);
  merged->removeDiscardableAttr(train::kNameAttr);
}

namespace {
/// What has been put off at a place of a block.
class OpenGroups {
public:
  OpenGroups(const SymbolTable &symbols, int64_t maxHeldBytes)
      : symbols(symbols), maxHeldBytes(maxHeldBytes) {}

  void visit(Operation &op);
  /// Does all that has been put off, before `place`.
  void closeAll(Operation *place) {
    for (auto &[key, group] : groups)
      close(group, place);
  }

private:
  void close(Group &group, Operation *place);
  bool comesAfter(const Group &group, Attribute key) const;
  void findPartialSums(LaunchOp launch);
  bool addsUpPartialSums(LaunchOp launch) const;

  const SymbolTable &symbols;
  const int64_t maxHeldBytes;
  DenseSet<Value> partialSums; ///< buffers that hold nothing else
  llvm::MapVector<Attribute, Group> groups;
};

struct MergeLaunches : exec::impl::MergeLaunchesBase<MergeLaunches> {
  using Base::Base;
  void runOnProgram() override {
    SymbolTable symbols(getOperation());
    for (func::FuncOp function : train::getFunctions(getOperation())) {
      Block &block = function.getBody().front();
      OpenGroups groups(symbols, maxHeldBytes);
      for (Operation &op :
           llvm::make_early_inc_range(block.without_terminator()))
        groups.visit(op);
      groups.closeAll(block.getTerminator());
    }
  }
};
} // namespace

/// Must the group of `key` be done before `group`?
bool OpenGroups::comesAfter(const Group &group, Attribute key) const {
  return llvm::any_of(group.after, [&](Attribute before) {
    return before == key || comesAfter(groups.find(before)->second, key);
  });
}

void OpenGroups::close(Group &group, Operation *place) {
  Group closed = std::exchange(group, Group());
  for (Attribute before : closed.after)
    close(groups.find(before)->second, place);
  OpBuilder builder(place);
  if (closed.ops.size() == 1)
    closed.ops.front()->moveBefore(place);
  if (closed.ops.size() < 2)
    return;
  if (isa<LaunchOp>(closed.ops.front()))
    mergeLaunches(closed.ops, builder);
  else
    mergeCalls(closed.ops, builder);
  for (Operation *op : closed.ops)
    op->erase();
}

void OpenGroups::findPartialSums(LaunchOp launch) {
  auto kernel = symbols.lookup<KernelOp>(launch.getKernel());
  kernel.walk([&](PartialSumOp sum) {
    auto target = cast<BlockArgument>(sum.getTarget());
    partialSums.insert(getRoot(launch->getOperand(target.getArgNumber())));
  });
}

/// Does the launch add up partial sums and nothing else, and the same in every
/// micro-batch?
bool OpenGroups::addsUpPartialSums(LaunchOp launch) const {
  auto kernel = symbols.lookup<KernelOp>(launch.getKernel());
  return kernel.getSkeleton() == train::Skeleton::columns &&
         !dependsOnMicroBatch(kernel) &&
         llvm::all_of(launch.getInputs(), [&](Value input) {
           return partialSums.contains(getRoot(input));
         });
}

/// Bytes of the temporaries that live on for an op that is put off: those that
/// it only reads, but for those that `held` reads too.
static int64_t getTemporaryBytes(const Effects &effects, const Effects &held) {
  int64_t bytes = 0;
  for (Value buffer : effects.reads.getRoots())
    if (buffer.getDefiningOp<AllocOp>() && !effects.writes.contains(buffer) &&
        !held.reads.contains(buffer))
      bytes += getByteSize(cast<MemRefType>(buffer.getType()));
  return bytes;
}

void OpenGroups::visit(Operation &op) {
  Effects effects(&op);
  Attribute key = getKey(op, symbols);
  if (auto launch = dyn_cast<LaunchOp>(op)) {
    findPartialSums(launch);
    if (addsUpPartialSums(launch))
      key = launch.getKernelAttr();
  }
  SmallVector<Attribute> before;
  for (auto &[other, group] : groups) {
    if (!effects.conflictsWith(group.effects))
      continue;
    if (key && other != key && !comesAfter(group, key))
      before.push_back(other);
    else
      close(group, &op);
  }
  if (!key)
    return;
  Group &own = groups[key];
  int64_t bytes = getTemporaryBytes(effects, own.effects);
  if (own.heldBytes + bytes > maxHeldBytes) {
    close(own, &op);
    bytes = getTemporaryBytes(effects, own.effects);
  }
  own.heldBytes += bytes;
  own.ops.push_back(&op);
  own.effects.add(effects);
  for (Attribute other : before)
    if (!llvm::is_contained(own.after, other))
      own.after.push_back(other);
}
