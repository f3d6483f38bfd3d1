//===- ExecPlan.cpp - What places in memory promise -----------------------===//
//
// Offsets are numbers that a pass chose once. Whoever emits a program holds
// them against what the program does: places that overlap while both are
// needed, or end past their block, are no matter of types.
//
//===----------------------------------------------------------------------===//

#include "Exec/IR/ExecPlan.h"

#include "Exec/IR/Exec.h"
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
  explicit Temporaries(std::optional<int64_t> bytes) : bytes(bytes) {}
  LogicalResult add(AllocOp alloc);
  LogicalResult visit(Operation *op);

private:
  std::optional<int64_t> bytes;
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

LogicalResult exec::verifyPlan(ModuleOp module) {
  if (failed(verifyVariables(module)))
    return failure();
  std::optional<int64_t> arena = getBytes(module, kArenaAttr);
  for (auto function : module.getOps<func::FuncOp>()) {
    Temporaries temporaries(arena);
    for (Operation &op : function.getBody().getOps()) {
      auto alloc = dyn_cast<AllocOp>(op);
      if (failed(alloc ? temporaries.add(alloc) : temporaries.visit(&op)))
        return failure();
    }
  }
  return success();
}
