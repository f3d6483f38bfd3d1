//===- StorageFlow.cpp - Values on their way into variables ---------------===//

#include "FP8/Training/StorageFlow.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

StorageFlow::StorageFlow(ModuleOp module,
                         const DenseMap<StringAttr, FloatType> &storage) {
  SmallVector<std::pair<Value, Demand>> worklist;
  module.walk([&](train::AssignOp assign) {
    StringAttr variable = assign.getVariableAttr().getAttr();
    if (FloatType format = storage.lookup(variable))
      worklist.push_back({assign.getValue(), {format, variable}});
  });
  while (!worklist.empty()) {
    auto [value, demand] = worklist.pop_back_val();
    auto op = value.getDefiningOp<train::PrecisionOpInterface>();
    // Of several demands the widest counts; it is followed at most once per
    // width.
    Demand &present = demands[value];
    if (!op || (present.format &&
                present.format.getWidth() >= demand.format.getWidth()))
      continue;
    present = demand;
    bool isMove =
        op.getResultPrecision(cast<OpResult>(value).getResultNumber()) ==
        train::ResultPrecision::Inherited;
    if (isMove || isa<train::AddOp>(op))
      for (Value operand : op->getOperands())
        worklist.push_back({operand, demand});
  }
}
