//===- TensorList.cpp - Parameters and constants of a model ---------------===//

#include "TensorList.h"

#include "Import/ONNX/Node.h"
#include "core/Escape.h"
#include "core/Text.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatAdapters.h"
#include "llvm/Support/FormatVariadic.h"

namespace fp8c {

namespace {
struct Line {
  TensorKind kind;
  std::string name, shape, rule;
  int64_t count = 0;
};
} // namespace

static const char *toWord(TensorKind kind) {
  switch (kind) {
  case TensorKind::Parameter:
    return "trained";
  case TensorKind::Frozen:
    return "frozen";
  case TensorKind::Constant:
  case TensorKind::Undecided:
    return "constant";
  }
  return "";
}

/// "h.3.ln_1.weight" in layer 3: "h.*.ln_1.weight" in all.
static std::string withoutLayer(llvm::StringRef name) {
  std::string pattern;
  for (size_t i = 0; i < name.size(); ++i) {
    bool begins = i == 0 || name[i - 1] == '.' || name[i - 1] == '/';
    size_t end = name.find_first_not_of("0123456789", i);
    end = end == llvm::StringRef::npos ? name.size() : end;
    bool isNumber =
        begins && end > i &&
        (end == name.size() || name[end] == '.' || name[end] == '/');
    pattern += isNumber ? '*' : name[i];
    i = isNumber ? end - 1 : i;
  }
  return pattern;
}

static llvm::MapVector<llvm::StringRef, Line>
groupLines(const ImportReport &report, std::vector<std::string> &keys) {
  keys.reserve(report.tensors.size());
  llvm::MapVector<llvm::StringRef, Line> lines;
  for (const TensorReport &tensor : report.tensors) {
    // Of our own models nobody has to ask.
    if (tensor.rule == kOwnModelRule)
      continue;
    bool isTied = !tensor.tiedTo.empty();
    bool isTrainable = tensor.kind == TensorKind::Parameter ||
                       tensor.kind == TensorKind::Frozen;
    bool isNumber = !isTrainable && llvm::all_of(tensor.shape, [](int64_t n) {
      return n == 1;
    });
    std::string rule = tensor.rule, shape = toString(tensor.shape);
    std::string name = isTied ? tensor.fileName : tensor.name;
    std::string pattern = isNumber ? "(numbers)" : withoutLayer(name);
    if (isTied)
      rule = "equals " + runtime::printable(tensor.tiedTo) +
             " to the last bit: they are one";
    keys.push_back(pattern + "\n" + shape + "\n" + rule + toWord(tensor.kind));
    Line &line = lines[keys.back()];
    if (line.count++ == 0)
      line = {tensor.kind, name, shape, rule, 1};
    else
      line.name = pattern;
  }
  return lines;
}

std::string listTensors(llvm::StringRef model, const ImportReport &report) {
  int64_t parameters = 0, elements = 0, frozen = 0;
  for (const TensorReport &tensor : report.tensors) {
    bool isTrained = tensor.kind == TensorKind::Parameter;
    if (!tensor.tiedTo.empty())
      continue;
    parameters += isTrained;
    frozen += tensor.kind == TensorKind::Frozen;
    int64_t count = 1;
    for (int64_t dim : tensor.shape)
      count *= dim;
    elements += isTrained ? count : 0;
  }
  if (report.tensors.empty() && report.inputs.empty())
    return "";
  std::vector<std::string> keys;
  auto lines = groupLines(report, keys);
  size_t nameWidth = 0, shapeWidth = 0;
  for (auto &[key, line] : lines) {
    line.name = runtime::printable(line.name, 120);
    if (line.count > 1)
      line.shape = std::to_string(line.count) + " x " + line.shape;
    nameWidth = std::max(nameWidth, line.name.size());
    shapeWidth = std::max(shapeWidth, line.shape.size());
  }
  std::string text =
      runtime::printable(model.str()) + ": trains " +
      std::to_string(parameters) + " tensors of " +
      runtime::withThousands(elements) + " elements" +
      (frozen ? ", " + std::to_string(frozen) + " are frozen" : "") + "\n";
  for (const std::string &input : report.inputs)
    text += "  " + runtime::printable(input, 200) + "\n";
  for (TensorKind kind : {TensorKind::Parameter, TensorKind::Frozen,
                          TensorKind::Constant, TensorKind::Undecided})
    for (auto &[key, line] : lines) {
      if (line.kind != kind)
        continue;
      text += llvm::formatv(
          "  {0,-9}{1}  {2}  {3}\n", toWord(kind),
          llvm::fmt_align(line.name, llvm::AlignStyle::Left, nameWidth),
          llvm::fmt_align(line.shape, llvm::AlignStyle::Left, shapeWidth),
          line.rule);
    }
  return text;
}

} // namespace fp8c
