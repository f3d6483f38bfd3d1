//===- Metadata.cpp - What exporters write beside a graph -----------------===//

#include "Import/ONNX/Parameters/Metadata.h"

#include "Import/ONNX/LaterFields.h"

#include <algorithm>

using llvm::StringRef;

namespace fp8c {

static std::string findProperty(const google::protobuf::Message &message,
                                int metadataProps, StringRef key) {
  for (const std::string &bytes : laterField(message, metadataProps)) {
    onnx::StringStringEntryProto entry;
    if (entry.ParseFromString(bytes) && key == StringRef(entry.key()))
      return entry.value();
  }
  return {};
}

std::string metadataOf(const onnx::NodeProto &node, StringRef key) {
  constexpr int metadataProps = 9;
  return findProperty(node, metadataProps, key);
}

std::string metadataOf(const onnx::ValueInfoProto &value, StringRef key) {
  constexpr int metadataProps = 4;
  return findProperty(value, metadataProps, key);
}

std::string metadataOf(const onnx::GraphProto &graph, StringRef key) {
  constexpr int metadataProps = 16;
  return findProperty(graph, metadataProps, key);
}

std::vector<std::string> parseStringList(StringRef text) {
  std::vector<std::string> strings;
  while (true) {
    size_t begin = text.find_first_of("'\"");
    if (begin == StringRef::npos)
      return strings;
    size_t end = text.find(text[begin], begin + 1);
    if (end == StringRef::npos)
      return strings;
    strings.push_back(text.slice(begin + 1, end).str());
    text = text.drop_front(end + 1);
  }
}

std::string modulePath(const onnx::NodeProto &node) {
  std::string scopes = metadataOf(node, "pkg.torch.onnx.name_scopes");
  // The last scope is the operation itself.
  if (std::vector<std::string> path = parseStringList(scopes); path.size() > 1)
    return path[path.size() - 2];
  StringRef name = node.name();
  if (!name.consume_front("/"))
    return {};
  llvm::SmallVector<StringRef> parts;
  name.split(parts, '/');
  parts.pop_back(); // the operation
  std::string path;
  for (size_t i = 0; i < parts.size(); ++i) {
    // A list of modules stands there twice: mlp/mlp.0.
    StringRef next = i + 1 < parts.size() ? parts[i + 1] : "";
    if (next.consume_front(parts[i]) && next.starts_with("."))
      continue;
    path += (path.empty() ? "" : ".") + parts[i].str();
  }
  return path;
}

std::string scopedName(const onnx::NodeProto &node) {
  // "['', 'h.0', 'h.0.mlp', 'linear_7']": modules, and what the last one does.
  std::vector<std::string> scopes =
      parseStringList(metadataOf(node, "pkg.torch.onnx.name_scopes"));
  std::string path;
  StringRef outer;
  for (StringRef scope :
       llvm::ArrayRef(scopes).drop_back(scopes.empty() ? 0 : 1)) {
    if (scope.empty())
      continue;
    StringRef own = scope;
    if (!outer.empty() && own.consume_front(outer))
      own.consume_front(".");
    path += own.str() + "/";
    outer = scope;
  }
  if (path.empty())
    return {};
  StringRef label = scopes.back();
  StringRef stem = label.rtrim("0123456789");
  if (stem != label && stem.consume_back("_") && !stem.empty())
    label = stem;
  return path + label.str();
}

/// Lines such as "p_wte_weight: PARAMETER target='wte.weight'".
ExportSignature::ExportSignature(const onnx::GraphProto &graph) {
  std::string text =
      metadataOf(graph, "pkg.torch.export.ExportedProgram.graph_signature");
  llvm::SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n');
  for (StringRef line : lines) {
    auto [kind, target] = line.split(": ").second.split(" target=");
    std::vector<std::string> names = parseStringList(target);
    if (names.empty() || !order.try_emplace(names[0], order.size()).second)
      continue;
    kinds[names[0]] = kind.trim().str();
  }
}

std::string ExportSignature::first(std::vector<std::string> names) const {
  return *std::min_element(names.begin(), names.end(),
                           [&](const std::string &a, const std::string &b) {
                             auto place = [&](const std::string &name) {
                               auto found = order.find(name);
                               return found == order.end() ? order.size()
                                                           : found->second;
                             };
                             return place(a) < place(b);
                           });
}

} // namespace fp8c
