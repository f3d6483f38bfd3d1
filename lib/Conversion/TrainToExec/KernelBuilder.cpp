//===- KernelBuilder.cpp - From fusions to kernels ------------------------===//
//
// A fusion's ops are decomposed to element-wise ops and reductions. The kernel
// is then built backwards from what it stores: every element-wise value is
// computed where it is needed, once per region; what does not depend on the
// column stands outside of the loops. Recomputing after a reduction costs
// arithmetic, which these kernels have to spare, and saves memory traffic,
// which they do not.
//
//===----------------------------------------------------------------------===//

#include "Conversion/TrainToExec/KernelBuilder.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;
using exec::Access;

std::optional<Position> Position::get(ArrayRef<int64_t> value,
                                      ArrayRef<int64_t> domain) {
  auto count = [](ArrayRef<int64_t> shape) {
    int64_t n = 1;
    for (int64_t size : shape)
      n *= size;
    return n;
  };
  if (value == domain)
    return Position{count(value) == 1 ? Access::scalar : Access::full};
  if (count(value) == 1)
    return Position{Access::scalar};
  if (value.size() == domain.size() && value.back() == 1 &&
      value.drop_back() == domain.drop_back())
    return Position{Access::row};
  while (!value.empty() && value.front() == 1)
    value = value.drop_front();
  if (value.size() > domain.size() || value != domain.take_back(value.size()))
    return {};
  if (value.size() == 1)
    return Position{Access::col};
  return Position{Access::tile, count(value.drop_back())};
}

/// Replaces decomposable ops of a fusion's body by their graphs.
static void decompose(Block &body) {
  for (Operation &op : llvm::make_early_inc_range(body)) {
    auto decomposable = dyn_cast<DecomposableOpInterface>(op);
    if (!decomposable)
      continue;
    OpBuilder builder(&op);
    SmallVector<Value> values = decomposable.decompose(builder);
    for (auto [result, value] : llvm::zip(op.getResults(), values)) {
      if (value.getType() != result.getType())
        value = CastOp::create(builder, op.getLoc(), result.getType(), value);
      result.replaceAllUsesWith(value);
    }
    op.erase();
  }
}

namespace {
/// Builds one kernel's body.
class BodyBuilder {
public:
  BodyBuilder(FusionOp fusion, Block &source, exec::KernelOp kernel,
              ArrayRef<Accumulation> accumulate, ArrayRef<exec::Pitch> pitches,
              ArrayRef<int64_t> domain);
  LogicalResult build();

private:
  /// Where scalars are computed, and which are there already.
  struct Scope {
    explicit Scope(OpBuilder builder) : builder(builder) {}
    OpBuilder builder;
    DenseMap<Value, Value> exact, rounded;
  };

  Position position(Value value) {
    return *Position::get(fp8::getShape(value.getType()), domain);
  }
  bool isOutsideLoops(Value value);
  Value argument(Type elementType, StringRef name, exec::Pitch pitch = {});
  Value load(Value value, OpBuilder &builder);
  /// The value's element, a float in f32; `getExact` before it is rounded to
  /// its type.
  Value get(Value value, Scope &inner);
  Value getExact(Value value, Scope &inner);
  Value reduce(Operation *op);
  template <typename RegionOp> void fillRegion(RegionOp op, Value element);
  Value readBack(fp8::QuantizeOp quantize, Scope &each);
  exec::QuantizeOp storeCode(fp8::QuantizeOp quantize, Scope &each);
  void output(Value value, Value target, Accumulation accumulation,
              Scope &each);

  FusionOp fusion;
  Block &source;
  exec::KernelOp kernel;
  ArrayRef<Accumulation> accumulate;
  ArrayRef<exec::Pitch> pitches;
  ArrayRef<int64_t> domain;
  SmallVector<Attribute> argumentNames;
  SmallVector<int64_t> argumentPitches;
  Block *body;
  DenseMap<Value, Value> arguments, inverseScales;
  DenseMap<Operation *, exec::QuantizeOp> stored;
  Scope outer;
  int64_t partialSums = 0;
};
} // namespace

/// The last word of a value's path: "h.0/mlp/fc.bias" gives "bias", "h.0/mul.5"
/// gives "mul5".
static std::string shortName(Value value) {
  Operation *op = value.getDefiningOp();
  StringRef name;
  std::string prefix;
  if (auto read = dyn_cast_or_null<ReadOp>(op))
    name = read.getVariable();
  else if (auto hyper = dyn_cast_or_null<HyperOp>(op))
    return hyper.getSymbol().str();
  else if (auto scales = dyn_cast_or_null<UpdateScalesOp>(op))
    return value == scales.getBound() ? "bound"
           : value == scales.getKey() ? "key"
                                      : "scale";
  else if (isa_and_nonnull<fp8::CurrentScaleOp, fp8::ComputeScaleOp,
                           StoredScaleOp>(op))
    return "scale";
  else if (isa_and_nonnull<ClipCoefficientOp>(op))
    return "coefficient";
  else if (op) {
    name = getName(op);
    name = name.split(" + ").second.empty() ? name : name.rsplit(" + ").second;
    if (isBackward(op))
      prefix = "d_";
    // "gate" of "h.0/mlp/gate+up".
    if (isa<SplitOp>(op)) {
      StringRef word =
          name.take_back(name.size() - name.find_last_of("/.") - 1);
      SmallVector<StringRef> parts;
      word.split(parts, '+');
      if (parts.size() == op->getNumResults())
        name = parts[cast<OpResult>(value).getResultNumber()];
    }
  }
  name.consume_back(".bf16"); // the format of a compute weight
  if (name.empty())
    return prefix + "x";
  size_t start = name.size();
  do // What begins with a digit belongs to the word before.
    start = name.take_front(start).find_last_of("/.") + 1;
  while (start && start < name.size() && llvm::isDigit(name[start]) && --start);
  std::string result;
  for (char c : name.drop_front(start))
    if (c != '.')
      result += llvm::isAlnum(c) ? c : '_';
  bool isWord = !result.empty() && !llvm::isDigit(result.front());
  return prefix + (isWord ? "" : "x") + result;
}

BodyBuilder::BodyBuilder(FusionOp fusion, Block &source, exec::KernelOp kernel,
                         ArrayRef<Accumulation> accumulate,
                         ArrayRef<exec::Pitch> pitches,
                         ArrayRef<int64_t> domain)
    : fusion(fusion), source(source), kernel(kernel), accumulate(accumulate),
      pitches(pitches), domain(domain), body(&kernel.getBody().emplaceBlock()),
      outer(OpBuilder::atBlockEnd(body)) {}

Value BodyBuilder::argument(Type elementType, StringRef name,
                            exec::Pitch pitch) {
  std::string unique = name.str();
  auto taken = [&](StringRef candidate) {
    return llvm::any_of(argumentNames, [&](Attribute attr) {
      return cast<StringAttr>(attr).getValue() == candidate;
    });
  };
  for (unsigned i = 2; taken(unique); ++i)
    unique = (name + llvm::Twine(i)).str();
  argumentNames.push_back(StringAttr::get(fusion.getContext(), unique));
  argumentPitches.append({pitch.parts, pitch.pitch});
  return body->addArgument(UnrankedMemRefType::get(elementType, {}),
                           fusion.getLoc());
}

bool BodyBuilder::isOutsideLoops(Value value) {
  // The function that a total calls is all there is of its kernel.
  if (fusion.getSkeleton() == Skeleton::sum)
    return false;
  Access access = position(value).access;
  return access == Access::scalar ||
         (access == Access::row && fusion.getSkeleton() == Skeleton::rows);
}

Value BodyBuilder::load(Value value, OpBuilder &builder) {
  Position at = position(value);
  Value result = exec::LoadOp::create(
      builder, fusion.getLoc(), arguments.lookup(value), at.access, at.period);
  if (Value inverse = inverseScales.lookup(value))
    result = arith::MulFOp::create(
        builder, fusion.getLoc(), result,
        exec::LoadOp::create(
            fusion.getSkeleton() == Skeleton::sum ? builder : outer.builder,
            fusion.getLoc(), inverse, Access::scalar));
  return result;
}

Value BodyBuilder::reduce(Operation *op) {
  auto kind =
      isa<ReduceMaxOp>(op) ? exec::Reduction::max : exec::Reduction::sum;
  auto reduction = exec::ReduceOp::create(outer.builder, op->getLoc(),
                                          outer.builder.getF32Type(), kind);
  OpBuilder::InsertionGuard guard(outer.builder);
  outer.builder.setInsertionPoint(reduction);
  fillRegion(reduction, op->getOperand(0));
  return reduction;
}

template <typename RegionOp>
void BodyBuilder::fillRegion(RegionOp op, Value element) {
  Scope scope(OpBuilder::atBlockEnd(&op.getBody().emplaceBlock()));
  Value value = get(element, scope);
  exec::YieldOp::create(scope.builder, op.getLoc(), value);
}

Value BodyBuilder::getExact(Value value, Scope &inner) {
  Scope &scope = isOutsideLoops(value) ? outer : inner;
  if (Value known = scope.exact.lookup(value))
    return known;
  Value result;
  Operation *op = value.getDefiningOp();
  if (!op) {
    result = load(value, scope.builder);
  } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto number =
        cast<SplatElementsAttr>(constant.getValue()).getSplatValue<TypedAttr>();
    if (auto real = dyn_cast<FloatAttr>(number))
      number = scope.builder.getF32FloatAttr(real.getValue().convertToFloat());
    result = arith::ConstantOp::create(scope.builder, op->getLoc(), number);
  } else if (isa<ReduceSumOp, ReduceMaxOp>(op)) {
    result = reduce(op);
  } else if (isa<fp8::DequantizeOp>(op)) {
    auto quantize = op->getOperand(0).getDefiningOp<fp8::QuantizeOp>();
    result =
        quantize ? readBack(quantize, inner) : get(op->getOperand(0), inner);
  } else if (auto clamp = dyn_cast<fp8::ClampOp>(op)) {
    Value element = get(clamp.getInput(), scope),
          limit = get(clamp.getLimit(), scope);
    result = exec::ClampOp::create(scope.builder, op->getLoc(),
                                   scope.builder.getF32Type(), element, limit,
                                   arguments.lookup(clamp.getStats()));
  } else {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(get(operand, scope));
    result = cast<ScalarExpansionOpInterface>(op).expandScalar(
        scope.builder, op->getLoc(), operands);
  }
  scope.exact[value] = result;
  return result;
}

Value BodyBuilder::get(Value value, Scope &inner) {
  Value exact = getExact(value, inner);
  Type type = getElementTypeOrSelf(value.getType());
  // A loaded value is of its type already; integers never are of another.
  if (!value.getDefiningOp() || !isa<RankedTensorType>(value.getType()) ||
      !isa<FloatType>(type) || type.isF32())
    return exact;
  Scope &scope = isOutsideLoops(value) ? outer : inner;
  Value &rounded = scope.rounded[value];
  if (!rounded) {
    Value narrow =
        arith::TruncFOp::create(scope.builder, value.getLoc(), type, exact);
    rounded = arith::ExtFOp::create(scope.builder, value.getLoc(),
                                    scope.builder.getF32Type(), narrow);
  }
  return rounded;
}

/// Quantises and stores an element, once.
exec::QuantizeOp BodyBuilder::storeCode(fp8::QuantizeOp quantize, Scope &each) {
  if (exec::QuantizeOp op = stored.lookup(quantize))
    return op;
  Value element = get(quantize.getInput(), each),
        scale = get(quantize.getScale(), each), transposed, key;
  if (quantize.getKey())
    key = get(quantize.getKey(), each);
  bool isRead = false;
  for (Operation *user : quantize.getOutput().getUsers()) {
    if (isa<fp8::TransposeOp>(user))
      transposed = arguments.lookup(user->getResult(0));
    isRead |= isa<fp8::DequantizeOp>(user);
  }
  return stored[quantize] = exec::QuantizeOp::create(
             each.builder, fusion.getLoc(),
             isRead ? each.builder.getF32Type() : Type(), element, scale,
             arguments.lookup(quantize.getOutput()), transposed,
             arguments.lookup(quantize.getStats()), key,
             quantize.getStochasticAttr());
}

/// What a reader of the quantised value would see.
Value BodyBuilder::readBack(fp8::QuantizeOp quantize, Scope &each) {
  Value code = storeCode(quantize, each).getCode(),
        scale = get(quantize.getScale(), outer);
  Value &inverse = outer.exact[quantize.getOutput()];
  if (!inverse) {
    Value one = arith::ConstantOp::create(outer.builder, fusion.getLoc(),
                                          outer.builder.getF32FloatAttr(1));
    inverse = arith::DivFOp::create(outer.builder, fusion.getLoc(), one, scale);
  }
  return arith::MulFOp::create(each.builder, fusion.getLoc(), code, inverse);
}

void BodyBuilder::output(Value value, Value target, Accumulation accumulation,
                         Scope &each) {
  Location loc = fusion.getLoc();
  Operation *op = value.getDefiningOp();
  if (isa<fp8::StatsType>(value.getType())) {
    // With the quantisation; of one that only @calibrate wants to know of, no
    // code is stored.
    auto quantize = dyn_cast<fp8::QuantizeOp>(op);
    if (quantize && quantize.getOutput().use_empty()) {
      Value element = get(quantize.getInput(), each);
      exec::AmaxOp::create(each.builder, loc, element, target);
    }
    return;
  }
  if (auto amax = dyn_cast<fp8::AmaxOp>(op)) {
    Value element = get(amax.getInput(), each);
    exec::AmaxOp::create(each.builder, loc, element, target);
    return;
  }
  if (auto transpose = dyn_cast<fp8::TransposeOp>(op)) {
    // The quantisation stores both copies, if there are two.
    if (!arguments.contains(transpose.getInput()))
      storeCode(transpose.getInput().getDefiningOp<fp8::QuantizeOp>(), each);
    return;
  }
  if (auto quantize = dyn_cast<fp8::QuantizeOp>(op)) {
    storeCode(quantize, each);
    return;
  }
  if (auto partial = dyn_cast<PartialSumOp>(op)) {
    Value element = get(partial.getInput(), each);
    exec::PartialSumOp::create(each.builder, loc, element, target,
                               partialSums++, partial.getBlockRows());
    return;
  }
  if (fusion.getSkeleton() == Skeleton::columns) {
    // The sum is rounded when it is stored.
    while (auto cast = op ? dyn_cast<CastOp>(op) : CastOp())
      op = cast.getInput().getDefiningOp();
    auto sum = exec::ColumnSumOp::create(
        outer.builder, loc, target, accumulation != Accumulation::Never,
        accumulation == Accumulation::UnlessFirst);
    outer.builder.setInsertionPoint(sum);
    fillRegion(sum, op->getOperand(0));
    outer.builder.setInsertionPointToEnd(body);
    return;
  }
  if (auto squares = dyn_cast<SumSquaresOp>(op)) {
    auto total = exec::TotalOp::create(outer.builder, loc, target);
    outer.builder.setInsertionPoint(total);
    Scope scope(OpBuilder::atBlockEnd(&total.getBody().emplaceBlock()));
    Value x = get(squares.getInput(), scope);
    exec::YieldOp::create(scope.builder, loc,
                          arith::MulFOp::create(scope.builder, loc, x, x));
    outer.builder.setInsertionPointToEnd(body);
    return;
  }
  Value element = getExact(value, each);
  Scope &scope = isOutsideLoops(value) ? outer : each;
  exec::StoreOp::create(scope.builder, loc, element, target,
                        position(value).access);
}

/// What a kernel calls a result: after the op that makes it.
static std::string outputName(FusionOp fusion, OpResult result) {
  auto yield = cast<train::YieldOp>(fusion.getBody().front().getTerminator());
  auto value = dyn_cast<OpResult>(yield.getValues()[result.getResultNumber()]);
  if (!value)
    return "out";
  Operation *op = value.getOwner();
  unsigned index = value.getResultNumber();
  if (isa<fp8::QuantizeOp>(op))
    return "quantized";
  if (isa<fp8::TransposeOp>(op))
    return "quantized_t";
  if (isa<PartialSumOp>(op))
    return "partial_sums";
  if (isa<AdamWOp>(op))
    return index == 0   ? "new_parameter"
           : index == 1 ? "new_m"
           : index == 2 ? "new_v"
                        : "clamps";
  if (index > 0)
    return isa<LayerNormOp>(op) && index == 1 ? "mean_out" : "rstd_out";
  return op->getName().stripDialect().str() + "_out";
}

LogicalResult BodyBuilder::build() {
  auto add = [&](Value value, StringRef name, exec::Pitch pitch) -> Value {
    Type type = value.getType();
    if (auto scaled = dyn_cast<fp8::ScaledType>(type))
      return argument(scaled.getStorage(), name, pitch);
    if (isa<fp8::StatsType>(type))
      return argument(exec::getStatsWordType(type.getContext()),
                      isa_and_nonnull<fp8::ClampOp>(value.getDefiningOp())
                          ? name
                          : "stats");
    if (isa<fp8::ScaleType>(type))
      return argument(Float32Type::get(type.getContext()), name);
    return argument(getElementTypeOrSelf(type), name, pitch);
  };
  ArrayRef<exec::Pitch> inputPitches =
                            pitches.take_front(fusion.getInputs().size()),
                        outputPitches =
                            pitches.take_back(fusion.getNumResults());
  for (auto [inside, outside, pitch] : llvm::zip_equal(
           source.getArguments(), fusion.getInputs(), inputPitches)) {
    std::string name = shortName(outside);
    arguments[inside] = add(inside, name, pitch);
    if (isa<fp8::ScaledType>(inside.getType()))
      inverseScales[inside] =
          argument(Float32Type::get(fusion.getContext()), name + "_scale_inv");
    if (auto type = dyn_cast<RankedTensorType>(inside.getType());
        type && !Position::get(type.getShape(), domain))
      return fusion.emitOpError("cannot place an operand of ")
             << type << " in a kernel over its shape";
  }
  // Sums over rows are placed by what they sum.
  if (fusion.getSkeleton() != Skeleton::columns)
    for (Operation &op : source)
      for (Value result : op.getResults())
        if (auto type = dyn_cast<RankedTensorType>(result.getType());
            type && !isa<PartialSumOp>(op) &&
            !Position::get(type.getShape(), domain))
          return fusion.emitOpError("cannot place a value of ")
                 << type
                 << " in a kernel over its shape; run train-fit-kernels before "
                    "train-form-fusions";
  kernel.setInputs(body->getNumArguments());
  auto yield = cast<train::YieldOp>(source.getTerminator());
  for (auto [value, result, pitch] :
       llvm::zip_equal(yield.getValues(), fusion.getResults(), outputPitches)) {
    if (isa_and_nonnull<fp8::AmaxOp>(value.getDefiningOp())) {
      arguments[value] =
          argument(exec::getStatsWordType(fusion.getContext()), "stats");
      continue;
    }
    arguments[value] =
        add(value, outputName(cast<train::FusionOp>(fusion), result), pitch);
  }
  kernel.setArgNamesAttr(ArrayAttr::get(fusion.getContext(), argumentNames));
  if (llvm::any_of(argumentPitches, [](int64_t number) { return number; }))
    kernel.setPitches(argumentPitches);

  bool loops = fusion.getSkeleton() == Skeleton::map ||
               fusion.getSkeleton() == Skeleton::rows;
  Scope each((OpBuilder(fusion.getContext())));
  exec::EachOp eachOp;
  if (loops) {
    // Reductions and what stands outside of the loop come before it.
    eachOp = exec::EachOp::create(outer.builder, fusion.getLoc());
    each.builder = OpBuilder::atBlockEnd(&eachOp.getBody().emplaceBlock());
    outer.builder.setInsertionPoint(eachOp);
  }
  for (auto [value, accumulation] : llvm::zip(yield.getValues(), accumulate))
    output(value, arguments.lookup(value), accumulation, each);
  if (eachOp && eachOp.getBody().front().empty())
    eachOp.erase();
  return success();
}

//===----------------------------------------------------------------------===//
// Sharing
//===----------------------------------------------------------------------===//

/// What tells one kernel from another: the ops, and of each value the element
/// type and the position; not the shapes, unless a mean depends on them.
static std::vector<uintptr_t> structuralKey(FusionOp fusion,
                                            ArrayRef<int64_t> domain,
                                            ArrayRef<Accumulation> accumulate,
                                            ArrayRef<exec::Pitch> pitches) {
  std::vector<uintptr_t> key;
  auto addPointer = [&](const void *pointer) {
    key.push_back(reinterpret_cast<uintptr_t>(pointer));
  };
  DenseMap<Value, unsigned> numbers;
  auto addValue = [&](Value value) {
    numbers.try_emplace(value, numbers.size());
    Type type = value.getType();
    if (auto scaled = dyn_cast<fp8::ScaledType>(type))
      return addPointer(scaled.getStorage().getAsOpaquePointer());
    addPointer(getElementTypeOrSelf(type).getAsOpaquePointer());
    if (auto ranked = dyn_cast<RankedTensorType>(type))
      if (auto position = Position::get(ranked.getShape(), domain)) {
        key.push_back(static_cast<uintptr_t>(position->access));
        key.push_back(position->period);
      }
  };
  key.push_back(static_cast<uintptr_t>(fusion.getSkeleton()));
  for (Accumulation accumulation : accumulate)
    key.push_back(static_cast<uintptr_t>(accumulation));
  for (exec::Pitch pitch : pitches)
    key.insert(key.end(), {uintptr_t(pitch.parts), uintptr_t(pitch.pitch)});
  for (Value argument : fusion.getBody().getArguments())
    addValue(argument);
  for (Operation &op : fusion.getBody().front()) {
    addPointer(op.getName().getAsOpaquePointer());
    // Axes of reductions and permutations depend on the rank only, the position
    // says enough; a constant's type is scalar.
    if (!isa<ReduceSumOp, ReduceMaxOp, fp8::TransposeOp>(op))
      addPointer(op.getAttrDictionary().getAsOpaquePointer());
    if (isa<DecomposableOpInterface>(op) && !isa<AdamWOp>(op) &&
        fusion.getSkeleton() == Skeleton::rows)
      key.push_back(domain.back());
    for (Value operand : op.getOperands())
      key.push_back(numbers.lookup(operand));
    for (Value result : op.getResults())
      addValue(result);
  }
  return key;
}

std::string KernelBuilder::uniqueName(FusionOp fusion) {
  SmallVector<StringRef> parts;
  for (Operation &op : fusion.getBody().front().without_terminator()) {
    StringRef part = op.getName().stripDialect();
    if (!isa<arith::ConstantOp, CastOp>(op) && !llvm::is_contained(parts, part))
      parts.push_back(part);
  }
  std::string name = parts.empty() ? "cast" : llvm::join(parts, "_");
  unsigned count = ++names[name];
  return count == 1 ? name : name + "_" + std::to_string(count);
}

FailureOr<exec::KernelOp>
KernelBuilder::getKernel(FusionOp fusion, ArrayRef<Accumulation> accumulate,
                         ArrayRef<exec::Pitch> pitches) {
  ArrayRef<int64_t> domain = fusion.getDomain();
  exec::KernelOp &kernel =
      kernels[structuralKey(fusion, domain, accumulate, pitches)];
  if (kernel)
    return kernel;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto skeleton = SkeletonAttr::get(module.getContext(), fusion.getSkeleton());
  kernel = exec::KernelOp::create(
      builder, fusion.getLoc(), builder.getStringAttr(uniqueName(fusion)),
      skeleton, builder.getArrayAttr({}), builder.getI64IntegerAttr(0),
      /*pitches=*/DenseI64ArrayAttr());
  // Decompose a copy: the fusion itself stays legible for diagnostics.
  IRMapping mapping;
  Region copy;
  fusion.getBody().cloneInto(&copy, mapping);
  decompose(copy.front());
  if (failed(
          BodyBuilder(fusion, copy.front(), kernel, accumulate, pitches, domain)
              .build()))
    return failure();
  return kernel;
}
