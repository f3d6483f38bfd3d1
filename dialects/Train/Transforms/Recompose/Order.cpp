//===- Order.cpp - Ops and variables in the order of our models -----------===//

#include "Train/Transforms/Recompose/Match.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// A product with a weight, with what it reads and its bias, if it has one.
struct Layer {
  SmallVector<Operation *, 4> ops;
};
} // namespace

static Layer makeLayer(MatmulOp product, ReadOp weight) {
  Layer layer;
  layer.ops = {weight, product};
  auto add = getOnlyUser<AddOp>(product.getOutput());
  auto bias = add ? add.getRhs().getDefiningOp<ReadOp>() : ReadOp();
  if (bias && bias->hasOneUse() && add.getLhs() == product.getOutput())
    layer.ops.append({bias, add});
  return layer;
}

/// Products of one value with weights stand together, behind the first of
/// them.
void train::gatherProducts(Block &block) {
  llvm::MapVector<Value, SmallVector<Layer>> layers;
  for (auto product : block.getOps<MatmulOp>())
    if (auto weight = product.getRhs().getDefiningOp<ReadOp>();
        weight && weight->hasOneUse() && !product.getBatch())
      layers[product.getLhs()].push_back(makeLayer(product, weight));
  for (auto &[input, siblings] : layers) {
    if (siblings.size() < 2)
      continue;
    // Ops move upwards alone: the first one's bias, too.
    Operation *last = siblings.front().ops[1];
    for (auto [i, layer] : llvm::enumerate(siblings))
      for (Operation *op : ArrayRef(layer.ops).drop_front(i == 0 ? 2 : 0)) {
        op->moveAfter(last);
        last = op;
      }
  }
}

/// Variables stand in the order in which they are first read.
void train::orderVariables(ModuleOp module, Block &block) {
  SymbolTable symbols(module);
  SmallVector<VariableOp> read;
  llvm::DenseSet<Operation *> seen;
  for (auto op : block.getOps<ReadOp>())
    if (auto variable = symbols.lookup<VariableOp>(op.getVariable());
        variable && seen.insert(variable).second)
      read.push_back(variable);
  Operation *last = nullptr;
  for (VariableOp variable : read) {
    if (last)
      variable->moveAfter(last);
    last = variable;
  }
}
