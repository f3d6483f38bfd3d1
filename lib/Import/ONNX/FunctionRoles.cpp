//===- FunctionRoles.cpp - What a function takes and gives ----------------===//

#include "Import/ONNX/FunctionRoles.h"

#include "Train/IR/Masks.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace fp8c {

//===----------------------------------------------------------------------===//
// Causality
//===----------------------------------------------------------------------===//

/// Whether the value is known to hide from each token the ones behind it: a
/// matrix whose upper triangle holds one thing, not seen, and whose diagonal
/// another.
static bool isCausalMask(Value value, train::MaskReader &masks) {
  auto type = cast<RankedTensorType>(value.getType());
  ArrayRef<int64_t> shape = type.getShape();
  // Booleans say either what is seen or what is not.
  bool isBool = type.getElementType().isInteger(1);
  if (shape.size() < 2 || shape.back() < 2 ||
      shape.back() != shape[shape.size() - 2] ||
      (!isBool && !type.getElementType().isF32()))
    return false;
  std::shared_ptr<const train::Plane> plane = masks.read(value);
  if (!plane)
    return false;
  int64_t n = shape.back(), row = plane->strides[shape.size() - 2],
          column = plane->strides.back();
  auto isHidden = [&](int64_t i, int64_t j) {
    double number = plane->numbers[i * row + j * column];
    return isBool ? number != plane->numbers[0] : number <= train::kMasking;
  };
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i; j < n; ++j)
      if (isHidden(i, j) != (j > i))
        return false;
  return true;
}

/// Whether no token sees one behind it. Without attention tokens see
/// themselves alone.
static bool isCausal(func::FuncOp function) {
  bool attends = false, isCausal = false;
  train::MaskReader masks;
  function.walk([&](Operation *op) {
    auto attention = dyn_cast<train::AttentionOp>(op);
    attends |= attention || isa<train::SoftmaxOp>(op);
    isCausal |= attention && attention.getCausal();
    // Masks are constants, or conditions that are computed of some.
    if (!isCausal && isa<arith::ConstantOp, train::CompareOp, train::AndOp,
                         train::OrOp, train::NotOp>(op))
      isCausal = isCausalMask(op->getResult(0), masks);
  });
  return isCausal || !attends;
}

//===----------------------------------------------------------------------===//
// Labels
//===----------------------------------------------------------------------===//

/// Whether the labels lose a column, or get one, on their way to the loss.
static bool isShifted(Value labels) {
  SmallVector<Value> pending = {labels};
  DenseSet<Value> seen;
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    for (Operation *user : value.getUsers()) {
      if (isa<train::SliceOp, train::PlaceOp, train::ConcatOp>(user))
        return true;
      if (!isa<train::CrossEntropyOp, train::GatherElementsOp>(user))
        llvm::append_range(pending, user->getResults());
    }
  }
  return false;
}

static train::Input findLabels(Value argument, bool isCausal, StringRef asked) {
  if (asked == "labels_next")
    return train::Input::labels_next;
  if (asked == "labels_tokens")
    return train::Input::labels_tokens;
  if (asked == "labels" || !isCausal)
    return train::Input::labels;
  return isShifted(argument) ? train::Input::labels_tokens
                             : train::Input::labels_next;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// Scores for each token: of several such results, those of the most classes,
/// of which there are more than features.
static void markResults(func::FuncOp function, Type tokens) {
  std::optional<unsigned> logits;
  int64_t classes = 0;
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    auto type = cast<RankedTensorType>(function.getResultTypes()[i]);
    if (!type.getElementType().isF32())
      continue;
    if (type.getNumElements() == 1 && type.getRank() <= 1)
      train::setOutput(function, i, train::Output::loss);
    bool isPerToken = tokens && type.getRank() == 3 &&
                      type.getShape().take_front(2) ==
                          cast<RankedTensorType>(tokens).getShape();
    if (isPerToken && type.getShape()[2] > classes) {
      logits = i;
      classes = type.getShape()[2];
    }
  }
  if (logits)
    train::setOutput(function, *logits, train::Output::logits);
}

void markRoles(func::FuncOp function, const GraphInputs &inputs,
               const ImportONNXOptions &options) {
  llvm::StringMap<std::string> asked;
  for (const auto &[name, role] : options.inputs)
    asked[name] = role;
  const bool looksBack = isCausal(function);
  Type tokens;
  bool hasLabels = false;
  unsigned argument = 0;
  for (const GraphInput &input : inputs.inputs()) {
    if (!input.isArgument())
      continue;
    if (input.role == InputRole::Tokens) {
      train::setInput(function, argument, train::Input::tokens);
      tokens = input.type;
    } else if (input.role == InputRole::Labels) {
      hasLabels = true;
      train::setInput(function, argument,
                      findLabels(function.getArgument(argument), looksBack,
                                 asked.lookup(input.name)));
    }
    ++argument;
  }
  markResults(function, tokens);
  if (tokens && !hasLabels && !looksBack)
    function->setAttr(
        train::kLabelsAttr,
        train::InputAttr::get(function.getContext(), train::Input::labels));
}

//===----------------------------------------------------------------------===//
// In words
//===----------------------------------------------------------------------===//

static StringRef describe(train::Input input) {
  switch (input) {
  case train::Input::tokens:
    return "token ids";
  case train::Input::labels_next:
    return "the next tokens, as labels";
  case train::Input::labels_tokens:
    return "the tokens, as labels: the graph shifts them";
  case train::Input::labels:
    return "labels of a file (--labels), since tokens see those behind them";
  }
  return "";
}

static StringRef describe(const GraphInput &input) {
  if (input.isPaddingMask)
    return "a mask: all but padding is seen";
  switch (input.role) {
  case InputRole::Positions:
    return "positions, 0, 1, 2, ...";
  case InputRole::Mask:
    return "a mask: all is seen";
  case InputRole::Segments:
    return "segments, all 0";
  case InputRole::Past:
    return "keys and values of a past, which is empty";
  case InputRole::Flag:
    return "a switch, off";
  case InputRole::Data:
  case InputRole::Tokens:
  case InputRole::Labels:
    return "data, which fp8c-run call gives";
  }
  return "";
}

std::vector<std::string> describeInputs(func::FuncOp function,
                                        const GraphInputs &inputs) {
  std::vector<std::string> lines;
  unsigned argument = 0;
  for (const GraphInput &input : inputs.inputs()) {
    std::optional<train::Input> marked =
        input.isArgument() ? train::getInput(function, argument++)
                           : std::nullopt;
    StringRef words = marked ? describe(*marked) : describe(input);
    lines.push_back("input " + input.name + ": " + words.str());
  }
  bool isTokensAlone =
      lines.size() == 1 && inputs.inputs()[0].role == InputRole::Tokens;
  return isTokensAlone ? std::vector<std::string>() : lines;
}

} // namespace fp8c
