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
  if (datum.constant)
    return datum.value = constant(datum.constant->attribute(), name);
  OpNamer::Scope scope(namer, builder.getStringAttr(name));
  return datum.value = train::ReadOp::create(
             builder, NameLoc::get(namer.getName()), datum.type, name);
}

Value ValueTable::constant(DenseElementsAttr attr, StringRef name) {
  Value &value = constants[attr];
  if (value)
    return value;
  OpNamer::Scope scope(namer, name.empty() ? namer.getName()
                                           : builder.getStringAttr(name));
  return value = arith::ConstantOp::create(builder,
                                           NameLoc::get(namer.getName()), attr);
}

} // namespace fp8c
