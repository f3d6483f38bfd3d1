//===- FunctionLowering.cpp - Where the results of a function go ----------===//

#include "Conversion/TrainToExec/FunctionLowering.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

MemRefType fp8c::getBufferType(Type type) {
  MLIRContext *context = type.getContext();
  if (auto scaled = dyn_cast<fp8::ScaledType>(type))
    return MemRefType::get(scaled.getShape(), scaled.getStorage());
  if (auto state = dyn_cast<fp8::ScaleStateType>(type))
    return MemRefType::get({exec::getScaleStateWords(state.getWindow())},
                           Float32Type::get(context));
  if (isa<fp8::ScaleType>(type))
    return getScalePairType(context);
  if (isa<fp8::StatsType>(type))
    return MemRefType::get({3}, exec::getStatsWordType(context));
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

MemRefType fp8c::getScalePairType(MLIRContext *context) {
  return MemRefType::get({exec::kScalePairWords}, Float32Type::get(context));
}

/// Whether a value of this type has a buffer.
static bool hasBuffer(Type type) {
  if (isa<fp8::ScaledType, fp8::ScaleType, fp8::ScaleStateType, fp8::StatsType>(
          type))
    return true;
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() &&
         tensor.getElementType().isIntOrFloat();
}

MemRefType fp8c::getStrided(MemRefType type, ArrayRef<int64_t> shape,
                            ArrayRef<int64_t> strides) {
  auto layout = StridedLayoutAttr::get(type.getContext(), 0, strides);
  auto strided = MemRefType::get(shape, type.getElementType(), layout);
  auto dense = MemRefType::get(shape, type.getElementType());
  return dense.getStridesAndOffset() == strided.getStridesAndOffset() ? dense
                                                                      : strided;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

Value FunctionLowering::alloc(MemRefType type, Operation *op, StringRef name) {
  auto allocation = create<exec::AllocOp>(op, type, IntegerAttr());
  if (!name.empty())
    setName(allocation, name);
  return allocation;
}

Value FunctionLowering::view(Value source, MemRefType type, int64_t offset) {
  if (source.getType() == type && offset == 0)
    return source;
  return exec::ViewOp::create(builder, source.getLoc(), type, source, offset);
}

Value FunctionLowering::getVariable(StringAttr name) {
  exec::VariableOp variable = variables.lookup(name);
  return getBuffer(variable);
}
Value FunctionLowering::getScaleOf(StringAttr variable) {
  return getBuffer(variables.lookupScale(variable));
}

Value FunctionLowering::getBuffer(exec::VariableOp variable) {
  Value &value = variableBuffers[variable.getSymNameAttr()];
  if (!value) {
    OpBuilder atEntry = OpBuilder::atBlockBegin(block);
    value = exec::GetOp::create(
        atEntry, variable.getLoc(), variable.getBufferType(),
        FlatSymbolRefAttr::get(variable.getSymNameAttr()));
  }
  return value;
}

ArrayRef<Value> FunctionLowering::getReads(StringAttr variable) const {
  auto found = reads.find(variable);
  return found == reads.end() ? ArrayRef<Value>() : found->second;
}

void FunctionLowering::setPreviousPair(StringAttr variable, Value pair) {
  previousPairs[variable] = pair;
  for (Value read : getReads(variable))
    pairs[read] = pair;
}

Value FunctionLowering::dense(Value value) {
  Value source = buffer(value);
  auto type = cast<MemRefType>(source.getType());
  if (exec::isContiguous(type))
    return source;
  Operation *op = value.getDefiningOp();
  Value copy = alloc(getBufferType(value.getType()), op);
  exec::CopyOp::create(builder, value.getLoc(), source, copy);
  return buffers[value] = copy;
}

//===----------------------------------------------------------------------===//
// Destinations
//===----------------------------------------------------------------------===//

/// May an op write over its operand as it goes? Kernels touch an element only
/// when they compute it, if they read it at the position they write.
static bool isElementwiseIn(Operation *op, Value operand) {
  auto fusion = dyn_cast<FusionOp>(op);
  if (!fusion || fp8::getShape(operand.getType()) != fusion.getDomain())
    return false;
  // A kernel over rows that reduces nothing, as one that also stores a
  // transposed copy, goes over each element once too.
  bool reduces = llvm::any_of(fusion.getBody().front(), [](Operation &member) {
    return isa<ReduceSumOp, ReduceMaxOp>(member) ||
           (isa<DecomposableOpInterface>(member) && !isa<AdamWOp>(member));
  });
  return fusion.getSkeleton() == Skeleton::map ||
         (fusion.getSkeleton() == Skeleton::rows && !reduces);
}

bool FunctionLowering::mayWriteInPlace(AssignOp assign, Value result) {
  Operation *producer = result.getDefiningOp();
  for (Value read : getReads(assign.getVariableAttr().getAttr()))
    for (Operation *user : read.getUsers()) {
      // A view of the old value may live longer than its op.
      if (isa<BarrierOp, ReshapeOp, SplitOp, func::ReturnOp>(user))
        return false;
      if (user == producer ? !isElementwiseIn(user, read)
                           : position(user) > position(producer))
        return false;
    }
  return true;
}

Value FunctionLowering::variableDestination(Value result) {
  for (OpOperand &use : result.getUses()) {
    Operation *user = use.getOwner();
    // Processes join it where it lies.
    if (Value joined = getJoined(use))
      for (Operation *reader : joined.getUsers())
        if (auto assign = dyn_cast<AssignOp>(reader);
            assign && mayWriteInPlace(assign, result))
          return getVariable(assign.getVariableAttr().getAttr());
    // The first term of a sum is where the others are added to it.
    if (auto add = dyn_cast<AddOp>(user))
      if (std::optional<GradientSum> sum = getGradientSum(add);
          sum && sum->first == result &&
          getReads(sum->assign.getVariableAttr().getAttr()).empty())
        return getVariable(sum->assign.getVariableAttr().getAttr());
    auto assign = dyn_cast<AssignOp>(user);
    if (!assign || done.contains(assign) || !mayWriteInPlace(assign, result))
      continue;
    done.insert(assign);
    return getVariable(assign.getVariableAttr().getAttr());
  }
  return {};
}

/// Its place in a concat, or that of what turns it in place.
Value FunctionLowering::concatDestination(Value result) {
  if (!result.hasOneUse())
    return {};
  if (auto rotary = dyn_cast<RotaryOp>(*result.user_begin()))
    return rotary.getInput() == result ? concatDestination(rotary) : Value();
  Operation *concat = *result.user_begin();
  if (!isa<ConcatOp, fp8::ConcatOp>(concat))
    return {};
  Value joined = concat->getResult(0), whole = buffer(joined);
  if (!whole)
    whole = destination(joined);
  // A variable may be read until it is assigned as a whole.
  if (isa_and_nonnull<exec::GetOp>(exec::getRoot(whole).getDefiningOp()))
    return {};
  auto type = cast<MemRefType>(whole.getType());
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  int64_t axis = concat->getAttrOfType<IntegerAttr>("axis").getInt(),
          offset = 0;
  for (Value part : concat->getOperands()) {
    if (part == result)
      break;
    offset += fp8::getShape(part.getType())[axis] * strides[axis];
  }
  // Rows with others between them, or no others at all.
  MemRefType place = getStrided(type, fp8::getShape(result.getType()), strides);
  return axis == type.getRank() - 1 || exec::isContiguous(place)
             ? view(whole, place, offset)
             : Value();
}

/// Its place among the others of its type that travel with it: neighbours are
/// one tensor on the wire.
Value FunctionLowering::joinedDestination(Value result) {
  if (!result.hasOneUse() || !getJoined(*result.use_begin()))
    return {};
  Operation *join = *result.user_begin();
  MemRefType type = getBufferType(result.getType());
  Type element = type.getElementType();
  int64_t size = element.getIntOrFloatBitWidth() / 8, total = 0, offset = 0;
  for (Value operand : join->getOperands()) {
    MemRefType other = getBufferType(operand.getType());
    if (other.getElementType() != element)
      continue;
    if (operand == result)
      offset = total;
    total += llvm::alignTo(exec::getByteSize(other), exec::kAlignment) / size;
  }
  Value &whole = joinedBuffers[{join, element}];
  if (!whole)
    whole = alloc(MemRefType::get({total}, element), join, "joined");
  return view(whole, type, offset);
}

Value FunctionLowering::destination(Value result, bool mayStride) {
  Value target = results.lookup(result);
  if (!target)
    target = variableDestination(result);
  if (!target && mayStride)
    target = concatDestination(result);
  if (!target)
    target = joinedDestination(result);
  if (!target) {
    Operation *op = result.getDefiningOp();
    StringRef name;
    if (auto names = op->getAttrOfType<ArrayAttr>(kResultNamesAttr))
      name = cast<StringAttr>(names[cast<OpResult>(result).getResultNumber()])
                 .getValue();
    target = alloc(getBufferType(result.getType()), op, name);
  }
  buffers[result] = target;
  return target;
}

Value FunctionLowering::destination(Value result, const Accumulator &sum) {
  if (!sum.variable)
    return destination(result);
  return buffers[result] = sum.variable;
}

Accumulation fp8c::getAccumulation(AddOp add) {
  auto read = add.getLhs().getDefiningOp<ReadOp>();
  return read && read.getAccumulated() ? Accumulation::UnlessFirst
                                       : Accumulation::Always;
}

FunctionLowering::Accumulator FunctionLowering::accumulator(Value result) {
  if (!result.hasOneUse())
    return {};
  auto add = dyn_cast<AddOp>(*result.user_begin());
  if (!add || add.getRhs() != result)
    return {};
  std::optional<GradientSum> sum = getGradientSum(add);
  if (!sum)
    return {};
  // Nothing else reads what the variable held; a first term is there already.
  StringAttr name = sum->assign.getVariableAttr().getAttr();
  auto read = sum->first.getDefiningOp<ReadOp>();
  if (read ? !read->hasOneUse() || getReads(name).size() != 1
           : buffer(sum->first) != getVariable(name))
    return {};
  done.insert(add);
  done.insert(sum->assign);
  buffers[add] = getVariable(name);
  return {getVariable(name), getAccumulation(add)};
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

LogicalResult FunctionLowering::lower(Operation *op) {
  for (Value operand : op->getOperands())
    if (isa<fp8::ScaledType>(operand.getType()) && !scalePair(operand) &&
        !isa<fp8::MatmulOp, fp8::TransposeOp, fp8::ConcatOp>(op))
      return op->emitOpError("reads ")
             << operand.getType()
             << " without a scale: scaled tensors are variables or made by "
                "fp8.quantize and fp8.quantize_tiles, no arguments";
  return table.lower(op, *this);
}

LogicalResult FunctionLowering::lowerReturn(func::ReturnOp op) {
  for (Type type : op.getOperandTypes())
    if (isa<fp8::ScaledType>(type))
      return op.emitOpError("returns ")
             << type
             << ", whose scale has no place in a function's results: return it "
                "dequantised";
  for (auto [source, target] : copiesAtExit) {
    if (auto constant = source.getDefiningOp<exec::ConstantOp>())
      if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue()))
        if (isa<FloatType>(splat.getElementType())) {
          exec::FillOp::create(
              builder, op.getLoc(), target,
              builder.getF32FloatAttr(
                  splat.getSplatValue<APFloat>().convertToFloat()));
          continue;
        }
    exec::CopyOp::create(builder, op.getLoc(), source, target);
  }
  for (auto [index, value] : llvm::enumerate(op.getOperands())) {
    Value target = results.lookup(value), source = dense(value);
    // The same value may be returned twice, or be a variable.
    Value argument = block->getArgument(block->getNumArguments() -
                                        op.getNumOperands() + index);
    if (source != target || target != argument)
      exec::CopyOp::create(builder, op.getLoc(), source, argument);
  }
  func::ReturnOp::create(builder, op.getLoc());
  return success();
}

/// Results become arguments behind the inputs.
void FunctionLowering::setSignature(Block &source) {
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attrs;
  for (BlockArgument argument : source.getArguments()) {
    types.push_back(getBufferType(argument.getType()));
    buffers[argument] = block->addArgument(types.back(), argument.getLoc());
    attrs.push_back(function.getArgAttrDict(argument.getArgNumber()));
  }
  unsigned inputs = types.size();
  for (auto [index, value] :
       llvm::enumerate(source.getTerminator()->getOperands())) {
    types.push_back(getBufferType(value.getType()));
    Value argument = block->addArgument(types.back(), value.getLoc());
    if (value.getDefiningOp() &&
        !isa<ReadOp, ReshapeOp, SplitOp>(value.getDefiningOp()))
      results.try_emplace(value, argument);
    attrs.push_back(function.getResultAttrDict(index));
  }
  function.setFunctionType(builder.getFunctionType(types, {}));
  function.setResAttrsAttr(nullptr);
  function.setAllArgAttrs(attrs);
  function->setAttr(exec::kInputsAttr, builder.getI64IntegerAttr(inputs));
}

LogicalResult FunctionLowering::verifyTypes() {
  for (BlockArgument argument : function.getBody().front().getArguments())
    if (!hasBuffer(argument.getType()))
      return function.emitOpError("takes ")
             << argument.getType() << ", which no buffer holds";
  for (Operation &op : function.getBody().front())
    for (Type type : op.getResultTypes())
      if (!hasBuffer(type))
        return op.emitOpError("gives ") << type << ", which no buffer holds";
  return success();
}

LogicalResult FunctionLowering::run() {
  if (failed(verifyTypes()))
    return failure();
  Block &source = function.getBody().front();
  for (auto [index, op] : llvm::enumerate(source)) {
    positions[&op] = index;
    if (auto read = dyn_cast<ReadOp>(op))
      reads[read.getVariableAttr().getAttr()].push_back(read);
  }
  block = new Block;
  function.getBody().push_back(block);
  builder.setInsertionPointToStart(block);
  setSignature(source);
  for (Operation &op : source.without_terminator())
    if (failed(lower(&op)))
      return failure();
  if (failed(lowerReturn(cast<func::ReturnOp>(source.getTerminator()))))
    return failure();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(source)))
    op.erase();
  source.erase();
  // Nothing refers to what nobody reads.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
    if (op.use_empty() && isa<exec::GetOp, exec::ViewOp, exec::ConstantOp,
                              exec::HyperOp, exec::AllocOp>(op))
      op.erase();
  return success();
}
