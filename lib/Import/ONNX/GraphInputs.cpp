//===- GraphInputs.cpp - The inputs of a graph and their sizes ------------===//

#include "Import/ONNX/GraphInputs.h"

#include "Import/ONNX/Constant.h"
#include "Import/ONNX/Node.h"
#include "Import/ONNX/TensorData.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using onnx::TensorProto;

namespace fp8c {

static bool isTokens(const onnx::TypeProto_Tensor &type) {
  return type.elem_type() == TensorProto::INT64 && type.shape().dim_size() == 2;
}

GraphInputs::GraphInputs(const onnx::GraphProto &graph,
                         const ImportONNXOptions &options, MLIRContext *context,
                         ImportErrors &errors)
    : options(options), context(context), errors(errors) {
  llvm::StringSet<> initializers;
  for (const TensorProto &tensor : graph.initializer())
    initializers.insert(tensor.name());
  SmallVector<const onnx::ValueInfoProto *> inputs;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (initializers.contains(input.name()))
      continue;
    if (input.type().has_tensor_type() &&
        input.type().tensor_type().has_shape())
      inputs.push_back(&input);
    else
      errors.add("input '" + input.name() +
                 "' is not declared as a tensor with a shape");
  }
  // Other inputs may use the symbols of the token ids.
  for (const onnx::ValueInfoProto *input : inputs)
    if (isTokens(input->type().tensor_type()))
      bindTokens(input->name(), input->type().tensor_type().shape());
  for (const onnx::ValueInfoProto *input : inputs)
    addInput(input->name(), input->type().tensor_type());
}

void GraphInputs::bindTokens(const std::string &name, const Shape &shape) {
  bindTokenDim(name, shape.dim(0), /*isBatch=*/true);
  bindTokenDim(name, shape.dim(1), /*isBatch=*/false);
  hasOpenBatch |= !shape.dim(0).has_dim_value();
}

void GraphInputs::bindTokenDim(const std::string &name,
                               const Shape::Dimension &dim, bool isBatch) {
  int64_t given = isBatch ? options.batch : options.seq;
  const char *what = isBatch ? "batch" : "sequence length";
  const char *option = isBatch ? "--batch" : "--seq";
  if (dim.has_dim_value()) {
    if (given && dim.dim_value() != given)
      errors.add("input '" + name + "' has a fixed " + what + " of " +
                 Twine(dim.dim_value()) + ", which " + option + " " +
                 Twine(given) + " contradicts");
    return;
  }
  if (!given) {
    errors.add("input '" + name + "' leaves its " + what + " open: give " +
               option);
    return;
  }
  if (!dim.has_dim_param() || dim.dim_param().empty())
    return;
  auto [at, isNew] = symbols.try_emplace(dim.dim_param(), given);
  if (!isNew && at->second != given)
    errors.add("dimension '" + dim.dim_param() +
               "' is both the batch and the sequence length, which differ");
}

std::optional<int64_t> GraphInputs::sizeOf(StringRef symbol) const {
  if (auto found = symbols.find(symbol); found != symbols.end())
    return found->second;
  int64_t size =
      llvm::StringSwitch<int64_t>(symbol)
          .Cases({"batch", "batch_size"}, options.batch)
          .Cases({"seq", "seq_len", "sequence", "sequence_length"}, options.seq)
          .Default(0);
  return size ? std::optional<int64_t>(size) : std::nullopt;
}

std::optional<int64_t> GraphInputs::size(const Tensor &type, int i) const {
  const Shape::Dimension &dim = type.shape().dim(i);
  if (dim.has_dim_value())
    return dim.dim_value();
  if (isTokens(type))
    return i == 0 ? options.batch : options.seq;
  return sizeOf(dim.dim_param());
}

void GraphInputs::addInput(const std::string &name, const Tensor &type) {
  SmallVector<int64_t> shape;
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    std::optional<int64_t> dim = size(type, i);
    if (!dim) {
      errors.add("input '" + name + "' leaves dimension " + Twine(i) + " ('" +
                 type.shape().dim(i).dim_param() +
                 "') open: only batch and seq can be, with --batch and --seq");
      return;
    }
    if (*dim == 0 && !type.shape().dim(i).has_dim_value())
      return; // bindTokenDim has asked for it.
    shape.push_back(*dim);
  }
  bool isKnown = type.elem_type() == TensorProto::FLOAT ||
                 type.elem_type() == TensorProto::INT64 ||
                 type.elem_type() == TensorProto::INT32;
  if (!isKnown)
    errors.add("input '" + name + "' is of " + onnxTypeName(type.elem_type()) +
               "; inputs can be of float, int64 and int32");
  else if (countElements(shape).value_or(0) == 0)
    errors.add("input '" + name + "' has no usable shape: " + toString(shape));
  else
    list.push_back(
        {name, RankedTensorType::get(
                   shape, importElementType(type.elem_type(), context))});
}

} // namespace fp8c
