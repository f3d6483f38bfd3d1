//===- TrainToExec.cpp - convert-to-exec ----------------------------------===//

#include "Conversion/TrainToExec/KernelBuilder.h"
#include "Conversion/TrainToExec/Passes.h"
#include "Conversion/TrainToExec/SharedScales.h"
#include "Conversion/TrainToExec/TileScales.h"
#include "FP8/Transforms/ScaleSites.h"
#include "Train/IR/Precision.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c {
#define GEN_PASS_DEF_CONVERTTOEXEC
#include "Conversion/TrainToExec/Passes.h.inc"
} // namespace fp8c

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static MemRefType scalePairType(MLIRContext *context) {
  return MemRefType::get({exec::kScalePairWords}, Float32Type::get(context));
}

/// The buffer of a value's data.
static MemRefType bufferType(Type type) {
  MLIRContext *context = type.getContext();
  if (auto scaled = dyn_cast<fp8::ScaledType>(type))
    return MemRefType::get(scaled.getShape(), scaled.getStorage());
  if (auto state = dyn_cast<fp8::ScaleStateType>(type))
    return MemRefType::get({exec::getScaleStateWords(state.getWindow())},
                           Float32Type::get(context));
  if (isa<fp8::ScaleType>(type))
    return scalePairType(context);
  if (isa<fp8::StatsType>(type))
    return MemRefType::get({3}, exec::getStatsWordType(context));
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

static MemRefType strided(MemRefType type, ArrayRef<int64_t> shape,
                          ArrayRef<int64_t> strides) {
  auto layout = StridedLayoutAttr::get(type.getContext(), 0, strides);
  return MemRefType::get(shape, type.getElementType(), layout);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {
class FunctionLowering {
public:
  FunctionLowering(func::FuncOp function, KernelBuilder &kernels,
                   const DenseMap<StringAttr, exec::VariableOp> &variables,
                   bool gemmWorkspace, bool gemmBias)
      : function(function), kernels(kernels), variables(variables),
        gemmWorkspace(gemmWorkspace), gemmBias(gemmBias), builder(function) {}
  LogicalResult run();

private:
  LogicalResult lower(Operation *op);
  LogicalResult lower(FusionOp op);
  LogicalResult lower(func::ReturnOp op);
  LogicalResult lowerContraction(Operation *op);
  LogicalResult lowerQuantizeTiles(fp8::QuantizeTilesOp op);
  void lowerTranspose(Operation *op, ArrayRef<int64_t> permutation);
  CrossEntropyVJPOp getFusableVJP(CrossEntropyOp loss);
  LogicalResult lowerRowByRow(CrossEntropyOp loss, CrossEntropyVJPOp vjp);
  template <typename Op> SmallVector<NamedAttribute> getRowAttrs(Op loss);
  FailureOr<Value> getEarly(Value value);
  bool mayOverwrite(Value value, Operation *lastUser);
  bool mayStay(SliceOp slice);
  void lowerSplit(SplitOp op);
  void lowerConcat(ConcatOp op);
  void lowerBox(Operation *op, Value box, Value whole,
                ArrayRef<int64_t> offsets, ArrayRef<int64_t> strides);
  void lowerAssign(AssignOp op);
  void lowerUpdateScales(UpdateScalesOp op);
  /// The variable that a value of type !fp8.stats is assigned to; null if none.
  Value statsVariable(Value stats);

  /// Where an op shall write a result: the variable it is assigned to, the
  /// function's result, its place in a concat, or a new temporary.
  Value destination(Value result, bool mayStride = false);
  Value variableDestination(Value result);
  bool mayWriteInPlace(AssignOp assign, Value result);
  /// Where a producer may add its result itself.
  struct Accumulator {
    Value variable; // null if nowhere
    Accumulation accumulation = Accumulation::Never;
  };
  Accumulator accumulator(Value result);
  void setAccumulation(Operation *op, Accumulation accumulation);

  Value alloc(MemRefType type, Operation *op, StringRef name = "");
  Value view(Value source, MemRefType type, int64_t offset = 0);
  Value getVariable(StringAttr name);
  /// The scales of an FP8 variable of this type.
  Value getScaleOf(StringAttr variable, fp8::ScaledType type) {
    return getVariable(StringAttr::get(
        variable.getContext(), getScaleName(type, variable.getValue())));
  }
  /// The scale pair of an FP8 variable with one scale.
  Value getScaleOf(StringAttr variable) {
    return getVariable(
        StringAttr::get(variable.getContext(), variable.getValue() + ".scale"));
  }
  Value buffer(Value value) { return buffers.lookup(value); }
  /// The value's buffer, copied if it is a strided view.
  Value dense(Value value);
  Value scalePair(Value scaled) { return pairs.lookup(scaled); }
  exec::CallOp call(StringRef callee, ValueRange inputs, ValueRange outputs,
                    Operation *op, ArrayRef<NamedAttribute> attrs = {});
  NamedAttribute number(StringRef name, int64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
  }
  int64_t position(Operation *op) { return positions.lookup(op); }

  func::FuncOp function;
  KernelBuilder &kernels;
  const DenseMap<StringAttr, exec::VariableOp> &variables;
  bool gemmWorkspace, gemmBias;
  OpBuilder builder;
  DenseMap<Value, Value> buffers, pairs;
  DenseMap<Value, Value>
      results; // returned value -> the argument it is written to
  DenseMap<Operation *, int64_t> positions;
  DenseMap<StringAttr, SmallVector<Value>> reads;
  DenseMap<StringAttr, Value> variableBuffers;
  DenseMap<StringAttr, Value>
      previousPairs; // of variables whose pair is the next one's already
  DenseSet<StringAttr> clearedStats; // variables that update_scales clears
  DenseSet<Operation *>
      done; // assigns and sums that their producer took care of
  SmallVector<std::pair<Value, Value>> copiesAtExit;
  Block *block = nullptr;
};
} // namespace

Value FunctionLowering::alloc(MemRefType type, Operation *op, StringRef name) {
  auto allocation =
      exec::AllocOp::create(builder, op->getLoc(), type, IntegerAttr());
  copyNameAndPhase(op, allocation);
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
  Value &value = variableBuffers[variable.getSymNameAttr()];
  if (!value) {
    OpBuilder atEntry = OpBuilder::atBlockBegin(block);
    value = exec::GetOp::create(
        atEntry, variable.getLoc(), variable.getBufferType(),
        FlatSymbolRefAttr::get(variable.getSymNameAttr()));
  }
  return value;
}

Value FunctionLowering::dense(Value value) {
  Value source = buffer(value);
  auto type = cast<MemRefType>(source.getType());
  if (exec::isContiguous(type))
    return source;
  Operation *op = value.getDefiningOp();
  Value copy = alloc(bufferType(value.getType()), op);
  exec::CopyOp::create(builder, value.getLoc(), source, copy);
  return buffers[value] = copy;
}

exec::CallOp FunctionLowering::call(StringRef callee, ValueRange inputs,
                                    ValueRange outputs, Operation *op,
                                    ArrayRef<NamedAttribute> attrs) {
  auto result =
      exec::CallOp::create(builder, op->getLoc(), callee, inputs, outputs);
  for (NamedAttribute attr : attrs)
    result->setDiscardableAttr(attr.getName(), attr.getValue());
  copyNameAndPhase(op, result);
  return result;
}

//===----------------------------------------------------------------------===//
// Destinations
//===----------------------------------------------------------------------===//

/// May an op write over its operand as it goes? Kernels touch an element only
/// when they compute it, if they read it at the position they write.
static bool isElementwiseIn(Operation *op, Value operand) {
  auto fusion = dyn_cast<FusionOp>(op);
  if (!fusion || fp8::getShape(operand.getType()) != getDomain(fusion))
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
  for (Value read : reads.lookup(assign.getVariableAttr().getAttr()))
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
  for (Operation *user : result.getUsers()) {
    // The first term of a sum is where the others are added to it.
    if (auto add = dyn_cast<AddOp>(user))
      if (std::optional<GradientSum> sum = getGradientSum(add);
          sum && sum->first == result &&
          reads.lookup(sum->assign.getVariableAttr().getAttr()).empty())
        return getVariable(sum->assign.getVariableAttr().getAttr());
    auto assign = dyn_cast<AssignOp>(user);
    if (!assign || done.contains(assign) || !mayWriteInPlace(assign, result))
      continue;
    done.insert(assign);
    return getVariable(assign.getVariableAttr().getAttr());
  }
  return {};
}

Value FunctionLowering::destination(Value result, bool mayStride) {
  Value target = results.lookup(result);
  if (!target)
    target = variableDestination(result);
  if (!target && mayStride && result.hasOneUse())
    if (auto concat = dyn_cast<ConcatOp>(*result.user_begin());
        concat && int64_t(concat.getAxis()) == concat.getType().getRank() - 1) {
      Value &whole = buffers[concat.getOutput()];
      if (!whole)
        whole = destination(concat.getOutput());
      auto type = cast<MemRefType>(whole.getType());
      int64_t offset = 0;
      for (Value part : concat.getParts()) {
        if (part == result)
          break;
        offset += fp8::getShape(part.getType()).back();
      }
      auto strides = type.getStridesAndOffset().first;
      target =
          view(whole, strided(type, fp8::getShape(result.getType()), strides),
               offset);
    }
  if (!target) {
    Operation *op = result.getDefiningOp();
    StringRef name;
    if (auto names = op->getAttrOfType<ArrayAttr>(kResultNamesAttr))
      name = cast<StringAttr>(names[cast<OpResult>(result).getResultNumber()])
                 .getValue();
    target = alloc(bufferType(result.getType()), op, name);
  }
  buffers[result] = target;
  return target;
}

/// How a term is added to what `read`, or the terms before it, left.
static Accumulation getAccumulation(AddOp add) {
  auto read = add.getLhs().getDefiningOp<ReadOp>();
  return read && read.getAccumulated() ? Accumulation::UnlessFirst
                                       : Accumulation::Always;
}

/// Tells a call what to do with what stands in its output.
void FunctionLowering::setAccumulation(Operation *op,
                                       Accumulation accumulation) {
  if (accumulation != Accumulation::Never)
    op->setAttr(exec::kAccumulateAttr, builder.getUnitAttr());
  if (accumulation == Accumulation::UnlessFirst)
    op->setAttr(exec::kUnlessFirstAttr, builder.getUnitAttr());
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
  if (read ? !read->hasOneUse() || reads[name].size() != 1
           : buffer(sum->first) != getVariable(name))
    return {};
  done.insert(add);
  done.insert(sum->assign);
  return {getVariable(name), getAccumulation(add)};
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

LogicalResult FunctionLowering::lower(FusionOp op) {
  if (done.contains(op))
    return success(); // its GEMM does it
  SmallVector<Value> operands, outputs;
  SmallVector<Accumulation> accumulations;
  for (Value input : op.getInputs()) {
    operands.push_back(dense(input));
    if (isa<fp8::ScaledType>(input.getType()))
      operands.push_back(view(scalePair(input),
                              MemRefType::get({1}, builder.getF32Type()),
                              exec::kScaleInverseWord));
  }
  auto yield = cast<train::YieldOp>(op.getBody().front().getTerminator());
  for (auto [value, result] : llvm::zip(yield.getValues(), op.getResults())) {
    Operation *source = value.getDefiningOp();
    Value target;
    if (isa_and_nonnull<fp8::AmaxOp>(source) ||
        isa<fp8::StatsType>(result.getType())) {
      // Statistics gather where the site's state keeps them, if that is where
      // they go.
      auto record = result.hasOneUse()
                        ? dyn_cast<fp8::RecordOp>(*result.user_begin())
                        : fp8::RecordOp();
      auto state =
          record ? record.getState().getDefiningOp<ReadOp>() : ReadOp();
      Type words = bufferType(fp8::StatsType::get(op.getContext()));
      if (Value variable = isa<fp8::StatsType>(result.getType())
                               ? statsVariable(result)
                               : Value()) {
        target = variable;
      } else if (state) {
        target = view(getVariable(state.getVariableAttr().getAttr()),
                      cast<MemRefType>(words), exec::kScaleStateStatsWord);
      } else {
        target = alloc(cast<MemRefType>(words), op);
        exec::FillOp::create(builder, op.getLoc(), target,
                             builder.getF32FloatAttr(0));
      }
      buffers[result] = target;
      accumulations.push_back(Accumulation::Never);
    } else {
      Accumulator sum = op.getSkeleton() == Skeleton::columns
                            ? accumulator(result)
                            : Accumulator();
      target = sum.variable ? sum.variable : destination(result);
      buffers[result] = target;
      accumulations.push_back(sum.accumulation);
    }
    outputs.push_back(target);
    if (isa<fp8::ScaledType>(result.getType())) {
      // The scale is an operand: the pair it belongs to is the result's.
      if (isa<fp8::TransposeOp>(source))
        source = source->getOperand(0).getDefiningOp();
      Value scale = cast<fp8::QuantizeOp>(source).getScale();
      auto argument = dyn_cast<BlockArgument>(scale);
      if (!argument)
        return op.emitOpError("quantises with a scale that is computed inside");
      pairs[result] = buffer(op.getInputs()[argument.getArgNumber()]);
    }
  }
  operands.append(outputs);
  FailureOr<exec::KernelOp> kernel = kernels.getKernel(op, accumulations);
  if (failed(kernel))
    return failure();
  ArrayRef<int64_t> domain = getDomain(op);
  int64_t rows = 1, cols = 1;
  if (op.getSkeleton() == Skeleton::columns) {
    // Rows are what is summed over: all leading dimensions of the reduction.
    int64_t kept =
        cast<RankedTensorType>(op.getResult(0).getType()).getNumElements();
    cols = kept;
    rows = ShapedType::getNumElements(domain) / std::max<int64_t>(kept, 1);
  } else if (!domain.empty()) {
    rows = ShapedType::getNumElements(domain.drop_back());
    cols = domain.back();
  }
  auto launch = exec::LaunchOp::create(
      builder, op.getLoc(), kernel->getSymName(), rows, cols, operands);
  copyNameAndPhase(op, launch);
  return success();
}

/// A kernel that does nothing but add a vector, of the same type, to a product
/// that nobody else reads.
static FusionOp findBiasSum(Value product) {
  auto fusion = product.hasOneUse() ? dyn_cast<FusionOp>(*product.user_begin())
                                    : FusionOp();
  if (!fusion || fusion.getInputs().size() != 2 || fusion.getNumResults() != 1)
    return {};
  Block &body = fusion.getBody().front();
  auto add = dyn_cast<AddOp>(body.front());
  Value bias = fusion.getInputs()[1];
  bool isSum = add && add->getNextNode() == body.getTerminator() &&
               add.getLhs() == body.getArgument(0) &&
               add.getRhs() == body.getArgument(1) &&
               fusion.getInputs()[0] == product;
  bool isVector =
      bias.getDefiningOp<ReadOp>() && fp8::getShape(bias.getType()).size() == 1;
  Type element = getElementTypeOrSelf(product.getType());
  return isSum && isVector && getElementTypeOrSelf(bias.getType()) == element &&
                 getElementTypeOrSelf(fusion.getResult(0).getType()) == element
             ? fusion
             : FusionOp();
}

LogicalResult FunctionLowering::lowerContraction(Operation *op) {
  auto contraction = cast<fp8::FP8ContractionOpInterface>(op);
  Value lhs = contraction.getContractionLhs().get(),
        rhs = contraction.getContractionRhs().get();
  Value result = op->getResult(0);
  Value a = dense(lhs), b = dense(rhs);
  Accumulator sum = accumulator(result);
  SmallVector<StringAttr> granularities;
  for (auto [operand, dims] :
       {std::pair(lhs, contraction.getLhsContractingDims()),
        {rhs, contraction.getRhsContractingDims()}}) {
    StringAttr &granularity = granularities.emplace_back();
    auto type = dyn_cast<fp8::ScaledType>(operand.getType());
    if (!type || type.isPerTensor())
      continue;
    auto known = fp8::getGranularity(type, dims);
    if (!known)
      return op->emitOpError("contracts ")
             << type << ", whose tiles no GEMM library knows: they are rows "
             << "along the contracted dimensions, 1 x 128 or 128 x 128";
    granularity = builder.getStringAttr(fp8::stringifyGranularity(*known));
  }
  FusionOp biasSum = gemmBias ? findBiasSum(result) : FusionOp();
  Value bias;
  if (biasSum) {
    // The GEMM writes the sum.
    result = biasSum.getResult(0);
    done.insert(biasSum);
    bias = getVariable(biasSum.getInputs()[1]
                           .getDefiningOp<ReadOp>()
                           .getVariableAttr()
                           .getAttr());
  }
  Value c = sum.variable ? sum.variable : destination(result);
  buffers[result] = c;
  fp8::GemmDims dims = fp8::getGemmDims(contraction);
  // Target libraries that multiply f32 only need f32 copies of the rest.
  Value workspace;
  if (int64_t workspaceBytes =
          gemmWorkspace ? exec::getGemmWorkspaceBytes(a, b, c) : 0) {
    workspace = exec::AllocOp::create(
        builder, op->getLoc(),
        MemRefType::get({workspaceBytes / 4}, builder.getF32Type()),
        IntegerAttr());
    copyNameAndPhase(op, workspace.getDefiningOp(), ".workspace");
  }
  bool fast = op->hasAttr("fast_accum");
  Value scaleA = pairs.lookup(lhs), scaleB = pairs.lookup(rhs);
  auto gemm = exec::GemmOp::create(
      builder, op->getLoc(), a, b, c, scaleA, scaleB, workspace, bias, dims.m,
      dims.n, dims.k, dims.batch, dims.transposeA, dims.transposeB,
      sum.accumulation != Accumulation::Never, fast,
      sum.accumulation == Accumulation::UnlessFirst, granularities[0],
      granularities[1]);
  copyNameAndPhase(op, gemm);
  DictionaryAttr precision = getPrecision(op);
  if (Attribute why =
          precision ? precision.get(kWhyKey) : op->getDiscardableAttr(kWhyAttr))
    gemm->setDiscardableAttr(kWhyAttr, why);
  return success();
}

/// One call per copy that somebody reads: as the tensor is, or transposed.
LogicalResult FunctionLowering::lowerQuantizeTiles(fp8::QuantizeTilesOp op) {
  TiledMatrix matrix(op);
  if (!matrix.isKnown())
    return op.emitOpError("makes tiles of ")
           << matrix.tileRows << " x " << matrix.tileCols
           << ", which the kernel library does not know: they are whole rows "
              "or columns, 1 x 128, 128 x 1 or 128 x 128";
  auto quantize = [&](Value result, bool transposed) {
    auto type = cast<fp8::ScaledType>(result.getType());
    Value codes = destination(result), scales;
    for (Operation *user : result.getUsers())
      if (auto assign = dyn_cast<AssignOp>(user); assign && !scales)
        scales = getScaleOf(assign.getVariableAttr().getAttr(), type);
    if (!scales)
      scales =
          alloc(getScaleBuffer(type), op, (getName(op) + ".scale_inv").str());
    pairs[result] = scales;
    SmallVector<NamedAttribute> attrs = {
        number("rows", matrix.rows), number("cols", matrix.cols),
        number("tile_rows", matrix.tileRows),
        number("tile_cols", matrix.tileCols), number("margin", op.getMargin())};
    if (op.getPow2())
      attrs.push_back(builder.getNamedAttr("pow2", builder.getUnitAttr()));
    if (transposed)
      attrs.push_back(
          builder.getNamedAttr("transposed", builder.getUnitAttr()));
    call("quantize_tiles", dense(op.getInput()), {codes, scales}, op, attrs);
  };
  bool isRead = false;
  for (Operation *user : op->getUsers()) {
    auto transpose = dyn_cast<fp8::TransposeOp>(user);
    if (!transpose || !matrix.isTransposedBy(transpose.getPermutation())) {
      isRead = true;
    } else if (done.insert(transpose).second) {
      quantize(transpose.getOutput(), /*transposed=*/true);
    }
  }
  if (isRead)
    quantize(op.getOutput(), /*transposed=*/false);
  return success();
}

void FunctionLowering::lowerTranspose(Operation *op,
                                      ArrayRef<int64_t> permutation) {
  Value source = buffer(op->getOperand(0)), result = op->getResult(0);
  auto type = cast<MemRefType>(source.getType());
  auto strides = applyPermutation(
      ArrayRef<int64_t>(type.getStridesAndOffset().first), permutation);
  Value from =
      view(source, strided(type, fp8::getShape(result.getType()), strides));
  auto copy =
      exec::CopyOp::create(builder, op->getLoc(), from, destination(result));
  copyNameAndPhase(op, copy);
}

void FunctionLowering::lowerSplit(SplitOp op) {
  Value whole = dense(op.getInput());
  auto type = cast<MemRefType>(whole.getType());
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  int64_t offset = 0;
  for (Value part : op.getParts()) {
    ArrayRef<int64_t> shape = fp8::getShape(part.getType());
    buffers[part] = view(whole, strided(type, shape, strides), offset);
    offset += shape[op.getAxis()] * strides[op.getAxis()];
  }
}

void FunctionLowering::lowerConcat(ConcatOp op) {
  Value whole = buffers.lookup(op.getOutput());
  if (!whole)
    whole = destination(op.getOutput());
  auto type = cast<MemRefType>(whole.getType());
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  int64_t offset = 0;
  for (Value part : op.getParts()) {
    ArrayRef<int64_t> shape = fp8::getShape(part.getType());
    Value source = buffer(part);
    auto place = source.getDefiningOp<exec::ViewOp>();
    if (!place || place.getSource() != whole) {
      Value target = view(whole, strided(type, shape, strides), offset);
      exec::CopyOp::create(builder, op.getLoc(), source, target);
    }
    offset += shape[op.getAxis()] * strides[op.getAxis()];
  }
}

void FunctionLowering::lowerBox(Operation *op, Value box, Value whole,
                                ArrayRef<int64_t> offsets,
                                ArrayRef<int64_t> steps) {
  auto type = cast<MemRefType>(whole.getType());
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  int64_t offset = 0;
  for (auto [stride, start, step] : llvm::zip(strides, offsets, steps)) {
    offset += start * stride;
    stride *= step;
  }
  auto shape = cast<MemRefType>(box.getType()).getShape();
  Value inside = view(whole, strided(type, shape, strides), offset);
  bool isSlice = isa<SliceOp>(op);
  exec::CopyOp::create(builder, op->getLoc(), isSlice ? inside : box,
                       isSlice ? box : inside);
}

Value FunctionLowering::statsVariable(Value stats) {
  for (Operation *user : stats.getUsers())
    if (auto assign = dyn_cast<AssignOp>(user);
        assign && clearedStats.contains(assign.getVariableAttr().getAttr())) {
      done.insert(assign);
      return getVariable(assign.getVariableAttr().getAttr());
    }
  return {};
}

/// The scales are computed in place, beside the variables they are for. What
/// was stored with the old ones is still to be read: the call keeps them.
void FunctionLowering::lowerUpdateScales(UpdateScalesOp op) {
  MLIRContext *context = op.getContext();
  SmallVector<Value> inputs, outputs;
  for (Value value :
       {op.getCoefficient(), op.getLr(), op.getBeta1(), op.getBeta2(),
        op.getWeightDecay(), op.getStep(), op.getSeed()})
    inputs.push_back(buffer(value));
  Type f32 = builder.getF32Type();
  int64_t count = op.getScales().size();
  Value previous = alloc(MemRefType::get({exec::kScalePairWords * count}, f32),
                         op, "previous_scales");
  Value bound = alloc(MemRefType::get({}, f32), op, "update_bound"),
        key = alloc(MemRefType::get({}, f32), op, "rounding_key");
  outputs = {bound, key, previous};
  buffers[op.getBound()] = bound;
  buffers[op.getKey()] = key;
  SmallVector<int64_t> roles;
  SmallVector<Attribute> formats, gradientFormats;
  for (auto [i, symbol] :
       llvm::enumerate(op.getVariables().getAsRange<FlatSymbolRefAttr>())) {
    StringAttr name = symbol.getAttr();
    // Of a scaled gradient the scale bounds the magnitudes, else its amax does.
    Value gradient = op.getGradients()[i];
    auto scaled = dyn_cast<fp8::ScaledType>(gradient.getType());
    inputs.push_back(scaled ? scalePair(gradient) : buffer(gradient));
    gradientFormats.push_back(
        scaled ? Attribute(TypeAttr::get(scaled.getStorage()))
               : builder.getUnitAttr());
    Value pair = getScaleOf(name);
    outputs.push_back(pair);
    outputs.push_back(buffer(op.getAmaxes()[i]));
    buffers[op.getScales()[i]] = pair;
    previousPairs[name] =
        view(previous, scalePairType(context), exec::kScalePairWords * i);
    for (Value read : reads.lookup(name))
      pairs[read] = previousPairs[name];
    roles.push_back(static_cast<int64_t>(variables.lookup(name).getRole()));
    formats.push_back(
        TypeAttr::get(variables.lookup(name).getBufferType().getElementType()));
  }
  // All statistics that this function keeps start anew, in the same call.
  for (auto assign : op->getBlock()->getOps<AssignOp>()) {
    StringAttr name = assign.getVariableAttr().getAttr();
    if (!isa<fp8::StatsType>(assign.getValue().getType()))
      continue;
    clearedStats.insert(name);
    if (!llvm::is_contained(outputs, getVariable(name)))
      outputs.push_back(getVariable(name));
  }
  auto array = [&](StringRef name, Attribute value) {
    return builder.getNamedAttr(name, value);
  };
  call("update_scales", inputs, outputs, op,
       {array("roles", builder.getDenseI64ArrayAttr(roles)),
        array("formats", builder.getArrayAttr(formats)),
        array("gradient_formats", builder.getArrayAttr(gradientFormats)),
        array("decays", op.getDecaysAttr()),
        array("roots", op.getRootsAttr())});
}

void FunctionLowering::lowerAssign(AssignOp op) {
  if (isa<fp8::ScaledType>(op.getValue().getType())) {
    Value scale = scalePair(op.getValue()),
          target = getScaleOf(op.getVariableAttr().getAttr(),
                              cast<fp8::ScaledType>(op.getValue().getType()));
    if (scale != target)
      copiesAtExit.push_back({scale, target});
  }
  if (done.contains(op))
    return;
  Value variable = getVariable(op.getVariableAttr().getAttr());
  Value source = dense(op.getValue());
  if (source != variable) {
    // Other reads of the variable may follow: copy at the end.
    copiesAtExit.push_back({source, variable});
  }
}

//===----------------------------------------------------------------------===//
// Loss
//===----------------------------------------------------------------------===//

/// The op that computes the gradient of a loss, if one pass over the logits can
/// make both: nobody else reads the statistics, and the loss's own cotangent
/// does not depend on the loss.
CrossEntropyVJPOp FunctionLowering::getFusableVJP(CrossEntropyOp loss) {
  if (!loss.getLse().hasOneUse() || !loss.getInvCount().hasOneUse())
    return {};
  auto vjp = dyn_cast<CrossEntropyVJPOp>(*loss.getLse().user_begin());
  if (!vjp || vjp.getInvCount() != loss.getInvCount() ||
      vjp.getLogits() != loss.getLogits() ||
      vjp.getLabels() != loss.getLabels() ||
      vjp.getIgnoreIndex() != loss.getIgnoreIndex())
    return {};
  Operation *cotangent = vjp.getCotangent().getDefiningOp();
  return !cotangent || isa<HyperOp>(cotangent) ||
                 position(cotangent) < position(loss)
             ? vjp
             : CrossEntropyVJPOp();
}

/// Rows, classes and, where rows are wider than that, the width; and which
/// label does not count.
template <typename Op>
SmallVector<NamedAttribute> FunctionLowering::getRowAttrs(Op loss) {
  ArrayRef<int64_t> shape = fp8::getShape(loss.getLogits().getType());
  int64_t classes = loss.getClasses().value_or(shape.back());
  SmallVector<NamedAttribute> attrs = {
      number("rows", ShapedType::getNumElements(shape.drop_back())),
      number("classes", classes),
      number("ignore_index", loss.getIgnoreIndex())};
  if (classes != shape.back())
    attrs.push_back(number("width", shape.back()));
  return attrs;
}

/// Is the memory of `value` its own, and free once `lastUser` has read it?
bool FunctionLowering::mayOverwrite(Value value, Operation *lastUser) {
  for (Operation *user : value.getUsers())
    if (position(user) > position(lastUser))
      return false;
  if (results.contains(value) || !buffer(value))
    return false;
  Operation *op = value.getDefiningOp();
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op))
    return reshape.getInput().hasOneUse() &&
           mayOverwrite(reshape.getInput(), lastUser);
  return isa_and_nonnull<MatmulOp, fp8::MatmulOp, FusionOp>(op) &&
         buffer(value).getDefiningOp<exec::AllocOp>();
}

/// The buffer of a value that may be lowered before its turn.
FailureOr<Value> FunctionLowering::getEarly(Value value) {
  if (auto hyper = value.getDefiningOp<HyperOp>(); hyper && !buffer(hyper)) {
    if (failed(lower(hyper)))
      return failure();
    done.insert(hyper);
  }
  return dense(value);
}

/// One pass over the logits; with `vjp`, which may be null, the gradient as
/// well.
LogicalResult FunctionLowering::lowerRowByRow(CrossEntropyOp loss,
                                              CrossEntropyVJPOp vjp) {
  ArrayRef<int64_t> shape = fp8::getShape(loss.getLogits().getType());
  NamedAttribute rows =
      number("rows", ShapedType::getNumElements(shape.drop_back()));
  NamedAttribute ignored = number("ignore_index", loss.getIgnoreIndex());
  SmallVector<NamedAttribute> rowAttrs = getRowAttrs(loss);
  Value logits = dense(loss.getLogits()), labels = dense(loss.getLabels());
  Value count = alloc(MemRefType::get({}, builder.getI64Type()), loss);
  Value rowLosses =
      alloc(MemRefType::get(shape.drop_back(), builder.getF32Type()), loss);
  call("count_labels", labels, count, loss, {rows, ignored});
  if (vjp) {
    FailureOr<Value> cotangent = getEarly(vjp.getCotangent());
    if (failed(cotangent))
      return failure();
    Value dlogits = logits;
    if (loss.getLogits().getType() == vjp.getDlogits().getType() &&
        mayOverwrite(loss.getLogits(), vjp))
      buffers[vjp.getDlogits()] = dlogits;
    else
      dlogits = destination(vjp.getDlogits());
    done.insert(vjp);
    call("cross_entropy_fused", {logits, labels, count, *cotangent},
         {rowLosses, dlogits}, loss, rowAttrs);
  } else {
    call("cross_entropy_rows", {logits, labels}, rowLosses, loss, rowAttrs);
  }
  call("mean_loss", {rowLosses, count}, destination(loss.getLoss()), loss,
       {rows});
  return success();
}

LogicalResult FunctionLowering::lower(func::ReturnOp op) {
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

/// Are these the first rows of a product that nobody else reads, or of a
/// compute weight? Then they may stay where they are, unless it is a variable
/// that they are for.
bool FunctionLowering::mayStay(SliceOp slice) {
  Value whole = slice.getInput();
  auto isZero = [](int64_t offset) { return offset == 0; };
  auto isOne = [](int64_t stride) { return stride == 1; };
  auto read = whole.getDefiningOp<ReadOp>();
  bool isWeight =
      read && variables.lookup(read.getVariableAttr().getAttr()).getRole() ==
                  Role::compute_weight;
  bool isProduct =
      whole.hasOneUse() &&
      isa_and_nonnull<MatmulOp, fp8::MatmulOp>(whole.getDefiningOp());
  return (isWeight || isProduct) && llvm::all_of(slice.getOffsets(), isZero) &&
         llvm::all_of(slice.getStrides(), isOne) &&
         fp8::getShape(whole.getType()).drop_front() ==
             fp8::getShape(slice.getType()).drop_front() &&
         llvm::none_of(slice->getUsers(), [&](Operation *user) {
           auto sum = dyn_cast<AddOp>(user);
           return isa<AssignOp>(user) || (sum && sum.getLhs() == slice);
         });
}

LogicalResult FunctionLowering::lower(Operation *op) {
  if (auto fusion = dyn_cast<FusionOp>(op))
    return lower(fusion);
  if (auto ret = dyn_cast<func::ReturnOp>(op))
    return lower(ret);
  if (isa<MatmulOp, fp8::MatmulOp>(op))
    return lowerContraction(op);
  auto shapeOf = [](Value value) { return fp8::getShape(value.getType()); };
  auto count = [](ArrayRef<int64_t> shape) {
    return ShapedType::getNumElements(shape);
  };

  if (auto read = dyn_cast<ReadOp>(op)) {
    StringAttr name = read.getVariableAttr().getAttr();
    buffers[read] = getVariable(name);
    // The first of the terms that are added writes over the variable. Any other
    // use wants zeros there.
    auto add =
        read->hasOneUse() ? dyn_cast<AddOp>(*read->user_begin()) : AddOp();
    if (read.getAccumulated() && (!add || add.getLhs() != read))
      call("clear_if_first", {}, buffers[read], op,
           {number("n", count(shapeOf(read)))});
    if (auto type = dyn_cast<fp8::ScaledType>(read.getType())) {
      Value previous = previousPairs.lookup(name);
      pairs[read] = previous ? previous : getScaleOf(name, type);
    }
  } else if (auto hyper = dyn_cast<HyperOp>(op)) {
    if (done.contains(op))
      return success();
    buffers[hyper] = exec::HyperOp::create(
        builder, op->getLoc(), bufferType(hyper.getType()), hyper.getSymbol());
  } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    buffers[constant] = exec::ConstantOp::create(
        builder, op->getLoc(), bufferType(constant.getType()),
        cast<ElementsAttr>(constant.getValue()));
  } else if (auto assign = dyn_cast<AssignOp>(op)) {
    lowerAssign(assign);
  } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    buffers[reshape] =
        view(dense(reshape.getInput()), bufferType(reshape.getType()));
  } else if (auto barrier = dyn_cast<BarrierOp>(op)) {
    buffers[barrier] = buffer(barrier.getInput());
  } else if (auto split = dyn_cast<SplitOp>(op)) {
    lowerSplit(split);
  } else if (auto concat = dyn_cast<ConcatOp>(op)) {
    lowerConcat(concat);
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    lowerTranspose(op, transpose.getPermutation());
  } else if (auto quantize = dyn_cast<fp8::QuantizeTilesOp>(op)) {
    return lowerQuantizeTiles(quantize);
  } else if (auto transpose = dyn_cast<fp8::TransposeOp>(op)) {
    if (done.contains(op))
      return success(); // with its quantisation
    if (!transpose.getInput().getType().isPerTensor())
      return op->emitOpError("permutes tiles after they were made, which only "
                             "a transpose of an fp8.quantize_tiles can");
    lowerTranspose(op, transpose.getPermutation());
    pairs[transpose] = scalePair(transpose.getInput());
  } else if (auto broadcast = dyn_cast<BroadcastToOp>(op)) {
    Value source = buffer(broadcast.getInput());
    auto type = cast<MemRefType>(source.getType());
    ArrayRef<int64_t> shape = shapeOf(broadcast);
    SmallVector<int64_t> strides(shape.size(), 0);
    for (int64_t i = 0, lead = shape.size() - type.getRank();
         i < type.getRank(); ++i)
      if (type.getDimSize(i) != 1)
        strides[lead + i] = type.getStridesAndOffset().first[i];
    exec::CopyOp::create(builder, op->getLoc(),
                         view(source, strided(type, shape, strides)),
                         destination(broadcast));
  } else if (auto slice = dyn_cast<SliceOp>(op)) {
    if (mayStay(slice) && !results.contains(slice)) {
      buffers[slice] =
          view(buffer(slice.getInput()), bufferType(slice.getType()));
      return success();
    }
    lowerBox(op, destination(slice), buffer(slice.getInput()),
             slice.getOffsets(), slice.getStrides());
  } else if (auto place = dyn_cast<PlaceOp>(op)) {
    Value whole = destination(place);
    exec::FillOp::create(builder, op->getLoc(), whole,
                         builder.getF32FloatAttr(0));
    lowerBox(op, buffer(place.getInput()), whole, place.getOffsets(),
             place.getStrides());
  } else if (isa<AttentionOp, AttentionVJPOp>(op)) {
    bool backward = isa<AttentionVJPOp>(op);
    unsigned q = backward ? 1 : 0;
    ArrayRef<int64_t> query = shapeOf(op->getOperand(q)),
                      key = shapeOf(op->getOperand(q + 1));
    int64_t heads = op->getAttrOfType<IntegerAttr>("heads").getInt();
    int64_t kvHeads = op->getAttrOfType<IntegerAttr>("kv_heads").getInt();
    int64_t width = query[2] / heads,
            valueWidth = shapeOf(op->getOperand(q + 2))[2] / kvHeads;
    SmallVector<NamedAttribute> attrs = {
        number("batch", query[0]),
        number("seq", query[1]),
        number("kv_seq", key[1]),
        number("heads", heads),
        number("kv_heads", kvHeads),
        number("head_dim", width),
        builder.getNamedAttr("scale", op->getAttr("scale"))};
    if (valueWidth != width)
      attrs.push_back(number("v_head_dim", valueWidth));
    if (op->hasAttr("causal"))
      attrs.push_back(builder.getNamedAttr("causal", builder.getUnitAttr()));
    SmallVector<Value> inputs, outputs;
    for (auto [index, operand] : llvm::enumerate(op->getOperands())) {
      bool isQKV = index >= q && index < q + 3;
      // Queries, keys and values may be parts of one tensor; tokens must follow
      // each other at one stride.
      inputs.push_back(isQKV ? buffer(operand) : dense(operand));
    }
    for (Value result : op->getResults())
      outputs.push_back(destination(result, /*mayStride=*/backward));
    call(backward ? "attention_backward" : "attention", inputs, outputs, op,
         attrs);
  } else if (auto rotary = dyn_cast<RotaryOp>(op)) {
    ArrayRef<int64_t> shape = shapeOf(rotary.getInput());
    SmallVector<NamedAttribute> attrs = {
        number("batch", shape[0]), number("seq", shape[1]),
        number("heads", rotary.getHeads()),
        number("head_dim", shape[2] / rotary.getHeads()),
        number("rotary_dim", rotary.getRotaryDim())};
    for (StringRef flag : {"interleaved", "inverse"})
      if (op->hasAttr(flag))
        attrs.push_back(builder.getNamedAttr(flag, builder.getUnitAttr()));
    if (shapeOf(rotary.getCos()).size() == 3)
      attrs.push_back(
          builder.getNamedAttr("batched_angles", builder.getUnitAttr()));
    call("rotary",
         {dense(rotary.getInput()), dense(rotary.getCos()),
          dense(rotary.getSin())},
         destination(rotary), op, attrs);
  } else if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
    call("embedding", {dense(embedding.getTable()), dense(embedding.getIds())},
         destination(embedding), op,
         {number("n", count(shapeOf(embedding.getIds()))),
          number("width", shapeOf(embedding).back()),
          number("rows", shapeOf(embedding.getTable())[0])});
  } else if (auto vjp = dyn_cast<EmbeddingVJPOp>(op)) {
    Accumulator sum = accumulator(vjp.getDtable());
    Value target = sum.variable ? sum.variable : destination(vjp.getDtable());
    buffers[vjp.getDtable()] = target;
    SmallVector<NamedAttribute> attrs = {
        number("n", count(shapeOf(vjp.getIds()))),
        number("width", shapeOf(vjp.getDtable())[1]),
        number("rows", shapeOf(vjp.getDtable())[0])};
    setAccumulation(call("embedding_backward",
                         {dense(vjp.getIds()), dense(vjp.getCotangent())},
                         target, op, attrs),
                    sum.accumulation);
  } else if (isa<GatherElementsOp, GatherElementsVJPOp>(op)) {
    bool backward = isa<GatherElementsVJPOp>(op);
    ArrayRef<int64_t> indices = shapeOf(op->getOperand(1));
    ArrayRef<int64_t> data =
        shapeOf(backward ? op->getResult(0) : op->getOperand(0));
    call(backward ? "gather_elements_backward" : "gather_elements",
         {dense(op->getOperand(0)), dense(op->getOperand(1))},
         destination(op->getResult(0)), op,
         {number("rows", count(data.drop_back())),
          number("count", indices.back()), number("width", data.back())});
  } else if (isa<ReduceSumOp, ReduceMaxOp>(op) && !isFloat(op->getOperand(0))) {
    ArrayRef<int64_t> shape = shapeOf(op->getOperand(0));
    call(isa<ReduceSumOp>(op) ? "sum_rows" : "max_rows",
         dense(op->getOperand(0)), destination(op->getResult(0)), op,
         {number("rows", count(shape.drop_back())),
          number("cols", shape.back())});
  } else if (auto loss = dyn_cast<CrossEntropyOp>(op)) {
    CrossEntropyVJPOp vjp = getFusableVJP(loss);
    if (vjp || (loss.getLse().use_empty() && loss.getInvCount().use_empty()))
      return lowerRowByRow(loss, vjp);
    call("cross_entropy", {dense(loss.getLogits()), dense(loss.getLabels())},
         {destination(loss.getLoss()), destination(loss.getLse()),
          destination(loss.getInvCount())},
         op, getRowAttrs(loss));
  } else if (auto vjp = dyn_cast<CrossEntropyVJPOp>(op)) {
    if (done.contains(op)) // with the loss
      return success();
    call("cross_entropy_backward",
         {dense(vjp.getLogits()), dense(vjp.getLabels()), dense(vjp.getLse()),
          dense(vjp.getInvCount()), dense(vjp.getCotangent())},
         destination(vjp.getDlogits()), op, getRowAttrs(vjp));
  } else if (auto clip = dyn_cast<ClipCoefficientOp>(op)) {
    SmallVector<Value> inputs;
    for (Value operand : op->getOperands())
      inputs.push_back(dense(operand));
    call("clip_coefficient", inputs,
         {destination(clip.getCoefficient()), destination(clip.getNorm())}, op);
  } else if (auto add = dyn_cast<AddOp>(op)) {
    // What is left of sums with a gradient variable: the producer could not
    // accumulate.
    if (done.contains(op)) {
      buffers[add.getOutput()] = buffer(add.getLhs());
    } else {
      Value target = buffer(add.getLhs());
      setAccumulation(call("accumulate", dense(add.getRhs()), target, op,
                           {number("n", count(shapeOf(add)))}),
                      getAccumulation(add));
      buffers[add.getOutput()] = target;
    }
  } else if (auto scales = dyn_cast<UpdateScalesOp>(op)) {
    lowerUpdateScales(scales);
  } else if (auto stored = dyn_cast<StoredScaleOp>(op)) {
    buffers[stored] = getScaleOf(stored.getVariableAttr().getAttr());
  } else if (auto scale = dyn_cast<fp8::CurrentScaleOp>(op)) {
    buffers[scale] =
        view(buffer(scale.getState()), scalePairType(op->getContext()));
  } else if (auto scale = dyn_cast<fp8::ComputeScaleOp>(op)) {
    // A quantised variable keeps its scale beside it: compute it there.
    Value target;
    for (Operation *user : scale->getUsers())
      if (auto fusion = dyn_cast<FusionOp>(user))
        for (Value result : fusion.getResults())
          if (isa<fp8::ScaledType>(result.getType()) && !target)
            for (Operation *resultUser : result.getUsers())
              if (auto assign = dyn_cast<AssignOp>(resultUser))
                target = getScaleOf(assign.getVariableAttr().getAttr());
    if (!target)
      target = alloc(scalePairType(op->getContext()), op);
    buffers[scale] = target;
    SmallVector<NamedAttribute> attrs = {
        number("margin", scale.getMargin()),
        builder.getNamedAttr(
            "format", TypeAttr::get(scale.getScale().getType().getStorage()))};
    if (scale.getPow2())
      attrs.push_back(builder.getNamedAttr("pow2", builder.getUnitAttr()));
    if (scale.getPoison())
      attrs.push_back(builder.getNamedAttr("poison", builder.getUnitAttr()));
    call("compute_scale", buffer(scale.getAmax()), target, op, attrs);
  } else if (auto record = dyn_cast<fp8::RecordOp>(op)) {
    Value state = buffer(record.getState()), stats = buffer(record.getStats());
    auto at = stats.getDefiningOp<exec::ViewOp>();
    if (!at || at.getSource() != state)
      call("record_stats", stats, state, op);
    buffers[record] = state;
  } else if (auto advance = dyn_cast<fp8::AdvanceOp>(op)) {
    Value state = buffer(advance.getState());
    auto type = advance.getState().getType();
    SmallVector<NamedAttribute> attrs = {
        number("window", type.getWindow()),
        number("margin", advance.getMargin()),
        builder.getNamedAttr("format", TypeAttr::get(type.getStorage()))};
    if (advance.getPow2())
      attrs.push_back(builder.getNamedAttr("pow2", builder.getUnitAttr()));
    call("advance_scale", {}, state, op, attrs);
    buffers[advance] = state;
  } else {
    return op->emitOpError("has no lowering to exec; run train-form-fusions "
                           "before convert-to-exec");
  }
  return success();
}

LogicalResult FunctionLowering::run() {
  Block *source = &function.getBody().front();
  for (auto [index, op] : llvm::enumerate(*source)) {
    positions[&op] = index;
    if (auto read = dyn_cast<ReadOp>(op))
      reads[read.getVariableAttr().getAttr()].push_back(read);
  }
  block = new Block;
  function.getBody().push_back(block);
  builder.setInsertionPointToStart(block);
  SmallVector<Type> types;
  for (BlockArgument argument : source->getArguments()) {
    types.push_back(bufferType(argument.getType()));
    buffers[argument] = block->addArgument(types.back(), argument.getLoc());
  }
  unsigned inputs = types.size();
  SmallVector<DictionaryAttr> argAttrs;
  for (unsigned i = 0; i < inputs; ++i)
    argAttrs.push_back(function.getArgAttrDict(i));
  for (auto [index, value] :
       llvm::enumerate(source->getTerminator()->getOperands())) {
    types.push_back(bufferType(value.getType()));
    Value argument = block->addArgument(types.back(), value.getLoc());
    if (value.getDefiningOp() &&
        !isa<ReadOp, ReshapeOp, SplitOp>(value.getDefiningOp()))
      results.try_emplace(value, argument);
    argAttrs.push_back(function.getResultAttrDict(index));
  }
  for (Operation &op : *source)
    if (failed(lower(&op)))
      return failure();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*source)))
    op.erase();
  source->erase();
  function.setFunctionType(builder.getFunctionType(types, {}));
  function.setResAttrsAttr(nullptr);
  function.setAllArgAttrs(argAttrs);
  function->setAttr(exec::kInputsAttr, builder.getI64IntegerAttr(inputs));
  // Nothing refers to what nobody reads.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
    if (op.use_empty() && isa<exec::GetOp, exec::ViewOp, exec::ConstantOp,
                              exec::HyperOp, exec::AllocOp>(op))
      op.erase();
  return success();
}

//===----------------------------------------------------------------------===//
// Module
//===----------------------------------------------------------------------===//

namespace {
struct ConvertToExec : fp8c::impl::ConvertToExecBase<ConvertToExec> {
  using Base::Base;

  /// Lays the variables out one after another.
  void lowerVariables(DenseMap<StringAttr, exec::VariableOp> &variables) {
    int64_t offset = 0;
    DenseMap<StringAttr, StringAttr> sharedScales =
        findSharedScales(getOperation());
    auto add = [&](VariableOp variable, StringRef name, MemRefType type,
                   Role role, Attribute init, FlatSymbolRefAttr of) {
      OpBuilder builder(variable);
      auto lowered = exec::VariableOp::create(builder, variable.getLoc(), name,
                                              type, offset, role, init, of);
      for (StringRef key : {kWhyAttr, kFileNameAttr, kTransposedAttr})
        if (Attribute kept = variable->getDiscardableAttr(key);
            kept && role == variable.getRole())
          lowered->setDiscardableAttr(key, kept);
      if (auto state = dyn_cast<fp8::ScaleStateType>(variable.getType())) {
        lowered->setDiscardableAttr(fp8::kFormatAttr,
                                    TypeAttr::get(state.getStorage()));
        if (Attribute counted = variable->getDiscardableAttr(fp8::kCountedAttr))
          lowered->setDiscardableAttr(fp8::kCountedAttr, counted);
      }
      variables[lowered.getSymNameAttr()] = lowered;
      offset += llvm::alignTo(exec::getByteSize(type), exec::kAlignment);
    };
    for (VariableOp variable :
         llvm::make_early_inc_range(getOperation().getOps<VariableOp>())) {
      add(variable, variable.getSymName(), bufferType(variable.getType()),
          variable.getRole(), variable.getInit(), variable.getOfAttr());
      StringAttr name = variable.getSymNameAttr();
      // The first scale comes from the first values: of the variable, or of the
      // parameter that a compute weight copies.
      bool isCopy = variable.getRole() == Role::compute_weight;
      auto scaled = dyn_cast<fp8::ScaledType>(variable.getType());
      if (scaled && !scaled.isPerTensor())
        add(variable, getScaleName(scaled, name.getValue()),
            getScaleBuffer(scaled), variable.getRole(),
            ConstantInitAttr::get(&getContext(), 1.0), variable.getOfAttr());
      else if (scaled && !sharedScales.contains(name))
        add(variable, (name.getValue() + ".scale").str(),
            scalePairType(&getContext()), Role::scale,
            ConstantInitAttr::get(&getContext(), 1.0),
            isCopy ? variable.getOfAttr() : FlatSymbolRefAttr::get(name));
      variable.erase();
    }
    auto scaleName = [&](StringAttr variable) {
      return StringAttr::get(&getContext(), variable.getValue() + ".scale");
    };
    for (auto [variable, owner] : sharedScales)
      variables[scaleName(variable)] = variables.lookup(scaleName(owner));
    getOperation()->setAttr(exec::kVariablesAttr,
                            Builder(&getContext()).getI64IntegerAttr(offset));
  }

  void runOnProgram() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.getBody().hasOneBlock()) {
        function.emitOpError("has no body of one block, as the functions of a "
                             "program have: define it, or leave it out");
        return signalPassFailure();
      }
    DenseMap<StringAttr, exec::VariableOp> variables;
    lowerVariables(variables);
    KernelBuilder kernels(getOperation());
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (failed(FunctionLowering(function, kernels, variables, gemmWorkspace,
                                  gemmBias)
                     .run()))
        return signalPassFailure();
  }
};
} // namespace
