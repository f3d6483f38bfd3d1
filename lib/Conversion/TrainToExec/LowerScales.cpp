//===- LowerScales.cpp - Scales and statistics ---------------------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"
#include "Conversion/TrainToExec/TileScales.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static LogicalResult lowerTiles(fp8::QuantizeTilesOp op,
                                FunctionLowering &function) {
  TiledMatrix matrix(op);
  if (!matrix.isKnown())
    return op.emitOpError("makes tiles of ")
           << matrix.tileRows << " x " << matrix.tileCols
           << ", which the kernel library does not know: they are whole rows "
              "or columns, 1 x 128, 128 x 1 or 128 x 128";
  auto quantize = [&](Value result, bool transposed) {
    auto type = cast<fp8::ScaledType>(result.getType());
    Value codes = function.destination(result), scales;
    for (Operation *user : result.getUsers())
      if (auto assign = dyn_cast<AssignOp>(user); assign && !scales)
        scales = function.getScaleOf(assign.getVariableAttr().getAttr());
    if (!scales)
      scales = function.alloc(getScaleBuffer(type), op,
                              (getName(op) + ".scale_inv").str());
    function.setScalePair(result, scales);
    function.create<exec::QuantizeTilesOp>(
        op, function.dense(op.getInput()), codes, scales, matrix.rows,
        matrix.cols, matrix.tileRows, matrix.tileCols, op.getMargin(),
        op.getPow2(), transposed);
  };
  // One call per copy that somebody reads: as the tensor is, or transposed.
  bool isRead = false;
  for (Operation *user : op->getUsers()) {
    auto transpose = dyn_cast<fp8::TransposeOp>(user);
    if (!transpose || !matrix.isTransposedBy(transpose.getPermutation()))
      isRead = true;
    else if (function.setDone(transpose))
      quantize(transpose.getOutput(), /*transposed=*/true);
  }
  if (isRead)
    quantize(op.getOutput(), /*transposed=*/false);
  return success();
}

static LogicalResult lower(StoredScaleOp op, FunctionLowering &function) {
  function.setBuffer(op, function.getScaleOf(op.getVariableAttr().getAttr()));
  return success();
}

static LogicalResult lowerCurrent(fp8::CurrentScaleOp op,
                                  FunctionLowering &function) {
  function.setBuffer(op, function.view(function.buffer(op.getState()),
                                       getScalePairType(op.getContext())));
  return success();
}

/// A quantised variable keeps its scale beside it: it is computed there.
static Value findScaleVariable(fp8::ComputeScaleOp op,
                               FunctionLowering &function) {
  for (Operation *user : op->getUsers())
    if (auto fusion = dyn_cast<FusionOp>(user))
      for (Value result : fusion.getResults())
        if (isa<fp8::ScaledType>(result.getType()))
          for (Operation *resultUser : result.getUsers())
            if (auto assign = dyn_cast<AssignOp>(resultUser))
              return function.getScaleOf(assign.getVariableAttr().getAttr());
  return {};
}

static LogicalResult lowerCompute(fp8::ComputeScaleOp op,
                                  FunctionLowering &function) {
  Value target = findScaleVariable(op, function);
  if (!target)
    target = function.alloc(getScalePairType(op.getContext()), op);
  function.setBuffer(op, target);
  function.create<exec::ComputeScaleOp>(
      op, ValueRange(function.buffer(op.getAmax())), ValueRange(target),
      TypeAttr::get(op.getScale().getType().getStorage()), op.getMarginAttr(),
      op.getPow2Attr(), op.getPoisonAttr());
  return success();
}

/// Of a program, states live in variables.
static LogicalResult lowerInitial(fp8::InitialStateOp op, FunctionLowering &) {
  return op.emitOpError("is a state that is a value, which has no lowering to "
                        "exec: keep it in a train.variable, which begins so by "
                        "itself");
}

static LogicalResult lowerRecord(fp8::RecordOp op, FunctionLowering &function) {
  Value state = function.buffer(op.getState()),
        stats = function.buffer(op.getStats());
  auto at = stats.getDefiningOp<exec::ViewOp>();
  if (!at || at.getSource() != state)
    function.create<exec::RecordStatsOp>(op, stats, state);
  function.setBuffer(op, state);
  return success();
}

static LogicalResult lowerAdvance(fp8::AdvanceOp op,
                                  FunctionLowering &function) {
  Value state = function.buffer(op.getState());
  function.create<exec::AdvanceScaleOp>(
      op, ValueRange(state),
      TypeAttr::get(op.getState().getType().getStorage()), op.getMarginAttr(),
      op.getPow2Attr());
  function.setBuffer(op, state);
  return success();
}

/// All statistics that the function keeps, but for those of `updated`: they
/// start anew in the call that updates the scales.
static SmallVector<Value> getCleared(UpdateScalesOp op, ArrayRef<Value> updated,
                                     FunctionLowering &function) {
  SmallVector<Value> others;
  for (auto assign : op->getBlock()->getOps<AssignOp>()) {
    if (!isa<fp8::StatsType>(assign.getValue().getType()))
      continue;
    StringAttr name = assign.getVariableAttr().getAttr();
    function.setCleared(name);
    Value variable = function.getVariable(name);
    if (!llvm::is_contained(updated, variable) &&
        !llvm::is_contained(others, variable))
      others.push_back(variable);
  }
  return others;
}

/// The scales are computed in place, beside the variables they are for. What
/// was stored with the old ones is still to be read: the call keeps them.
static LogicalResult lower(UpdateScalesOp op, FunctionLowering &function) {
  OpBuilder &builder = function.builder;
  MLIRContext *context = op.getContext();
  SmallVector<Value> scalars, gradients, pairs, stats;
  for (Value value :
       {op.getCoefficient(), op.getLr(), op.getBeta1(), op.getBeta2(),
        op.getWeightDecay(), op.getStep(), op.getSeed()})
    scalars.push_back(function.buffer(value));
  Type f32 = builder.getF32Type();
  int64_t count = op.getScales().size();
  Value previous =
      function.alloc(MemRefType::get({exec::kScalePairWords * count}, f32), op,
                     "previous_scales");
  Value bound = function.alloc(MemRefType::get({}, f32), op, "update_bound"),
        key = function.alloc(MemRefType::get({}, f32), op, "rounding_key");
  function.setBuffer(op.getBound(), bound);
  function.setBuffer(op.getKey(), key);
  SmallVector<Attribute> roles, formats, gradientFormats;
  for (auto [i, symbol] :
       llvm::enumerate(op.getVariables().getAsRange<FlatSymbolRefAttr>())) {
    StringAttr name = symbol.getAttr();
    // Of a scaled gradient the scale bounds the magnitudes, else its amax does.
    Value gradient = op.getGradients()[i];
    auto scaled = dyn_cast<fp8::ScaledType>(gradient.getType());
    gradients.push_back(scaled ? function.scalePair(gradient)
                               : function.buffer(gradient));
    gradientFormats.push_back(
        scaled ? Attribute(TypeAttr::get(scaled.getStorage()))
               : builder.getUnitAttr());
    Value pair = function.getScaleOf(name);
    pairs.push_back(pair);
    stats.push_back(function.buffer(op.getAmaxes()[i]));
    function.setBuffer(op.getScales()[i], pair);
    function.setPreviousPair(name,
                             function.view(previous, getScalePairType(context),
                                           exec::kScalePairWords * i));
    roles.push_back(RoleAttr::get(context, function.getRole(name)));
    formats.push_back(
        TypeAttr::get(function.getVariableType(name).getElementType()));
  }
  SmallVector<Value> updated = pairs;
  updated.append(stats);
  SmallVector<Value> cleared = getCleared(op, updated, function);
  function.create<exec::UpdateScalesOp>(
      op, scalars[0], scalars[1], scalars[2], scalars[3], scalars[4],
      scalars[5], scalars[6], gradients, bound, key, previous, pairs, stats,
      cleared, builder.getArrayAttr(roles), builder.getArrayAttr(formats),
      builder.getArrayAttr(gradientFormats), op.getDecaysAttr(),
      op.getRootsAttr());
  return success();
}

void fp8c::addScaleLowerings(LoweringTable &table) {
  table.add<fp8::QuantizeTilesOp>(lowerTiles);
  table.add<StoredScaleOp>(lower);
  table.add<fp8::CurrentScaleOp>(lowerCurrent);
  table.add<fp8::ComputeScaleOp>(lowerCompute);
  table.add<fp8::InitialStateOp>(lowerInitial);
  table.add<fp8::RecordOp>(lowerRecord);
  table.add<fp8::AdvanceOp>(lowerAdvance);
  table.add<UpdateScalesOp>(lower);
}
