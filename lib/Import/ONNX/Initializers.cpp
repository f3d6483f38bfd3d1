//===- Initializers.cpp - Parameters and constants of a model -------------===//

#include "Import/ONNX/Initializers.h"

#include "Import/ONNX/Names.h"
#include "Import/ONNX/Node.h"
#include "Import/ONNX/Parameters/RepeatedRows.h"
#include "Import/ONNX/Parameters/SplitShared.h"
#include "Import/ONNX/Parameters/TensorContent.h"
#include "Import/ONNX/Parameters/TiedMatrices.h"
#include "Import/ONNX/TensorData.h"
#include "Train/IR/Train.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;

namespace fp8c {

static SmallVector<int64_t> shapeOf(const onnx::TensorProto &tensor) {
  return SmallVector<int64_t>(tensor.dims().begin(), tensor.dims().end());
}

/// Values that may stand in the IR.
constexpr int64_t maxInitialValues = int64_t(1) << 16;

static bool isVariable(TensorKind kind) {
  return kind == TensorKind::Parameter || kind == TensorKind::Frozen;
}

//===----------------------------------------------------------------------===//
// What each tensor is
//===----------------------------------------------------------------------===//

Initializers::Initializers(const ONNXFile &file, onnx::GraphProto &graph,
                           const ImportONNXOptions &options, ModuleOp module,
                           ImportErrors &errors)
    : file(file), options(options), errors(errors),
      builder(module.getBodyRegion()), aliases(splitShared(file, graph)),
      rules(file, graph, options, module.getContext()) {
  builder.setInsertionPointToEnd(module.getBody());
  decide(graph);
  tie();
}

void Initializers::decide(const onnx::GraphProto &graph) {
  llvm::StringMap<SmallVector<StringRef>> namesOf;
  for (const auto &alias : aliases)
    namesOf[alias.second->name()].push_back(alias.first());
  for (const onnx::TensorProto &tensor : graph.initializer()) {
    if (aliases.contains(tensor.name()))
      continue;
    SmallVector<StringRef> &names = namesOf[tensor.name()];
    llvm::sort(names);
    names.insert(names.begin(), tensor.name());
    for (StringRef name : names) {
      Decision decision;
      decision.kind = TensorKind::Constant;
      if (isOnnxFloat(tensor.data_type()) && !rules.uses().uses(name).empty())
        decision = rules.decide(name, shapeOf(tensor), &tensor);
      tensors[name] = {&tensor, std::move(decision), {}, false};
    }
  }
}

void Initializers::tie() {
  std::vector<const onnx::TensorProto *> matrices;
  std::vector<StringRef> names;
  for (auto &[name, tensor] : tensors)
    if (isVariable(tensor.decision.kind) && tensor.proto->dims_size() > 1) {
      matrices.push_back(tensor.proto);
      names.push_back(name);
    }
  for (const Tie &found : findTied(file, matrices)) {
    Tensor &tensor = tensors[names[found.matrix]];
    Tensor &first = tensors[names[found.of]];
    tensor.tiedTo = names[found.of].str();
    tensor.isTransposed = found.isTransposed;
    // What is asked of one is asked of both.
    if (StringRef(tensor.decision.rule).starts_with("--")) {
      first.decision.kind = tensor.decision.kind;
      first.decision.rule = tensor.decision.rule;
    }
  }
}

bool Initializers::isParameter(StringRef name, ArrayRef<int64_t> shape) const {
  return isVariable(rules.decide(name, shape, nullptr).kind);
}

ConstantPtr Initializers::elementsOf(const onnx::TensorProto &tensor,
                                     std::string &error) const {
  return decodeTensor(tensor, file.range(tensor.name()), builder.getContext(),
                      error);
}

//===----------------------------------------------------------------------===//
// Importing
//===----------------------------------------------------------------------===//

const Initializer *Initializers::lookup(StringRef name) {
  if (auto found = imported.find(name); found != imported.end())
    return &found->second;
  auto *tensor = tensors.find(name);
  if (tensor == tensors.end())
    return nullptr;
  Initializer initializer = importTensor(name, tensor->second);
  return &(imported[name] = initializer);
}

Initializer Initializers::importTensor(StringRef name, const Tensor &tensor) {
  SmallVector<int64_t> shape = shapeOf(*tensor.proto);
  std::optional<int64_t> count = countElements(shape);
  bool isFloat = isOnnxFloat(tensor.proto->data_type());
  bool isTooLarge = isFloat && count.value_or(0) > Constant::maxElements;
  if (count && (isVariable(tensor.decision.kind) || isTooLarge)) {
    if (!tensor.tiedTo.empty())
      return importTied(tensor);
    if (tensor.decision.isFolded && !isTooLarge)
      if (std::optional<Initializer> rows = importRows(name, tensor))
        return *rows;
    return importParameter(name, tensor,
                           RankedTensorType::get(shape, builder.getF32Type()));
  }
  std::string error;
  ConstantPtr constant = elementsOf(*tensor.proto, error);
  if (!constant) {
    errors.add("initializer '" + name + "' " + error);
    return {};
  }
  Initializer initializer;
  initializer.type = constant->type();
  initializer.constant = constant;
  return initializer;
}

/// A table that the exporter has looked up becomes the table again.
std::optional<Initializer> Initializers::importRows(StringRef name,
                                                    const Tensor &tensor) {
  std::string error;
  ConstantPtr elements = elementsOf(*tensor.proto, error);
  std::optional<RepeatedRows> found;
  if (elements)
    found = findRepeatedRows(*elements);
  if (!found || found->table.size() > maxInitialValues)
    return std::nullopt;
  Initializer rows = *declare(name, found->table.type(),
                              found->table.attribute(), tensor.decision);
  rows.type = elements->type();
  rows.rows = std::make_shared<Constant>(std::move(found->ids));
  rows.rowAxis = found->axis;
  return rows;
}

Initializer Initializers::importTied(const Tensor &tensor) {
  const Initializer *first = lookup(tensor.tiedTo);
  if (!first->type)
    return {};
  Initializer tied = *first;
  tied.type = tied.type.clone(shapeOf(*tensor.proto));
  tied.isTransposed = tensor.isTransposed;
  return tied;
}

/// Of float data, null for f32, which goes without saying.
static Type typeInFile(int32_t dataType, MLIRContext *context) {
  switch (dataType) {
  case onnx::TensorProto::DOUBLE:
    return Float64Type::get(context);
  case onnx::TensorProto::FLOAT16:
    return Float16Type::get(context);
  case onnx::TensorProto::BFLOAT16:
    return BFloat16Type::get(context);
  default:
    return {};
  }
}

Initializer Initializers::importParameter(StringRef name, const Tensor &tensor,
                                          RankedTensorType type) {
  const onnx::TensorProto &proto = *tensor.proto;
  const TensorRange *range = file.range(proto.name());
  if (type.getNumElements() == 0) {
    errors.add("parameter '" + name + "' has no elements");
    return {};
  }
  if (range)
    return *declare(name, type,
                    train::FileInitAttr::get(
                        type.getContext(), range->path, range->offset,
                        range->bytes, range->folder,
                        typeInFile(proto.data_type(), type.getContext())),
                    tensor.decision);

  // Other encodings have no place in a program, but a single value has.
  std::string error;
  ConstantPtr constant = elementsOf(proto, error);
  if (constant && constant->isSplat())
    return *declare(
        name, type,
        train::ConstantInitAttr::get(type.getContext(), constant->floats()[0]),
        tensor.decision);
  if (error.empty())
    error = "holds its data as " + onnxTypeName(proto.data_type()).str();
  errors.add("parameter '" + name + "' " + error +
             ": parameters must be stored as plain float32");
  return {};
}

const Initializer *Initializers::declare(StringRef name, RankedTensorType type,
                                         Attribute init) {
  return declare(name, type, init,
                 rules.decide(name, type.getShape(), nullptr));
}

/// The name, or where it is taken a similar one.
std::string Initializers::nameVariable(StringRef wanted) {
  std::string name = wanted.str();
  while (isOfFunction(name) || !variables.insert(name).second)
    name += "_";
  return name;
}

const Initializer *Initializers::declare(StringRef name, RankedTensorType type,
                                         Attribute init,
                                         const Decision &decision) {
  Initializer &entry = imported[name];
  if (entry.type)
    return &entry;
  MLIRContext *context = type.getContext();
  StringAttr variable = builder.getStringAttr(nameVariable(decision.parameter));
  bool isFrozen = decision.kind == TensorKind::Frozen;
  auto role = train::RoleAttr::get(context, isFrozen ? train::Role::frozen
                                                     : train::Role::parameter);
  auto op = train::VariableOp::create(builder, NameLoc::get(variable), variable,
                                      TypeAttr::get(type), role, init,
                                      /*of=*/FlatSymbolRefAttr());
  if (decision.isTransposed)
    op->setAttr(train::kTransposedAttr, builder.getUnitAttr());
  if (variable != decision.parameter)
    op->setAttr(train::kFileNameAttr,
                builder.getStringAttr(decision.parameter));
  entry.type = entry.variableType = type;
  entry.variable = op;
  return &entry;
}

//===----------------------------------------------------------------------===//
// Reports
//===----------------------------------------------------------------------===//

/// What to say about it in doubt: what grows evenly was computed.
static StringRef likelyOption(const ConstantPtr &elements) {
  return elements && isLinear(*elements) ? "--freeze" : "--train";
}

/// The name as a pattern that a shell passes on.
static std::string quotePattern(StringRef name) {
  std::string text = "'";
  for (char c : name) {
    if (StringRef("*?[]{}\\").contains(c))
      text += '\\';
    text += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return text + "'";
}

void Initializers::checkUndecided() {
  constexpr int64_t shown = 12;
  std::string list, requests;
  int64_t count = 0;
  for (auto &[name, tensor] : tensors) {
    if (tensor.decision.kind != TensorKind::Undecided ||
        !imported.contains(name))
      continue;
    if (++count > shown)
      continue;
    list += (count > 1 ? ", '" : "'") + name.str() + "' " +
            toString(shapeOf(*tensor.proto));
    std::string error;
    StringRef option = likelyOption(elementsOf(*tensor.proto, error));
    requests += " " + option.str() + " " + quotePattern(name);
  }
  if (count == 0)
    return;
  if (count > shown)
    list += " and " + std::to_string(count - shown) + " more";
  std::string what = std::to_string(count) +
                     (count == 1 ? " tensor" : " tensors") +
                     " may be trained or constant, and nothing in the file "
                     "tells: " +
                     list;
  if (options.isForTraining)
    errors.add(what + "; say what they are, such as" + requests);
  else
    emitWarning(builder.getUnknownLoc())
        << what << "; taken as constant (to train:" << requests << ")";
}

void Initializers::report(ImportReport &report) const {
  for (const auto &[name, tensor] : tensors) {
    auto found = imported.find(name);
    if (found == imported.end())
      continue;
    if (!isOnnxFloat(tensor.proto->data_type())) {
      ++report.integers;
      continue;
    }
    const Initializer &initializer = found->second;
    TensorReport row;
    row.name = initializer.variable
                   ? SymbolTable::getSymbolName(initializer.variable).str()
                   : name.str();
    row.fileName = tensor.proto->name();
    row.shape = shapeOf(*tensor.proto);
    row.kind = tensor.decision.kind;
    row.rule = tensor.decision.rule;
    if (!tensor.tiedTo.empty())
      row.tiedTo = row.name;
    report.tensors.push_back(std::move(row));
  }
}

} // namespace fp8c
