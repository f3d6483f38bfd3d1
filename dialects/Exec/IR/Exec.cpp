//===- Exec.cpp - The exec dialect ----------------------------------------===//

#include "Exec/IR/Exec.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

#include "Exec/IR/ExecDialect.cpp.inc"
#include "Exec/IR/ExecEnums.cpp.inc"

#define GET_OP_CLASSES
#include "Exec/IR/ExecOps.cpp.inc"

void ExecDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "Exec/IR/ExecOps.cpp.inc"
      >();
}

int64_t exec::getByteSize(MemRefType type) {
  auto [strides, offset] = type.getStridesAndOffset();
  int64_t last = offset;
  for (auto [size, stride] : llvm::zip(type.getShape(), strides)) {
    if (size == 0)
      return 0;
    last += (size - 1) * stride;
  }
  return (last + 1) * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

Type exec::getScalarType(Type buffer) {
  Type element = getElementTypeOrSelf(buffer);
  return element.isSignlessInteger() ? element
                                     : Float32Type::get(buffer.getContext());
}

LogicalResult LoadOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                       ValueRange operands, DictionaryAttr,
                                       OpaqueProperties, RegionRange,
                                       SmallVectorImpl<Type> &types) {
  types.push_back(getScalarType(operands.front().getType()));
  return success();
}

bool exec::isContiguous(MemRefType type) {
  return type.getLayout().isIdentity();
}

Value exec::getRoot(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewOp>())
    buffer = view.getSource();
  return buffer;
}

void exec::getEffects(Operation *op, SmallVectorImpl<Value> &reads,
                      SmallVectorImpl<Value> &writes) {
  if (auto gemm = dyn_cast<GemmOp>(op)) {
    for (Value operand : op->getOperands())
      reads.push_back(operand);
    writes.push_back(gemm.getC());
    if (gemm.getWorkspace())
      writes.push_back(gemm.getWorkspace());
  } else if (auto call = dyn_cast<CallOp>(op)) {
    // Outputs may be accumulated into, and states are read as well.
    llvm::append_range(reads, op->getOperands());
    llvm::append_range(writes, call.getOutputs());
  } else if (auto copy = dyn_cast<CopyOp>(op)) {
    reads.push_back(copy.getSource());
    writes.push_back(copy.getTarget());
  } else if (auto launch = dyn_cast<LaunchOp>(op)) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(
        op, launch.getKernelAttr());
    llvm::append_range(reads, launch.getBuffers());
    llvm::append_range(writes, launch.getBuffers().drop_front(
                                   kernel ? kernel.getInputs() : 0));
  } else if (isa<FillOp>(op)) {
    writes.push_back(op->getOperand(0));
  } else if (!isa<AllocOp, ViewOp, GetOp, HyperOp, ConstantOp>(op)) {
    llvm::append_range(reads, op->getOperands());
    llvm::append_range(writes, op->getOperands());
  }
}

int64_t exec::getGemmWorkspaceBytes(Value a, Value b, Value c) {
  int64_t bytes = 0;
  for (Value matrix : {a, b, c}) {
    auto type = cast<MemRefType>(matrix.getType());
    if (!type.getElementType().isF32())
      bytes += llvm::alignTo(type.getNumElements() * 4, kAlignment);
  }
  return bytes;
}

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

LogicalResult GemmOp::verify() {
  auto count = [](Value buffer) {
    return cast<MemRefType>(buffer.getType()).getNumElements();
  };
  int64_t batch = getBatch(), m = getM(), n = getN(), k = getK();
  if (count(getA()) != batch * m * k || count(getB()) != batch * k * n ||
      count(getC()) != batch * m * n)
    return emitOpError("buffers do not hold ")
           << batch << " matrices of m = " << getM() << ", n = " << getN()
           << ", k = " << getK();
  auto isFP8 = [](Value buffer) {
    return isa<Float8E4M3FNType, Float8E5M2Type>(
        cast<MemRefType>(buffer.getType()).getElementType());
  };
  if (isFP8(getA()) != static_cast<bool>(getScaleA()) ||
      isFP8(getB()) != static_cast<bool>(getScaleB()))
    return emitOpError("FP8 operands need scales, and only they");
  for (auto [word, scale] : {std::pair(getGranularityA(), getScaleA()),
                             {getGranularityB(), getScaleB()}}) {
    if (!word)
      continue;
    auto granularity = fp8::symbolizeGranularity(*word);
    if (!granularity || *granularity == fp8::Granularity::Tensor)
      return emitOpError("granularity must be row, 1x128 or 128x128, but is ")
             << *word;
    if (!scale || batch != 1)
      return emitOpError("only FP8 operands have a granularity, without batch");
  }
  return success();
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

static LogicalResult verifyLaunch(Operation *op, FlatSymbolRefAttr name,
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
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyLaunch(*this, getKernelAttr(), getBuffers(), symbols);
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

LogicalResult KernelOp::verify() {
  if (getArgNames().size() != getBody().getNumArguments())
    return emitOpError("needs one name per argument");
  return success();
}
