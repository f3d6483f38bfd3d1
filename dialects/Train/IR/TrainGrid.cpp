//===- TrainGrid.cpp - The processes of a program, and what they join -----===//

#include "Train/IR/Train.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

int64_t GridOp::getSize(StringRef axis) {
  for (auto [name, size] : llvm::zip(getAxes(), getSizes()))
    if (cast<StringAttr>(name) == axis)
      return size;
  return 0;
}

int64_t GridOp::getCount() {
  int64_t count = 1;
  for (int64_t size : getSizes())
    count *= size;
  return count;
}

LogicalResult GridOp::verify() {
  if (getAxes().size() != getSizes().size())
    return emitOpError("names ") << getAxes().size() << " axes, but has "
                                 << getSizes().size() << " sizes";
  llvm::StringSet<> names;
  int64_t count = 1;
  for (auto [attr, size] : llvm::zip(getAxes(), getSizes())) {
    StringRef name = cast<StringAttr>(attr);
    if (!names.insert(name).second)
      return emitOpError("has two axes '") << name << "'";
    if (size < 1 || size > kMostProcesses / count)
      return emitOpError("has ") << size << " processes along '" << name
                                 << "': a grid has 1 to " << kMostProcesses;
    count *= size;
  }
  for (auto other : (*this)->getParentOp()->getRegion(0).getOps<GridOp>())
    if (other != *this)
      return emitOpError("is a second grid: a module has one");
  return success();
}

GridOp train::findGrid(ModuleOp module) {
  auto grids = module.getOps<GridOp>();
  return grids.empty() ? GridOp() : *grids.begin();
}

bool train::isDataParallel(ModuleOp module) {
  GridOp grid = findGrid(module);
  return grid &&
         grid.getSize(kDataAxis) > (module->hasAttr(kReproducibleAttr) ? 0 : 1);
}

int64_t train::countProcesses(Operation *op, ArrayAttr axes) {
  GridOp grid = findGrid(op->getParentOfType<ModuleOp>());
  int64_t count = 1;
  for (auto name : axes.getAsRange<StringAttr>())
    count *= grid.getSize(name);
  return count;
}

LogicalResult train::verifyAxes(Operation *op, ArrayAttr axes) {
  auto module = op->getParentOfType<ModuleOp>();
  GridOp grid = module ? findGrid(module) : GridOp();
  if (!grid)
    return op->emitOpError("joins processes, but the module has no train.grid");
  llvm::StringSet<> names;
  for (auto name : axes.getAsRange<StringAttr>()) {
    if (!grid.getSize(name))
      return op->emitOpError("is over '")
             << name.getValue() << "', which is no axis of the grid";
    if (!names.insert(name).second)
      return op->emitOpError("is over '") << name.getValue() << "' twice";
  }
  if (axes.empty())
    return op->emitOpError("is over no axis");
  return success();
}

LogicalResult AllReduceOp::verify() { return verifyJoinedTypes(*this); }

LogicalResult PutPartOp::verify() {
  if (getPartType(getParts().getType()) == getInput().getType())
    return success();
  return emitOpError("puts ")
         << getInput().getType() << " into parts of " << getParts().getType();
}

LogicalResult AllReduceOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyAxes(*this, getAxes());
}
