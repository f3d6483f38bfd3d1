//===- NodeImporter.cpp - The nodes of a graph and its branches -----------===//

#include "Import/ONNX/NodeImporter.h"

#include "Import/ONNX/GraphOrder.h"
#include "Import/ONNX/InlineFunctions.h"
#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Parameters/Metadata.h"
#include "Import/ONNX/Shapes.h"
#include "Import/ONNX/TensorData.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

/// The opset of ONNX that a node is written in.
static int64_t opsetOf(const onnx::ModelProto &model,
                       const onnx::NodeProto &node) {
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.name() == kOpsetAttribute)
      return attribute.i();
  return opsetOf(model.opset_import(), onnxDomain);
}

NodeImporter::NodeImporter(
    const onnx::ModelProto &model, Initializers &initializers,
    ValueTable &values, OpNamer &namer, OpBuilder &builder,
    llvm::function_ref<std::optional<int64_t>(StringRef)> sizeOf,
    ImportErrors &errors)
    : model(model), initializers(initializers), values(values), namer(namer),
      builder(builder), sizeOf(sizeOf), errors(errors) {
  for (const onnx::ValueInfoProto &value : model.graph().value_info())
    declared[value.name()] = &value.type();
}

void NodeImporter::run(ArrayRef<const onnx::NodeProto *> nodes) {
  for (const onnx::NodeProto *node : nodes)
    importNode(*node);
}

/// The name of what a node becomes: layers are alike, whatever the exporter has
/// numbered through.
std::string NodeImporter::nameOf(const onnx::NodeProto &node) {
  std::string name = scopedName(node);
  if (name.empty() && !named.empty() && node.input_size()) {
    // An optimizer's, of which nothing is said: it stands where its operand is
    // made.
    const Datum *first = values.lookup(node.input(0));
    Operation *from =
        first && first->value ? first->value.getDefiningOp() : nullptr;
    StringRef module =
        from ? train::getName(from).rsplit('/').first : StringRef();
    if (module.contains('/'))
      return module.str() + "/" + displayName(node);
  }
  if (name.empty())
    return displayName(node);
  unsigned before = named[name]++;
  return before ? name + "_" + std::to_string(before) : name;
}

void NodeImporter::importNode(const onnx::NodeProto &proto) {
  OpNamer::Scope scope(namer, builder.getStringAttr(nameOf(proto)));
  int64_t opset = opsetOf(model, proto);
  StringRef domain = spellDomain(proto.domain());
  int64_t version =
      domain == onnxDomain ? opset : opsetOf(model.opset_import(), domain);
  bool guesses = llvm::any_of(proto.input(), [&](const std::string &name) {
    const Datum *datum = name.empty() ? nullptr : values.lookup(name);
    return datum && datum->isGuess;
  });
  Node told(proto, opset, version, *this, errors);
  const Operator *op = findForm(told);
  ImportErrors unsaid;
  Node node(proto, opset, version, *this, guesses ? unsaid : errors);
  bool isImported = op && succeeded(importKnown(node, *op));
  if (!isImported)
    guessResults(node);
  for (auto [name, result] : llvm::zip(proto.output(), node.results)) {
    result.isLeftOut = isImported && !result.type && !result.sequence;
    result.isGuess |= guesses;
    if (!name.empty())
      values.set(name, result);
  }
}

const Operator *NodeImporter::findForm(Node &node) {
  StringRef domain = spellDomain(node.proto.domain());
  const Operator *op = findOperator(domain, node.proto.op_type(), node.version);
  if (!op) {
    (void)node.unsupported("the operator is not supported");
    return nullptr;
  }
  if (node.version == 0) {
    (void)node.invalid("is of domain '" + domain +
                       "', of which the model imports no version");
    return nullptr;
  }
  if (node.version < op->since) {
    (void)node.unsupported("the operator is known from opset " +
                           Twine(op->since) + " on");
    return nullptr;
  }
  return op;
}

/// Would the elements that the inputs have together, repeated to one shape, be
/// more than are computed with? Exporters make masks of all sequences so, of
/// positions of each: the program computes them.
static bool isTooLargeToFold(const Node &node) {
  Shape shape;
  for (unsigned i = 0; i < node.numInputs(); ++i) {
    std::optional<Shape> wider =
        node.has(i) ? broadcastShapes(shape, node.shape(i)) : shape;
    if (!wider)
      return false;
    shape = *wider;
  }
  return countElements(shape).value_or(0) > Constant::maxElements;
}

LogicalResult NodeImporter::importKnown(Node &node, const Operator &op) {
  for (auto [i, input] : llvm::enumerate(node.inputs)) {
    if (input && input->isLeftOut)
      return node.unsupported("its input '" + node.proto.input(i) +
                              "' is an output that is not supported");
    // Whatever else made an input fail has been reported.
    if (input && !input->type && !input->sequence)
      return failure();
  }
  bool folds =
      op.fold && node.isConstant() && !(op.import && isTooLargeToFold(node));
  if (failed(node.checkInputs(op, folds)))
    return failure();
  NodeHandler handler = folds ? op.fold : op.import;
  if (!handler)
    return node.unsupported("its inputs are only known at run time");
  if (failed(handler(node)) || failed(node.checkAttributes()))
    return failure();
  return node.checkResults();
}

//===----------------------------------------------------------------------===//
// Guesses
//===----------------------------------------------------------------------===//

/// What the file says of a value; null where that is nothing or not enough.
RankedTensorType NodeImporter::declaredType(StringRef value) const {
  const onnx::TypeProto *type = declared.lookup(value);
  if (!type || !type->has_tensor_type() || !type->tensor_type().has_shape())
    return {};
  SmallVector<int64_t> shape;
  for (const auto &dim : type->tensor_type().shape().dim()) {
    std::optional<int64_t> size = sizeOf(dim.dim_param());
    if (dim.has_dim_value())
      size = dim.dim_value();
    if (!size)
      return {};
    shape.push_back(*size);
  }
  Type element =
      importElementType(type->tensor_type().elem_type(), builder.getContext());
  if (!element || countElements(shape).value_or(0) == 0)
    return {};
  return RankedTensorType::get(shape, element);
}

/// Types as the file says, or else that of the first input: operators that are
/// not known are mostly element-wise. The function will not be built.
void NodeImporter::guessResults(Node &node) {
  const Datum *first = node.inputs.empty() ? nullptr : node.inputs.front();
  for (auto [name, result] : llvm::zip(node.proto.output(), node.results)) {
    result = Datum();
    result.type = declaredType(name);
    if (!result.type && first)
      result.type = first->type;
    if (!result.type)
      continue;
    result.value = UnrealizedConversionCastOp::create(builder, node.loc,
                                                      result.type, ValueRange())
                       .getResult(0);
    result.isGuess = true;
  }
}

//===----------------------------------------------------------------------===//
// Branches
//===----------------------------------------------------------------------===//

bool NodeImporter::defineInitializers(const onnx::GraphProto &branch,
                                      Node &node) {
  for (const onnx::TensorProto &tensor : branch.initializer()) {
    std::string error;
    ConstantPtr constant =
        decodeTensor(tensor, /*range=*/nullptr, builder.getContext(), error);
    if (!constant) {
      (void)node.unsupported("its initializer '" + tensor.name() + "' " +
                             error);
      return false;
    }
    values.set(tensor.name(), {constant->type(), Value(), constant});
  }
  return true;
}

/// Names in a branch are its own: another may have them, too.
LogicalResult NodeImporter::importBranch(const onnx::GraphProto &branch,
                                         Node &node) {
  if (branch.input_size())
    return node.invalid("has a branch with inputs");
  if (branch.output_size() != node.proto.output_size())
    return node.invalid("has " + Twine(node.proto.output_size()) +
                        " outputs, but its branch has " +
                        Twine(branch.output_size()));
  SmallVector<StringRef> inner;
  for (const onnx::TensorProto &tensor : branch.initializer())
    inner.push_back(tensor.name());
  for (const onnx::NodeProto &child : branch.node())
    for (const std::string &output : child.output())
      inner.push_back(output);
  for (StringRef name : inner)
    if (!name.empty() && values.lookup(name))
      return node.invalid("has a branch that gives the name '" + name +
                          "' a second time");
  ImportErrors found;
  std::vector<const onnx::NodeProto *> nodes =
      orderNodes(branch, found, [&](StringRef name) {
        return values.lookup(name) != nullptr;
      });
  if (!found.empty())
    return node.invalid("has a branch in which " + found.first());
  bool defined = defineInitializers(branch, node);
  if (defined)
    run(nodes);
  for (int i = 0; defined && i < branch.output_size(); ++i) {
    const std::string &name = branch.output(i).name();
    Datum datum = *values.lookup(name);
    // A parameter must have been read under its own name.
    if (datum.type && !datum.constant && !datum.value)
      datum.value = values.read(name);
    node.results[i] = std::move(datum);
  }
  for (StringRef name : inner)
    values.erase(name);
  return success(defined);
}

} // namespace fp8c
