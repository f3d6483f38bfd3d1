//===- GraphInputs.cpp - The inputs of a graph and their sizes ------------===//

#include "Import/ONNX/GraphInputs.h"

#include "Import/ONNX/Node.h"
#include "Import/ONNX/TensorData.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using onnx::TensorProto;

namespace fp8c {

GraphInputs::GraphInputs(const onnx::GraphProto &graph,
                         const llvm::StringMap<InputRole> &roles,
                         const ImportONNXOptions &options, MLIRContext *context,
                         ImportErrors &errors)
    : options(options), context(context), errors(errors) {
  for (const auto &[name, size] : options.dims)
    symbols[name] = size;
  SmallVector<std::pair<const onnx::ValueInfoProto *, InputRole>> inputs;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    auto role = roles.find(input.name());
    if (role == roles.end())
      continue; // An initializer, which is its default.
    if (input.type().has_tensor_type() &&
        input.type().tensor_type().has_shape())
      inputs.push_back({&input, role->second});
    else
      errors.add("input '" + input.name() +
                 "' is not declared as a tensor with a shape");
  }
  checkDims(graph);
  // Other inputs may use the symbols of the token ids.
  for (auto [input, role] : inputs)
    if (role == InputRole::Tokens)
      bindTokens(input->name(), input->type().tensor_type().shape());
  for (auto [input, role] : inputs)
    addInput(*input, role);
}

/// A size for a dimension that no input has is a typing error.
void GraphInputs::checkDims(const onnx::GraphProto &graph) {
  llvm::StringSet<> known;
  for (const auto *values : {&graph.input(), &graph.output()})
    for (const onnx::ValueInfoProto &value : *values)
      for (const Shape::Dimension &dim :
           value.type().tensor_type().shape().dim())
        known.insert(dim.dim_param());
  for (const auto &[name, size] : options.dims) {
    if (size < 0)
      errors.add("--dim " + name + "=" + Twine(size) +
                 ": a size is not below 0");
    if (!known.contains(name))
      errors.add("--dim " + name + "=" + Twine(size) +
                 ": no input or output has a dimension '" + name + "'");
  }
}

bool GraphInputs::isOpenTokens() const {
  int64_t arguments = llvm::count_if(
      list, [](const GraphInput &input) { return input.isArgument(); });
  return hasOpenBatch && arguments == 1;
}

void GraphInputs::bindTokens(const std::string &name, const Shape &shape) {
  if (shape.dim_size() != 2)
    return errors.add("input '" + name + "' has " + Twine(shape.dim_size()) +
                      " dimensions; token ids are [batch, sequence]");
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
  if (auto named = symbols.find(dim.dim_param());
      !given && named != symbols.end())
    return;
  if (!given) {
    errors.add("input '" + name + "' leaves its " + what + " open: give " +
               option);
    return;
  }
  if (!dim.has_dim_param() || dim.dim_param().empty())
    return;
  auto [at, isNew] = symbols.try_emplace(dim.dim_param(), given);
  if (!isNew && at->second != given)
    errors.add("dimension '" + dim.dim_param() + "' is given two sizes, " +
               Twine(at->second) + " and " + Twine(given) +
               ": as batch, as sequence length or with --dim");
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

/// What the role says of a dimension that the file leaves open under a name
/// that no other input has.
static int64_t sizeByRole(InputRole role, int rank, int i, int64_t batch,
                          int64_t seq) {
  switch (role) {
  case InputRole::Tokens:
  case InputRole::Labels:
  case InputRole::Positions:
  case InputRole::Segments:
    return i + 1 == rank ? seq : batch;
  case InputRole::Mask: // [batch, tokens] or [batch, heads, queries, keys]
    return i == 0 ? batch : i == 1 && rank == 4 ? 1 : seq;
  case InputRole::Past: // [batch, heads, tokens, width]
    return i == 0 ? batch : 0;
  case InputRole::Data:
  case InputRole::Flag:
    return i == 0 ? batch : 0;
  }
  return 0;
}

std::optional<int64_t> GraphInputs::size(const Tensor &type, int i,
                                         InputRole role) const {
  const Shape::Dimension &dim = type.shape().dim(i);
  if (dim.has_dim_value())
    return dim.dim_value();
  if (role == InputRole::Past && i > 0)
    return 0;
  if (std::optional<int64_t> named = sizeOf(dim.dim_param()))
    return named;
  int64_t size =
      sizeByRole(role, type.shape().dim_size(), i, options.batch, options.seq);
  return size ? std::optional<int64_t>(size) : std::nullopt;
}

/// 0, 1, 2, ... in each row; ones; zeros; nothing.
ConstantPtr GraphInputs::makeConstant(RankedTensorType type,
                                      InputRole role) const {
  int64_t count = type.getNumElements();
  int64_t row = type.getRank() ? type.getShape().back() : 1;
  bool isFloat = type.getElementType().isF32();
  if (role == InputRole::Data || role == InputRole::Tokens ||
      role == InputRole::Labels || count > Constant::maxElements)
    return nullptr;
  std::vector<int64_t> elements(count, 0);
  for (int64_t i = 0; i < count && role == InputRole::Positions; ++i)
    elements[i] = i % row;
  // A float mask of four dimensions is added to scores, others multiply.
  bool isAdded = isFloat && type.getRank() == 4;
  if (role == InputRole::Mask && !isAdded)
    std::fill(elements.begin(), elements.end(), 1);
  if (!isFloat)
    return std::make_shared<Constant>(type, std::move(elements));
  return std::make_shared<Constant>(
      type, std::vector<float>(elements.begin(), elements.end()));
}

void GraphInputs::addInput(const onnx::ValueInfoProto &input, InputRole role) {
  const Tensor &type = input.type().tensor_type();
  const std::string &name = input.name();
  SmallVector<int64_t> shape;
  bool isOpen = false;
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    std::optional<int64_t> dim = size(type, i, role);
    if (!dim) {
      const std::string &symbol = type.shape().dim(i).dim_param();
      if (role == InputRole::Tokens)
        return; // bindTokenDim has asked for it.
      errors.add("input '" + name + "' leaves dimension " + Twine(i) + " ('" +
                 symbol + "') open: give " +
                 (symbol.empty() ? "--batch or --seq, or export the model with "
                                   "a name for it"
                                 : "--dim " + symbol + "=SIZE"));
    }
    shape.push_back(dim.value_or(0));
    isOpen |= !dim;
  }
  if (isOpen)
    return;
  bool isTokens = role == InputRole::Tokens || role == InputRole::Labels;
  Type element = isTokens ? Type(IntegerType::get(context, 64))
                          : importElementType(type.elem_type(), context);
  bool isInteger = element && (element.isSignlessInteger(64) ||
                               element.isSignlessInteger(32));
  std::optional<int64_t> count = countElements(shape);
  bool mayBeArgument = type.elem_type() == TensorProto::FLOAT || isInteger ||
                       type.elem_type() == TensorProto::BOOL;
  if (!element || (role == InputRole::Data && !mayBeArgument))
    return errors.add("input '" + name + "' is of " +
                      onnxTypeName(type.elem_type()) +
                      "; inputs can be of float, int64, int32 and bool");
  if (!count || (*count == 0 && role != InputRole::Past))
    return errors.add("input '" + name +
                      "' has no usable shape: " + toString(shape));
  auto tensor = RankedTensorType::get(shape, element);
  GraphInput added = {name, tensor, role, makeConstant(tensor, role), false};
  if (role == InputRole::Mask && options.pad) {
    if (shape.size() != 2)
      return errors.add("mask '" + name + "' is " + toString(shape) +
                        "; --pad needs one of [batch, sequence]");
    added.isPaddingMask = true;
    added.constant = nullptr;
  }
  list.push_back(std::move(added));
}

} // namespace fp8c
