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

/// How many elements of an argument a launch over rows x cols touches.
static int64_t getTouched(KernelOp kernel, BlockArgument argument, int64_t rows,
                          int64_t cols) {
  auto getElements = [&](Access access, int64_t period) -> int64_t {
    switch (access) {
    case Access::scalar:
      return 1;
    case Access::full:
      return rows * cols;
    case Access::row:
      return rows;
    case Access::col:
      return cols;
    case Access::tile:
      return std::min(rows, period) * cols;
    }
    llvm_unreachable("all accesses are handled");
  };
  int64_t most = 0;
  for (Operation *user : argument.getUsers()) {
    int64_t touched = 0;
    if (auto load = dyn_cast<LoadOp>(user))
      touched = getElements(load.getAccess(), load.getPeriod());
    else if (auto store = dyn_cast<StoreOp>(user))
      touched = getElements(store.getAccess(), /*period=*/0);
    else if (auto quantize = dyn_cast<QuantizeOp>(user))
      touched = argument == quantize.getStats() ? 1 : rows * cols;
    else if (auto sum = dyn_cast<PartialSumOp>(user))
      touched = llvm::divideCeil(rows, sum.getBlockRows()) * cols;
    else if (isa<ColumnSumOp>(user))
      touched = cols;
    else
      touched = 1;
    most = std::max(most, touched);
  }
  return most;
}

/// Checks that a launch stays inside of its buffers.
static LogicalResult verifyDomain(Operation *op, KernelOp kernel,
                                  ValueRange buffers, int64_t rows,
                                  int64_t cols) {
  int64_t elements;
  if (rows < 0 || cols < 0 || llvm::MulOverflow(rows, cols, elements))
    return op->emitOpError("runs over ") << rows << " x " << cols;
  for (auto [argument, buffer] :
       llvm::zip(kernel.getBody().getArguments(), buffers)) {
    Pitch expected = kernel.getPitch(argument.getArgNumber());
    if (getPitch(typeOf(buffer), cols) != expected)
      return op->emitOpError("passes ")
             << buffer.getType() << " where the kernel takes rows of " << cols
             << ", " << expected.parts << " side by side, the next ones "
             << expected.pitch << " behind them";
    int64_t touched = getTouched(kernel, argument, rows, cols);
    if (touched > typeOf(buffer).getNumElements())
      return op->emitOpError("runs over ")
             << rows << " x " << cols << " and touches " << touched
             << " elements of " << buffer.getType();
  }
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
  return verifyDomain(*this, *kernel, getOperands(), getRows(), getCols());
}

LogicalResult LaunchMultiOp::verifySymbolUses(SymbolTableCollection &symbols) {
  size_t count = getNumMatrices();
  if (count == 0 || getCols().size() != count ||
      getBuffers().size() % count != 0)
    return emitOpError(
        "needs rows, cols and buffers of the same number of matrices");
  for (size_t i = 0; i < count; ++i) {
    FailureOr<KernelOp> kernel =
        verifyLaunch(*this, getKernelAttr(), getBuffersOf(i), symbols);
    if (failed(kernel) || failed(verifyDomain(*this, *kernel, getBuffersOf(i),
                                              getRows()[i], getCols()[i])))
      return failure();
  }
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
  if (Attribute pitches = result.attributes.erase("pitches"))
    properties.pitches = dyn_cast<DenseI64ArrayAttr>(pitches);
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
  if (getPitchesAttr())
    attrs.set("pitches", getPitchesAttr());
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

/// Does the op loop over elements, in the kernels of this skeleton?
static bool isLoopOf(Operation *op, train::Skeleton skeleton) {
  switch (skeleton) {
  case train::Skeleton::map:
    return isa<EachOp>(op);
  case train::Skeleton::rows:
    return isa<EachOp, ReduceOp>(op);
  case train::Skeleton::columns:
    return isa<ColumnSumOp>(op);
  case train::Skeleton::sum:
    return isa<TotalOp>(op);
  }
  llvm_unreachable("all skeletons are handled");
}

/// What a kernel knows of its position: of which element it is in a loop only,
/// of which row and column where the skeleton has rows and columns.
static bool isKnown(Access access, train::Skeleton skeleton, bool inLoop) {
  switch (access) {
  case Access::scalar:
    return true;
  case Access::full:
    return inLoop;
  case Access::row:
    return skeleton == train::Skeleton::rows ||
           (skeleton == train::Skeleton::columns && inLoop);
  case Access::col:
    return inLoop && (skeleton == train::Skeleton::rows ||
                      skeleton == train::Skeleton::columns);
  case Access::tile:
    return inLoop && skeleton == train::Skeleton::rows;
  }
  llvm_unreachable("all accesses are handled");
}

/// Checks that a kernel does what its skeleton has loops and positions for.
static LogicalResult verifyLoops(KernelOp kernel) {
  train::Skeleton skeleton = kernel.getSkeleton();
  auto misplaced = [&](Operation *op) {
    return op->emitOpError("cannot stand here in a kernel of skeleton ")
           << train::stringifySkeleton(skeleton);
  };
  WalkResult result = kernel.getBody().walk([&](Operation *op) -> WalkResult {
    bool inLoop = op->getParentOp() != kernel;
    if (isa<EachOp, ReduceOp, ColumnSumOp, TotalOp>(op) &&
        (inLoop || !isLoopOf(op, skeleton)))
      return misplaced(op);
    std::optional<Access> access;
    if (auto load = dyn_cast<LoadOp>(op)) {
      access = load.getAccess();
      if (access == Access::tile && load.getPeriod() < 1)
        return op->emitOpError("repeats rows after ") << load.getPeriod();
    } else if (auto store = dyn_cast<StoreOp>(op)) {
      access = store.getAccess();
    } else if (isa<QuantizeOp, PartialSumOp, ClampOp, AmaxOp>(op) && !inLoop) {
      return misplaced(op);
    }
    if (access && !isKnown(*access, skeleton, inLoop))
      return op->emitOpError("asks for its place, ")
             << stringifyAccess(*access)
             << ", which is not known here in a kernel of skeleton "
             << train::stringifySkeleton(skeleton);
    if (isa<PartialSumOp>(op) && skeleton != train::Skeleton::rows)
      return misplaced(op);
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  // The function that the library calls is the loop itself.
  Block &body = kernel.getBody().front();
  if (skeleton == train::Skeleton::sum && !llvm::hasSingleElement(body))
    return kernel.emitOpError("of skeleton sum is one exec.total");
  return success();
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
  if (members.wasInterrupted() || failed(verifyLoops(*this)))
    return failure();
  for (BlockArgument argument : getBody().getArguments())
    if (!isa<UnrankedMemRefType>(argument.getType()))
      return emitOpError("takes ")
             << argument.getType()
             << ", but a kernel serves buffers of all shapes: memref<*x...>";
  if (getArgNames().size() != getBody().getNumArguments())
    return emitOpError("needs one name per argument");
  if (getPitches() && getPitches()->size() != 2 * getArgNames().size())
    return emitOpError("needs two numbers per argument for its pitches");
  for (BlockArgument argument : getBody().getArguments()) {
    Pitch pitch = getPitch(argument.getArgNumber());
    if (pitch == Pitch{})
      continue;
    if (getSkeleton() != train::Skeleton::rows || pitch.parts < 1 ||
        pitch.pitch < 1)
      return emitOpError("has a pitch of ")
             << pitch.parts << ", " << pitch.pitch
             << "; both are positive, in a kernel over rows";
    for (Operation *user : argument.getUsers()) {
      auto load = dyn_cast<LoadOp>(user);
      auto store = dyn_cast<StoreOp>(user);
      auto quantize = dyn_cast<QuantizeOp>(user);
      if (!(load && load.getAccess() == Access::full) &&
          !(store && store.getAccess() == Access::full) &&
          !(quantize && quantize.getBuffer() == argument))
        return user->emitOpError("touches an argument with a pitch otherwise "
                                 "than element by element");
    }
  }
  if (static_cast<int64_t>(getInputs()) < 0 ||
      getInputs() > getBody().getNumArguments())
    return emitOpError("has ") << getInputs() << " inputs, but "
                               << getBody().getNumArguments() << " arguments";
  // Launches read inputs and nothing else: what is planned and ordered by it.
  for (BlockArgument input : getBody().getArguments().take_front(getInputs()))
    for (Operation *user : input.getUsers())
      if (!isa<LoadOp>(user))
        return user->emitOpError("writes argument ")
               << input.getArgNumber() << " of the kernel, which is an input";
  return success();
}
