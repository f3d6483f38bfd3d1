//===- ExecKernels.cpp - Kernels and their launches -----------------------===//

#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

bool exec::dependsOnMicroBatch(KernelOp kernel) {
  return llvm::any_of(kernel.getBody().front().getOps<ColumnSumOp>(),
                      [](ColumnSumOp sum) { return sum.getUnlessFirst(); });
}

exec::AcrossRows exec::getAcrossRows(KernelOp kernel) {
  AcrossRows across;
  kernel.walk([&](QuantizeOp quantize) {
    across.transposedCopies += static_cast<bool>(quantize.getTransposed());
  });
  kernel.walk([&](PartialSumOp sum) { across.sumRows = sum.getBlockRows(); });
  return across;
}

bool exec::isElementwise(KernelOp kernel) {
  return llvm::all_of(kernel.getBody().front(), [](Operation &op) {
    if (auto load = dyn_cast<LoadOp>(op))
      return load.getAccess() == Access::scalar;
    return !isa<ReduceOp, StoreOp>(op);
  });
}

LogicalResult QuantizeOp::verify() {
  if (!getBuffer() && !getTransposed())
    return emitOpError("stores its code nowhere");
  if (getBuffer() && getTransposed() &&
      getBuffer().getType() != getTransposed().getType())
    return emitOpError("stores one code as ")
           << getBuffer().getType() << " and as " << getTransposed().getType();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (getTransposed() && kernel &&
      kernel.getSkeleton() != train::Skeleton::rows)
    return emitOpError(
        "stores transposed, which only kernels of skeleton rows can");
  return success();
}

/// The kernel of a launch, which must take the buffers.
static FailureOr<KernelOp> verifyLaunch(Operation *op, FlatSymbolRefAttr name,
                                        ValueRange buffers,
                                        SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>(op, name);
  if (!kernel)
    return op->emitOpError("refers to ") << name << ", which is no exec.kernel";
  if (kernel.getBody().getNumArguments() != buffers.size())
    return op->emitOpError("passes ")
           << buffers.size() << " buffers to a kernel of "
           << kernel.getBody().getNumArguments();
  for (auto [argument, buffer] :
       llvm::zip(kernel.getBody().getArguments(), buffers))
    if (getElementTypeOrSelf(argument.getType()) !=
        getElementTypeOrSelf(buffer.getType()))
      return op->emitOpError("passes ")
             << buffer.getType() << " where the kernel takes "
             << argument.getType();
  return kernel;
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<KernelOp> kernel =
      verifyLaunch(*this, getKernelAttr(), getOperands(), symbols);
  if (failed(kernel))
    return failure();
  if (kernel->getInputs() != getInputs().size())
    return emitOpError("gives ")
           << getInputs().size() << " inputs to a kernel of "
           << kernel->getInputs();
  return success();
}

LogicalResult LaunchMultiOp::verifySymbolUses(SymbolTableCollection &symbols) {
  size_t count = getNumMatrices();
  if (count == 0 || getCols().size() != count ||
      getBuffers().size() % count != 0)
    return emitOpError(
        "needs rows, cols and buffers of the same number of matrices");
  for (size_t i = 0; i < count; ++i)
    if (failed(verifyLaunch(*this, getKernelAttr(), getBuffersOf(i), symbols)))
      return failure();
  return success();
}

// exec.kernel @name rows (%a: memref<*xf32>, %b: memref<*xf32>) inputs 1 {…}
ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &properties = result.getOrAddProperties<KernelOp::Properties>();
  StringRef keyword;
  SMLoc loc;
  if (parser.parseSymbolName(properties.sym_name) ||
      parser.getCurrentLocation(&loc) || parser.parseKeyword(&keyword))
    return failure();
  auto skeleton = train::symbolizeSkeleton(keyword);
  if (!skeleton)
    return parser.emitError(loc,
                            "expected a skeleton: map, rows, columns or sum");
  properties.skeleton =
      train::SkeletonAttr::get(parser.getContext(), *skeleton);
  SmallVector<OpAsmParser::Argument> arguments;
  int64_t inputs;
  if (parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren,
                               /*allowType=*/true) ||
      parser.parseKeyword("inputs") || parser.parseInteger(inputs) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  properties.inputs = parser.getBuilder().getI64IntegerAttr(inputs);
  if (Attribute names = result.attributes.erase("arg_names"))
    properties.arg_names = dyn_cast<ArrayAttr>(names);
  if (!properties.arg_names)
    return parser.emitError(loc, "expected arg_names");
  return parser.parseRegion(*result.addRegion(), arguments);
}

void KernelOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << ' ' << train::stringifySkeleton(getSkeleton()) << " (";
  llvm::interleaveComma(
      getBody().getArguments(), printer,
      [&](BlockArgument argument) { printer.printRegionArgument(argument); });
  printer << ") inputs " << getInputs();
  NamedAttrList attrs((*this)->getDiscardableAttrDictionary());
  attrs.set("arg_names", getArgNames());
  printer.printOptionalAttrDictWithKeyword(attrs);
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false,
                      /*printBlockTerminators=*/false);
}

/// Is it an op that a kernel consists of?
static bool isOfKernel(Operation *op) {
  return isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) ||
         isa<LoadOp, StoreOp, QuantizeOp, ClampOp, AmaxOp, PartialSumOp, EachOp,
             ReduceOp, ColumnSumOp, TotalOp, YieldOp>(op);
}

LogicalResult KernelOp::verify() {
  WalkResult members = getBody().walk([](Operation *op) {
    if (isOfKernel(op))
      return WalkResult::advance();
    op->emitOpError("stands in an exec.kernel, which computes with arith and "
                    "math and touches memory by exec.load, exec.store and "
                    "their like alone");
    return WalkResult::interrupt();
  });
  if (members.wasInterrupted())
    return failure();
  for (BlockArgument argument : getBody().getArguments())
    if (!isa<UnrankedMemRefType>(argument.getType()))
      return emitOpError("takes ")
             << argument.getType()
             << ", but a kernel serves buffers of all shapes: memref<*x...>";
  if (getArgNames().size() != getBody().getNumArguments())
    return emitOpError("needs one name per argument");
  if (static_cast<int64_t>(getInputs()) < 0 ||
      getInputs() > getBody().getNumArguments())
    return emitOpError("has ") << getInputs() << " inputs, but "
                               << getBody().getNumArguments() << " arguments";
  return success();
}
