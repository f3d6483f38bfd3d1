//===- TrainGrid.cpp - The processes of a program, and what they join -----===//

#include "FP8/IR/JoinedTypes.h"
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

LogicalResult train::verifyDivides(Operation *op, ArrayAttr axes,
                                   TypeRange wholes) {
  if (failed(verifyAxes(op, axes)))
    return failure();
  int64_t processes = countProcesses(op, axes);
  for (Type whole : wholes)
    if (fp8::getShape(whole).front() % processes != 0)
      return op->emitOpError("divides ")
             << whole << " among " << processes
             << " processes: its first dimension must be a multiple of that";
  return success();
}

LogicalResult train::verifyShares(Operation *op, ArrayAttr axes,
                                  TypeRange shares, TypeRange wholes) {
  if (failed(verifyDivides(op, axes, wholes)))
    return failure();
  int64_t processes = countProcesses(op, axes);
  for (auto [share, whole] : llvm::zip(shares, wholes))
    if (withFirstDimension(share, fp8::getShape(share).front() * processes) !=
        whole)
      return op->emitOpError("has ")
             << share << " for each of " << processes << " processes, but "
             << whole << " of all";
  return success();
}

LogicalResult AllReduceOp::verify() { return verifyJoinedTypes(*this); }

LogicalResult AllGatherOp::verify() {
  return verifyShareTypes(*this, getInputs().getTypes(),
                          getOutputs().getTypes());
}

LogicalResult AllGatherOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyShares(*this, getAxes(), getInputs().getTypes(),
                      getOutputs().getTypes());
}

LogicalResult ReduceScatterOp::verify() {
  return verifyShareTypes(*this, getOutputs().getTypes(),
                          getInputs().getTypes());
}

LogicalResult ReduceScatterOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyShares(*this, getAxes(), getOutputs().getTypes(),
                      getInputs().getTypes());
}

LogicalResult AllToAllOp::verify() {
  return verifyShareTypes(*this, getInputs().getTypes(),
                          getOutputs().getTypes());
}

LogicalResult AllToAllOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyDivides(*this, getAxes(), getInputs().getTypes());
}

LogicalResult PutPartOp::verify() {
  if (getPartType(getParts().getType()) == getInput().getType())
    return success();
  return emitOpError("puts ")
         << getInput().getType() << " into parts of " << getParts().getType();
}

LogicalResult AllReduceOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyAxes(*this, getAxes());
}
