//===- TrainFusion.cpp - train.fusion and what may stand in one -----------===//
//
// A fusion becomes a kernel whose loops its skeleton names. The verifier holds
// what stands inside against what such a kernel can do, so that conversion need
// not ask.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

using Shape = ArrayRef<int64_t>;

// train.fusion rows(%a = %x : tensor<..>) -> tensor<..> attr-dict { ... }
ParseResult FusionOp::parse(OpAsmParser &parser, OperationState &result) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  auto skeleton = symbolizeSkeleton(keyword);
  if (!skeleton)
    return parser.emitError(loc,
                            "expected a skeleton: map, rows, columns or sum");
  result.getOrAddProperties<FusionOp::Properties>().skeleton =
      SkeletonAttr::get(parser.getContext(), *skeleton);
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<Type> types;
  auto parseOne = [&]() -> ParseResult {
    if (parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
        parser.parseOperand(operands.emplace_back()) ||
        parser.parseColonType(arguments.back().type))
      return failure();
    types.push_back(arguments.back().type);
    return success();
  };
  SMLoc operandsLoc = parser.getCurrentLocation();
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne) ||
      parser.parseOptionalArrowTypeList(result.types) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.resolveOperands(operands, types, operandsLoc, result.operands))
    return failure();
  return parser.parseRegion(*result.addRegion(), arguments);
}

void FusionOp::print(OpAsmPrinter &printer) {
  printer << ' ' << stringifySkeleton(getSkeleton()) << '(';
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()),
                        printer, [&](auto pair) {
                          auto [argument, operand] = pair;
                          printer << argument << " = " << operand << " : "
                                  << operand.getType();
                        });
  printer << ')';
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult PartialSumOp::verify() {
  ArrayRef<int64_t> in = fp8::getShape(getInput().getType()),
                    out = fp8::getShape(getOutput().getType());
  if (in.empty())
    return emitOpError("needs rows to sum over, but got a scalar");
  int64_t rows = ShapedType::getNumElements(in.drop_back());
  int64_t expected[] = {
      static_cast<int64_t>(llvm::divideCeil(rows, getBlockRows())), in.back()};
  if (out != ArrayRef<int64_t>(expected))
    return emitOpError("sums ")
           << rows << " rows of " << in.back() << " by " << getBlockRows()
           << ": the result must be " << expected[0] << "x" << expected[1];
  return success();
}

ArrayRef<int64_t> FusionOp::getDomain() {
  Shape domain;
  int64_t most = -1;
  auto consider = [&](TypeRange types) {
    for (Type type : types) {
      if (!isa<RankedTensorType, fp8::ScaledType>(type))
        continue;
      Shape shape = fp8::getShape(type);
      int64_t count = ShapedType::getNumElements(shape);
      if (count > most || (count == most && shape.size() > domain.size())) {
        most = count;
        domain = shape;
      }
    }
  };
  for (Operation &op : getBody().front()) {
    consider(op.getOperandTypes());
    consider(op.getResultTypes());
  }
  return domain;
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

namespace {
/// Holds the body of one fusion against its skeleton.
class BodyVerifier {
public:
  explicit BodyVerifier(FusionOp fusion)
      : fusion(fusion), skeleton(fusion.getSkeleton()),
        domain(fusion.getDomain()) {}
  LogicalResult verify();

private:
  LogicalResult verifyMember(Operation *op);
  LogicalResult verifyScaling(Operation *op);
  LogicalResult verifyReduction(Operation *op);
  LogicalResult verifyReads(Operation *op);
  LogicalResult verifyYield(YieldOp yield);
  LogicalResult verifyYielded(YieldOp yield, Value value);

  InFlightDiagnostic misplaced(Operation *op, const Twine &reason) {
    return op->emitOpError("cannot stand in a train.fusion of skeleton ")
           << stringifySkeleton(skeleton) << ": " << reason;
  }
  bool isWhole(Value value) { return fp8::getShape(value.getType()) == domain; }
  bool isRowStatistic(Shape shape) {
    return shape.size() == domain.size() && !shape.empty() &&
           shape.back() == 1 && shape.drop_back() == domain.drop_back();
  }
  bool loopsOverElements() {
    return skeleton == Skeleton::map || skeleton == Skeleton::rows;
  }

  FusionOp fusion;
  Skeleton skeleton;
  Shape domain;
};
} // namespace

static bool isNumber(arith::ConstantOp constant) {
  auto splat = dyn_cast<SplatElementsAttr>(constant.getValue());
  return splat && splat.getNumElements() == 1;
}

/// The sum behind the casts that round it; null if there is none.
static Operation *findColumnSum(Value value) {
  while (auto cast = value.getDefiningOp<CastOp>())
    value = cast.getInput();
  Operation *op = value.getDefiningOp();
  auto decomposable = dyn_cast_or_null<DecomposableOpInterface>(op);
  return isa_and_nonnull<ReduceSumOp>(op) ||
                 (decomposable && decomposable.reducesColumns())
             ? op
             : nullptr;
}

LogicalResult BodyVerifier::verifyScaling(Operation *op) {
  if (!loopsOverElements())
    return misplaced(op, "only kernels over elements count and quantise");
  if (auto transpose = dyn_cast<fp8::TransposeOp>(op)) {
    auto quantize = transpose.getInput().getDefiningOp<fp8::QuantizeOp>();
    Shape dims = transpose.getPermutation();
    int64_t rank = dims.size();
    if (skeleton != Skeleton::rows || !quantize || dims.empty() ||
        !llvm::equal(dims.drop_front(), llvm::seq<int64_t>(0, rank - 1)))
      return misplaced(op, "kernels over rows alone store what they quantise "
                           "transposed, the last dimension first");
    for (Operation *user : quantize.getOutput().getUsers())
      if (user != op && isa<fp8::TransposeOp>(user))
        return misplaced(op, "the quantisation has another transposed copy");
    return success();
  }
  if (auto dequantize = dyn_cast<fp8::DequantizeOp>(op))
    return dequantize.getInput().getType().isPerTensor()
               ? success()
               : misplaced(op, "kernels know one scale per tensor");
  if (!isWhole(op->getOperand(0)))
    return misplaced(op, "it must read a tensor of the shape that the kernel "
                         "runs over");
  return success();
}

LogicalResult BodyVerifier::verifyReduction(Operation *op) {
  auto decomposable = dyn_cast<DecomposableOpInterface>(op);
  if (decomposable && skeleton == Skeleton::map && isa<AdamWOp>(op))
    return success();
  if (!isWhole(op->getOperand(0)))
    return misplaced(op, "it must reduce a tensor of the shape that the kernel "
                         "runs over");
  int64_t rank = domain.size();
  if (skeleton == Skeleton::rows) {
    if (decomposable && !decomposable.reducesColumns())
      return success();
    if (auto partial = dyn_cast<PartialSumOp>(op))
      for (auto other : op->getBlock()->getOps<PartialSumOp>())
        if (other.getBlockRows() != partial.getBlockRows())
          return misplaced(op, "its blocks have other numbers of rows than "
                               "those of other sums");
    auto axes = op->getAttrOfType<DenseI64ArrayAttr>("axes");
    if (isa<PartialSumOp>(op) ||
        (axes && axes.asArrayRef() == Shape{rank - 1} &&
         op->hasAttr("keepdims")))
      return success();
    return misplaced(op, "kernels over rows reduce the last dimension and keep "
                         "it with size 1");
  }
  if (skeleton == Skeleton::columns) {
    auto sum = dyn_cast<ReduceSumOp>(op);
    if ((decomposable && decomposable.reducesColumns()) ||
        (sum && llvm::equal(sum.getAxes(),
                            llvm::seq<int64_t>(0, sum.getAxes().size()))))
      return success();
    return misplaced(op, "kernels over columns sum over leading dimensions");
  }
  if (skeleton == Skeleton::sum && isa<SumSquaresOp>(op))
    return success();
  return misplaced(op, skeleton == Skeleton::sum
                           ? "its kernel gives a train.sum_squares"
                           : "kernels over elements reduce nothing");
}

/// Which values a kernel can load: it has no row and column where it goes over
/// elements one after another.
LogicalResult BodyVerifier::verifyReads(Operation *op) {
  bool hasRows = skeleton == Skeleton::rows;
  if (skeleton == Skeleton::columns) {
    Operation *sum = findColumnSum(
        cast<YieldOp>(op->getBlock()->getTerminator()).getValues().front());
    hasRows = !domain.empty() && sum &&
              ShapedType::getNumElements(
                  fp8::getShape(sum->getResult(0).getType())) == domain.back();
  }
  if (hasRows)
    return success();
  for (Value value : op->getOperands())
    if (isa<RankedTensorType, fp8::ScaledType>(value.getType()) &&
        !findColumnSum(value) && !isWhole(value) &&
        ShapedType::getNumElements(fp8::getShape(value.getType())) != 1)
      return misplaced(op, "it reads ")
             << value.getType() << ", which takes rows and columns";
  return success();
}

LogicalResult BodyVerifier::verifyMember(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return isNumber(constant) ? success()
                              : misplaced(op, "it is more than one number");
  if (isa<fp8::QuantizeOp, fp8::AmaxOp, fp8::DequantizeOp, fp8::ClampOp,
          fp8::TransposeOp>(op)) {
    if (failed(verifyScaling(op)))
      return failure();
  } else if (isa<DecomposableOpInterface, ReduceSumOp, ReduceMaxOp,
                 SumSquaresOp, PartialSumOp>(op)) {
    if (!isFloat(op->getResult(0)))
      return misplaced(op, "reductions of integers are library calls");
    if (failed(verifyReduction(op)))
      return failure();
  } else if (!isa<ScalarExpansionOpInterface>(op)) {
    return misplaced(op, "it is neither element-wise nor a reduction");
  }
  return verifyReads(op);
}

LogicalResult BodyVerifier::verifyYielded(YieldOp yield, Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<arith::ConstantOp>(op))
    return yield.emitOpError("yields what the kernel does not compute");
  if (skeleton == Skeleton::sum)
    return isa<SumSquaresOp>(op) && yield.getNumOperands() == 1
               ? success()
               : yield.emitOpError("must yield one train.sum_squares: the "
                                   "skeleton is sum");
  if (skeleton == Skeleton::columns) {
    auto count = [](Value sum) {
      return ShapedType::getNumElements(fp8::getShape(sum.getType()));
    };
    return findColumnSum(value) && count(value) == count(yield.getOperand(0))
               ? success()
               : yield.emitOpError("must yield sums over the same leading "
                                   "dimensions: the skeleton is columns");
  }
  if (isa<fp8::StatsType>(value.getType()) ||
      isa<fp8::AmaxOp, fp8::TransposeOp, PartialSumOp>(op))
    return success();
  Shape shape = fp8::getShape(value.getType());
  if (shape == domain || (skeleton == Skeleton::rows && isRowStatistic(shape)))
    return success();
  InFlightDiagnostic diag = yield.emitOpError("yields ")
                            << value.getType() << " from a kernel over [";
  llvm::interleaveComma(domain, diag);
  return diag << "]";
}

LogicalResult BodyVerifier::verifyYield(YieldOp yield) {
  llvm::SmallDenseSet<Value, 8> yielded;
  for (Value value : yield.getValues()) {
    if (!yielded.insert(value).second)
      return yield.emitOpError("yields a value twice");
    if (failed(verifyYielded(yield, value)))
      return failure();
  }
  for (Operation &op : *yield->getBlock())
    for (Value result : op.getResults())
      if (isa<fp8::StatsType>(result.getType()) &&
          isa<fp8::ClampOp, AdamWOp>(op) && !yielded.contains(result))
        return op.emitOpError("counts what nobody is given: yield the counts");
  return success();
}

LogicalResult BodyVerifier::verify() {
  Block &body = fusion.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  if (yield.getValues().empty())
    return yield.emitOpError("yields nothing: the kernel would be for nothing");
  for (Operation &op : body.without_terminator())
    if (failed(verifyMember(&op)))
      return failure();
  return verifyYield(yield);
}

LogicalResult FusionOp::verify() {
  if (getBody().getArgumentTypes() != getInputs().getTypes())
    return emitOpError("body arguments must have the types of the operands");
  Block &block = getBody().front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getValues().getTypes() != getResultTypes())
    return emitOpError("body must yield values of the result types");
  for (Type type : getInputs().getTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!isa<fp8::ScaledType, fp8::ScaleType>(type) &&
        !(tensor && tensor.hasStaticShape()))
      return emitOpError("takes tensors of static shape, scaled tensors and "
                         "scales, but one operand is ")
             << type;
  }
  return success();
}

/// Not before the body: whether it is sound inside is seen here only.
LogicalResult FusionOp::verifyRegions() { return BodyVerifier(*this).verify(); }
