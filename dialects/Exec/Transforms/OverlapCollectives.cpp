//===- OverlapCollectives.cpp - exec-overlap-collectives ------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Effects.h"
#include "Exec/Transforms/Passes.h"
#include "Target/IR/Target.h"
#include "Train/IR/Functions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_OVERLAPCOLLECTIVES
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

/// Sections that may run at once: the buffers of so many are kept.
static constexpr size_t kMostSections = 2;

namespace {
/// Ops that join a bucket.
struct Section {
  AsyncBeginOp begin;
  Effects effects;
  llvm::SetVector<Value> buffers;
  bool isWaitedFor = false;
};
} // namespace

/// Scales are advanced in the update, where there is nothing to do beside.
static bool joinsGradients(Operation &op) {
  return isa<AllReduceOp, AllReduceCodesOp, ReduceScatterOp,
             ReduceScatterCodesOp, AllGatherOp, AllToAllOp, AdjustMuOp,
             AgreeStatsOp>(op) &&
         train::getPhase(&op) == train::Phase::update;
}

static bool isDeclaration(Operation &op) {
  return isa<AllocOp, ViewOp, GetOp, HyperOp, ConstantOp>(op);
}

/// What a section can have: no library calls, which share their workspace.
static bool mayBeBeside(Operation &op) {
  return isDeclaration(op) || joinsGradients(op) || isa<FillOp>(op) ||
         (train::getPhase(&op) == train::Phase::update &&
          isa<LaunchOp, LaunchMultiOp, ComputeScaleOp, ScaleByOp, CopyOp>(op));
}

/// The last op of the section that begins with `first`.
static Operation *findEnd(Operation *first) {
  Operation *end = first;
  for (Operation *op = first; op && mayBeBeside(*op); op = op->getNextNode())
    if (joinsGradients(*op))
      end = op;
  return end;
}

static Section makeSection(Operation *first, int64_t number) {
  Operation *end = findEnd(first);
  Section section;
  OpBuilder builder(first);
  section.begin = AsyncBeginOp::create(builder, first->getLoc(), number);
  for (Operation *op = first; op != end->getNextNode();) {
    Operation *next = op->getNextNode();
    if (isDeclaration(*op)) {
      op->moveBefore(section.begin);
    } else {
      section.effects.add(Effects(op));
      section.buffers.insert(op->operand_begin(), op->operand_end());
    }
    op = next;
  }
  builder.setInsertionPointAfter(end);
  AsyncEndOp::create(builder, end->getLoc(), number);
  return section;
}

static void wait(Section &section, Operation *place) {
  if (std::exchange(section.isWaitedFor, true))
    return;
  OpBuilder builder(place);
  AsyncWaitOp::create(builder, section.begin.getLoc(),
                      section.begin.getSection(),
                      section.buffers.getArrayRef());
}

static void overlap(Block &block) {
  SmallVector<Section> sections;
  for (Operation *op = &block.front(); op != block.getTerminator();) {
    if (joinsGradients(*op)) {
      sections.push_back(makeSection(op, sections.size()));
      if (sections.size() > kMostSections)
        wait(sections[sections.size() - 1 - kMostSections],
             sections.back().begin);
      while (!isa<AsyncEndOp>(op))
        op = op->getNextNode();
    } else if (!isDeclaration(*op)) {
      Effects effects(op);
      for (Section &section : sections)
        if (effects.conflictsWith(section.effects))
          wait(section, op);
    }
    op = op->getNextNode();
  }
  for (Section &section : sections)
    wait(section, block.getTerminator());
}

namespace {
struct OverlapCollectives
    : exec::impl::OverlapCollectivesBase<OverlapCollectives> {
  using Base::Base;
  void runOnProgram() override {
    if (!getTarget(getOperation()).runsAsync)
      return;
    for (func::FuncOp function : train::getFunctions(getOperation()))
      if (function.getOps<AsyncBeginOp>().empty() &&
          train::getFunctionKind(function) != train::FunctionKind::update)
        overlap(function.getBody().front());
  }
};
} // namespace
