//===- GraphOrder.cpp - The order in which nodes are imported -------------===//

#include "Import/ONNX/GraphOrder.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;
using onnx::GraphProto;
using onnx::NodeProto;

namespace fp8c {

std::string displayName(const NodeProto &node) {
  if (!node.name().empty())
    return node.name();
  for (const std::string &output : node.output())
    if (!output.empty())
      return output;
  return "(unnamed " + node.op_type() + ")";
}

/// Calls `visit` with the names that a node reads, also those that its branches
/// may read; some of these are values of the branches.
template <typename Visit>
static void forEachUse(const NodeProto &node, Visit visit) {
  for (const std::string &input : node.input())
    visit(input);
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (!attribute.has_g())
      continue;
    for (const NodeProto &inner : attribute.g().node())
      forEachUse(inner, visit);
    for (const onnx::ValueInfoProto &output : attribute.g().output())
      visit(output.name());
  }
}

namespace {
class Orderer {
public:
  Orderer(const GraphProto &graph, ImportErrors &errors,
          function_ref<bool(StringRef)> isOuter)
      : graph(graph), errors(errors), isOuter(isOuter) {}

  std::vector<const NodeProto *> run() {
    collectValues();
    checkUses();
    if (!errors.empty())
      return {};
    sort();
    return errors.empty() ? dropUnneeded() : sorted;
  }

private:
  void define(const std::string &value, int producer, const char *what);
  void collectValues();
  void checkUses();
  void sort();
  void reportCycle(const std::vector<int> &missing);
  std::vector<const NodeProto *> dropUnneeded();

  /// The node that produces the value; -1 for inputs and initializers.
  int producerOf(const std::string &value) const {
    auto found = producers.find(value);
    return found == producers.end() ? -1 : found->second;
  }

  const GraphProto &graph;
  ImportErrors &errors;
  function_ref<bool(StringRef)> isOuter;
  StringMap<int> producers;
  std::vector<const NodeProto *> sorted;
};
} // namespace

void Orderer::define(const std::string &value, int producer, const char *what) {
  if (value.empty() && producer < 0)
    errors.add(Twine(what) + " has no name");
  else if (!value.empty() && !producers.try_emplace(value, producer).second)
    errors.add("two values have the name '" + value + "'");
}

void Orderer::collectValues() {
  for (const onnx::TensorProto &tensor : graph.initializer())
    define(tensor.name(), -1, "an initializer");
  for (const onnx::SparseTensorProto &tensor : graph.sparse_initializer())
    errors.add("the initializer '" + tensor.values().name() +
               "' is sparse: store it densely");
  // An input may repeat the name of an initializer, which is its default.
  StringSet<> inputs;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (!inputs.insert(input.name()).second)
      errors.add("two inputs have the name '" + input.name() + "'");
    else if (!producers.count(input.name()))
      define(input.name(), -1, "an input");
  }
  for (int i = 0; i < graph.node_size(); ++i)
    for (const std::string &output : graph.node(i).output())
      define(output, i, "a value");
  StringSet<> outputs;
  for (const onnx::ValueInfoProto &output : graph.output())
    if (!outputs.insert(output.name()).second)
      errors.add("two outputs have the name '" + output.name() + "'");
}

void Orderer::checkUses() {
  for (const NodeProto &node : graph.node())
    for (const std::string &input : node.input())
      if (!input.empty() && !producers.count(input) && !isOuter(input))
        errors.add("node '" + displayName(node) + "' uses '" + input +
                   "', which nothing produces");
  for (const onnx::ValueInfoProto &output : graph.output())
    if (!producers.count(output.name()) && !isOuter(output.name()))
      errors.add("the graph's output '" + output.name() +
                 "' is a value that nothing produces");
  if (graph.output_size() == 0)
    errors.add("the graph has no outputs");
}

void Orderer::sort() {
  std::vector<std::vector<int>> users(graph.node_size());
  std::vector<int> missing(graph.node_size(), 0), ready;
  for (int i = 0; i < graph.node_size(); ++i)
    forEachUse(graph.node(i), [&](const std::string &input) {
      if (int producer = producerOf(input); producer >= 0) {
        users[producer].push_back(i);
        ++missing[i];
      }
    });
  // Of the nodes that can come next, the one that the file has first: a sorted
  // file keeps its order.
  auto later = std::greater<int>();
  for (int i = graph.node_size(); i-- > 0;)
    if (!missing[i])
      ready.push_back(i);
  std::make_heap(ready.begin(), ready.end(), later);
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), later);
    int next = ready.back();
    ready.pop_back();
    sorted.push_back(&graph.node(next));
    for (int user : users[next])
      if (--missing[user] == 0) {
        ready.push_back(user);
        std::push_heap(ready.begin(), ready.end(), later);
      }
  }
  if (int(sorted.size()) != graph.node_size())
    reportCycle(missing);
}

/// Going back from a node that waits for another that does, one comes to a node
/// a second time.
void Orderer::reportCycle(const std::vector<int> &missing) {
  int node = int(llvm::find_if(missing, [](int n) { return n > 0; }) -
                 missing.begin());
  std::vector<int> path;
  while (!llvm::is_contained(path, node)) {
    path.push_back(node);
    int next = node;
    forEachUse(graph.node(node), [&](const std::string &input) {
      if (int producer = producerOf(input);
          next == node && producer >= 0 && missing[producer] > 0)
        next = producer;
    });
    node = next;
  }
  std::string text = "nodes wait for each other's values: '" +
                     displayName(graph.node(node)) + "'";
  for (size_t i = path.size(); i-- > 0;) {
    text += " -> '" + displayName(graph.node(path[i])) + "'";
    if (path[i] == node)
      break;
  }
  errors.add(text);
}

std::vector<const NodeProto *> Orderer::dropUnneeded() {
  StringSet<> needed;
  for (const onnx::ValueInfoProto &output : graph.output())
    needed.insert(output.name());
  std::vector<const NodeProto *> kept;
  for (const NodeProto *node : llvm::reverse(sorted)) {
    auto isNeeded = [&](const std::string &value) {
      return !value.empty() && needed.count(value);
    };
    if (!llvm::any_of(node->output(), isNeeded))
      continue;
    forEachUse(*node, [&](const std::string &input) { needed.insert(input); });
    kept.push_back(node);
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

std::vector<const NodeProto *>
orderNodes(const GraphProto &graph, ImportErrors &errors,
           function_ref<bool(StringRef)> isOuter) {
  return Orderer(graph, errors, isOuter).run();
}

} // namespace fp8c
