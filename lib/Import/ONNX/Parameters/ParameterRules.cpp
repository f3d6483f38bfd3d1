//===- ParameterRules.cpp - Parameter or constant -------------------------===//

#include "Import/ONNX/Parameters/ParameterRules.h"

#include "Import/ONNX/Parameters/Metadata.h"
#include "Import/ONNX/Parameters/TensorContent.h"
#include "Import/ONNX/TensorData.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/GlobPattern.h"

using namespace llvm;
using onnx::NodeProto;
using onnx::TensorProto;

namespace fp8c {

static Decision parameter(StringRef rule) {
  return {TensorKind::Parameter, rule.str(), {}, false, false};
}
static Decision constant(StringRef rule) {
  return {TensorKind::Constant, rule.str(), {}, false, false};
}

static constexpr StringLiteral kSignatureKind =
    "pkg.torch.export.graph_signature.InputSpec.kind";
static constexpr StringLiteral kFoldedFrom =
    "pkg.onnxscript.optimizer.folded_from";

ParameterRules::ParameterRules(const ONNXFile &file,
                               const onnx::GraphProto &graph,
                               const ImportONNXOptions &options,
                               mlir::MLIRContext *context)
    : file(file), options(options), context(context), graphUses(graph),
      signature(graph) {
  for (const onnx::ValueInfoProto &info : graph.value_info()) {
    infos[info.name()] = &info;
    hasKinds |= !metadataOf(info, kSignatureKind).empty();
  }
  for (const NodeProto &node : graph.node())
    if (node.output_size() &&
        (node.op_type() == "Cos" || node.op_type() == "Sin"))
      if (!graphUses.isActivation(node.input_size() ? node.input(0) : ""))
        waves.insert(node.output(0));
  findWaves();
  findPrefixes(graph);
}

/// The older exporter begins paths with the module that is called: a model that
/// calls `self.model.decoder` has `decoder.layers.0` for
/// `model.decoder.layers.0`.
void ParameterRules::findPrefixes(const onnx::GraphProto &graph) {
  for (const TensorProto &tensor : graph.initializer())
    for (const Use &use : graphUses.uses(tensor.name())) {
      StringRef module = StringRef(tensor.name()).rsplit('.').first;
      std::string path = modulePath(*use.node);
      if (!path.empty() && module.consume_back(path) && module.ends_with("."))
        prefixes[StringRef(path).split('.').first] = module.str();
    }
}

/// Goes back from each cosine and sine.
void ParameterRules::findWaves() {
  SmallVector<std::string> pending;
  for (const auto &entry : waves)
    pending.push_back(entry.first().str());
  while (!pending.empty()) {
    std::string value = pending.pop_back_val();
    const NodeProto *node = graphUses.producer(value);
    // A shape says nothing of what it is the shape of.
    if (!node || node->op_type() == "Shape" || node->op_type() == "Size")
      continue;
    for (const std::string &input : node->input())
      if (!graphUses.isActivation(input) && waves.insert(input).second)
        pending.push_back(input);
  }
}

Decision ParameterRules::decide(StringRef name, ArrayRef<int64_t> shape,
                                const TensorProto *tensor) const {
  Candidate candidate = {name, shape, tensor};
  Decision decision;
  for (Rule rule : {&ParameterRules::byNature, &ParameterRules::bySignature,
                    &ParameterRules::byOrigin, &ParameterRules::byUse,
                    &ParameterRules::byContent}) {
    decision = (this->*rule)(candidate);
    if (decision.kind != TensorKind::Undecided)
      break;
  }
  if (decision.parameter.empty())
    decision.parameter = modelName(candidate);
  applyRequest(decision, name);
  return decision;
}

/// Of two names for one tensor the exporter keeps the last, PyTorch the first;
/// the older exporter forgets the names of what it folds. The modules that read
/// the tensor remain.
std::string ParameterRules::modelName(const Candidate &candidate) const {
  StringRef name = candidate.name;
  bool isForgotten = name.starts_with("onnx::");
  std::vector<std::string> names = {name.str()};
  for (const Use &use : graphUses.uses(name)) {
    std::string module = modulePath(*use.node);
    bool isWeight = isContraction(*use.node) || use.node->op_type() == "Mul";
    if (isForgotten && !module.empty() && isWeight)
      return prefixes.lookup(StringRef(module).split('.').first) + module +
             ".weight";
    std::string other = module + "." + name.rsplit('.').second.str();
    if (signature.isParameter(name) && signature.isParameter(other))
      names.push_back(other);
  }
  return signature.first(names);
}

//===----------------------------------------------------------------------===//
// a. Requests
//===----------------------------------------------------------------------===//

static bool matches(StringRef pattern, StringRef name) {
  constexpr size_t maxSubPatterns = 1024; // of {a,b}
  Expected<GlobPattern> glob = GlobPattern::create(pattern, maxSubPatterns);
  if (glob)
    return glob->match(name);
  consumeError(glob.takeError());
  return pattern == name;
}

/// The model's name of a tensor counts as much as the file's.
void ParameterRules::applyRequest(Decision &decision, StringRef name) const {
  auto isCalled = [&](StringRef pattern) {
    return matches(pattern, name) || matches(pattern, decision.parameter);
  };
  if (is_contained(options.parameters, name) ||
      is_contained(options.parameters, decision.parameter)) {
    decision.kind = TensorKind::Parameter;
    decision.rule = "--params has it";
  }
  for (const NamePattern &request : options.patterns) {
    if (!isCalled(request.pattern))
      continue;
    // What is none to begin with stays a constant, which folds.
    bool isParameter = decision.kind == TensorKind::Parameter ||
                       decision.kind == TensorKind::Frozen;
    decision.kind = request.isTrained ? TensorKind::Parameter
                    : isParameter     ? TensorKind::Frozen
                                      : TensorKind::Constant;
    // Who asks for what no rule knew, asks for something folded.
    decision.isFolded |= !isParameter;
    decision.rule = (request.isTrained ? "--train " : "--freeze ") +
                    ("'" + request.pattern + "'");
  }
}

//===----------------------------------------------------------------------===//
// b. Nature
//===----------------------------------------------------------------------===//

Decision ParameterRules::byNature(const Candidate &candidate) const {
  StringRef name = candidate.name;
  if (waves.contains(name))
    return constant("cosines and sines are computed from it");
  SmallVector<Use> uses = graphUses.finalUses(name);
  auto isComparison = [](const Use &use) {
    return StringSwitch<bool>(use.node->op_type())
        .Cases({"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"},
               true)
        .Default(use.node->op_type() == "Where" && use.input == 0);
  };
  if (!uses.empty() && all_of(uses, isComparison))
    return constant("a condition");
  for (const Use &use : uses) {
    StringRef op = use.node->op_type();
    if ((op == "QuantizeLinear" || op == "DequantizeLinear") && use.input > 0)
      return constant("the scale of a quantised tensor");
    if (op == "BatchNormalization" && use.input > 2)
      return constant("a running mean or variance");
    if (op == "RotaryEmbedding" && use.input > 0)
      return constant("a table of rotations");
  }
  return {};
}

//===----------------------------------------------------------------------===//
// c. and d. What the exporter says
//===----------------------------------------------------------------------===//

/// What the file says of the tensor, whatever its name has become.
const onnx::ValueInfoProto *
ParameterRules::infoOf(const Candidate &candidate) const {
  return candidate.tensor ? infos.lookup(candidate.tensor->name()) : nullptr;
}

Decision ParameterRules::bySignature(const Candidate &candidate) const {
  // `fp8c model` stores nothing else as floats but tables of rotations.
  if (file.model().producer_name() == "fp8c" && candidate.tensor)
    return parameter(kOwnModelRule);
  if (candidate.tensor && signature.isParameter(candidate.tensor->name()))
    return parameter("the file says so");
  const onnx::ValueInfoProto *info = infoOf(candidate);
  if (!info)
    return {};
  std::string kind = metadataOf(*info, kSignatureKind);
  if (kind == "PARAMETER")
    return parameter("the file says so");
  return kind.empty() ? Decision() : constant("the file says so: " + kind);
}

/// Whether `source`, from which something that is read as `name` was folded, is
/// a parameter: by the file's list, else by the modules that read it.
bool ParameterRules::isParameterOf(StringRef source, StringRef name) const {
  if (is_contained(options.parameters, source))
    return true;
  if (signature || !source.contains('.'))
    return signature.isParameter(source);
  StringRef module = source.rsplit('.').first;
  auto isInside = [](StringRef inner, StringRef outer) {
    return outer.empty() || (inner.consume_front(outer) &&
                             (inner.empty() || inner.starts_with(".")));
  };
  return any_of(graphUses.uses(name), [&](const Use &use) {
    std::string path = modulePath(*use.node);
    return isInside(module, path) || isInside(path, module);
  });
}

Decision ParameterRules::byOrigin(const Candidate &candidate) const {
  if (!candidate.tensor || !hasKinds)
    return {};
  const onnx::ValueInfoProto *info = infoOf(candidate);
  std::string text = info ? metadataOf(*info, kFoldedFrom) : "";
  if (text.empty())
    return constant("the file says what its parameters are");
  std::vector<std::string> sources;
  for (std::string &source : parseStringList(text))
    if (isParameterOf(source, candidate.name))
      sources.push_back(std::move(source));
  // A folded number is a scale or an epsilon.
  if (sources.empty() || candidate.shape.empty())
    return constant("folded from constants");
  if (sources.size() > 1)
    return {};
  if (Decision waves = byContent(candidate); waves.kind == TensorKind::Constant)
    return waves;
  Decision decision = parameter("folded from a parameter");
  decision.parameter = sources.front();
  // The exporter folds transposes of matrices, alone, and other things only
  // along with constants.
  decision.isTransposed =
      candidate.shape.size() == 2 && parseStringList(text).size() == 1;
  decision.isFolded = !decision.isTransposed;
  return decision;
}

//===----------------------------------------------------------------------===//
// e. Use
//===----------------------------------------------------------------------===//

/// Inputs of normalisations and of the fused operators of com.microsoft that
/// are weights by definition: [first, last].
static std::pair<int, int> weightsOf(StringRef op) {
  return StringSwitch<std::pair<int, int>>(op)
      .Cases({"LayerNormalization", "InstanceNormalization",
              "GroupNormalization", "BatchNormalization"},
             {1, 2})
      .Cases({"RMSNormalization", "SimplifiedLayerNormalization", "PRelu"},
             {1, 1})
      .Case("SkipLayerNormalization", {2, 4})
      .Case("SkipSimplifiedLayerNormalization", {2, 3})
      .Case("EmbedLayerNormalization", {2, 6})
      .Cases({"BiasGelu", "FastGelu"}, {1, 1})
      .Default({0, -1});
}

Decision ParameterRules::byUse(const Candidate &candidate) const {
  StringRef name = candidate.name;
  bool isVector = candidate.shape.size() == 1 && candidate.shape[0] > 1;
  for (const Use &use : graphUses.finalUses(name)) {
    StringRef op = use.node->op_type();
    auto [first, last] = weightsOf(op);
    if (use.input >= first && use.input <= last)
      return parameter("a weight of " + op.str());
    bool isFused = op == "Attention" && use.node->domain() == "com.microsoft";
    if ((isContraction(*use.node) && use.input < 2) ||
        (isFused && use.input == 1))
      return parameter("a factor of " + op.str());
    if ((op == "Gemm" || op == "Conv" || isFused) && use.input == 2)
      return parameter("the bias of " + op.str());
    if (op == "Gather" && use.input == 0)
      if (Decision decision = byTableUse(use, candidate);
          decision.kind != TensorKind::Undecided)
        return decision;
    if (isVector)
      if (Decision decision = byVectorUse(use);
          decision.kind != TensorKind::Undecided)
        return decision;
  }
  bool isNumber = countElements(candidate.shape) == 1;
  // PyTorch names what belongs to a module by its path.
  if (isNumber && name.contains('.') && !name.contains("::"))
    return parameter("a number with a name");
  return isNumber ? constant("a number without a name") : Decision();
}

/// Rows by token or position. What multiplies activations may be rotations.
Decision ParameterRules::byTableUse(const Use &use,
                                    const Candidate &candidate) const {
  // Rows are chosen by tensors of ids; one number picks a part of a tensor.
  const onnx::AttributeProto *axis = nullptr;
  for (const onnx::AttributeProto &attribute : use.node->attribute())
    if (attribute.name() == "axis")
      axis = &attribute;
  if (axis && axis->i() != 0)
    return {};
  if (Decision decision = byContent(candidate);
      decision.kind != TensorKind::Undecided)
    return decision;
  return parameter("a table of rows");
}

bool ParameterRules::comesFrom(StringRef value,
                               bool (*wanted)(const NodeProto &),
                               int depth) const {
  const NodeProto *node = graphUses.producer(graphUses.root(value));
  if (!node)
    return false;
  if (wanted(*node))
    return true;
  return depth > 0 && any_of(node->input(), [&](const std::string &input) {
           return comesFrom(input, wanted, depth - 1);
         });
}

/// Whether the value was divided by the root of a mean: (x - mean) / sqrt(...),
/// x * (1 / sqrt(...)), x * pow(..., -0.5).
bool ParameterRules::isNormalised(StringRef value) const {
  const NodeProto *node = graphUses.producer(graphUses.root(value));
  if (!node || (node->op_type() != "Div" && node->op_type() != "Mul"))
    return false;
  auto isMean = [](const NodeProto &n) { return n.op_type() == "ReduceMean"; };
  auto isRoot = [](const NodeProto &n) {
    return n.op_type() == "Sqrt" || n.op_type() == "Pow" ||
           n.op_type() == "Reciprocal";
  };
  return any_of(node->input(), [&](const std::string &input) {
    return comesFrom(input, isRoot, 1) && comesFrom(input, isMean, 5);
  });
}

/// A vector along the last dimension: a bias, or the weight of a norm that the
/// exporter took apart.
Decision ParameterRules::byVectorUse(const Use &use) const {
  StringRef op = use.node->op_type();
  if (use.node->input_size() != 2 || (op != "Add" && op != "Mul"))
    return {};
  StringRef other = use.node->input(1 - use.input);
  if (op == "Mul")
    return isNormalised(other) ? parameter("the weight of a norm") : Decision();
  const NodeProto *before = graphUses.producer(graphUses.root(other));
  if (!before)
    return {};
  if (isContraction(*before))
    return parameter("a bias behind " + before->op_type());
  bool isScaled = before->op_type() == "Mul" &&
                  any_of(before->input(), [&](const std::string &input) {
                    return isNormalised(input);
                  });
  return isScaled ? parameter("the bias of a norm") : Decision();
}

/// The elements, of a table only the first rows; null where they are too many.
static ConstantPtr lookAt(const TensorProto &tensor, const TensorRange *range,
                          mlir::MLIRContext *context) {
  constexpr int64_t rows = 16;
  std::string error;
  if (tensor.dims_size() != 2 || tensor.dims(0) <= rows || !range ||
      tensor.has_raw_data())
    return decodeTensor(tensor, range, context, error);
  TensorProto head;
  head.set_data_type(tensor.data_type());
  head.add_dims(rows);
  head.add_dims(tensor.dims(1));
  TensorRange part = *range;
  part.bytes = range->bytes / tensor.dims(0) * rows;
  return decodeTensor(head, &part, context, error);
}

Decision ParameterRules::byContent(const Candidate &candidate) const {
  const TensorProto *tensor = candidate.tensor;
  ConstantPtr elements =
      tensor ? lookAt(*tensor, file.range(tensor->name()), context) : nullptr;
  if (!elements || !elements->isFloat())
    return {};
  if (isAdditiveMask(*elements))
    return constant("a mask: only 0 and below -1e4");
  if (isTableOfWaves(*elements))
    return constant("cosines or sines of positions");
  return {};
}

} // namespace fp8c
