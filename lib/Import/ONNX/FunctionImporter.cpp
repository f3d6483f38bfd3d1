//===- FunctionImporter.cpp - One graph as a function ---------------------===//

#include "Import/ONNX/FunctionImporter.h"

#include "Import/ONNX/NodeImporter.h"
#include "Import/ONNX/TensorData.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace fp8c {

FunctionImporter::FunctionImporter(const onnx::ModelProto &model,
                                   Initializers &initializers,
                                   MLIRContext *context, ImportErrors &errors)
    : model(model), initializers(initializers), errors(errors),
      builder(context, &namer), values(initializers, builder, namer) {}

/// Erases what nodes have read and then had no use for, such as a transpose
/// that a contraction has absorbed.
static void eraseUnused(Block &block) {
  for (Operation *op = &block.back(); op;) {
    Operation *previous = op->getPrevNode();
    if (isOpTriviallyDead(op))
      op->erase();
    op = previous;
  }
}

OwningOpRef<func::FuncOp>
FunctionImporter::run(train::FunctionKind kind, const GraphInputs &inputs,
                      ArrayRef<const onnx::NodeProto *> nodes) {
  OwningOpRef<func::FuncOp> func = func::FuncOp::create(
      builder.getUnknownLoc(), "", builder.getFunctionType({}, {}));
  train::setFunctionKind(*func, kind);
  addArguments(*func, inputs);
  NodeImporter(
      model, initializers, values, namer, builder,
      [&](StringRef symbol) { return inputs.sizeOf(symbol); }, errors)
      .run(nodes);
  if (errors.empty())
    addReturn(*func, inputs);
  if (!errors.empty())
    return {};
  eraseUnused(func->getBody().front());
  return func;
}

void FunctionImporter::addArguments(func::FuncOp func,
                                    const GraphInputs &inputs) {
  SmallVector<const GraphInput *> arguments;
  SmallVector<Type> types;
  for (const GraphInput &input : inputs.inputs()) {
    if (input.constant)
      values.set(input.name, {input.type, Value(), input.constant});
    if (!input.isArgument())
      continue;
    arguments.push_back(&input);
    types.push_back(input.type);
  }
  func.setType(builder.getFunctionType(types, {}));
  Block *entry = func.addEntryBlock();
  builder.setInsertionPointToEnd(entry);
  for (auto [i, input] : llvm::enumerate(arguments)) {
    StringAttr name = builder.getStringAttr(input->name);
    func.setArgAttr(i, train::kNameAttr, name);
    entry->getArgument(i).setLoc(NameLoc::get(name));
    values.set(input->name, {input->type, entry->getArgument(i), nullptr});
    if (input->role == InputRole::Tokens)
      for (const GraphInput &mask : inputs.inputs())
        if (mask.isPaddingMask)
          addPaddingMask(mask, entry->getArgument(i), inputs.pad());
  }
}

/// Everything but padding may be seen.
void FunctionImporter::addPaddingMask(const GraphInput &mask, Value tokens,
                                      int64_t pad) {
  OpNamer::Scope scope(namer, builder.getStringAttr(mask.name));
  Location loc = NameLoc::get(namer.getName());
  auto scalar = RankedTensorType::get({}, builder.getI64Type());
  Value id = values.constant(DenseElementsAttr::get(scalar, pad));
  Value isSeen =
      train::CompareOp::create(builder, loc, train::Predicate::ne, tokens, id);
  if (isSeen.getType() != mask.type)
    isSeen = train::ConvertOp::create(builder, loc, mask.type, isSeen);
  values.set(mask.name, {mask.type, isSeen, nullptr});
}

/// Whether the output is what the file says it is.
bool FunctionImporter::checkOutput(const onnx::ValueInfoProto &output,
                                   const Datum &datum,
                                   const GraphInputs &inputs) {
  if (!output.type().has_tensor_type())
    return true; // A declaration may be missing.
  const onnx::TypeProto_Tensor &declared = output.type().tensor_type();
  std::string what = "output '" + output.name() + "' ";
  // Floats are f32 whatever the file has.
  int32_t type = declared.elem_type();
  if (importElementType(type, builder.getContext()) !=
      datum.type.getElementType()) {
    std::string found;
    llvm::raw_string_ostream(found) << datum.type.getElementType();
    errors.add(what + "is declared as " + onnxTypeName(type) +
               ", but the graph gives " + found);
    return false;
  }
  if (!declared.has_shape())
    return true;
  bool agrees = declared.shape().dim_size() == datum.type.getRank();
  for (int i = 0; agrees && i < declared.shape().dim_size(); ++i) {
    const onnx::TensorShapeProto::Dimension &dim = declared.shape().dim(i);
    std::optional<int64_t> size = inputs.sizeOf(dim.dim_param());
    if (dim.has_dim_value())
      size = dim.dim_value();
    agrees = !size || *size == datum.type.getDimSize(i);
  }
  if (!agrees)
    errors.add(what + "is declared with another shape than " +
               toString(datum.type.getShape()) + ", which the graph gives");
  return agrees;
}

void FunctionImporter::addReturn(func::FuncOp func, const GraphInputs &inputs) {
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  for (const onnx::ValueInfoProto &output : model.graph().output()) {
    const Datum *datum = values.lookup(output.name());
    if (datum->sequence)
      errors.add("output '" + output.name() +
                 "' is a sequence of tensors; outputs can be tensors");
    else if (datum->isLeftOut)
      errors.add("output '" + output.name() +
                 "' is one of its node that is not supported");
    if (!datum->type || !checkOutput(output, *datum, inputs))
      return;
    if (Type element = datum->type.getElementType();
        !element.isF32() && !element.isSignlessInteger(64) &&
        !element.isSignlessInteger(32) && !element.isInteger(1)) {
      std::string found;
      llvm::raw_string_ostream(found) << element;
      errors.add("output '" + output.name() + "' is of " + found +
                 "; outputs can be of float, int64, int32 and bool");
      return;
    }
    if (datum->type.getNumElements() == 0) {
      errors.add("output '" + output.name() + "' has no elements");
      return;
    }
    results.push_back(values.read(output.name()));
    attributes.push_back(builder.getDictionaryAttr(builder.getNamedAttr(
        train::kNameAttr, builder.getStringAttr(output.name()))));
  }
  builder.setListener(nullptr);
  func::ReturnOp::create(builder, func.getLoc(), results);
  func.setType(builder.getFunctionType(func.getArgumentTypes(),
                                       ValueRange(results).getTypes()));
  func.setAllResultAttrs(attributes);
}

} // namespace fp8c
