//===- InputRoles.cpp - What the inputs of a graph are for ----------------===//

#include "Import/ONNX/InputRoles.h"

#include "Import/ONNX/TensorData.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using onnx::NodeProto;
using onnx::TensorProto;

namespace fp8c {

static constexpr std::pair<InputRole, StringLiteral> kRoleNames[] = {
    {InputRole::Data, "data"},     {InputRole::Tokens, "tokens"},
    {InputRole::Labels, "labels"}, {InputRole::Positions, "positions"},
    {InputRole::Mask, "mask"},     {InputRole::Segments, "segments"},
    {InputRole::Past, "past"},     {InputRole::Flag, "flag"},
};

StringRef toString(InputRole role) {
  for (const auto &[known, name] : kRoleNames)
    if (known == role)
      return name;
  return "";
}

std::optional<InputRole> parseInputRole(StringRef text) {
  // Which labels they are is told later.
  if (text == "labels_next" || text == "labels_tokens")
    return InputRole::Labels;
  for (const auto &[role, name] : kRoleNames)
    if (name == text)
      return role;
  return std::nullopt;
}

namespace {
/// Where the values of an input go.
struct Flow {
  bool choosesRows = false; ///< Of a table of floats, as they are.
  bool countsRows = false;  ///< Chooses them by numbers computed from them.
  bool isLabel = false;     ///< Of a loss.
  int64_t rows = 0;         ///< Of the largest table, where that is known.
};

class RoleFinder {
public:
  RoleFinder(const onnx::GraphProto &graph, const GraphUses &uses)
      : uses(uses) {
    for (const TensorProto &tensor : graph.initializer())
      if (isOnnxFloat(tensor.data_type()) && tensor.dims_size() > 0)
        rowsOf[tensor.name()] = tensor.dims(0);
  }

  InputRole find(const onnx::ValueInfoProto &input) const;
  Flow follow(StringRef name) const;

private:
  const GraphUses &uses;
  StringMap<int64_t> rowsOf;
};
} // namespace

static bool isInteger(int32_t type) {
  return type == TensorProto::INT64 || type == TensorProto::INT32;
}

/// What becomes of integers in a node.
enum class Passage { None, View, Arithmetic };

static Passage passageOf(const Use &use) {
  Passage view = use.input == 0 ? Passage::View : Passage::None;
  return StringSwitch<Passage>(use.node->op_type())
      .Cases({"Reshape", "Cast", "Identity", "Transpose", "Squeeze",
              "Unsqueeze", "Slice"},
             view)
      .Cases({"Pad", "Expand", "Flatten", "Clip"}, view)
      .Cases({"Add", "Sub", "Mul", "Max", "Min"}, Passage::Arithmetic)
      .Cases({"Where", "Concat", "CumSum"}, Passage::Arithmetic)
      .Default(Passage::None);
}

/// Follows integers until they choose something.
Flow RoleFinder::follow(StringRef name) const {
  Flow flow;
  SmallVector<std::pair<StringRef, bool>> pending;
  pending.push_back({name, true});
  StringSet<> seen;
  while (!pending.empty()) {
    auto [value, isAsGiven] = pending.pop_back_val();
    if (value.empty() || !seen.insert(value).second)
      continue;
    for (const Use &use : uses.uses(value)) {
      StringRef op = use.node->op_type();
      bool isLoss = op == "SoftmaxCrossEntropyLoss" ||
                    op == "NegativeLogLikelihoodLoss" ||
                    op == "GatherElements" || op == "OneHot";
      if (isLoss) {
        flow.isLabel |= use.input == (op == "OneHot" ? 0 : 1);
        continue;
      }
      if (op == "Gather") {
        // Which of two inputs of tokens is meant the larger table tells.
        if (use.input == 1 && use.node->output_size() &&
            uses.isActivation(use.node->output(0))) {
          (isAsGiven ? flow.choosesRows : flow.countsRows) = true;
          flow.rows =
              std::max(flow.rows, rowsOf.lookup(uses.root(use.node->input(0))));
        }
        continue;
      }
      Passage passage = passageOf(use);
      for (const std::string &output : use.node->output())
        if (passage != Passage::None)
          pending.push_back({output, isAsGiven && passage == Passage::View});
    }
  }
  return flow;
}

/// The graph first; where it says nothing, the name.
InputRole RoleFinder::find(const onnx::ValueInfoProto &input) const {
  const onnx::TypeProto_Tensor &type = input.type().tensor_type();
  std::string lower = StringRef(input.name()).lower();
  StringRef name = lower;
  int rank = type.shape().dim_size();
  if (type.elem_type() == TensorProto::BOOL && rank < 2)
    return InputRole::Flag;
  if (isInteger(type.elem_type())) {
    Flow flow = follow(input.name());
    if (flow.isLabel && !flow.choosesRows && !flow.countsRows)
      return InputRole::Labels;
    if (name.contains("pos") && rank > 0)
      return InputRole::Positions;
    if (name.contains("type") || name.contains("segment"))
      return InputRole::Segments;
    if (flow.choosesRows && rank == 2)
      return InputRole::Tokens;
    if (name.contains("mask"))
      return InputRole::Mask;
    return flow.countsRows && rank == 2 ? InputRole::Tokens : InputRole::Data;
  }
  if (name.contains("mask") || type.elem_type() == TensorProto::BOOL)
    return InputRole::Mask;
  if (rank == 4 && (name.contains("past") || name.contains("cache")))
    return InputRole::Past;
  return InputRole::Data;
}

StringMap<InputRole> findInputRoles(const onnx::GraphProto &graph,
                                    const GraphUses &uses,
                                    const ImportONNXOptions &options,
                                    ImportErrors &errors) {
  RoleFinder finder(graph, uses);
  StringSet<> initializers;
  for (const TensorProto &tensor : graph.initializer())
    initializers.insert(tensor.name());
  StringMap<InputRole> roles;
  SmallVector<StringRef> tokens;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (initializers.contains(input.name()))
      continue;
    InputRole role = finder.find(input);
    for (const auto &[name, asked] : options.inputs)
      if (name == input.name())
        role = parseInputRole(asked).value_or(InputRole::Data);
    roles[input.name()] = role;
    if (role == InputRole::Tokens)
      tokens.push_back(input.name());
  }
  for (const auto &[name, asked] : options.inputs) {
    if (!parseInputRole(asked))
      errors.add("--input " + name + "=" + asked + ": there is no role '" +
                 asked +
                 "'; use tokens, labels, labels_next, labels_tokens, "
                 "positions, mask, segments, past, flag or data");
    if (!roles.count(name))
      errors.add("--input " + name + "=" + asked +
                 ": the model has no input '" + name + "'");
  }
  if (tokens.size() < 2)
    return roles;
  // The vocabulary is larger than anything else that is looked up.
  llvm::sort(tokens, [&](StringRef a, StringRef b) {
    return finder.follow(a).rows > finder.follow(b).rows;
  });
  if (finder.follow(tokens[0]).rows == finder.follow(tokens[1]).rows)
    errors.add("inputs '" + tokens[0] + "' and '" + tokens[1] +
               "' both look like token ids: say which with --input " +
               tokens[0] + "=tokens --input " + tokens[1] + "=data");
  for (StringRef other : ArrayRef(tokens).drop_front())
    roles[other] = InputRole::Data;
  return roles;
}

} // namespace fp8c
