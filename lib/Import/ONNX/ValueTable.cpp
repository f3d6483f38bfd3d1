//===- ValueTable.cpp - What the names in a graph stand for ---------------===//

#include "Import/ONNX/ValueTable.h"

#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace fp8c {

void OpNamer::notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) {
  op->setDiscardableAttr(train::kNameAttr, name);
  train::setPhase(op, train::Phase::fwd);
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
  return datum.value = readParameter(*initializers.lookup(name));
}

Value ValueTable::readParameter(const Initializer &parameter) {
  StringAttr variable = SymbolTable::getSymbolName(parameter.variable);
  OpNamer::Scope scope(namer, variable);
  Location loc = NameLoc::get(variable);
  Value &value = parameters[variable];
  if (!value)
    value =
        train::ReadOp::create(builder, loc, parameter.variableType, variable);
  if (parameter.rows)
    return lookUpRows(parameter, value);
  if (parameter.isTransposed)
    return train::TransposeOp::create(builder, loc, value,
                                      ArrayRef<int64_t>{1, 0});
  if (parameter.type != parameter.variableType)
    return train::ReshapeOp::create(builder, loc, parameter.type, value);
  return value;
}

Value ValueTable::lookUpRows(const Initializer &parameter, Value table) {
  Location loc = table.getLoc();
  int64_t rank = parameter.type.getRank();
  Value ids = constant(parameter.rows->attribute(), namer.getName());
  Shape shape(parameter.rows->shape());
  shape.push_back(parameter.variableType.getShape().back());
  Value rows = train::EmbeddingOp::create(
      builder, loc, parameter.variableType.clone(shape), table, ids);
  if (parameter.rowAxis == rank - 1)
    return rows;
  return train::TransposeOp::create(
      builder, loc, rows, movingPermutation(rank, rank - 1, parameter.rowAxis));
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
