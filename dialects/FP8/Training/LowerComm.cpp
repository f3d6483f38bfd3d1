//===- LowerComm.cpp - fp8-lower-comm -------------------------------------===//
//
// A sum of gradients that travel in FP8 becomes: amax, one exchange of a
// bucket's amaxes, one scale for all processes, quantise once, sum the codes.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/FP8.h"
#include "FP8/Training/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_LOWERCOMM
#include "FP8/Training/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
/// A summed gradient that travels in FP8.
struct Coded {
  unsigned index; ///< among the results of the sum
  train::AssignOp assign;
  FloatType format;
  train::VariableOp mu; ///< null unless it is summed natively
};

/// The factors of gradients that are summed natively, by their names.
using Factors = DenseMap<StringAttr, train::VariableOp>;
} // namespace

/// The assignment of a value, through what stores it.
static train::AssignOp findAssign(Value value) {
  for (Operation *user : value.getUsers()) {
    if (auto assign = dyn_cast<train::AssignOp>(user))
      return assign;
    if (isa<train::CastOp, QuantizeOp>(user))
      if (train::AssignOp assign = findAssign(user->getResult(0)))
        return assign;
  }
  return {};
}

/// Each gets one, also where there is nobody to sum it with: runs move between
/// grids, and a checkpoint knows none.
static Factors declareFactors(SymbolTable &symbols) {
  auto module = cast<ModuleOp>(symbols.getOp());
  Factors factors;
  for (auto variable : llvm::to_vector(module.getOps<train::VariableOp>())) {
    if (!variable->hasAttr(train::kNativeSumAttr))
      continue;
    std::string name = (variable.getSymName() + ".mu").str();
    if (auto present = symbols.lookup<train::VariableOp>(name);
        present && present.getRole() == train::Role::mu) {
      factors[variable.getSymNameAttr()] = present;
      continue;
    }
    OpBuilder builder(variable);
    builder.setInsertionPointAfter(variable);
    auto mu = train::VariableOp::create(
        builder, variable.getLoc(), name,
        RankedTensorType::get({}, builder.getF32Type()), train::Role::mu,
        train::ConstantInitAttr::get(module.getContext(), 1.0),
        FlatSymbolRefAttr());
    symbols.insert(mu);
    factors[variable.getSymNameAttr()] = mu;
  }
  return factors;
}

static SmallVector<Coded> findCoded(train::AllReduceOp sum,
                                    const SymbolTable &symbols,
                                    const Factors &factors) {
  SmallVector<Coded> coded;
  if (sum.getReduction() != train::Reduction::sum)
    return coded;
  for (OpResult output : sum->getResults()) {
    train::AssignOp assign = findAssign(output);
    auto variable =
        assign ? symbols.lookup<train::VariableOp>(assign.getVariable())
               : train::VariableOp();
    auto wire = variable ? variable->getAttrOfType<TypeAttr>(train::kWireAttr)
                         : TypeAttr();
    if (wire && isFP8(wire.getValue()))
      coded.push_back({output.getResultNumber(), assign,
                       cast<FloatType>(wire.getValue()),
                       factors.lookup(variable.getSymNameAttr())});
  }
  return coded;
}

/// Erases a scale that nobody needs, and the amax that it came from.
static void eraseUnused(Value scale) {
  auto compute = scale.getDefiningOp<ComputeScaleOp>();
  if (!compute || !compute->use_empty())
    return;
  auto amax = compute.getAmax().getDefiningOp<AmaxOp>();
  compute.erase();
  if (amax && amax->use_empty())
    amax.erase();
}

/// Makes `sum` stand for the gradient, which its variable may keep in that
/// format itself.
static void replace(Value gradient, Value sum, OpBuilder &builder,
                    Operation *served) {
  SmallVector<QuantizeOp> stored;
  for (Operation *user : gradient.getUsers())
    if (auto quantize = dyn_cast<QuantizeOp>(user);
        quantize && quantize.getOutput().getType() == sum.getType() &&
        quantize.getStats().use_empty())
      stored.push_back(quantize);
  for (QuantizeOp quantize : stored) {
    quantize.getOutput().replaceAllUsesWith(sum);
    Value scale = quantize.getScale();
    quantize.erase();
    eraseUnused(scale);
  }
  if (!gradient.use_empty())
    gradient.replaceAllUsesWith(train::createFor<DequantizeOp>(
        builder, served, cast<RankedTensorType>(gradient.getType()), sum));
}

static Value readFactor(const Coded &gradient, Operation *served,
                        OpBuilder &builder) {
  train::VariableOp mu = gradient.mu;
  return train::createFor<train::ReadOp>(builder, served, mu.getType(),
                                         mu.getSymName(),
                                         /*accumulated=*/false);
}

/// Makes scales smaller where sums are to have room in the format.
static void makeRoom(ArrayRef<Coded> coded, MutableArrayRef<Value> scales,
                     Operation *served, OpBuilder &builder) {
  SmallVector<Value> given, factors;
  SmallVector<unsigned> places;
  for (auto [place, gradient] : llvm::enumerate(coded)) {
    if (!gradient.mu)
      continue;
    given.push_back(scales[place]);
    factors.push_back(readFactor(gradient, served, builder));
    places.push_back(place);
  }
  if (given.empty())
    return;
  auto scaled = train::createFor<ScaleByOp>(
      builder, served, TypeRange(ValueRange(given)), given, factors);
  for (auto [place, scale] : llvm::zip(places, scaled.getOutputs()))
    scales[place] = scale;
}

/// What the sums say of the room that the next ones need.
static void adjustFactors(ArrayRef<Coded> summed, AllReduceOp sums,
                          Operation *served, OpBuilder &builder) {
  SmallVector<Value> factors;
  for (const Coded &gradient : summed)
    factors.push_back(readFactor(gradient, served, builder));
  auto adjusted = train::createFor<AdjustMuOp>(
      builder, served, TypeRange(ValueRange(factors)), factors,
      sums.getOutputs(), sums.getAxesAttr());
  for (auto [gradient, factor] : llvm::zip(summed, adjusted.getOutputs())) {
    train::VariableOp mu = gradient.mu;
    train::createFor<train::AssignOp>(builder, served, mu.getSymName(), factor);
  }
}

static void lower(train::AllReduceOp sum, ArrayRef<Coded> coded) {
  OpBuilder builder(sum);
  // What travels as it is goes first: it waits for no amax.
  SmallVector<unsigned> others;
  for (unsigned i = 0; i < sum.getInputs().size(); ++i)
    if (llvm::none_of(coded, [i](const Coded &one) { return one.index == i; }))
      others.push_back(i);
  if (!others.empty()) {
    SmallVector<Value> inputs = llvm::map_to_vector(
        others, [&](unsigned i) -> Value { return sum.getInputs()[i]; });
    SmallVector<Type> types = llvm::map_to_vector(
        others, [&](unsigned i) { return sum.getOutputs()[i].getType(); });
    auto rest = train::createFor<train::AllReduceOp>(
        builder, sum, types, inputs, sum.getReduction(), sum.getAxesAttr());
    for (auto [i, output] : llvm::zip(others, rest.getOutputs()))
      sum.getOutputs()[i].replaceAllUsesWith(output);
  }
  SmallVector<Value> amaxes;
  for (const Coded &gradient : coded)
    amaxes.push_back(train::createFor<AmaxOp>(builder, gradient.assign,
                                              sum.getInputs()[gradient.index]));
  auto agree = train::createFor<AgreeOp>(
      builder, sum, TypeRange(ValueRange(amaxes)), amaxes, sum.getAxesAttr());
  SmallVector<Value> scales;
  for (auto [gradient, amax] : llvm::zip(coded, agree.getOutputs()))
    scales.push_back(train::createFor<ComputeScaleOp>(
        builder, gradient.assign, amax, gradient.format, /*margin=*/0,
        /*pow2=*/true, /*poison=*/true));
  makeRoom(coded, scales, sum, builder);
  // Codes of one format that are summed alike travel together.
  llvm::MapVector<std::pair<Type, int>,
                  std::pair<SmallVector<Coded>, SmallVector<Value>>>
      groups;
  for (auto [gradient, scale] : llvm::zip(coded, scales)) {
    auto quantize = train::createFor<QuantizeOp>(
        builder, gradient.assign, sum.getInputs()[gradient.index], scale,
        gradient.format);
    auto &group = groups[{gradient.format, gradient.mu ? 1 : 0}];
    group.first.push_back(gradient);
    group.second.push_back(quantize.getOutput());
  }
  for (auto &[kind, group] : groups) {
    SmallVector<Type> types =
        llvm::map_to_vector(group.first, [&](const Coded &gradient) -> Type {
          Value output = sum.getOutputs()[gradient.index];
          return ScaledType::get(getShape(output.getType()), gradient.format);
        });
    auto reduced = train::createFor<AllReduceOp>(
        builder, sum, types, group.second, sum.getAxesAttr(),
        /*native=*/kind.second != 0);
    if (kind.second)
      adjustFactors(group.first, reduced, sum, builder);
    for (auto [gradient, output] : llvm::zip(group.first, reduced.getOutputs()))
      replace(sum.getOutputs()[gradient.index], output, builder,
              gradient.assign);
  }
  sum.erase();
}

namespace {
struct LowerComm : fp8::impl::LowerCommBase<LowerComm> {
  using Base::Base;
  void runOnProgram() override {
    SymbolTable symbols(getOperation());
    const Factors factors = declareFactors(symbols);
    for (func::FuncOp function : train::getFunctions(getOperation())) {
      SmallVector<train::AllReduceOp> sums(
          function.getOps<train::AllReduceOp>());
      for (train::AllReduceOp sum : sums)
        if (SmallVector<Coded> coded = findCoded(sum, symbols, factors);
            !coded.empty())
          lower(sum, coded);
    }
  }
};
} // namespace
