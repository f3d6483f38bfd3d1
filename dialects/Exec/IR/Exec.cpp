//===- Exec.cpp - The exec dialect ----------------------------------------===//

#include "Exec/IR/Exec.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

#include "Exec/IR/ExecDialect.cpp.inc"
#include "Exec/IR/ExecEnums.cpp.inc"
#include "Exec/IR/ExecInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "Exec/IR/ExecAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "Exec/IR/ExecOps.cpp.inc"

void ExecDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "Exec/IR/ExecAttrs.cpp.inc"
      >();
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

bool exec::isBuffer(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  if (!memref || !memref.hasStaticShape() ||
      !memref.getElementType().isIntOrFloat())
    return false;
  SmallVector<int64_t> strides;
  int64_t offset;
  return succeeded(memref.getStridesAndOffset(strides, offset)) &&
         llvm::all_of(strides, [](int64_t stride) { return stride >= 0; }) &&
         offset >= 0;
}

/// Is the type a dense vector of f32? Then of how many.
static std::optional<int64_t> getFloats(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  if (!memref || memref.getRank() != 1 || !memref.getElementType().isF32() ||
      !memref.hasStaticShape() || !exec::isContiguous(memref))
    return std::nullopt;
  return memref.getDimSize(0);
}
bool exec::isScalePair(Type type) { return getFloats(type) == kScalePairWords; }
bool exec::isScaleState(Type type) {
  return getFloats(type).value_or(0) >= getScaleStateWords(1);
}
bool exec::isStats(Type type) {
  return type == MemRefType::get({3}, getStatsWordType(type.getContext()));
}

bool exec::isContiguous(MemRefType type) {
  return type.getLayout().isIdentity();
}

bool exec::haveOneStride(MemRefType tokens) {
  auto strides = tokens.getStridesAndOffset().first;
  return strides[2] == 1 && (tokens.getDimSize(0) <= 1 ||
                             strides[0] == tokens.getDimSize(1) * strides[1]);
}

std::optional<Pitch> exec::getPitch(MemRefType type, int64_t cols) {
  if (isContiguous(type))
    return Pitch{};
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  // What lies together, from the last dimension on; then what has one pitch.
  int64_t dim = shape.size(), together = 1;
  while (dim > 0 && (strides[dim - 1] == together || shape[dim - 1] == 1))
    together *= shape[--dim];
  int64_t pitch = dim > 0 ? strides[dim - 1] : together;
  for (int64_t outer = dim - 1, step = pitch; outer >= 0; --outer) {
    if (strides[outer] != step && shape[outer] != 1)
      return std::nullopt;
    step *= shape[outer];
  }
  if (cols < 1 || together % cols || pitch < together)
    return std::nullopt;
  return Pitch{together / cols, pitch};
}

Value exec::getRoot(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewOp>())
    buffer = view.getSource();
  return buffer;
}

void exec::getEffects(Operation *op, SmallVectorImpl<Value> &reads,
                      SmallVectorImpl<Value> &writes) {
  auto effects = dyn_cast<MemoryEffectOpInterface>(op);
  if (!effects) {
    llvm::append_range(reads, op->getOperands());
    llvm::append_range(writes, op->getOperands());
    return;
  }
  SmallVector<MemoryEffects::EffectInstance> instances;
  effects.getEffects(instances);
  for (const MemoryEffects::EffectInstance &instance : instances) {
    Value buffer = instance.getValue();
    if (!buffer)
      continue;
    if (isa<MemoryEffects::Read>(instance.getEffect()))
      reads.push_back(buffer);
    else if (isa<MemoryEffects::Write>(instance.getEffect()))
      writes.push_back(buffer);
  }
}

LogicalResult exec::VariableOp::verify() {
  if (!isa<train::ConstantInitAttr, train::NormalInitAttr, train::FileInitAttr,
           train::JoinedInitAttr, DenseElementsAttr>(getInit()))
    return emitOpError("init must be a #train.constant, #train.normal, "
                       "#train.file or #train.joined, or dense elements, but "
                       "is ")
           << getInit();
  if (static_cast<int64_t>(getOffset()) < 0 || getOffset() % kAlignment != 0)
    return emitOpError("offset must be a multiple of ")
           << kAlignment << " bytes, but is " << getOffset();
  // A site is told of with both: its type is a buffer, which has no format.
  if ((*this)->hasAttr(fp8::kCountedAttr) &&
      !(*this)->hasAttr(fp8::kFormatAttr))
    return emitOpError("has ")
           << fp8::kCountedAttr << " without " << fp8::kFormatAttr;
  return success();
}

LogicalResult
exec::VariableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!getScaleAttr())
    return success();
  auto scale =
      symbols.lookupNearestSymbolFrom<VariableOp>(*this, getScaleAttr());
  if (!scale || !scale.getBufferType().getElementType().isF32())
    return emitOpError("has its scale in ")
           << getScaleAttr() << ", which is no exec.variable of f32";
  return success();
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto variable =
      symbols.lookupNearestSymbolFrom<VariableOp>(*this, getVariableAttr());
  if (!variable)
    return emitOpError("refers to ")
           << getVariableAttr() << ", which is no exec.variable";
  if (variable.getBufferType() != getType())
    return emitOpError("gives ") << getVariableAttr() << " as " << getType()
                                 << ", but it is " << variable.getType();
  return success();
}

LogicalResult ViewOp::verify() {
  MemRefType source = getSource().getType(), result = getType();
  int64_t width = llvm::divideCeil(result.getElementTypeBitWidth(), 8);
  int64_t offset = getOffset();
  if (offset < 0 || offset * width + getByteSize(result) > getByteSize(source))
    return emitOpError("shows elements from ")
           << offset << " as " << result << ", which end past the "
           << getByteSize(source) << " bytes of " << source;
  return success();
}
