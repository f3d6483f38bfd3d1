//===- ExecPlan.cpp - What places in memory promise -----------------------===//
//
// Offsets are numbers that a pass chose once. Whoever emits a program holds
// them against what the program does: places that overlap while both are
// needed, or end past their block, are no matter of types. Nor is by which
// scale codes were made, once a scaled tensor is two buffers.
//
//===----------------------------------------------------------------------===//

#include "Exec/IR/ExecPlan.h"

#include "Exec/IR/Exec.h"
#include "FP8/IR/Precision.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace {
/// Bytes of a block.
struct Place {
  int64_t begin, end;

  bool meets(Place other) const {
    return begin < other.end && other.begin < end;
  }
};
} // namespace

static std::optional<int64_t> getBytes(ModuleOp module, StringRef name) {
  auto attr = module->getAttrOfType<IntegerAttr>(name);
  return attr ? std::optional(attr.getInt()) : std::nullopt;
}

static LogicalResult verifyVariables(ModuleOp module) {
  std::optional<int64_t> bytes = getBytes(module, kVariablesAttr);
  SmallVector<std::pair<Place, VariableOp>> places;
  for (auto variable : module.getOps<VariableOp>()) {
    int64_t offset = variable.getOffset(),
            size = getByteSize(variable.getBufferType());
    if (!bytes || size > *bytes || offset > *bytes - size)
      return variable.emitOpError("ends past the ")
             << bytes.value_or(0) << " bytes of all variables";
    if (size > 0)
      places.push_back({{offset, offset + size}, variable});
  }
  llvm::sort(places,
             [](auto &a, auto &b) { return a.first.begin < b.first.begin; });
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i - 1].first.meets(places[i].first))
      return places[i].second.emitOpError("stands in the place of ")
             << places[i - 1].second.getSymNameAttr();
  return success();
}

namespace {
/// Follows a function's temporaries from op to op.
class Temporaries {
public:
  Temporaries(std::optional<int64_t> bytes, const SymbolTable &symbols)
      : bytes(bytes), symbols(symbols) {}
  LogicalResult add(AllocOp alloc);
  LogicalResult visit(Operation *op);

private:
  void getEffects(Operation *op, SmallVectorImpl<Value> &reads,
                  SmallVectorImpl<Value> &writes);

  std::optional<int64_t> bytes;
  const SymbolTable &symbols;
  DenseMap<Value, Place> places;
  /// Those that hold what was written to them.
  llvm::SmallMapVector<Value, Place, 16> held;
};
} // namespace

LogicalResult Temporaries::add(AllocOp alloc) {
  if (!alloc.getOffset())
    return alloc.emitOpError("has no offset: run exec-plan-memory");
  int64_t offset = *alloc.getOffset(), size = getByteSize(alloc.getType());
  if (offset < 0 || offset % kAlignment || !bytes || size > *bytes ||
      offset > *bytes - size)
    return alloc.emitOpError("lies at ")
           << offset << ", of " << size << " bytes, which is no place in the "
           << bytes.value_or(0) << " bytes of the arena";
  places[alloc] = {offset, offset + size};
  return success();
}

/// Of buffers of many matrices the kernel knows which ones it only reads.
void Temporaries::getEffects(Operation *op, SmallVectorImpl<Value> &reads,
                             SmallVectorImpl<Value> &writes) {
  auto launch = dyn_cast<LaunchMultiOp>(op);
  if (!launch)
    return exec::getEffects(op, reads, writes);
  unsigned inputs = symbols.lookup<KernelOp>(launch.getKernel()).getInputs();
  for (size_t i = 0; i < launch.getNumMatrices(); ++i) {
    OperandRange buffers = launch.getBuffersOf(i);
    llvm::append_range(reads, buffers.take_front(inputs));
    llvm::append_range(writes, buffers.drop_front(inputs));
  }
}

LogicalResult Temporaries::visit(Operation *op) {
  SmallVector<Value> reads, writes;
  getEffects(op, reads, writes);
  for (Value buffer : reads) {
    Value root = getRoot(buffer);
    // What an op also writes it may write first.
    if (places.contains(root) && !held.contains(root) &&
        !llvm::is_contained(writes, buffer))
      return op->emitOpError("reads a temporary that holds nothing: it was not "
                             "written, or another one has taken its place");
  }
  for (Value buffer : writes) {
    Value root = getRoot(buffer);
    auto place = places.find(root);
    if (place == places.end())
      continue;
    Place written = place->second;
    held.remove_if([&](auto &entry) {
      return entry.first != root && entry.second.meets(written);
    });
    held.insert({root, written});
  }
  return success();
}

namespace {
/// Follows by which scales codes were made, from op to op.
class Scales {
public:
  explicit Scales(const SymbolTable &symbols) : symbols(symbols) {}
  LogicalResult visit(Operation *op);

private:
  /// A variable's symbol, or another buffer's value.
  using Place = const void *;
  Place getPlace(Value buffer);
  void addLaunch(FlatSymbolRefAttr kernel, ValueRange buffers);
  LogicalResult verify(Operation *op, Value codes, Value scale);

  const SymbolTable &symbols;
  DenseMap<Place, Place> scales;
  /// Of copied scales: what they are copies of.
  DenseMap<Place, Place> originals;
};
} // namespace

Scales::Place Scales::getPlace(Value buffer) {
  Value root = getRoot(buffer);
  auto get = root.getDefiningOp<GetOp>();
  Place place = get ? get.getVariableAttr().getAsOpaquePointer()
                    : root.getAsOpaquePointer();
  return originals.lookup_or(place, place);
}

void Scales::addLaunch(FlatSymbolRefAttr name, ValueRange buffers) {
  symbols.lookup<KernelOp>(name.getAttr()).walk([&](QuantizeOp quantize) {
    auto load = quantize.getScale().getDefiningOp<LoadOp>();
    auto scale =
        load ? dyn_cast<BlockArgument>(load.getBuffer()) : BlockArgument();
    for (Value codes : {quantize.getBuffer(), quantize.getTransposed()}) {
      auto argument = dyn_cast_or_null<BlockArgument>(codes);
      if (!argument)
        continue;
      Place place = getPlace(buffers[argument.getArgNumber()]);
      if (scale)
        scales[place] = getPlace(buffers[scale.getArgNumber()]);
      else
        scales.erase(place);
    }
  });
}

LogicalResult Scales::verify(Operation *op, Value codes, Value scale) {
  if (!scale)
    return success();
  Place used = getPlace(scale);
  auto made = scales.find(getPlace(codes));
  bool isMade = made != scales.end();
  if (isMade && made->second == used)
    return success();
  // A variable's codes are by the scale that is stored beside it, whoever has
  // written them: given ones are copied there.
  auto get = getRoot(codes).getDefiningOp<GetOp>();
  FlatSymbolRefAttr beside =
      get ? symbols.lookup<VariableOp>(get.getVariable()).getScaleAttr()
          : FlatSymbolRefAttr();
  if (beside ? beside.getAsOpaquePointer() == used : !isMade)
    return success();
  return op->emitOpError("multiplies codes by another scale than that which "
                         "they were made with");
}

LogicalResult Scales::visit(Operation *op) {
  if (auto gemm = dyn_cast<GemmOp>(op)) {
    if (failed(verify(op, gemm.getA(), gemm.getScaleA())))
      return failure();
    return verify(op, gemm.getB(), gemm.getScaleB());
  }
  if (auto launch = dyn_cast<LaunchOp>(op)) {
    addLaunch(launch.getKernelAttr(), launch.getOperands());
  } else if (auto launch = dyn_cast<LaunchMultiOp>(op)) {
    for (size_t i = 0; i < launch.getNumMatrices(); ++i)
      addLaunch(launch.getKernelAttr(), launch.getBuffersOf(i));
  } else if (auto tiles = dyn_cast<QuantizeTilesOp>(op)) {
    scales[getPlace(tiles.getCodes())] = getPlace(tiles.getScaleInv());
  } else if (auto copy = dyn_cast<CopyOp>(op)) {
    Place from = getPlace(copy.getSource()), to = getPlace(copy.getTarget());
    if (!train::isFP8(typeOf(copy.getSource()).getElementType())) {
      originals[to] = from;
      return success();
    }
    auto source = getRoot(copy.getSource()).getDefiningOp<GetOp>();
    auto beside =
        source ? symbols.lookup<VariableOp>(source.getVariable()).getScaleAttr()
               : FlatSymbolRefAttr();
    Place scale = scales.lookup(from);
    if (!scale && beside)
      scale = beside.getAsOpaquePointer();
    if (scale)
      scales[to] = scale;
    else
      scales.erase(to);
  }
  return success();
}

LogicalResult exec::verifyPlan(ModuleOp module) {
  if (failed(verifyVariables(module)))
    return failure();
  std::optional<int64_t> arena = getBytes(module, kArenaAttr);
  SymbolTable symbols(module);
  for (auto function : module.getOps<func::FuncOp>()) {
    Temporaries temporaries(arena, symbols);
    Scales scales(symbols);
    for (Operation &op : function.getBody().getOps()) {
      auto alloc = dyn_cast<AllocOp>(op);
      if (failed(alloc ? temporaries.add(alloc) : temporaries.visit(&op)) ||
          failed(scales.visit(&op)))
        return failure();
    }
  }
  return success();
}
