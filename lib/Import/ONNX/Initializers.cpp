//===- Initializers.cpp - Parameters and constants of a model -------------===//

#include "Import/ONNX/Initializers.h"

#include "Import/ONNX/TensorData.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

Initializers::Initializers(const ONNXFile &file, ModuleOp module,
                           ImportErrors &errors)
    : file(file), errors(errors), builder(module.getBodyRegion()) {
  builder.setInsertionPointToEnd(module.getBody());
  for (const onnx::TensorProto &tensor : file.model().graph().initializer())
    tensors[tensor.name()] = &tensor;
  findUntrained();
}

/// Goes back from each cosine and each cache of a rotary embedding.
void Initializers::findUntrained() {
  const onnx::GraphProto &graph = file.model().graph();
  llvm::StringMap<const onnx::NodeProto *> producers;
  SmallVector<StringRef> pending;
  for (const onnx::NodeProto &node : graph.node()) {
    for (const std::string &output : node.output())
      producers[output] = &node;
    bool isRotary = node.op_type() == "RotaryEmbedding";
    bool isWave = node.op_type() == "Cos" || node.op_type() == "Sin";
    for (int i = 0; i < node.input_size(); ++i)
      if (isWave || (isRotary && (i == 1 || i == 2)))
        pending.push_back(node.input(i));
  }
  while (!pending.empty()) {
    StringRef name = pending.pop_back_val();
    if (name.empty() || !untrained.insert(name).second)
      continue;
    if (const onnx::NodeProto *node = producers.lookup(name))
      pending.append(node->input().begin(), node->input().end());
  }
}

bool Initializers::isParameter(StringRef name, int64_t elements) const {
  if (untrained.contains(name))
    return false;
  return elements > 1 || name.ends_with("weight") || name.ends_with("bias");
}

const Initializer *Initializers::lookup(StringRef name) {
  if (auto found = imported.find(name); found != imported.end())
    return &found->second;
  const onnx::TensorProto *tensor = tensors.lookup(name);
  if (!tensor)
    return nullptr;
  return &(imported[name] = importTensor(*tensor));
}

Initializer Initializers::importTensor(const onnx::TensorProto &tensor) {
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  std::optional<int64_t> count = countElements(shape);
  if (count && isOnnxFloat(tensor.data_type()) &&
      isParameter(tensor.name(), *count))
    return importParameter(tensor,
                           RankedTensorType::get(shape, builder.getF32Type()));

  std::string error;
  ConstantPtr constant = decodeTensor(tensor, file.range(tensor.name()),
                                      builder.getContext(), error);
  if (!constant) {
    errors.add("initializer '" + tensor.name() + "' " + error);
    return {};
  }
  return {constant->type(), constant};
}

/// Of float data, null for f32, which goes without saying.
static Type typeInFile(int32_t dataType, MLIRContext *context) {
  switch (dataType) {
  case onnx::TensorProto::DOUBLE:
    return Float64Type::get(context);
  case onnx::TensorProto::FLOAT16:
    return Float16Type::get(context);
  case onnx::TensorProto::BFLOAT16:
    return BFloat16Type::get(context);
  default:
    return {};
  }
}

Initializer Initializers::importParameter(const onnx::TensorProto &tensor,
                                          RankedTensorType type) {
  const TensorRange *range = file.range(tensor.name());
  if (type.getNumElements() == 0) {
    errors.add("parameter '" + tensor.name() + "' has no elements");
    return {};
  }
  if (range)
    return *declare(tensor.name(), type,
                    train::FileInitAttr::get(
                        type.getContext(), range->path, range->offset,
                        range->bytes, range->folder,
                        typeInFile(tensor.data_type(), type.getContext())));

  // Other encodings have no place in a program, but a single value has.
  std::string error;
  ConstantPtr constant = decodeTensor(tensor, range, type.getContext(), error);
  if (constant && constant->isSplat())
    return *declare(
        tensor.name(), type,
        train::ConstantInitAttr::get(type.getContext(), constant->floats()[0]));
  if (error.empty())
    error = "holds its data as " + onnxTypeName(tensor.data_type()).str();
  errors.add("parameter '" + tensor.name() + "' " + error +
             ": parameters must be stored as plain float32");
  return {};
}

const Initializer *Initializers::declare(StringRef name, RankedTensorType type,
                                         Attribute init) {
  // Variables and functions are symbols of one table.
  static constexpr StringLiteral functions[] = {
      "forward", "infer", "init", "calibrate", "micro", "update", "eval"};
  Initializer &entry = imported[name];
  if (entry.type)
    return &entry;
  if (llvm::is_contained(functions, name))
    errors.add("parameter '" + name +
               "' has the name of a program's function: rename it");
  entry.type = type;
  auto role = train::RoleAttr::get(type.getContext(), train::Role::parameter);
  Location loc = NameLoc::get(builder.getStringAttr(name));
  train::VariableOp::create(builder, loc, builder.getStringAttr(name),
                            TypeAttr::get(type), role, init,
                            /*of=*/FlatSymbolRefAttr());
  return &entry;
}

} // namespace fp8c
