//===- Node.cpp - One ONNX node while it is imported ----------------------===//

#include "Import/ONNX/Node.h"

#include "Import/ONNX/GraphOrder.h"
#include "Import/ONNX/InlineFunctions.h"
#include "Import/ONNX/NodeImporter.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using onnx::AttributeProto;

namespace fp8c {

std::string toString(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

Node::Node(const onnx::NodeProto &proto, int64_t opset, int64_t version,
           NodeImporter &importer, ImportErrors &errors)
    : proto(proto), opset(opset), version(version),
      initializers(importer.initializers), builder(importer.builder),
      loc(NameLoc::get(builder.getStringAttr(displayName(proto)))),
      importer(importer), values(importer.values), errors(errors),
      results(proto.output_size()), known({kOpsetAttribute}) {
  for (const std::string &name : proto.input())
    inputs.push_back(name.empty() ? nullptr : values.lookup(name));
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

bool Node::isConstant() const {
  return llvm::all_of(
      inputs, [](const Datum *input) { return !input || input->constant; });
}

Value Node::value(unsigned i) { return values.read(proto.input(i)); }

LogicalResult Node::checkInputs(const Operator &op, bool folds) {
  SmallVector<StringRef> specs;
  op.inputs.split(specs, ' ', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  bool isVariadic = !specs.empty() && specs.back().ends_with("*");
  if (!isVariadic && inputs.size() > specs.size())
    return unsupported("has " + Twine(inputs.size()) + " inputs, not " +
                       Twine(specs.size()));
  for (size_t i = 0; i < std::max(inputs.size(), specs.size()); ++i) {
    auto [name, kind] = specs[std::min(i, specs.size() - 1)].split(':');
    bool isOptional = kind.consume_back("?");
    kind.consume_back("*");
    if (isVariadic && i < inputs.size() && !has(i))
      return invalid("has an empty name among its inputs");
    if (!has(i) && !isOptional)
      return invalid("lacks its input '" + name + "'");
    // What folds may be of any type.
    if (folds && kind != "ints" && kind != "sequence")
      kind = "any";
    if (has(i) && failed(checkInput(i, name, kind)))
      return failure();
  }
  return success();
}

LogicalResult Node::checkInput(unsigned i, StringRef name, StringRef kind) {
  std::string what = ("input '" + name + "' ('" + proto.input(i) + "') ").str();
  if (bool(inputs[i]->sequence) != (kind == "sequence"))
    return invalid(what + (inputs[i]->sequence ? "is a sequence of tensors"
                                               : "must be a sequence"));
  if (kind == "sequence")
    return success();
  Type element = type(i).getElementType();
  std::string elementName;
  llvm::raw_string_ostream(elementName) << element;
  bool isNumber = element.isF32() || element.isSignlessInteger(64) ||
                  element.isSignlessInteger(32);
  bool isBool = element.isInteger(1);
  if (kind == "float" && !element.isF32())
    return unsupported(what + "is of " + elementName + ", not float");
  if (kind == "ids" && !element.isInteger(64))
    return unsupported(what + "is of " + elementName + ", not int64");
  if (kind == "number" && !isNumber)
    return unsupported(what + "is of " + elementName +
                       ", not float, int64 or int32");
  if (kind == "bool" && !isBool)
    return unsupported(what + "is of " + elementName + ", not bool");
  if (kind == "element" && !isNumber && !isBool)
    return unsupported(what + "is of " + elementName +
                       ", not float, int64, int32 or bool");
  if (kind != "any" && kind != "ints" && type(i).getNumElements() == 0)
    return unsupported(what + "has no elements");
  if (kind == "ints" && !constant(i))
    return unsupported(what + "is only known at run time");
  if (kind == "ints" && constant(i)->isFloat())
    return invalid(what + "must hold integers");
  return success();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

const AttributeProto *Node::find(StringRef name, int type) {
  known.push_back(name);
  for (const AttributeProto &attribute : proto.attribute()) {
    if (attribute.name() != name)
      continue;
    if (int(attribute.type()) == type)
      return &attribute;
    (void)invalid("its attribute '" + name + "' must be of type " +
                  AttributeProto::AttributeType_Name(
                      AttributeProto::AttributeType(type)));
    hasBadAttribute = true;
  }
  return nullptr;
}

std::optional<int64_t> Node::integer(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::INT);
  return found ? std::optional<int64_t>(found->i()) : std::nullopt;
}

std::optional<float> Node::number(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::FLOAT);
  return found ? std::optional<float>(found->f()) : std::nullopt;
}

std::optional<std::string> Node::string(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::STRING);
  return found ? std::optional<std::string>(found->s()) : std::nullopt;
}

std::optional<SmallVector<int64_t>> Node::integerList(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::INTS);
  if (!found)
    return std::nullopt;
  return SmallVector<int64_t>(found->ints().begin(), found->ints().end());
}

std::optional<std::vector<float>> Node::numberList(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::FLOATS);
  if (!found)
    return std::nullopt;
  return std::vector<float>(found->floats().begin(), found->floats().end());
}

const onnx::TensorProto *Node::tensor(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::TENSOR);
  return found ? &found->t() : nullptr;
}

const onnx::GraphProto *Node::graph(StringRef name) {
  const AttributeProto *found = find(name, AttributeProto::GRAPH);
  return found ? &found->g() : nullptr;
}

std::optional<SmallVector<int64_t>>
Node::integerList(StringRef name, unsigned i, int64_t inputSince) {
  if (opset < inputSince)
    return integerList(name);
  if (!has(i))
    return std::nullopt;
  return SmallVector<int64_t>(integers(i));
}

void Node::ignore(std::initializer_list<StringRef> names) {
  known.append(names.begin(), names.end());
}

LogicalResult Node::checkAttributes() {
  if (hasBadAttribute)
    return failure();
  for (const AttributeProto &attribute : proto.attribute())
    if (!llvm::is_contained(known, attribute.name()))
      return unsupported("its attribute '" + attribute.name() +
                         "' is not understood");
  return success();
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

Value Node::scalar(float number) {
  auto type = RankedTensorType::get({}, builder.getF32Type());
  return values.constant(DenseElementsAttr::get(type, number));
}

Value Node::materialize(const Constant &constant, StringRef name) {
  return values.constant(constant.attribute(), name);
}

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

Value Node::reshape(Value value, ArrayRef<int64_t> shape) {
  if (typeOf(value).getShape() == shape)
    return value;
  return create<train::ReshapeOp>(typeOf(value).clone(shape), value);
}

/// Whether the permutation moves nothing but dimensions of size 1.
static bool keepsOrder(ArrayRef<int64_t> shape, ArrayRef<int64_t> permutation) {
  int64_t last = -1;
  for (int64_t dim : permutation) {
    if (shape[dim] == 1)
      continue;
    if (dim < last)
      return false;
    last = dim;
  }
  return true;
}

Value Node::transpose(Value value, ArrayRef<int64_t> permutation) {
  ArrayRef<int64_t> shape = typeOf(value).getShape();
  if (keepsOrder(shape, permutation))
    return reshape(value, applyPermutation(shape, permutation));
  return create<train::TransposeOp>(value, permutation);
}

Value Node::broadcast(Value value, ArrayRef<int64_t> shape) {
  if (typeOf(value).getShape() == shape)
    return value;
  return create<train::BroadcastToOp>(typeOf(value).clone(shape), value);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

LogicalResult Node::yield(Value value, unsigned i) {
  if (i < results.size())
    results[i] = {typeOf(value), value, nullptr};
  return success();
}

LogicalResult Node::yield(Constant constant, unsigned i) {
  if (i < results.size())
    results[i] = {constant.type(), Value(),
                  std::make_shared<Constant>(std::move(constant))};
  return success();
}

LogicalResult Node::yieldDeclared() {
  const Initializer *declared = initializers.lookup(proto.output(0));
  results[0].type = declared->type;
  return success();
}

LogicalResult Node::forward(unsigned j, unsigned i) {
  // A parameter must have been read under its own name.
  if (constant(j))
    results[i] = *inputs[j];
  else
    results[i] = {type(j), value(j), nullptr};
  return success();
}

LogicalResult Node::yieldDatum(const Datum &datum, unsigned i) {
  if (i < results.size())
    results[i] = datum;
  return success();
}

LogicalResult Node::yieldSequence(std::vector<Datum> tensors) {
  results[0] = Datum();
  results[0].sequence =
      std::make_shared<const std::vector<Datum>>(std::move(tensors));
  return success();
}

LogicalResult Node::yieldGraph(const onnx::GraphProto &graph) {
  return importer.importBranch(graph, *this);
}

LogicalResult Node::checkResults() {
  for (const Datum &result : results)
    if (result.type && !result.constant && result.type.getNumElements() == 0)
      return unsupported("its result has no elements: " +
                         toString(result.type.getShape()));
  return success();
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

LogicalResult Node::invalid(const Twine &message) {
  errors.add("node '" + displayName(proto) + "' (" + proto.op_type() + ") " +
             message);
  return failure();
}

LogicalResult Node::unsupported(const Twine &reason) {
  std::string domain = proto.domain().empty() ? "ai.onnx" : proto.domain();
  errors.add(ImportErrors::Unsupported{proto.op_type(), domain,
                                       std::to_string(version),
                                       displayName(proto), reason.str()});
  return failure();
}

std::optional<int64_t> Node::axis(int64_t value, int64_t rank) {
  if (value >= -rank && value < rank)
    return value < 0 ? value + rank : value;
  (void)invalid("has an axis " + Twine(value) + ", but its input has rank " +
                Twine(rank));
  return std::nullopt;
}

} // namespace fp8c
