//===- ValueTable.cpp - What the names in a graph stand for ---------------===//

#include "Import/ONNX/ValueTable.h"

#include "Train/IR/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace fp8c {

void OpNamer::notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) {
  op->setDiscardableAttr(train::kNameAttr, name);
  train::setPhase(op, train::kPhaseForward);
}

const Datum *ValueTable::lookup(StringRef name) {
  if (auto found = values.find(name); found != values.end())
    return &found->second;
  const Initializer *initializer = initializers.lookup(name);
  if (!initializer)
    return nullptr;
  Datum &datum = values[name];
  datum = {initializer->type, Value(), initializer->constant};
  return &datum;
}

Value ValueTable::read(StringRef name) {
  Datum &datum = values.find(name)->second;
  if (datum.value)
    return datum.value;
  StringAttr user = namer.getName();
  namer.setName(builder.getStringAttr(name));
  if (datum.constant)
    datum.value = constant(datum.constant->attribute());
  else
    datum.value = train::ReadOp::create(builder, NameLoc::get(namer.getName()),
                                        datum.type, name);
  namer.setName(user);
  return datum.value;
}

Value ValueTable::constant(DenseElementsAttr attr) {
  Value &value = constants[attr];
  if (!value)
    value =
        arith::ConstantOp::create(builder, NameLoc::get(namer.getName()), attr);
  return value;
}

} // namespace fp8c
