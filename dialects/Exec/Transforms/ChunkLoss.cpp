//===- ChunkLoss.cpp - exec-chunk-loss ------------------------------------===//
//
// The logits of a language model are its largest tensor by far: rows times
// vocabulary. But one GEMM makes them, the loss reads them, and GEMMs read the
// gradient that replaces them, all row by row: doing all of it for some rows at
// a time needs memory for those rows only.
//
// Rows do not depend on each other, but for the weight gradient, which is a sum
// over rows. It is added up in f32, as over micro-batches. Where the head's
// products are FP8, the gradient is quantised in between, with a scale that is
// known beforehand: row by row as well. A scale that its own amax calls for
// needs all of it first: then chunks make the gradient twice.
//
//===----------------------------------------------------------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_CHUNKLOSS
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

/// Rows of a chunk are a multiple of this where there are enough: GEMMs work on
/// tiles.
static constexpr int64_t kRowMultiple = 128;

namespace {
/// The dimension of a buffer that is cut.
enum class Cut { Rows, Columns };

/// The ops that make and use logits.
struct Head {
  AllocOp logits;
  int64_t rows, classes; ///< of the buffers, padding included
  GemmOp producer;
  WorkOpInterface loss;
  SmallVector<LaunchOp> launches; ///< that measure or quantise the gradient
  SmallVector<GemmOp> consumers;
  /// The logits, and the codes of their gradient.
  llvm::MapVector<Value, Cut> cuts;

  /// In the order of their block.
  SmallVector<Operation *> getOps() const {
    SmallVector<Operation *> ops{producer, loss};
    ops.append(launches.begin(), launches.end());
    ops.append(consumers.begin(), consumers.end());
    llvm::sort(
        ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    return ops;
  }
  std::optional<Cut> getCut(Value buffer) const {
    auto found = cuts.find(getRoot(buffer));
    return found == cuts.end() ? std::nullopt : std::optional(found->second);
  }
};

struct ChunkLoss : exec::impl::ChunkLossBase<ChunkLoss> {
  using Base::Base;
  void runOnProgram() override {
    const TargetTraits &target = getTarget(getOperation());
    mostBytes = overrule(target.maxLogitsBytes, maxBytes);
    fp8Rows = target.fp8Multiple;
    if (mostBytes == 0)
      return;
    SmallVector<WorkOpInterface> losses;
    getOperation()->walk([&](WorkOpInterface op) {
      if (op.isRowByRow())
        losses.push_back(op);
    });
    for (WorkOpInterface loss : losses)
      visit(loss);
  }

  void visit(WorkOpInterface loss);

  /// Of a logits buffer, and what rows of FP8 products are multiples of.
  int64_t mostBytes = 0, fp8Rows = 1;
};
} // namespace

//===----------------------------------------------------------------------===//
// Which ops there are
//===----------------------------------------------------------------------===//

/// Does `gemm` sum over the rows of its first operand, which is cut, so that
/// chunks give terms of the sum?
static bool sumsOverRows(GemmOp gemm, Cut cut) {
  return cut == Cut::Rows ? gemm.getTransposeA() && !gemm.getTransposeB()
                          : !gemm.getTransposeA() && gemm.getTransposeB();
}

/// Does `launch` quantise the logits with a scale that is there, or gather
/// their statistics, and nothing else? Then notes where their codes are.
static bool findCodes(LaunchOp launch, Head &head) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(
      launch, launch.getKernelAttr());
  if (!isElementwise(kernel) || int64_t(launch.getRows()) != head.rows ||
      int64_t(launch.getCols()) != head.classes)
    return false;
  auto bufferOf = [&](Value argument) {
    return launch->getOperand(cast<BlockArgument>(argument).getArgNumber());
  };
  WalkResult result = kernel.walk([&](Operation *op) {
    if (auto load = dyn_cast<LoadOp>(op)) {
      if (load.getAccess() != Access::scalar &&
          head.getCut(bufferOf(load.getBuffer())) != Cut::Rows)
        return WalkResult::interrupt();
    } else if (auto quantize = dyn_cast<QuantizeOp>(op)) {
      for (auto [codes, cut] : {std::pair(quantize.getBuffer(), Cut::Rows),
                                {quantize.getTransposed(), Cut::Columns}})
        if (codes && getRoot(bufferOf(codes)).getDefiningOp<AllocOp>())
          head.cuts[getRoot(bufferOf(codes))] = cut;
        else if (codes)
          return WalkResult::interrupt();
    } else if (isa<ExecDialect>(op->getDialect()) &&
               !isa<KernelOp, EachOp, AmaxOp>(op)) {
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return !result.wasInterrupted();
}

/// A buffer and all views of it, of views as well.
static SmallVector<Value> withViews(Value root) {
  SmallVector<Value> buffers{root};
  for (unsigned i = 0; i < buffers.size(); ++i)
    for (Operation *user : buffers[i].getUsers())
      if (isa<ViewOp>(user))
        buffers.push_back(user->getResult(0));
  return buffers;
}

/// The ops of the loss's block that use a buffer or a view of all of it, in
/// order; none if something is used on its own, or elsewhere.
static std::optional<SmallVector<Operation *>> getUsers(Value root,
                                                        Block *block) {
  SmallVector<Operation *> users;
  for (Value buffer : withViews(root)) {
    MemRefType type = typeOf(buffer), whole = typeOf(root);
    auto view = buffer.getDefiningOp<ViewOp>();
    if (view && (view.getOffset() != 0 || !isContiguous(type) ||
                 type.getElementType() != whole.getElementType() ||
                 type.getNumElements() != whole.getNumElements()))
      return std::nullopt;
    for (Operation *user : buffer.getUsers())
      if (user->getBlock() != block)
        return std::nullopt;
      else if (!isa<ViewOp>(user) && !llvm::is_contained(users, user))
        users.push_back(user);
  }
  llvm::sort(users,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return users;
}

/// Why the product that reads the logits' gradient cannot go chunk by chunk;
/// empty if it can.
static std::string addConsumer(GemmOp gemm, Head &head) {
  std::optional<Cut> a = head.getCut(gemm.getA());
  bool rowByRow =
      a == Cut::Rows && !gemm.getTransposeA() && !head.getCut(gemm.getB());
  if (!rowByRow && (!a || !sumsOverRows(gemm, *a)))
    return "a matrix product contracts them along the classes, or reads "
           "them in a layout that is not cut";
  if (!rowByRow && gemm.getAccumulate() &&
      !typeOf(gemm.getC()).getElementType().isF32())
    return "a sum over the rows is added to one that is not kept in f32";
  if (!head.loss->isBeforeInBlock(gemm))
    return "a matrix product reads them before the loss";
  head.consumers.push_back(gemm);
  return "";
}

/// Why the ops around `head.loss` cannot go chunk by chunk; empty if they can,
/// and then `head` is complete.
static std::string collect(Head &head) {
  head.cuts[head.logits] = Cut::Rows;
  for (unsigned i = 0; i < head.cuts.size(); ++i) {
    auto [root, cut] = *(head.cuts.begin() + i);
    auto users = getUsers(root, head.loss->getBlock());
    if (!users)
      return "a part of them is used on its own";
    for (Operation *user : *users) {
      if (user == head.loss || llvm::is_contained(head.launches, user))
        continue;
      if (auto launch = dyn_cast<LaunchOp>(user);
          launch && head.loss->isBeforeInBlock(launch) &&
          findCodes(launch, head)) {
        head.launches.push_back(launch);
        continue;
      }
      auto gemm = dyn_cast<GemmOp>(user);
      if (!gemm || gemm.getBatch() != 1)
        return "an op that is neither the loss nor a matrix product uses them";
      if (gemm.getGranularityA() || gemm.getGranularityB())
        return "a matrix product has scales of rows or blocks, which are not "
               "cut";
      if (getRoot(gemm.getC()) == head.logits) {
        if (head.producer || gemm.getAccumulate() || gemm.getTransposeA() ||
            !gemm->isBeforeInBlock(head.loss))
          return "no single matrix product makes them row by row";
        head.producer = gemm;
        continue;
      }
      if (std::string obstacle = addConsumer(gemm, head); !obstacle.empty())
        return obstacle;
    }
  }
  llvm::sort(head.consumers,
             [](GemmOp a, GemmOp b) { return a->isBeforeInBlock(b); });
  return head.producer ? "" : "no matrix product makes them";
}

/// Is the first that is done with the logits' gradient to gather statistics,
/// for the one that quantises it?
static bool measuresFirst(const Head &head) {
  if (head.launches.size() != 2)
    return false;
  LaunchOp first = head.launches.front();
  auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(
      first, first.getKernelAttr());
  return !kernel.walk([](QuantizeOp) { return WalkResult::interrupt(); })
              .wasInterrupted();
}

/// Makes the logits and their gradient a second time, for the second launch and
/// all that follows; returns the second loss.
static WorkOpInterface computeTwice(Head &head) {
  OpBuilder builder(head.launches[1]);
  IRMapping again;
  SmallVector<Value> buffers = withViews(head.logits);
  for (Value buffer : buffers)
    builder.clone(*buffer.getDefiningOp(), again);
  for (Operation *op : head.getOps())
    if (!op->isBeforeInBlock(head.launches[1]))
      for (Value buffer : buffers)
        op->replaceUsesOfWith(buffer, again.lookup(buffer));
  builder.clone(*head.producer, again);
  return cast<WorkOpInterface>(builder.clone(*head.loss, again));
}

/// Moves what stands between the ops of `head` out of the way, or says why that
/// is impossible. What does not depend on them stays before the last of them,
/// what does moves after it.
static std::string gather(Head &head) {
  SmallVector<Operation *> ops = head.getOps();
  Operation *last = ops.back();
  DenseSet<Value> reads, writes, readsAfter, writesAfter;
  SmallVector<Operation *> after;
  for (Operation *op = head.producer; op; op = op->getNextNode()) {
    SmallVector<Value> read, written;
    getEffects(op, read, written);
    for (SmallVector<Value> *values : {&read, &written})
      for (Value &value : *values)
        value = getRoot(value);
    bool isMember = llvm::is_contained(ops, op);
    auto in = [](const DenseSet<Value> &set) {
      return [&](Value value) { return set.contains(value); };
    };
    if (isMember && (llvm::any_of(read, in(writesAfter)) ||
                     llvm::any_of(written, in(writesAfter)) ||
                     llvm::any_of(written, in(readsAfter))))
      return "what depends on the loss is needed for its gradient";
    bool depends = llvm::any_of(read, in(writes)) ||
                   llvm::any_of(written, in(writes)) ||
                   llvm::any_of(written, in(reads));
    if (isMember || depends) {
      reads.insert(read.begin(), read.end());
      writes.insert(written.begin(), written.end());
    }
    if (!isMember && depends) {
      readsAfter.insert(read.begin(), read.end());
      writesAfter.insert(written.begin(), written.end());
      after.push_back(op);
    }
    if (op == last)
      break;
  }
  for (Operation *op : after)
    op->moveAfter(std::exchange(last, op));
  return "";
}

//===----------------------------------------------------------------------===//
// Chunks
//===----------------------------------------------------------------------===//

namespace {
/// Builds the ops of one chunk after another.
class ChunkBuilder {
public:
  ChunkBuilder(Head &head, int64_t chunkRows)
      : head(head), builder(head.getOps().back()), size(chunkRows) {
    for (auto [root, cut] : head.cuts)
      chunks[root] = alloc(cutType(root, cut), root.getDefiningOp<AllocOp>());
  }

  void build(int64_t firstRow) {
    first = firstRow;
    size = std::min(size, head.rows - first);
    GemmOp producer = head.producer;
    gemm(producer, rowsOf(producer.getA()), producer.getB(),
         chunkOf(producer.getC()));

    auto operandRows = [&](Value buffer) {
      if (head.getCut(buffer))
        return chunkOf(buffer);
      return typeOf(buffer).getRank() ? rowsOf(buffer) : buffer;
    };
    SmallVector<Value> operands =
        llvm::map_to_vector(head.loss->getOperands(), operandRows);
    builder.clone(*head.loss)->setOperands(operands);

    for (LaunchOp whole : head.launches) {
      SmallVector<Value> buffers =
          llvm::map_to_vector(whole->getOperands(), [&](Value buffer) {
            return head.getCut(buffer) ? chunkOf(buffer) : buffer;
          });
      auto launch = cast<LaunchOp>(builder.clone(*whole));
      launch->setOperands(buffers);
      launch.setRows(size);
    }

    for (GemmOp consumer : head.consumers) {
      Value a = chunkOf(consumer.getA()), b = consumer.getB();
      Cut cut = *head.getCut(consumer.getA());
      if (!sumsOverRows(consumer, cut))
        gemm(consumer, a, b, rowsOf(consumer.getC()));
      else
        gemm(consumer, a,
             cut == Cut::Rows ? operandRows(b) : columnsOf(consumer),
             sumOf(consumer), /*addsUp=*/true);
    }
  }

  /// Rounds the sums over all chunks to what they are kept in.
  void finish() {
    for (auto &[consumer, sum] : sums)
      copy(sum, consumer.getC(), sum);
  }

private:
  Value alloc(MemRefType type, Operation *origin) {
    auto op = AllocOp::create(builder, origin->getLoc(), type, IntegerAttr());
    op->setDiscardableAttrs(origin->getDiscardableAttrDictionary());
    return op;
  }
  /// What `consumer` needs besides.
  Value alloc(MemRefType type, GemmOp consumer, StringRef suffix) {
    auto op = AllocOp::create(builder, consumer.getLoc(), type, IntegerAttr());
    train::copyNameAndPhase(consumer, op, suffix);
    return op;
  }
  /// Where chunks of a sum over rows add up: in f32.
  Value sumOf(GemmOp consumer) {
    MemRefType type = typeOf(consumer.getC());
    if (type.getElementType().isF32())
      return consumer.getC();
    Value &sum = sums[consumer];
    if (!sum)
      sum = alloc(MemRefType::get(type.getShape(), builder.getF32Type()),
                  consumer, ".sum");
    return sum;
  }
  /// The chunk's rows of a buffer of all rows.
  Value rowsOf(Value buffer) {
    int64_t cols = typeOf(buffer).getNumElements() / head.rows;
    auto type = MemRefType::get({size, cols}, typeOf(buffer).getElementType());
    return ViewOp::create(builder, buffer.getLoc(), type, buffer, first * cols);
  }
  /// The chunk's columns of the second operand, which has a column for every
  /// row, one after the other: a copy.
  Value columnsOf(GemmOp consumer) {
    Value buffer = consumer.getB();
    Type element = typeOf(buffer).getElementType();
    int64_t rows = typeOf(buffer).getNumElements() / head.rows;
    auto strides =
        StridedLayoutAttr::get(builder.getContext(), 0, {head.rows, 1});
    auto part = ViewOp::create(builder, buffer.getLoc(),
                               MemRefType::get({rows, size}, element, strides),
                               buffer, first);
    Value columns =
        alloc(MemRefType::get({rows, size}, element), consumer, ".columns");
    copy(part, columns, columns);
    return columns;
  }
  /// Copies to or from `temporary`, under its name.
  void copy(Value from, Value to, Value temporary) {
    auto op = CopyOp::create(builder, from.getLoc(), from, to);
    op->setDiscardableAttrs(
        temporary.getDefiningOp()->getDiscardableAttrDictionary());
  }
  MemRefType cutType(Value root, Cut cut) {
    SmallVector<int64_t> shape = {size, head.classes};
    if (cut == Cut::Columns)
      std::swap(shape[0], shape[1]);
    return MemRefType::get(shape, typeOf(root).getElementType());
  }
  /// What the chunk has of a buffer that is cut; the last chunk may be smaller.
  Value chunkOf(Value buffer) {
    Value root = getRoot(buffer), chunk = chunks.lookup(root);
    MemRefType type = cutType(root, *head.getCut(root));
    if (type == chunk.getType())
      return chunk;
    return ViewOp::create(builder, chunk.getLoc(), type, chunk, 0);
  }
  void gemm(GemmOp whole, Value a, Value b, Value c, bool addsUp = false) {
    Value workspace;
    if (whole.getWorkspace()) {
      Value &known = workspaces[whole]; // the first chunk is the largest
      if (!known) {
        int64_t bytes = getGemmWorkspaceBytes(a, b, c);
        known = alloc(MemRefType::get({bytes / 4}, builder.getF32Type()),
                      getRoot(whole.getWorkspace()).getDefiningOp());
      }
      workspace = known;
    }
    auto op = cast<GemmOp>(builder.clone(*whole));
    op.getAMutable().assign(a);
    op.getBMutable().assign(b);
    op.getCMutable().assign(c);
    op.getWorkspaceMutable().assign(workspace ? ValueRange(workspace)
                                              : ValueRange());
    if (addsUp)
      op.setK(size);
    else
      op.setM(size);
    if (addsUp && first > 0) {
      op.setAccumulate(true);
      op.setUnlessFirst(false);
    }
  }

  Head &head;
  OpBuilder builder;
  DenseMap<Value, Value> chunks; ///< by what is cut
  DenseMap<Operation *, Value> workspaces;
  llvm::MapVector<GemmOp, Value> sums;
  int64_t first = 0, size;
};
} // namespace

void ChunkLoss::visit(WorkOpInterface loss) {
  Head head;
  head.loss = loss;
  Value logits = loss->getOperand(0);
  head.logits = getRoot(logits).getDefiningOp<AllocOp>();
  int64_t bytes = getByteSize(typeOf(logits));
  if (bytes <= mostBytes)
    return;
  head.classes = typeOf(logits).getShape().back();
  head.rows = typeOf(logits).getNumElements() / head.classes;
  std::string obstacle = head.logits ? collect(head) : "they are a result";
  if (obstacle.empty()) {
    obstacle = gather(head);
    if (!obstacle.empty() && measuresFirst(head)) {
      WorkOpInterface again = computeTwice(head);
      visit(loss);
      return visit(again);
    }
  }
  if (!obstacle.empty()) {
    loss->emitRemark() << "all logits, " << bytes
                       << " bytes, are in memory at once: " << obstacle;
    return;
  }

  // As few chunks as fit, all but the last of one size.
  int64_t most = std::max<int64_t>(mostBytes / (bytes / head.rows), 1);
  bool isFP8 = head.cuts.size() > 1 || head.producer.getScaleA();
  int64_t least = isFP8 ? fp8Rows : 1;
  most = std::max(most, least);
  int64_t multiple = most >= kRowMultiple ? kRowMultiple : least;
  most = most / multiple * multiple;
  int64_t chunks = llvm::divideCeil(head.rows, most);
  int64_t size = llvm::alignTo(llvm::divideCeil(head.rows, chunks), multiple);
  ChunkBuilder builder(head, size);
  for (int64_t first = 0; first < head.rows; first += size)
    builder.build(first);
  builder.finish();
  Block *block = loss->getBlock();
  for (Operation *op : head.getOps())
    op->erase();
  // The logits and what the whole products needed.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
    if (isa<AllocOp, ViewOp>(op) && op.use_empty())
      op.erase();
}
