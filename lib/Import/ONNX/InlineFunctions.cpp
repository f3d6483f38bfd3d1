//===- InlineFunctions.cpp - Functions that a model brings along ----------===//

#include "Import/ONNX/InlineFunctions.h"

#include "Import/ONNX/GraphOrder.h"
#include "Import/ONNX/LaterFields.h"
#include "Import/ONNX/Opsets.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <array>
#include <map>

using namespace llvm;
using onnx::AttributeProto;
using onnx::FunctionProto;
using onnx::GraphProto;
using onnx::NodeProto;

namespace fp8c {

/// Functions of one name are told apart by their `overload`.
static std::string overloadOf(const google::protobuf::Message &message,
                              int field) {
  std::vector<std::string> found = laterField(message, field);
  return found.empty() ? std::string() : found.back();
}

/// The attributes that have a default (`attribute_proto`).
static std::vector<AttributeProto> defaultsOf(const FunctionProto &function) {
  std::vector<AttributeProto> defaults;
  for (const std::string &bytes : laterField(function, 11)) {
    AttributeProto attribute;
    if (attribute.ParseFromString(bytes))
      defaults.push_back(std::move(attribute));
  }
  return defaults;
}

namespace {
/// What names and attributes in a function's body mean where it is called.
struct Scope {
  const FunctionProto &function;
  const NodeProto &call;
  std::string prefix;
  StringMap<std::string> names; ///< Of its inputs and outputs, outside.
  std::vector<AttributeProto> defaults;
  int64_t opset; ///< 0 where it is the model's.

  std::string rename(const std::string &name) const;
  const AttributeProto *argument(const std::string &name) const;
};

class Inliner {
public:
  Inliner(onnx::ModelProto &model, ImportErrors &errors)
      : model(model), errors(errors) {}

  void run();

private:
  const FunctionProto *calledBy(const NodeProto &node) const;
  void expandGraph(GraphProto &graph);
  void expandNode(NodeProto node, GraphProto &to);
  void expandCall(const FunctionProto &function, const NodeProto &call,
                  GraphProto &to);
  void bind(NodeProto &node, const Scope &scope);
  void bind(GraphProto &graph, const Scope &scope);
  void passThrough(const Scope &scope, GraphProto &to);
  bool checkCall(const FunctionProto &function, const NodeProto &call);

  onnx::ModelProto &model;
  ImportErrors &errors;
  std::map<std::array<std::string, 3>, const FunctionProto *> functions;
  std::vector<const FunctionProto *> stack; ///< Those being expanded.
  StringSet<> prefixes;
  int64_t nodes = 0;
};
} // namespace

std::string Scope::rename(const std::string &name) const {
  if (name.empty())
    return name;
  auto found = names.find(name);
  return found == names.end() ? prefix + name : found->second;
}

const AttributeProto *Scope::argument(const std::string &name) const {
  for (const AttributeProto &attribute : call.attribute())
    if (attribute.name() == name)
      return &attribute;
  for (const AttributeProto &attribute : defaults)
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

void Inliner::run() {
  if (model.functions_size() == 0)
    return;
  // What stands in the graph may be replaced while the functions are read.
  onnx::ModelProto library;
  library.mutable_functions()->Swap(model.mutable_functions());
  for (const FunctionProto &function : library.functions()) {
    auto [at, isNew] = functions.try_emplace(
        {function.domain(), function.name(), overloadOf(function, 13)},
        &function);
    if (!isNew)
      errors.add("two functions have the name '" + function.name() + "'");
  }
  if (errors.empty())
    expandGraph(*model.mutable_graph());
}

const FunctionProto *Inliner::calledBy(const NodeProto &node) const {
  auto found =
      functions.find({node.domain(), node.op_type(), overloadOf(node, 8)});
  return found == functions.end() ? nullptr : found->second;
}

void Inliner::expandGraph(GraphProto &graph) {
  google::protobuf::RepeatedPtrField<NodeProto> old;
  old.Swap(graph.mutable_node());
  for (NodeProto &node : old)
    if (errors.empty())
      expandNode(std::move(node), graph);
}

void Inliner::expandNode(NodeProto node, GraphProto &to) {
  constexpr int64_t maxNodes = 1'000'000;
  if (++nodes > maxNodes)
    return errors.add("the model has more than a million nodes once its "
                      "functions are put in place of the calls");
  for (AttributeProto &attribute : *node.mutable_attribute()) {
    if (attribute.has_g())
      expandGraph(*attribute.mutable_g());
    for (GraphProto &graph : *attribute.mutable_graphs())
      expandGraph(graph);
  }
  if (const FunctionProto *function = calledBy(node))
    return expandCall(*function, node, to);
  to.add_node()->Swap(&node);
}

bool Inliner::checkCall(const FunctionProto &function, const NodeProto &call) {
  constexpr size_t maxDepth = 100;
  std::string what = "function '" + function.name() + "'";
  if (is_contained(stack, &function))
    errors.add(what + " calls itself, which ONNX does not allow");
  else if (stack.size() >= maxDepth)
    errors.add(what + " is called from functions more than " + Twine(maxDepth) +
               " deep");
  else if (call.input_size() > function.input_size() ||
           call.output_size() > function.output_size())
    errors.add("node '" + displayName(call) + "' has " +
               Twine(call.input_size()) + " inputs and " +
               Twine(call.output_size()) + " outputs, but its " + what +
               " has " + Twine(function.input_size()) + " and " +
               Twine(function.output_size()));
  else
    return true;
  return false;
}

void Inliner::expandCall(const FunctionProto &function, const NodeProto &call,
                         GraphProto &to) {
  if (!checkCall(function, call))
    return;
  std::string prefix = displayName(call) + "/";
  for (int i = 2; !prefixes.insert(prefix).second; ++i)
    prefix = displayName(call) + "_" + std::to_string(i) + "/";
  int64_t opset = opsetOf(function.opset_import(), onnxDomain);
  if (opset == opsetOf(model.opset_import(), onnxDomain))
    opset = 0;
  Scope scope{function, call, prefix, {}, defaultsOf(function), opset};
  for (int i = 0; i < function.input_size(); ++i)
    scope.names[function.input(i)] =
        i < call.input_size() ? call.input(i) : std::string();
  // An output that is an input keeps its outer name: passThrough copies it.
  for (int i = 0; i < call.output_size(); ++i)
    if (!call.output(i).empty())
      scope.names.try_emplace(function.output(i), call.output(i));

  stack.push_back(&function);
  for (NodeProto node : function.node()) {
    if (!errors.empty())
      break;
    bind(node, scope);
    expandNode(std::move(node), to);
  }
  stack.pop_back();
  passThrough(scope, to);
}

/// Gives an output that the body does not make by its outer name.
void Inliner::passThrough(const Scope &scope, GraphProto &to) {
  for (int i = 0; i < scope.call.output_size(); ++i) {
    std::string inner = scope.rename(scope.function.output(i));
    if (scope.call.output(i).empty() || inner == scope.call.output(i))
      continue;
    NodeProto &copy = *to.add_node();
    copy.set_op_type("Identity");
    copy.add_input(inner);
    copy.add_output(scope.call.output(i));
  }
}

void Inliner::bind(NodeProto &node, const Scope &scope) {
  if (!node.name().empty())
    node.set_name(scope.prefix + node.name());
  for (std::string &name : *node.mutable_input())
    name = scope.rename(name);
  for (std::string &name : *node.mutable_output())
    name = scope.rename(name);
  NodeProto bound = node;
  bound.clear_attribute();
  for (AttributeProto &attribute : *node.mutable_attribute()) {
    if (!attribute.ref_attr_name().empty()) {
      const AttributeProto *given = scope.argument(attribute.ref_attr_name());
      if (!given) // and no default: the operator's own.
        continue;
      std::string name = attribute.name();
      attribute = *given;
      attribute.set_name(name);
    } else if (attribute.has_g()) {
      bind(*attribute.mutable_g(), scope);
    }
    bound.add_attribute()->Swap(&attribute);
  }
  if (scope.opset) {
    AttributeProto &opset = *bound.add_attribute();
    opset.set_name(kOpsetAttribute.str());
    opset.set_type(AttributeProto::INT);
    opset.set_i(scope.opset);
  }
  node.Swap(&bound);
}

void Inliner::bind(GraphProto &graph, const Scope &scope) {
  for (NodeProto &node : *graph.mutable_node())
    bind(node, scope);
  for (onnx::TensorProto &tensor : *graph.mutable_initializer())
    tensor.set_name(scope.rename(tensor.name()));
  for (onnx::ValueInfoProto &output : *graph.mutable_output())
    output.set_name(scope.rename(output.name()));
  for (onnx::ValueInfoProto &input : *graph.mutable_input())
    input.set_name(scope.rename(input.name()));
}

void inlineFunctions(onnx::ModelProto &model, ImportErrors &errors) {
  Inliner(model, errors).run();
}

} // namespace fp8c
