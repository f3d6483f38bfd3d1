//===- ArgumentStates.cpp - Scale states as arguments and results ---------===//

#include "FP8/Transforms/ArgumentStates.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

/// The loops around a value, innermost first; none if something else is around
/// it, or if the function may not come by.
static FailureOr<SmallVector<Operation *>>
getLoopsAround(Value value, FunctionOpInterface function) {
  SmallVector<Operation *> loops;
  Block *block = value.getParentBlock();
  for (; block->getParentOp() != function;
       block = block->getParentOp()->getBlock()) {
    // Of the loops that there are, these can be given more to carry.
    if (!isa<scf::ForOp, affine::AffineForOp>(block->getParentOp()))
      return failure();
    loops.push_back(block->getParentOp());
  }
  if (!block->isEntryBlock())
    return failure();
  return loops;
}

std::optional<std::string> ArgumentStates::getObstacle(Value value) const {
  if (succeeded(getLoopsAround(value, function)))
    return std::nullopt;
  return "statistics leave the function's first block and loops (scf.for, "
         "affine.for) alone, and the operand is computed elsewhere";
}

ScaleSite *ArgumentStates::getSite(StringRef name, OperandAttr operand,
                                   Value value, std::string &obstacle) {
  auto attr = StringAttr::get(function.getContext(), name);
  if (llvm::any_of(sites, [&](auto &site) { return site->name == attr; })) {
    obstacle = "its name is taken";
    return nullptr;
  }
  auto site = std::make_unique<Site>();
  site->name = attr;
  site->operand = operand;
  site->loops = *getLoopsAround(value, function);
  return sites.emplace_back(std::move(site)).get();
}

bool ArgumentStates::reaches(const ScaleSite &site, Value value) const {
  return static_cast<const Site &>(site).loops ==
         *getLoopsAround(value, function);
}

/// Lets a loop carry states that come from outside of it.
void ArgumentStates::carry(LoopLikeOpInterface loop, ArrayRef<Site *> carried) {
  IRRewriter rewriter(function.getContext());
  rewriter.setInsertionPoint(loop);
  SmallVector<Value> inits = llvm::map_to_vector(
      carried, [](Site *site) -> Value { return site->argument; });
  auto yield = [&](OpBuilder &, Location, ArrayRef<BlockArgument> arguments) {
    SmallVector<Value> yielded;
    for (auto [site, argument] : llvm::zip(carried, arguments)) {
      // Of the innermost loop what to yield is known later: see keep.
      if (!site->state)
        site->state = argument;
      yielded.push_back(site->result ? site->result : Value(argument));
    }
    return yielded;
  };
  FailureOr<LoopLikeOpInterface> replaced = loop.replaceWithAdditionalYields(
      rewriter, inits, /*replaceInitOperandUsesInLoop=*/true, yield);
  assert(succeeded(replaced) && "only loops that can were asked to");
  auto results = (*replaced)->getResults().take_back(carried.size());
  for (auto [site, result] : llvm::zip(carried, results))
    site->result = result;
}

void ArgumentStates::prepare() {
  if (sites.empty())
    return;
  unsigned first = function.getNumArguments();
  [[maybe_unused]] LogicalResult inserted = function.insertArguments(
      SmallVector<unsigned>(sites.size(), first), getTypes(), getAttrs(),
      SmallVector<Location>(sites.size(), function.getLoc()));
  assert(succeeded(inserted) && "such functions get no provider");
  for (auto [i, site] : llvm::enumerate(sites))
    site->argument = function.getArgument(first + i);
  // Inner loops first, whose new arguments come from the function until the
  // loops around them have their own.
  SmallVector<LoopLikeOpInterface> loops;
  function->walk<WalkOrder::PostOrder>(
      [&](LoopLikeOpInterface loop) { loops.push_back(loop); });
  for (LoopLikeOpInterface loop : loops) {
    SmallVector<Site *> carried;
    for (auto &site : sites)
      if (llvm::is_contained(site->loops, loop.getOperation()))
        carried.push_back(site.get());
    if (!carried.empty())
      carry(loop, carried);
  }
  for (auto &site : sites)
    if (!site->state)
      site->state = site->argument;
}

Value ArgumentStates::read(OpBuilder &, ScaleSite &site, Operation *) {
  return static_cast<Site &>(site).state;
}

void ArgumentStates::keep(ScaleSite &kept, Value state, QuantizeOp quantize,
                          Operation *consumer) {
  auto &site = static_cast<Site &>(kept);
  auto argument = cast<BlockArgument>(state);
  OpBuilder builder = OpBuilder::atBlockTerminator(argument.getOwner());
  Value next =
      createFor<RecordOp>(builder, consumer, state, quantize.getStats());
  next = createFor<AdvanceOp>(builder, consumer, next, site.operand.getMargin(),
                              site.operand.getPow2());
  auto loop = dyn_cast<LoopLikeOpInterface>(argument.getOwner()->getParentOp());
  if (loop)
    loop.getTiedLoopYieldedValue(argument)->set(next);
  else
    site.result = next;
}

SmallVector<Type> ArgumentStates::getTypes() {
  return llvm::map_to_vector(sites, [&](auto &site) -> Type {
    return ScaleStateType::get(function.getContext(), site->operand.getFormat(),
                               site->operand.getWindow());
  });
}

SmallVector<DictionaryAttr> ArgumentStates::getAttrs() {
  Builder builder(function.getContext());
  return llvm::map_to_vector(sites, [&](auto &site) {
    return builder.getDictionaryAttr(
        builder.getNamedAttr(kNameAttr, site->name));
  });
}

/// The ops by which a function returns; none if it has another end, as a branch
/// out of sight.
static std::optional<SmallVector<Operation *>>
getReturns(FunctionOpInterface function) {
  SmallVector<Operation *> returns;
  for (Block &block : function.getFunctionBody()) {
    Operation *end = block.getTerminator();
    if (end->getNumSuccessors() > 0)
      continue;
    if (!end->hasTrait<OpTrait::ReturnLike>() ||
        end->getNumOperands() != function.getNumResults())
      return std::nullopt;
    returns.push_back(end);
  }
  return returns;
}

bool ArgumentStates::fit(FunctionOpInterface function) {
  return isa<FunctionType>(function.getFunctionType()) && getReturns(function);
}

LogicalResult ArgumentStates::returnStates() {
  if (sites.empty())
    return success();
  std::optional<SmallVector<Operation *>> returns = getReturns(function);
  [[maybe_unused]] LogicalResult inserted = function.insertResults(
      SmallVector<unsigned>(sites.size(), function.getNumResults()), getTypes(),
      getAttrs());
  assert(succeeded(inserted) && "such functions get no provider");
  SmallVector<Value> results = llvm::map_to_vector(
      sites, [](auto &site) -> Value { return site->result; });
  for (Operation *end : *returns)
    end->insertOperands(end->getNumOperands(), results);
  // Some have rules of their own for what functions return.
  if (isa<func::FuncOp>(function) || succeeded(mlir::verify(function)))
    return success();
  return function.emitError("scale states cannot be its arguments and results: "
                            "run fp8-insert-scaling with 'states=none'");
}
