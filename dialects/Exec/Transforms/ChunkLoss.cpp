//===- ChunkLoss.cpp - exec-chunk-loss ------------------------------------===//
//
// The logits of a language model are its largest tensor by far: rows times
// vocabulary. But one GEMM makes them, the loss reads them, and GEMMs read the
// gradient that replaces them, all row by row: doing all of it for some rows at
// a time needs memory for those rows only.
//
// Rows do not depend on each other, but for the weight gradient, which is a sum
// over rows. It is added up in f32, as over micro-batches.
//
//===----------------------------------------------------------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_CHUNKLOSS
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

/// Rows of a chunk are a multiple of this where there are enough: GEMMs work on
/// tiles, and FP8 wants multiples of 16.
static constexpr int64_t kRowMultiple = 128;

static MemRefType typeOf(Value buffer) {
  return cast<MemRefType>(buffer.getType());
}

namespace {
/// The ops that make and use logits.
struct Head {
  AllocOp logits;
  int64_t rows, classes;
  GemmOp producer;
  CallOp loss;
  SmallVector<GemmOp> consumers;

  SmallVector<Operation *> getOps() const {
    SmallVector<Operation *> ops{producer, loss};
    ops.append(consumers.begin(), consumers.end());
    return ops;
  }
};

struct ChunkLoss : exec::impl::ChunkLossBase<ChunkLoss> {
  using Base::Base;
  void runOnOperation() override {
    if (maxBytes <= 0)
      return;
    SmallVector<CallOp> losses;
    getOperation()->walk([&](CallOp call) {
      if (call.getCallee() == "cross_entropy_fused" ||
          call.getCallee() == "cross_entropy_rows")
        losses.push_back(call);
    });
    for (CallOp loss : losses)
      visit(loss);
  }

  void visit(CallOp loss);
};
} // namespace

//===----------------------------------------------------------------------===//
// Which ops there are
//===----------------------------------------------------------------------===//

/// Does `gemm` sum over the rows of both its operands, so that chunks of rows
/// give terms of the sum?
static bool sumsOverRows(GemmOp gemm) {
  return gemm.getTransposeA() && !gemm.getTransposeB();
}

/// Why the ops around `head.loss` cannot go chunk by chunk; empty if they can,
/// and then `head` is complete.
static std::string collect(Head &head) {
  Block *block = head.loss->getBlock();
  SmallVector<Operation *> users;
  SmallVector<Value> buffers{head.logits};
  for (unsigned i = 0; i < buffers.size(); ++i)
    for (Operation *user : buffers[i].getUsers())
      if (auto view = dyn_cast<ViewOp>(user)) {
        MemRefType type = typeOf(view.getResult());
        if (view.getOffset() != 0 || !isContiguous(type) ||
            type.getElementType() != typeOf(head.logits).getElementType() ||
            type.getNumElements() != typeOf(head.logits).getNumElements())
          return "a part of them is used on its own";
        buffers.push_back(view);
      } else if (!llvm::is_contained(users, user)) {
        users.push_back(user);
      }
  llvm::sort(users, [&](Operation *a, Operation *b) {
    return a->getBlock() == block && b->getBlock() == block &&
           a->isBeforeInBlock(b);
  });
  auto isLogits = [&](Value buffer) { return getRoot(buffer) == head.logits; };
  for (Operation *user : users) {
    if (user == head.loss)
      continue;
    auto gemm = dyn_cast<GemmOp>(user);
    if (!gemm || gemm.getBatch() != 1)
      return "an op that is neither the loss nor a matrix product uses them";
    if (gemm.getGranularityA() || gemm.getGranularityB())
      return "a matrix product has scales of rows or blocks, which are not cut";
    if (isLogits(gemm.getC())) {
      if (head.producer || gemm.getAccumulate() || gemm.getTransposeA() ||
          !gemm->isBeforeInBlock(head.loss))
        return "no single matrix product makes them row by row";
      head.producer = gemm;
      continue;
    }
    bool rowByRow = isLogits(gemm.getA()) && !gemm.getTransposeA() &&
                    !isLogits(gemm.getB());
    if (!rowByRow && !sumsOverRows(gemm))
      return "a matrix product contracts them along the classes";
    if (!rowByRow && gemm.getAccumulate() &&
        !typeOf(gemm.getC()).getElementType().isF32())
      return "a sum over the rows is added to one that is not kept in f32";
    if (!head.loss->isBeforeInBlock(gemm))
      return "a matrix product reads them before the loss";
    head.consumers.push_back(gemm);
  }
  return head.producer ? "" : "no matrix product makes them";
}

/// Moves what stands between the ops of `head` out of the way, or says why that
/// is impossible. What does not depend on them stays before the last of them,
/// what does moves after it.
static std::string gather(Head &head) {
  SmallVector<Operation *> ops = head.getOps();
  Operation *last = ops.back();
  DenseSet<Value> reads, writes, writesAfter;
  SmallVector<Operation *> after;
  for (Operation *op = head.producer; op; op = op->getNextNode()) {
    if (isa<AllocOp, ViewOp, GetOp, HyperOp, ConstantOp>(op))
      continue;
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
                     llvm::any_of(written, in(writesAfter))))
      return "what depends on the loss is needed for its gradient";
    bool depends = llvm::any_of(read, in(writes)) ||
                   llvm::any_of(written, in(writes)) ||
                   llvm::any_of(written, in(reads));
    if (isMember || depends) {
      reads.insert(read.begin(), read.end());
      writes.insert(written.begin(), written.end());
    }
    if (!isMember && depends) {
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
      : head(head), builder(head.getOps().back()) {
    MemRefType type = MemRefType::get({chunkRows, head.classes},
                                      typeOf(head.logits).getElementType());
    logits = alloc(type, head.logits);
    size = chunkRows;
  }

  void build(int64_t firstRow) {
    first = firstRow;
    size = std::min(size, head.rows - first);
    GemmOp producer = head.producer;
    gemm(producer, rowsOf(producer.getA()), producer.getB(), chunk());

    CallOp loss = head.loss;
    auto operandRows = [&](Value buffer) {
      if (getRoot(buffer) == head.logits)
        return chunk();
      return typeOf(buffer).getRank() ? rowsOf(buffer) : buffer;
    };
    SmallVector<Value> ins = llvm::map_to_vector(loss.getInputs(), operandRows);
    SmallVector<Value> outs =
        llvm::map_to_vector(loss.getOutputs(), operandRows);
    auto call =
        CallOp::create(builder, loss.getLoc(), loss.getCallee(), ins, outs);
    call->setDiscardableAttrs(loss->getDiscardableAttrDictionary());
    call->setDiscardableAttr("rows", builder.getI64IntegerAttr(size));

    for (GemmOp consumer : head.consumers) {
      Value a = operandRows(consumer.getA()), b = consumer.getB();
      if (sumsOverRows(consumer))
        gemm(consumer, a, operandRows(b), sumOf(consumer));
      else
        gemm(consumer, a, b, rowsOf(consumer.getC()));
    }
  }

  /// Rounds the sums over all chunks to what they are kept in.
  void finish() {
    for (auto &[consumer, sum] : sums) {
      auto copy = CopyOp::create(builder, consumer.getLoc(), sum,
                                 consumer.getC());
      copy->setDiscardableAttrs(
          getRoot(sum).getDefiningOp()->getDiscardableAttrDictionary());
    }
  }

private:
  Value alloc(MemRefType type, Operation *origin) {
    auto op = AllocOp::create(builder, origin->getLoc(), type, IntegerAttr());
    op->setDiscardableAttrs(origin->getDiscardableAttrDictionary());
    return op;
  }
  /// Where chunks of a sum over rows add up: in f32.
  Value sumOf(GemmOp consumer) {
    MemRefType type = typeOf(consumer.getC());
    if (type.getElementType().isF32())
      return consumer.getC();
    Value &sum = sums[consumer];
    if (!sum) {
      auto op = AllocOp::create(
          builder, consumer.getLoc(),
          MemRefType::get(type.getShape(), builder.getF32Type()), IntegerAttr());
      train::setName(op, (train::getName(consumer) + ".sum").str());
      train::setPhase(op, train::getPhase(consumer));
      sum = op;
    }
    return sum;
  }
  /// The chunk's rows of a buffer of all rows.
  Value rowsOf(Value buffer) {
    int64_t cols = typeOf(buffer).getNumElements() / head.rows;
    auto type = MemRefType::get({size, cols}, typeOf(buffer).getElementType());
    return ViewOp::create(builder, buffer.getLoc(), type, buffer, first * cols);
  }
  /// The logits of the chunk; the last chunk may be smaller.
  Value chunk() {
    auto type =
        MemRefType::get({size, head.classes}, typeOf(logits).getElementType());
    if (type == logits.getType())
      return logits;
    return ViewOp::create(builder, logits.getLoc(), type, logits, 0);
  }
  void gemm(GemmOp whole, Value a, Value b, Value c) {
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
    bool sums = sumsOverRows(whole);
    auto op = GemmOp::create(
        builder, whole.getLoc(), a, b, c, whole.getScaleA(), whole.getScaleB(),
        workspace, whole.getBias(), sums ? whole.getM() : size, whole.getN(),
        sums ? size : whole.getK(), /*batch=*/1, whole.getTransposeA(),
        whole.getTransposeB(), whole.getAccumulate() || (sums && first > 0),
        whole.getFastAccum(), whole.getUnlessFirst() && !(sums && first > 0),
        /*granularity_a=*/StringAttr(), /*granularity_b=*/StringAttr());
    op->setDiscardableAttrs(whole->getDiscardableAttrDictionary());
  }

  Head &head;
  OpBuilder builder;
  Value logits;
  DenseMap<Operation *, Value> workspaces;
  llvm::MapVector<GemmOp, Value> sums;
  int64_t first = 0, size;
};
} // namespace

void ChunkLoss::visit(CallOp loss) {
  Head head;
  head.loss = loss;
  Value logits = loss.getInputs()[0];
  head.logits = getRoot(logits).getDefiningOp<AllocOp>();
  int64_t bytes = getByteSize(typeOf(logits));
  if (bytes <= maxBytes)
    return;
  head.rows = loss->getAttrOfType<IntegerAttr>("rows").getInt();
  head.classes = loss->getAttrOfType<IntegerAttr>("classes").getInt();
  std::string obstacle = head.logits ? collect(head) : "they are a result";
  if (obstacle.empty())
    obstacle = gather(head);
  if (!obstacle.empty()) {
    loss.emitRemark() << "all logits, " << bytes
                      << " bytes, are in memory at once: " << obstacle;
    return;
  }

  // As few chunks as fit, all but the last of one size.
  int64_t most = std::max<int64_t>(maxBytes / (bytes / head.rows), 1);
  int64_t multiple = most >= kRowMultiple ? kRowMultiple : 1;
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
