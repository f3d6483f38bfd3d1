//===- Recompute.cpp - train-recompute ------------------------------------===//
//
// Walks the backward ops in order. One that uses a value chosen to be computed
// anew gets a clone's result instead, and the clones of what that takes are
// placed before it, each once: what they yield lives no longer than it must.
// Whether it pays is the caller's to say: see `fp8c compile --memory-limit`.
//
// A weight gradient, whose result nobody waits for, is put off until the VJP
// that reads what the clones read: they can then be one kernel, which reads it
// once.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/BuildUtils.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_RECOMPUTE
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
class Recomputer {
public:
  explicit Recomputer(Block &block);

  void chooseNorms();
  void chooseActivations();
  void chooseQuantized() { quantizeAgain = true; }
  /// The first so many layers. Fails if no op has a layer.
  LogicalResult chooseBlocks(int64_t layers);
  void run();

private:
  bool isChosen(Value value) const {
    Operation *op = value.getDefiningOp();
    // Statistics are small: they stay.
    return op && chosen.contains(op) &&
           !(isNorm(op) && value != op->getResult(0));
  }
  static bool isNorm(Operation *op) { return isa<LayerNormOp, RMSNormOp>(op); }
  Value recompute(Value value, OpBuilder &builder);
  Value keep(Value value, OpBuilder &builder);
  void useClones(Operation *op, OpBuilder &builder);
  Operation *findPartner(Operation *op, Value value);
  bool collectChain(Value value, SmallVectorImpl<Value> &chain) const;
  bool isKeptAnyway(Value value) const;

  Block &block;
  SmallVector<Operation *> forward;
  DenseSet<Operation *> chosen;
  bool quantizeAgain = false;
  /// Values that depend on variables alone: there is nothing to save in them.
  DenseSet<Value> fixed;
  /// What backward uses for a value of the forward pass.
  DenseMap<Value, Value> anew;
};
} // namespace

static bool isWeightGradient(Operation *op) {
  return isa<MatmulOp>(op) && getPhase(op) == Phase::wgrad;
}

Recomputer::Recomputer(Block &block) : block(block) {
  for (Operation &op : block) {
    if (isBackward(&op))
      break;
    forward.push_back(&op);
    if (isMemoryEffectFree(&op) && llvm::all_of(op.getOperands(), [&](Value v) {
          return fixed.contains(v);
        }))
      fixed.insert_range(op.getResults());
  }
  llvm::erase_if(forward, [&](Operation *op) {
    return op->getNumResults() == 0 || !isMemoryEffectFree(op) ||
           fixed.contains(op->getResult(0));
  });
}

//===----------------------------------------------------------------------===//
// What to compute anew
//===----------------------------------------------------------------------===//

void Recomputer::chooseNorms() {
  chosen.insert_range(llvm::make_filter_range(forward, isNorm));
}

/// Non-linear functions and products with them: SwiGLU is a sigmoid and two
/// products. Backward needs what these take in any case.
void Recomputer::chooseActivations() {
  for (Operation *op : forward) {
    auto follows = [&](Value operand) {
      Operation *producer = operand.getDefiningOp();
      return producer && isa<ScalarExpansionOpInterface>(producer) &&
             chosen.contains(producer);
    };
    if (isa<GeluOp, SigmoidOp, TanhOp, ReluOp, ErfOp>(op) ||
        (isa<MulOp>(op) && llvm::any_of(op->getOperands(), follows)))
      chosen.insert(op);
  }
}

LogicalResult Recomputer::chooseBlocks(int64_t layers) {
  DenseSet<Operation *> ofForward(llvm::from_range, forward);
  bool found = false;
  for (Operation *op : forward) {
    int64_t layer = getLayer(getName(op));
    if (layer < 0)
      continue;
    found = true;
    // What other layers use stays, as the residual stream.
    bool leaves = llvm::any_of(op->getUsers(), [&](Operation *user) {
      return ofForward.contains(user) && getLayer(getName(user)) != layer;
    });
    if (!leaves && layer < layers)
      chosen.insert(op);
  }
  return success(found);
}

/// Is the value of the forward pass there in backward, because other ops than
/// weight gradients read it, in the format it has?
bool Recomputer::isKeptAnyway(Value value) const {
  Operation *producer = value.getDefiningOp();
  return producer && !isBackward(producer) && !isa<BarrierOp>(producer) &&
         getPhase(producer) != Phase::recompute && !fixed.contains(value) &&
         llvm::any_of(value.getUsers(), [](Operation *user) {
           return isBackward(user) && !isa<MatmulOp>(user);
         });
}

//===----------------------------------------------------------------------===//
// Clones
//===----------------------------------------------------------------------===//

/// Of a value that stays a barrier, one for all clones.
Value Recomputer::keep(Value value, OpBuilder &builder) {
  if (fixed.contains(value))
    return value;
  Value &barrier = anew[value];
  if (!barrier)
    barrier = BarrierOp::create(builder, value.getLoc(), value);
  return barrier;
}

Value Recomputer::recompute(Value value, OpBuilder &builder) {
  if (!isChosen(value))
    return keep(value, builder);
  if (Value known = anew.lookup(value))
    return known;
  Operation *op = value.getDefiningOp();
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, recompute(operand, builder));
  auto get = [&](Value operand) { return mapping.lookup(operand); };
  Operation *clone;
  if (auto norm = dyn_cast<LayerNormOp>(op))
    clone = LayerNormApplyOp::create(
        builder, op->getLoc(), norm.getOutput().getType(), get(norm.getInput()),
        get(norm.getWeight()), get(norm.getBias()),
        keep(norm.getMean(), builder), keep(norm.getRstd(), builder));
  else if (auto norm = dyn_cast<RMSNormOp>(op))
    clone = RMSNormApplyOp::create(
        builder, op->getLoc(), norm.getOutput().getType(), get(norm.getInput()),
        get(norm.getWeight()), keep(norm.getRstd(), builder));
  else
    clone = builder.clone(*op, mapping);
  copyNameAndPhase(op, clone);
  setPhase(clone, Phase::recompute);
  for (auto [result, copy] : llvm::zip(op->getResults(), clone->getResults()))
    anew[result] = copy;
  return anew.lookup(value);
}

void Recomputer::useClones(Operation *op, OpBuilder &builder) {
  for (OpOperand &operand : op->getOpOperands())
    if (isChosen(operand.get()))
      operand.set(recompute(operand.get(), builder));
    else if (quantizeAgain && isWeightGradient(op) &&
             isKeptAnyway(operand.get()))
      operand.set(keep(operand.get(), builder));
}

//===----------------------------------------------------------------------===//
// Weight gradients that wait
//===----------------------------------------------------------------------===//

/// Does `value` come from the loss alone, so that the products around it can go
/// chunk by chunk (exec-chunk-loss)? Then none of them must wait.
static bool isGradientOfLogits(Value value) {
  Operation *op = value.getDefiningOp();
  while (isa_and_nonnull<ReshapeOp, CastOp, TransposeOp>(op))
    op = op->getOperand(0).getDefiningOp();
  return isa_and_nonnull<CrossEntropyVJPOp>(op);
}

/// Does an op become, or stand between, kernels that fuse?
static bool isLight(Operation *op) {
  return isa<ScalarExpansionOpInterface, DecomposableOpInterface, ReduceSumOp,
             ReshapeOp, BroadcastToOp, ReadOp, AssignOp>(op) ||
         op->hasTrait<OpTrait::ConstantLike>();
}

/// All that is computed anew for a value, and what that starts from; false if
/// it takes more than element-wise ops.
bool Recomputer::collectChain(Value value,
                              SmallVectorImpl<Value> &chain) const {
  if (fixed.contains(value) || llvm::is_contained(chain, value))
    return true;
  chain.push_back(value);
  if (!isChosen(value))
    return true;
  Operation *op = value.getDefiningOp();
  return (isNorm(op) || isa<ScalarExpansionOpInterface>(op)) &&
         llvm::all_of(op->getOperands(), [&](Value operand) {
           return collectChain(operand, chain);
         });
}

/// The op before which the clones for `op`'s operand `value` had better stand;
/// null if that is `op` itself.
Operation *Recomputer::findPartner(Operation *op, Value value) {
  SmallVector<Value> chain;
  if (!isWeightGradient(op) || anew.contains(value) ||
      llvm::any_of(op->getOperands(), isGradientOfLogits) ||
      !collectChain(value, chain))
    return nullptr;
  // Only a gradient variable waits for the result.
  auto isTerm = [](Operation *user) {
    return isa<AssignOp>(user) ||
           (isa<AddOp>(user) &&
            llvm::all_of(user->getUsers(),
                         [](Operation *last) { return isa<AssignOp>(last); }));
  };
  Operation *partner = nullptr;
  for (Value link : chain)
    for (Operation *user : link.getUsers()) {
      if (user->getBlock() != &block || !isBackward(user) ||
          !op->isBeforeInBlock(user) || isWeightGradient(user))
        continue;
      if (!partner || user->isBeforeInBlock(partner))
        partner = user;
    }
  if (!partner || !isLight(partner))
    return nullptr;
  // All who use the clones must come after them, if not wait, too.
  auto mayWait = [&](Operation *user) {
    return isWeightGradient(user) && llvm::all_of(user->getUsers(), isTerm);
  };
  for (Value link : chain)
    for (Operation *user : link.getUsers())
      if (isChosen(link) && isBackward(user) &&
          user->isBeforeInBlock(partner) && !mayWait(user))
        return nullptr;
  return mayWait(op) ? partner : nullptr;
}

/// Moves a weight gradient and its sum to `place`.
static void moveDown(Operation *op, Operation *place) {
  op->moveBefore(place);
  for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
    if (user->isBeforeInBlock(op))
      moveDown(user, place);
}

void Recomputer::run() {
  SmallVector<Operation *> backward;
  for (Operation &op : block)
    if (isBackward(&op))
      backward.push_back(&op);
  DenseMap<Operation *, SmallVector<Operation *>> waiting;
  for (Operation *op : backward) {
    Operation *partner = nullptr;
    for (Value operand : op->getOperands())
      if (isChosen(operand) && !partner)
        partner = findPartner(op, operand);
    if (partner) {
      waiting[partner].push_back(op);
      continue;
    }
    OpBuilder builder(op);
    useClones(op, builder);
    auto found = waiting.find(op);
    if (found == waiting.end())
      continue;
    // After what fuses with the clones.
    Operation *place = op;
    while (isLight(place))
      place = place->getNextNode();
    for (Operation *gradient : found->second) {
      useClones(gradient, builder);
      moveDown(gradient, place);
    }
  }
}

namespace {
struct Recompute : train::impl::RecomputeBase<Recompute> {
  using Base::Base;

  void runOnProgram() override {
    FailureOr<func::FuncOp> micro =
        requireFunction(getOperation(), FunctionKind::micro,
                        "run train-autodiff before train-recompute");
    if (failed(micro))
      return signalPassFailure();
    Recomputer recomputer(micro->getBody().front());
    for (StringRef value : values)
      if (failed(choose(recomputer, value)))
        return signalPassFailure();
    recomputer.run();
    getOperation()->setAttr(
        kRecomputeAttr,
        StringAttr::get(&getContext(), llvm::join(values, ",")));
  }

  LogicalResult choose(Recomputer &recomputer, StringRef value) {
    auto [word, number] = value.split(':');
    int64_t layers = std::numeric_limits<int64_t>::max();
    bool isBlock =
        word == "block" && (word == value || !number.getAsInteger(10, layers));
    if (value == "norm")
      recomputer.chooseNorms();
    else if (value == "gelu")
      recomputer.chooseActivations();
    else if (value == "quantize")
      recomputer.chooseQuantized();
    else if (!isBlock)
      return emitError(getOperation().getLoc())
             << "cannot recompute '" << value
             << "': it knows norm, gelu, quantize, block and block:<number of "
                "layers>";
    else if (failed(recomputer.chooseBlocks(layers)))
      return emitError(getOperation().getLoc())
             << "cannot recompute blocks: no op's name has a layer's number, "
                "as \"h.0/mlp/fc\"";
    return success();
  }
};
} // namespace
