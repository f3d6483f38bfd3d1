//===- SplitShared.cpp - Initializers that exporters have merged ----------===//

#include "Import/ONNX/Parameters/SplitShared.h"

#include "Import/ONNX/DataTypes.h"
#include "Import/ONNX/Parameters/Metadata.h"
#include "Import/ONNX/TensorData.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"

#include <cstring>

using namespace llvm;
using onnx::GraphProto;
using onnx::NodeProto;
using onnx::TensorProto;

namespace fp8c {

namespace {
class Splitter {
public:
  Splitter(const ONNXFile &file, GraphProto &graph) : file(file), graph(graph) {
    for (const TensorProto &tensor : graph.initializer()) {
      tensors[tensor.name()] = &tensor;
      inOrder.push_back(&tensor);
      names.insert(tensor.name());
    }
    for (const NodeProto &node : graph.node())
      for (const std::string &output : node.output())
        names.insert(output);
    for (const onnx::ValueInfoProto &input : graph.input())
      names.insert(input.name());
  }

  StringMap<const TensorProto *> run() {
    replaceCopies();
    separateModules();
    return std::move(aliases);
  }

private:
  void replaceCopies();
  void separateModules();
  bool mayBeMerged(const TensorProto &tensor);
  void addAlias(StringRef name, const TensorProto &tensor);
  std::string nameIn(const NodeProto &node, int input, StringRef module);

  const ONNXFile &file;
  GraphProto &graph;
  StringMap<const TensorProto *> tensors, aliases;
  std::vector<const TensorProto *> inOrder;
  StringMap<bool> merged;
  StringSet<> names;
};
} // namespace

/// Whether all elements have the bits of the first, which the first two mostly
/// tell.
static bool isSplat(const TensorProto &tensor, const TensorRange *range) {
  size_t width = onnxElementBits(tensor.data_type()) / 8;
  std::string first, error;
  bool isSplat = width > 0;
  auto visit = [&](const char *data, size_t bytes) {
    if (first.empty())
      first.assign(data, std::min(bytes, width));
    for (size_t at = 0; isSplat && at < bytes; at += width)
      isSplat = std::memcmp(data + at, first.data(), width) == 0;
    return isSplat;
  };
  if (tensor.has_raw_data())
    visit(tensor.raw_data().data(), tensor.raw_data().size());
  else if (!range || !range->stream(visit, error))
    return false;
  return isSplat && !first.empty();
}

bool Splitter::mayBeMerged(const TensorProto &tensor) {
  if (!isOnnxFloat(tensor.data_type()) || tensor.dims_size() == 0)
    return false;
  if (tensor.dims_size() == 1)
    return true;
  auto [at, isNew] = merged.try_emplace(tensor.name(), false);
  if (isNew)
    at->second = isSplat(tensor, file.range(tensor.name()));
  return at->second;
}

/// The graph gets an initializer of the name, which holds nothing itself.
void Splitter::addAlias(StringRef name, const TensorProto &tensor) {
  TensorProto *alias = graph.add_initializer();
  alias->set_name(name.str());
  alias->set_data_type(tensor.data_type());
  *alias->mutable_dims() = tensor.dims();
  aliases[name] = &tensor;
}

/// The older exporter keeps names so: ln_2.weight = Identity(ln_1.weight).
void Splitter::replaceCopies() {
  for (int i = graph.node_size(); i-- > 0;) {
    const NodeProto &node = graph.node(i);
    if (node.op_type() != "Identity" || node.input_size() != 1 ||
        node.output_size() != 1 || !node.attribute().empty())
      continue;
    const TensorProto *tensor = tensors.lookup(node.input(0));
    bool isOutput = any_of(graph.output(), [&](const auto &output) {
      return output.name() == node.output(0);
    });
    if (!tensor || isOutput || !mayBeMerged(*tensor))
      continue;
    addAlias(node.output(0), *tensor);
    graph.mutable_node()->DeleteSubrange(i, 1);
  }
}

/// What the model calls the tensor that the node reads, as far as the file
/// tells.
std::string Splitter::nameIn(const NodeProto &node, int input,
                             StringRef module) {
  StringRef name = node.input(input);
  bool isNorm = StringRef(node.op_type()).ends_with("Normalization");
  StringRef last = isNorm && input == 1   ? "weight"
                   : isNorm && input == 2 ? "bias"
                                          : name.rsplit('.').second;
  if (last.empty())
    last = name;
  return (module + "." + last).str();
}

void Splitter::separateModules() {
  struct Reader {
    NodeProto *node;
    int input;
    std::string module;
  };
  StringMap<std::vector<Reader>> readers;
  for (NodeProto &node : *graph.mutable_node())
    for (int i = 0; i < node.input_size(); ++i)
      if (const TensorProto *tensor = tensors.lookup(node.input(i)))
        if (std::string module = modulePath(node); !module.empty())
          readers[node.input(i)].push_back({&node, i, std::move(module)});
  for (const TensorProto *tensor : inOrder) {
    ArrayRef<Reader> all = readers[tensor->name()];
    auto isOther = [&](const Reader &r) { return r.module != all[0].module; };
    if (none_of(all, isOther) || !mayBeMerged(*tensor))
      continue;
    // One of the modules is the one that the name is from.
    std::string own = StringRef(tensor->name()).rsplit('.').first.str();
    StringMap<std::string> given;
    for (const Reader &reader : all) {
      std::string name = nameIn(*reader.node, reader.input, reader.module);
      if (reader.module == own && name == tensor->name())
        continue;
      auto [at, isNew] = given.try_emplace(name, name);
      if (isNew && !names.insert(name).second) {
        // The name is another value's.
        for (int n = 2; !names.insert(at->second).second; ++n)
          at->second = name + "." + std::to_string(n);
      }
      if (isNew)
        addAlias(at->second, *tensor);
      reader.node->set_input(reader.input, at->second);
    }
  }
}

StringMap<const TensorProto *> splitShared(const ONNXFile &file,
                                           GraphProto &graph) {
  return Splitter(file, graph).run();
}

} // namespace fp8c
