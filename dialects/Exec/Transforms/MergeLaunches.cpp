//===- MergeLaunches.cpp - exec-merge-launches ----------------------------===//
//
// One scan over each function keeps, for each kernel, the launches that may
// still move down to the next one. An op that touches what they write or writes
// what they read ends that.
//
//===----------------------------------------------------------------------===//

#include "Exec/IR/Exec.h"
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
/// Buffers, by what they are views of.
struct Effects {
  DenseSet<Value> reads, writes;

  static bool meet(const DenseSet<Value> &a, const DenseSet<Value> &b) {
    const auto &[few, many] =
        a.size() < b.size() ? std::tie(a, b) : std::tie(b, a);
    return llvm::any_of(
        few, [&many = many](Value value) { return many.contains(value); });
  }
  bool conflictsWith(const Effects &other) const {
    return meet(writes, other.reads) || meet(writes, other.writes) ||
           meet(reads, other.writes);
  }
  void add(const Effects &other) {
    reads.insert(other.reads.begin(), other.reads.end());
    writes.insert(other.writes.begin(), other.writes.end());
  }
};

/// Launches of one kernel that can be done where the last of them stands.
struct Group {
  SmallVector<LaunchOp> launches;
  Effects effects;
};
} // namespace

static Value getRoot(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewOp>())
    buffer = view.getSource();
  return buffer;
}

static Effects getEffects(Operation &op, const SymbolTable &symbols) {
  Effects effects;
  auto add = [&](DenseSet<Value> &set, ValueRange buffers) {
    for (Value buffer : buffers)
      set.insert(getRoot(buffer));
  };
  if (auto launch = dyn_cast<LaunchOp>(op)) {
    int64_t inputs = symbols.lookup<KernelOp>(launch.getKernel()).getInputs();
    add(effects.reads, launch.getBuffers().take_front(inputs));
    add(effects.writes, launch.getBuffers().drop_front(inputs));
  } else if (auto call = dyn_cast<CallOp>(op)) {
    add(effects.reads, call.getInputs());
    add(effects.writes, call.getOutputs());
  } else if (!isa<GetOp, ViewOp, AllocOp, HyperOp, ConstantOp>(op)) {
    add(effects.writes, op.getOperands());
  }
  return effects;
}

static void merge(Group &group) {
  if (group.launches.size() < 2)
    return;
  SmallVector<Value> buffers;
  SmallVector<int64_t> rows, cols;
  for (LaunchOp launch : group.launches) {
    llvm::append_range(buffers, launch.getBuffers());
    rows.push_back(launch.getRows());
    cols.push_back(launch.getCols());
  }
  LaunchOp last = group.launches.back();
  OpBuilder builder(last);
  auto multi =
      LaunchMultiOp::create(builder, last.getLoc(), last.getKernelAttr(),
                            builder.getDenseI64ArrayAttr(rows),
                            builder.getDenseI64ArrayAttr(cols), buffers);
  train::setPhase(multi, train::kPhaseUpdate);
  for (LaunchOp launch : group.launches)
    launch.erase();
}

namespace {
struct MergeLaunches : exec::impl::MergeLaunchesBase<MergeLaunches> {
  using Base::Base;
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        mergeIn(function.getBody().front(), symbols);
  }

  void mergeIn(Block &block, const SymbolTable &symbols) {
    llvm::MapVector<StringAttr, Group> open;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      auto launch = dyn_cast<LaunchOp>(op);
      bool joins =
          launch && train::getPhase(launch) == train::kPhaseUpdate &&
          llvm::is_contained(
              {train::Skeleton::map, train::Skeleton::sum},
              symbols.lookup<KernelOp>(launch.getKernel()).getSkeleton());
      Effects effects = getEffects(op, symbols);
      for (auto &[kernel, group] : open)
        if (!group.launches.empty() && effects.conflictsWith(group.effects)) {
          merge(group);
          group = Group();
        }
      if (joins) {
        Group &group = open[launch.getKernelAttr().getAttr()];
        group.launches.push_back(launch);
        group.effects.add(effects);
      }
    }
    for (auto &[kernel, group] : open)
      merge(group);
  }
};
} // namespace
