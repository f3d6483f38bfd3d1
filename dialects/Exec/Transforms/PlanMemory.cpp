//===- PlanMemory.cpp - exec-plan-memory ----------------------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_PLANMEMORY
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

namespace {
/// A temporary and when it is needed, in positions of ops.
struct Interval {
  AllocOp op;
  int64_t size, first, last;
  int64_t offset = 0;

  bool meets(const Interval &other) const { return first <= other.last && other.first <= last; }
};

struct PlanMemory : exec::impl::PlanMemoryBase<PlanMemory> {
  using Base::Base;
  void runOnOperation() override {
    int64_t arena = 0;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        arena = std::max(arena, plan(function));
    getOperation()->setAttr("exec.arena_bytes", Builder(&getContext()).getI64IntegerAttr(arena));
  }

  int64_t plan(func::FuncOp function);
};
} // namespace

static SmallVector<Interval> getIntervals(Block &block) {
  SmallVector<Interval> intervals;
  DenseMap<Value, size_t> indexOf; // of an allocation and its views
  for (auto [position, op] : llvm::enumerate(block)) {
    if (auto alloc = dyn_cast<AllocOp>(op)) {
      int64_t size = llvm::alignTo(getByteSize(cast<MemRefType>(alloc.getType())), kAlignment);
      indexOf[alloc] = intervals.size();
      intervals.push_back({alloc, size, std::numeric_limits<int64_t>::max(), -1});
      continue;
    }
    if (auto view = dyn_cast<ViewOp>(op)) {
      if (auto source = indexOf.find(view.getSource()); source != indexOf.end())
        indexOf[view] = size_t(source->second);
      continue;
    }
    for (Value operand : op.getOperands()) {
      auto found = indexOf.find(operand);
      if (found == indexOf.end())
        continue;
      Interval &interval = intervals[found->second];
      interval.first = std::min<int64_t>(interval.first, position);
      interval.last = position;
    }
  }
  return intervals;
}

/// The most bytes that live at once.
static int64_t getLowerBound(ArrayRef<Interval> intervals) {
  SmallVector<std::pair<int64_t, int64_t>> events; // position, change of bytes
  for (const Interval &interval : intervals) {
    if (interval.last < 0)
      continue;
    events.push_back({interval.first, interval.size});
    events.push_back({interval.last + 1, -interval.size});
  }
  llvm::sort(events); // at one position frees (negative) come first
  int64_t live = 0, most = 0;
  for (auto [position, change] : events)
    most = std::max(most, live += change);
  return most;
}

/// Places buffers from the largest down; returns the bytes needed.
static int64_t place(MutableArrayRef<Interval> intervals) {
  SmallVector<Interval *> order;
  for (Interval &interval : intervals)
    order.push_back(&interval);
  llvm::stable_sort(order, [](Interval *a, Interval *b) { return a->size > b->size; });
  SmallVector<Interval *> placed; // by offset
  int64_t peak = 0;
  for (Interval *interval : order) {
    int64_t offset = 0;
    for (Interval *other : placed) {
      if (!interval->meets(*other))
        continue;
      if (offset + interval->size <= other->offset)
        break; // it fits in the gap before
      offset = std::max(offset, other->offset + other->size);
    }
    interval->offset = offset;
    peak = std::max(peak, offset + interval->size);
    placed.insert(llvm::upper_bound(placed, interval,
                                    [](Interval *a, Interval *b) { return a->offset < b->offset; }),
                  interval);
  }
  return peak;
}

int64_t PlanMemory::plan(func::FuncOp function) {
  SmallVector<Interval> intervals = getIntervals(function.getBody().front());
  Builder builder(&getContext());
  int64_t peak = place(intervals), bound = getLowerBound(intervals);
  for (Interval &interval : intervals)
    interval.op.setOffsetAttr(builder.getI64IntegerAttr(interval.offset));
  function->setAttr(kPeakAttr, builder.getI64IntegerAttr(peak));
  function->setAttr(kLowerBoundAttr, builder.getI64IntegerAttr(bound));
  return peak;
}
