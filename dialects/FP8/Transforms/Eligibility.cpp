//===- Eligibility.cpp - Which contractions FP8 hardware can do -----------===//

#include "FP8/Transforms/Eligibility.h"

#include "Target/IR/Target.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

static bool isStaticFloatTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() && !tensor.getEncoding() &&
         isWide(tensor.getElementType());
}

std::optional<std::string> fp8::getGranularityConflict(Granularity lhs,
                                                       Granularity rhs) {
  if (isBlock(lhs) && isBlock(rhs)) {
    if (lhs != rhs || lhs == Granularity::Block1x128)
      return std::nullopt;
    return "both operands would have 128x128 blocks; keep one '1x128'";
  }
  if (lhs == rhs)
    return std::nullopt;
  return llvm::formatv("one operand would be scaled by '{0}', the other by "
                       "'{1}'; give both 'tensor', both 'row', or blocks",
                       stringifyGranularity(lhs), stringifyGranularity(rhs))
      .str();
}

/// Why an operand cannot be cut into its blocks; none if it can.
static std::optional<std::string> getBlockObstacle(Value operand,
                                                   Granularity granularity,
                                                   ArrayRef<int64_t> dims) {
  ArrayRef<int64_t> shape = getShape(operand.getType());
  if (getTile(granularity, shape, dims))
    return std::nullopt;
  if (granularity == Granularity::Block128x128)
    return llvm::formatv("an operand of rank {0} has no 128x128 blocks",
                         shape.size())
        .str();
  return llvm::formatv(
             "blocks of {0} would cross the dimensions {1:$[x]} that it "
             "contracts",
             kBlockSize,
             llvm::iterator_range(shape.slice(dims.front(), dims.size())))
      .str();
}

std::optional<GemmDims> fp8::getPaddedDims(FP8ContractionOpInterface op,
                                           Granularity lhs, Granularity rhs) {
  if (!op.canBePadded())
    return std::nullopt;
  GemmDims dims = getGemmDims(op);
  int64_t fp8Multiple = getTarget(op).fp8Multiple;
  bool isPadded = false;
  auto pad = [&](int64_t &size, int64_t multiple) {
    isPadded |= size % fp8Multiple != 0;
    if (size % fp8Multiple)
      size = llvm::alignTo(size, multiple);
  };
  pad(dims.m, fp8Multiple);
  pad(dims.n, fp8Multiple);
  pad(dims.k, isBlock(lhs) || isBlock(rhs) ? kBlockSize : fp8Multiple);
  return isPadded ? std::optional(dims) : std::nullopt;
}

std::optional<std::string> fp8::getFP8Obstacle(FP8ContractionOpInterface op,
                                               Granularity lhs, Granularity rhs,
                                               bool pads) {
  if (std::string obstacle = op.getContractionObstacle(); !obstacle.empty())
    return obstacle;
  if (op->getNumResults() != 1)
    return "it has several results, or none";
  SmallVector<Type> types = {op.getContractionLhs().get().getType(),
                             op.getContractionRhs().get().getType()};
  if (OpOperand *init = op.getContractionInit())
    types.push_back(init->get().getType());
  llvm::append_range(types, op->getResultTypes());
  if (!llvm::all_of(types, isStaticFloatTensor))
    return "its types are not tensors of static shape in f32, bf16 or f16";
  if (OpOperand *init = op.getContractionInit();
      init && init->get().getType() != op->getResult(0).getType())
    return "what its sum is added to has another type than its result";
  int64_t batchRank = op.getContractionBatchRank();
  if (batchRank != 0 && !getTarget(op).fp8Batches)
    return "it has batch dimensions";
  if (getContractionError(getShape(op.getContractionLhs().get().getType()),
                          getShape(op.getContractionRhs().get().getType()),
                          getShape(op->getResult(0).getType()), batchRank,
                          op.getLhsContractingDims(),
                          op.getRhsContractingDims()))
    return "its operands are no matrices with respect to the dimensions it "
           "contracts";
  int64_t fp8Multiple = getTarget(op).fp8Multiple;
  std::optional<GemmDims> padded;
  if (pads)
    padded = getPaddedDims(op, lhs, rhs);
  GemmDims dims = padded ? *padded : getGemmDims(op);
  for (auto [name, size] :
       {std::pair("m", dims.m), {"n", dims.n}, {"k", dims.k}})
    if (size % fp8Multiple)
      return llvm::formatv("{0} = {1} is no multiple of {2}", name, size,
                           fp8Multiple)
          .str();
  if ((isBlock(lhs) || isBlock(rhs)) && dims.k % kBlockSize)
    return llvm::formatv(
               "k = {0} is no multiple of the {1} elements of a block", dims.k,
               kBlockSize)
        .str();
  if (padded) // matrices, which have every block
    return std::nullopt;
  for (auto [granularity, operand, dims] :
       {std::tuple(lhs, &op.getContractionLhs(), op.getLhsContractingDims()),
        {rhs, &op.getContractionRhs(), op.getRhsContractingDims()}})
    if (batchRank > 0 && granularity != Granularity::Tensor &&
        dims.back() + 1 !=
            static_cast<int64_t>(getShape(operand->get().getType()).size()))
      return "tiles of batches lie along their last dimensions alone";
  if (auto obstacle = getBlockObstacle(op.getContractionLhs().get(), lhs,
                                       op.getLhsContractingDims()))
    return obstacle;
  return getBlockObstacle(op.getContractionRhs().get(), rhs,
                          op.getRhsContractingDims());
}
