//===- MaterializeComputeWeights.cpp - train-materialize-compute-weights --===//
//
// What a function computes from one parameter alone, to use it in another
// format, is the same in every micro-batch: a variable holds it, which @update
// writes again when it writes the parameter, and @init at the start.
//
// Such chains are told apart by their structure: the key of a value is an
// attribute made of its op and its operands' keys. Attributes are unique in
// their context, so that equal chains have one key, in whatever function they
// stand.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/Precision.h"
#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_MATERIALIZECOMPUTEWEIGHTS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {

/// A value computed from a parameter alone.
struct Link {
  Attribute key;
  /// Null for constants.
  VariableOp parameter;
  /// Whether a cast or a quantisation is on the way: a copy of the parameter in
  /// its own format is not worth a variable.
  bool isConverted = false;
};

struct ComputeWeight {
  VariableOp variable;
  VariableOp parameter;
  /// The last op of the chain, detached with it from the function that had it
  /// first.
  Value chain;
};

class Materializer {
public:
  explicit Materializer(ModuleOp module);
  LogicalResult run();

private:
  std::optional<Link> getLink(Operation *op);
  void collect(func::FuncOp function);
  ComputeWeight &getOrCreate(const Link &link, Value value);
  std::string makeName(VariableOp parameter, Value value);
  void build(func::FuncOp function,
             function_ref<Value(OpBuilder &, VariableOp)> getParameter);

  ModuleOp module;
  SymbolTable symbols;
  DenseMap<Value, Link> links;
  llvm::MapVector<Attribute, ComputeWeight> weights;
  /// Chains that have become variables; @update and @init are built from them.
  SmallVector<Operation *> deadOps;
  VariableOp lastVariable;
};

} // namespace

/// Ops that convert a weight or bring it into another layout.
static bool isConversion(Operation *op) {
  // A kernel that reads a scaled parameter in f32 can do so from its storage.
  if (auto dequantize = dyn_cast<fp8::DequantizeOp>(op))
    return !dequantize.getOutput().getType().getElementType().isF32();
  return isa<CastOp, fp8::QuantizeOp, fp8::QuantizeTilesOp>(op);
}
static bool isChainOp(Operation *op) {
  return isConversion(op) ||
         isa<ReshapeOp, TransposeOp, PlaceOp, SplitOp, fp8::AmaxOp,
             fp8::ComputeScaleOp, fp8::TransposeOp, fp8::DequantizeOp>(op);
}

Materializer::Materializer(ModuleOp module) : module(module), symbols(module) {
  for (auto variable : module.getOps<VariableOp>())
    lastVariable = variable;
}

/// The link that an op's results are of; none if they are not computed from a
/// parameter alone.
std::optional<Link> Materializer::getLink(Operation *op) {
  if (auto read = dyn_cast<ReadOp>(op)) {
    auto variable = symbols.lookup<VariableOp>(read.getVariable());
    if (!variable || !isModelParameter(variable.getRole()))
      return std::nullopt;
    return Link{read.getVariableAttr(), variable};
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return Link{constant.getValue(), {}};
  if (!isChainOp(op))
    return std::nullopt;
  // Discardable attributes, as the name, do not count: two functions may differ
  // in them.
  Builder builder(op->getContext());
  SmallVector<Attribute> parts{
      builder.getStringAttr(op->getName().getStringRef()),
      op->getPropertiesAsAttribute()};
  if (!parts.back())
    parts.back() = builder.getUnitAttr();
  Link link;
  link.isConverted = isConversion(op);
  for (Value operand : op->getOperands()) {
    auto it = links.find(operand);
    if (it == links.end())
      return std::nullopt;
    const Link &source = it->second;
    if (source.parameter && link.parameter &&
        source.parameter != link.parameter)
      return std::nullopt;
    if (source.parameter)
      link.parameter = source.parameter;
    link.isConverted |= source.isConverted;
    // Of a quantisation only the data is ever an operand, so the op is key
    // enough.
    parts.push_back(source.key);
  }
  for (Type type : op->getResultTypes())
    parts.push_back(TypeAttr::get(type));
  link.key = builder.getArrayAttr(parts);
  return link;
}

/// "h.0/mlp/fc.weight.e4m3", and transposed "h.0/mlp/fc.weight.e4m3t"; a
/// further result of the same format gets a number.
std::string Materializer::makeName(VariableOp parameter, Value value) {
  Type type = value.getType();
  Type element = isa<fp8::ScaledType>(type)
                     ? cast<fp8::ScaledType>(type).getStorage()
                     : getElementTypeOrSelf(type);
  std::string format;
  llvm::raw_string_ostream(format) << element;
  if (isa<Float8E4M3FNType>(element))
    format = "e4m3";
  else if (isa<Float8E5M2Type>(element))
    format = "e5m2";
  if (value.getDefiningOp<fp8::TransposeOp>())
    format += "t";
  std::string base = (parameter.getSymName() + "." + format).str(), name = base;
  for (int number = 2; symbols.lookup(name); ++number)
    name = base + "." + std::to_string(number);
  return name;
}

ComputeWeight &Materializer::getOrCreate(const Link &link, Value value) {
  auto [it, isNew] = weights.try_emplace(link.key);
  if (isNew) {
    OpBuilder builder(module.getContext());
    builder.setInsertionPointAfter(lastVariable);
    lastVariable = VariableOp::create(
        builder, value.getLoc(),
        builder.getStringAttr(makeName(link.parameter, value)),
        TypeAttr::get(value.getType()),
        RoleAttr::get(module.getContext(), Role::compute_weight),
        ConstantInitAttr::get(module.getContext(), 0.0),
        FlatSymbolRefAttr::get(link.parameter));
    symbols.insert(lastVariable);
    it->second = {lastVariable, link.parameter, value};
  }
  return it->second;
}

/// Replaces the ends of chains in `function` by reads of variables.
void Materializer::collect(func::FuncOp function) {
  SmallVector<Operation *> chainOps;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (std::optional<Link> link = getLink(op)) {
      // The scale of a quantisation and its statistics are not values of the
      // chain.
      links[op->getResult(0)] = *link;
      if (isa<SplitOp>(op))
        for (OpResult part : op->getResults()) {
          Builder builder(op->getContext());
          links[part] = *link;
          links[part].key = builder.getArrayAttr(
              {link->key, builder.getI64IntegerAttr(part.getResultNumber())});
        }
      chainOps.push_back(op);
    }
  });
  for (Operation *op : chainOps) {
    Value value = op->getResult(0);
    const Link &link = links[value];
    bool statisticsUsed =
        op->getNumResults() > 1 && !op->getResult(1).use_empty();
    bool isScalar = isa<fp8::AmaxOp, fp8::ComputeScaleOp>(op);
    if (!link.parameter || !link.isConverted || isScalar || statisticsUsed)
      continue;
    auto leavesChain = [&](OpOperand &use) {
      Operation *user = use.getOwner();
      return user->getNumResults() == 0 || !links.contains(user->getResult(0));
    };
    if (llvm::none_of(value.getUses(), leavesChain))
      continue;
    OpBuilder builder(op);
    VariableOp variable = getOrCreate(link, value).variable;
    auto read = ReadOp::create(builder, op->getLoc(), value.getType(),
                               variable.getSymName());
    read->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    value.replaceUsesWithIf(read, leavesChain);
  }
  llvm::append_range(deadOps, chainOps);
}

/// Builds all compute weights at the end of `function` from what `getParameter`
/// gives.
void Materializer::build(
    func::FuncOp function,
    function_ref<Value(OpBuilder &, VariableOp)> getParameter) {
  OpBuilder builder(function.front().getTerminator());
  DenseMap<Attribute, Value> built;
  for (auto &[key, weight] : weights) {
    Value parameter = getParameter(builder, weight.parameter);
    if (!parameter)
      continue;
    StringRef name = weight.parameter.getSymName();
    // Chains that share a prefix share what is built for it.
    auto clone = [&](auto &clone, Value value) -> Value {
      const Link &link = links[value];
      Operation *op = value.getDefiningOp();
      if (isa<ReadOp>(op))
        return parameter;
      Value &result = built[link.key];
      if (result)
        return result;
      IRMapping mapping;
      for (Value operand : op->getOperands())
        mapping.map(operand, clone(clone, operand));
      Operation *copy = builder.clone(*op, mapping);
      setName(copy, name);
      setPhase(copy, Phase::update);
      return built[link.key] =
                 copy->getResult(cast<OpResult>(value).getResultNumber());
    };
    Value value = clone(clone, weight.chain);
    auto assign = AssignOp::create(builder, function.getLoc(),
                                   weight.variable.getSymName(), value);
    setName(assign, name);
    setPhase(assign, Phase::update);
  }
}

LogicalResult Materializer::run() {
  func::FuncOp init = findFunction(module, FunctionKind::init);
  func::FuncOp update = findFunction(module, FunctionKind::update);
  for (func::FuncOp function : getFunctions(module))
    if (function != init && function != update)
      collect(function);
  if (weights.empty())
    return success();

  if (!init) {
    if (failed(verifyAbsent(module, FunctionKind::init,
                            "it has the name of a function to come")))
      return failure();
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    init = func::FuncOp::create(builder, module.getLoc(), "",
                                builder.getFunctionType({}, {}));
    setFunctionKind(init, FunctionKind::init);
    builder.setInsertionPointToStart(init.addEntryBlock());
    func::ReturnOp::create(builder, module.getLoc());
  }
  DenseMap<VariableOp, Value> reads;
  build(init, [&](OpBuilder &builder, VariableOp parameter) {
    Value &read = reads[parameter];
    if (!read) {
      auto op = ReadOp::create(builder, init.getLoc(), parameter.getType(),
                               parameter.getSymName());
      setName(op, parameter.getSymName());
      setPhase(op, Phase::update);
      read = op;
    }
    return read;
  });
  if (update) {
    llvm::StringMap<Value> assigned;
    update.walk([&](AssignOp assign) {
      assigned[assign.getVariable()] = assign.getValue();
    });
    build(update, [&](OpBuilder &, VariableOp parameter) {
      return assigned.lookup(parameter.getSymName());
    });
  }
  for (Operation *op : llvm::reverse(deadOps))
    if (isOpTriviallyDead(op))
      op->erase();
  return success();
}

namespace {
struct MaterializeComputeWeights
    : train::impl::MaterializeComputeWeightsBase<MaterializeComputeWeights> {
  using Base::Base;
  void runOnProgram() override {
    if (failed(Materializer(getOperation()).run()))
      signalPassFailure();
  }
};
} // namespace
