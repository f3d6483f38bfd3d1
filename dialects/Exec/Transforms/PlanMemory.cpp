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
/// A place and when it is needed, in positions of ops. It holds a temporary,
/// then perhaps others of its size that were each computed over the one before.
struct Interval {
  SmallVector<AllocOp, 1> ops;
  int64_t size, first, last;
  /// The interval that took over the temporaries of this one, else itself.
  size_t movedTo;
  int64_t offset = 0;

  bool meets(const Interval &other) const {
    return first <= other.last && other.first <= last;
  }
};

struct PlanMemory : exec::impl::PlanMemoryBase<PlanMemory> {
  using Base::Base;
  void runOnProgram() override {
    SymbolTable symbols(getOperation());
    int64_t arena = 0;
    for (func::FuncOp function : train::getFunctions(getOperation()))
      arena = std::max(arena, plan(function, symbols));
    getOperation()->setAttr(kArenaAttr,
                            Builder(&getContext()).getI64IntegerAttr(arena));
  }

  int64_t plan(func::FuncOp function, const SymbolTable &symbols);
};
} // namespace

namespace {
/// Finds out when temporaries live.
class Liveness {
public:
  Liveness(Block &block, const SymbolTable &symbols);
  SmallVector<Interval> intervals;

private:
  void reuse(WorkOpInterface op, int64_t position, const SymbolTable &symbols);
  Interval *find(Value buffer) {
    auto found = indexOf.find(buffer);
    if (found == indexOf.end())
      return nullptr;
    size_t index = found->second;
    while (intervals[index].movedTo != index)
      index = intervals[index].movedTo;
    return &intervals[index];
  }
  /// Does the buffer take the whole place?
  bool isWhole(Value buffer, const Interval &interval) {
    return static_cast<int64_t>(llvm::alignTo(
               getByteSize(cast<MemRefType>(buffer.getType())), kAlignment)) ==
           interval.size;
  }

  DenseMap<Value, size_t> indexOf; // of an allocation and its views
};
} // namespace

Liveness::Liveness(Block &block, const SymbolTable &symbols) {
  for (auto [position, op] : llvm::enumerate(block)) {
    if (auto alloc = dyn_cast<AllocOp>(op)) {
      int64_t size = llvm::alignTo(
          getByteSize(cast<MemRefType>(alloc.getType())), kAlignment);
      indexOf[alloc] = intervals.size();
      intervals.push_back({{alloc},
                           size,
                           std::numeric_limits<int64_t>::max(),
                           -1,
                           intervals.size()});
      continue;
    }
    if (auto view = dyn_cast<ViewOp>(op)) {
      if (auto source = indexOf.find(view.getSource()); source != indexOf.end())
        indexOf[view] = size_t(source->second);
      continue;
    }
    for (Value operand : op.getOperands())
      if (Interval *interval = find(operand)) {
        interval->first = std::min<int64_t>(interval->first, position);
        interval->last = position;
      }
  }
  // The ends are known: let what begins take the place of what ends.
  for (auto [position, op] : llvm::enumerate(block))
    if (auto work = dyn_cast<WorkOpInterface>(op))
      reuse(work, position, symbols);
  llvm::erase_if(intervals,
                 [](const Interval &interval) { return interval.ops.empty(); });
}

/// Floats of one width take each other's place. Integers do not take theirs: a
/// compiler may take a float and an integer for different memory.
static bool areOfOneWidth(Value a, Value b) {
  Type from = getElementTypeOrSelf(a.getType()),
       to = getElementTypeOrSelf(b.getType());
  return from == to ||
         (isa<FloatType>(from) && isa<FloatType>(to) &&
          from.getIntOrFloatBitWidth() == to.getIntOrFloatBitWidth());
}

void Liveness::reuse(WorkOpInterface op, int64_t position,
                     const SymbolTable &symbols) {
  for (OpOperand &output : op->getOpOperands()) {
    Interval *begins = find(output.get());
    if (!begins || begins->first != position || begins->last == position ||
        !isWhole(output.get(), *begins))
      continue;
    for (OpOperand &input : op->getOpOperands()) {
      Interval *ends = find(input.get());
      if (!ends || ends == begins || ends->last != position ||
          ends->size != begins->size || !isWhole(input.get(), *ends))
        continue;
      // Whatever way the op looks at the buffer.
      bool mayReuse =
          llvm::all_of(op->getOpOperands(), [&](OpOperand &operand) {
            return find(operand.get()) != ends ||
                   (areOfOneWidth(operand.get(), output.get()) &&
                    op.mayOverwrite(operand, output, symbols));
          });
      if (!mayReuse)
        continue;
      ends->last = begins->last;
      ends->ops.append(begins->ops);
      begins->ops.clear();
      begins->movedTo = ends->movedTo;
      break;
    }
  }
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

/// Places buffers in the given order, each as low as it can; returns the bytes
/// needed.
static int64_t place(ArrayRef<Interval *> order) {
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
                                    [](Interval *a, Interval *b) {
                                      return a->offset < b->offset;
                                    }),
                  interval);
  }
  return peak;
}

/// Places buffers in the best of a few orders; returns the bytes needed.
static int64_t place(MutableArrayRef<Interval> intervals, int64_t bound) {
  using Order = bool (*)(Interval *, Interval *);
  auto bySize = [](Interval *a, Interval *b) { return a->size > b->size; };
  // What lives long below what comes and goes.
  auto byTime = [](Interval *a, Interval *b) {
    return a->last - a->first > b->last - b->first;
  };
  auto byArea = [](Interval *a, Interval *b) {
    return double(a->size) * (a->last - a->first + 1) >
           double(b->size) * (b->last - b->first + 1);
  };
  auto byStart = [](Interval *a, Interval *b) { return a->first < b->first; };
  SmallVector<Interval *> order;
  for (Interval &interval : intervals)
    order.push_back(&interval);
  int64_t peak = std::numeric_limits<int64_t>::max();
  SmallVector<int64_t> best;
  for (Order isBefore :
       {Order(bySize), Order(byArea), Order(byTime), Order(byStart)}) {
    llvm::stable_sort(order, isBefore);
    int64_t needed = place(order);
    if (needed < peak) {
      peak = needed;
      best.clear();
      for (Interval &interval : intervals)
        best.push_back(interval.offset);
    }
    if (peak == bound)
      break; // no order is better
  }
  for (auto [interval, offset] : llvm::zip(intervals, best))
    interval.offset = offset;
  return peak;
}

int64_t PlanMemory::plan(func::FuncOp function, const SymbolTable &symbols) {
  SmallVector<Interval> intervals =
      Liveness(function.getBody().front(), symbols).intervals;
  Builder builder(&getContext());
  int64_t bound = getLowerBound(intervals), peak = place(intervals, bound);
  for (Interval &interval : intervals)
    for (AllocOp op : interval.ops)
      op.setOffsetAttr(builder.getI64IntegerAttr(interval.offset));
  function->setAttr(kPeakAttr, builder.getI64IntegerAttr(peak));
  function->setAttr(kLowerBoundAttr, builder.getI64IntegerAttr(bound));
  return peak;
}
