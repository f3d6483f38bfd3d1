//===- LowerProducts.cpp - Products become GEMMs -------------------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"
#include "FP8/IR/Precision.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

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

/// Whose tiles the GEMM library knows by a word; null for an operand with one
/// scale or none.
static FailureOr<fp8::GranularityAttr>
getGranularity(Operation *op, Value operand, ArrayRef<int64_t> contracting) {
  auto type = dyn_cast<fp8::ScaledType>(operand.getType());
  if (!type || type.isPerTensor())
    return fp8::GranularityAttr();
  auto known = fp8::getGranularity(type, contracting);
  if (!known)
    return op->emitOpError("contracts ")
           << type << ", whose tiles no GEMM library knows: they are rows "
           << "along the contracted dimensions, 1 x 128 or 128 x 128";
  return fp8::GranularityAttr::get(op->getContext(), *known);
}

static LogicalResult lowerProduct(Operation *op, FunctionLowering &function) {
  auto contraction = cast<fp8::FP8ContractionOpInterface>(op);
  Value lhs = contraction.getContractionLhs().get(),
        rhs = contraction.getContractionRhs().get();
  Value result = op->getResult(0);
  Value a = function.dense(lhs), b = function.dense(rhs);
  FunctionLowering::Accumulator sum = function.accumulator(result);
  FailureOr<fp8::GranularityAttr> granularityA =
      getGranularity(op, lhs, contraction.getLhsContractingDims());
  FailureOr<fp8::GranularityAttr> granularityB =
      getGranularity(op, rhs, contraction.getRhsContractingDims());
  if (failed(granularityA) || failed(granularityB))
    return failure();
  Value bias;
  if (FusionOp biasSum =
          function.features.gemmBias ? findBiasSum(result) : FusionOp()) {
    // The GEMM writes the sum.
    result = biasSum.getResult(0);
    function.setDone(biasSum);
    auto read = biasSum.getInputs()[1].getDefiningOp<ReadOp>();
    bias = function.getVariable(read.getVariableAttr().getAttr());
  }
  Value c = function.destination(result, sum);
  fp8::GemmDims dims = fp8::getGemmDims(contraction);
  // Target libraries that multiply f32 only need f32 copies of the rest.
  Value workspace;
  if (int64_t bytes = function.features.gemmWorkspace
                          ? exec::getGemmWorkspaceBytes(a, b, c)
                          : 0) {
    workspace = exec::AllocOp::create(
        function.builder, op->getLoc(),
        MemRefType::get({bytes / 4}, function.builder.getF32Type()),
        IntegerAttr());
    copyNameAndPhase(op, workspace.getDefiningOp(), ".workspace");
  }
  auto gemm = function.create<exec::GemmOp>(
      op, a, b, c, function.scalePair(lhs), function.scalePair(rhs), workspace,
      bias, dims.m, dims.n, dims.k, dims.batch, dims.transposeA,
      dims.transposeB, op->hasAttr("fast_accum"), *granularityA, *granularityB,
      sum.accumulates(), sum.unlessFirst());
  PrecisionAttr precision = getPrecision(op);
  if (Attribute why = precision ? Attribute(precision.getWhy())
                                : op->getDiscardableAttr(kWhyAttr))
    gemm->setDiscardableAttr(kWhyAttr, why);
  return success();
}

static LogicalResult lower(MatmulOp op, FunctionLowering &function) {
  return lowerProduct(op, function);
}
static LogicalResult lowerScaled(fp8::MatmulOp op, FunctionLowering &function) {
  return lowerProduct(op, function);
}

void fp8c::addProductLowerings(LoweringTable &table) {
  table.add<MatmulOp>(lower);
  table.add<fp8::MatmulOp>(lowerScaled);
}
