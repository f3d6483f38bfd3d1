//===- Manifest.cpp - What a program tells the runtime --------------------===//

#include "Target/Common/Manifest.h"

#include "Exec/IR/Exec.h"
#include "FP8/Training/ScaleSites.h"
#include "FP8/Transforms/ValueRoles.h"
#include "Train/IR/Functions.h"
#include "core/Contract.h"
#include "core/Hyper.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;
using Json = runtime::OrderedJson;

static std::string getTypeName(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return "i" + std::to_string(integer.getWidth());
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static Json getBuffer(StringRef name, MemRefType type) {
  return {{"name", name.str()},
          {"dtype", getTypeName(type.getElementType())},
          {"shape", std::vector<int64_t>(type.getShape().begin(),
                                         type.getShape().end())}};
}

/// Floats become f32, whatever they are in the model's file.
static Json getFile(train::FileInitAttr file, Type element, InitialData &data) {
  Type stored = file.getTypeInFile(element);
  const uint64_t size = stored.getIntOrFloatBitWidth() / 8,
                 wide = isa<FloatType>(element) ? sizeof(float) : size,
                 bytes = file.getSize() / size * wide, offset = data.bytes;
  data.ranges.push_back({{file.getPath().str(), file.getOffset(),
                          file.getSize(), file.getFolder().str()},
                         stored,
                         /*values=*/""});
  data.bytes += bytes;
  return {{"kind", "file"}, {"offset", offset}, {"bytes", bytes}};
}

static Json getValues(DenseElementsAttr dense, InitialData &data) {
  if (dense.isSplat())
    return {{"kind", "constant"},
            {"value", dense.getSplatValue<APFloat>().convertToFloat()}};
  const uint64_t offset = data.bytes;
  ArrayRef<char> values = dense.getRawData();
  data.ranges.push_back(
      {{}, dense.getElementType(), {values.begin(), values.end()}});
  data.bytes += values.size();
  return {{"kind", "file"}, {"offset", offset}, {"bytes", values.size()}};
}

static Json getInit(Attribute init, Type element, InitialData &data) {
  if (auto normal = dyn_cast<train::NormalInitAttr>(init))
    return {{"kind", "normal"},
            {"mean", normal.getMean().getValueAsDouble()},
            {"std", normal.getStddev().getValueAsDouble()}};
  if (auto file = dyn_cast<train::FileInitAttr>(init))
    return getFile(file, element, data);
  if (auto dense = dyn_cast<DenseElementsAttr>(init))
    return getValues(dense, data);
  return {{"kind", "constant"},
          {"value",
           cast<train::ConstantInitAttr>(init).getValue().getValueAsDouble()}};
}

/// Variables of scaled tensors by their scale's variable.
using ScaledVariables = DenseMap<StringAttr, exec::VariableOp>;

static ScaledVariables getScaledVariables(ModuleOp module) {
  ScaledVariables scaled;
  for (auto variable : module.getOps<exec::VariableOp>())
    if (FlatSymbolRefAttr scale = variable.getScaleAttr())
      scaled.try_emplace(scale.getAttr(), variable);
  return scaled;
}

/// Scales and amaxes of stored values start with what the first values give.
static Json getInit(exec::VariableOp variable, const ScaledVariables &scaled,
                    InitialData &data) {
  if (variable.getRole() != train::Role::scale)
    return getInit(variable.getInit(),
                   variable.getBufferType().getElementType(), data);
  auto of = variable.getOf();
  if (isa<IntegerType>(variable.getBufferType().getElementType()))
    return of ? Json{{"kind", "amax"}, {"of", of->str()}}
              : Json{{"kind", "constant"}, {"value", 0}};
  if (exec::VariableOp stored =
          of ? scaled.lookup(variable.getSymNameAttr()) : exec::VariableOp())
    return {{"kind", "scale"},
            {"of", of->str()},
            {"format", getTypeName(stored.getBufferType().getElementType())}};
  // A scale state starts with scale and inverse 1 and no history.
  return {{"kind", "values"}, {"values", {1, 0, 0, 0, 1}}};
}

/// What the model's file has where the variable differs: for whoever takes the
/// weights back.
static void addSource(Json &entry, StringAttr name, bool isTransposed) {
  if (name)
    entry["source"]["name"] = name.str();
  if (isTransposed)
    entry["source"]["transposed"] = true;
}

/// The model's parameters that a variable is made of, or what belongs to each
/// of them: along a dimension; what the whole has only one of, all of them
/// have.
static Json getParts(exec::VariableOp variable, const SymbolTable &symbols,
                     InitialData &data) {
  exec::VariableOp owner = variable;
  while (owner.getOf())
    owner = symbols.lookup<exec::VariableOp>(*owner.getOf());
  auto joined = dyn_cast<train::JoinedInitAttr>(owner.getInit());
  MemRefType type = variable.getBufferType();
  bool isAlike = type.getShape() == owner.getBufferType().getShape(),
       isShared = llvm::is_contained({train::Role::scale, train::Role::mu},
                                     variable.getRole());
  // Copies, and the parts of sums, are the program's own.
  if (!joined || variable.getRole() == train::Role::compute_weight ||
      !(isAlike || isShared))
    return {};
  Json of = Json::array();
  for (train::PartAttr part : joined.getParts()) {
    Json entry = {
        {"name", part.getNameOf(variable.getSymName(), owner.getSymName())}};
    if (isAlike)
      entry["size"] = part.getSize();
    if (variable == owner) {
      entry["init"] = getInit(part.getInit(), type.getElementType(), data);
      addSource(entry, part.getFileName(), part.getTransposed());
    }
    of.push_back(entry);
  }
  Json parts = Json::object();
  if (isAlike)
    parts["dim"] = joined.getDim();
  parts["of"] = of;
  return parts;
}

/// What an output of @observe is an operand of.
static void addUses(Json &output, func::FuncOp function, unsigned index) {
  auto uses =
      function.getArgAttrOfType<ArrayAttr>(index, fp8::kOperandUsesAttr);
  if (!uses)
    return;
  output["role"] =
      function.getArgAttrOfType<StringAttr>(index, fp8::kOperandRoleAttr).str();
  for (auto use : uses.getAsRange<DictionaryAttr>()) {
    Json entry;
    for (StringRef key : {"op", "gemm", "operand"})
      entry[key.str()] = use.getAs<StringAttr>(key).str();
    ArrayRef<int64_t> dims = use.getAs<DenseI64ArrayAttr>("contracting");
    entry["contracting"] = std::vector<int64_t>(dims.begin(), dims.end());
    if (auto how = use.getAs<DictionaryAttr>(fp8::kUseQuantisedKey)) {
      ArrayRef<int64_t> tile = how.getAs<DenseI64ArrayAttr>("tile");
      entry["quantised"] = {
          {"format", getTypeName(how.getAs<TypeAttr>("format").getValue())},
          {"tile", std::vector<int64_t>(tile.begin(), tile.end())},
          {"margin", how.getAs<IntegerAttr>("margin").getInt()},
          {"pow2", how.contains("pow2")}};
    }
    output["uses"].push_back(entry);
  }
}

/// What an argument says of itself: train.input or train.output, and of ids
/// which there are.
static void addRole(Json &buffer, func::FuncOp function, unsigned index) {
  if (auto input = train::getInput(function, index))
    buffer["role"] = train::stringifyInput(*input).str();
  if (auto output = function.getArgAttrOfType<train::OutputAttr>(
          index, train::kOutputAttr))
    buffer["role"] = train::stringifyOutput(output.getValue()).str();
  for (auto [key, name] : {std::pair("ids", train::kIdsAttr),
                           {"ignore_index", train::kIgnoreIndexAttr}})
    if (auto number = function.getArgAttrOfType<IntegerAttr>(index, name))
      buffer[key] = number.getInt();
}

static Json getFunction(func::FuncOp function) {
  Json inputs = Json::array(), outputs = Json::array();
  int64_t count =
      function->getAttrOfType<IntegerAttr>(exec::kInputsAttr).getInt();
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    bool isInput = static_cast<int64_t>(index) < count;
    auto attr = function.getArgAttrOfType<StringAttr>(index, train::kNameAttr);
    std::string name =
        attr ? attr.str() : (isInput ? "in" : "out") + std::to_string(index);
    Json buffer = getBuffer(name, cast<MemRefType>(type));
    addRole(buffer, function, index);
    addUses(buffer, function, index);
    (isInput ? inputs : outputs).push_back(buffer);
  }
  return {{"inputs", inputs}, {"outputs", outputs}};
}

/// What an output of a lowered function is.
static bool isLogits(func::FuncOp function, unsigned index) {
  auto output =
      function.getArgAttrOfType<train::OutputAttr>(index, train::kOutputAttr);
  return output && output.getValue() == train::Output::logits;
}

/// A language model: tokens [batch, seq], and logits [batch, seq, vocab] or
/// whatever an encoder gives.
static void describeTokens(func::FuncOp forward, Json &model) {
  auto shape = [&](unsigned index) {
    return cast<MemRefType>(forward.getArgumentTypes()[index]).getShape();
  };
  unsigned count = forward.getNumArguments();
  unsigned inputs =
      forward->getAttrOfType<IntegerAttr>(exec::kInputsAttr).getInt();
  std::optional<unsigned> tokens =
      train::findInput(forward, train::Input::tokens);
  unsigned logits = inputs;
  while (tokens && logits < count && !isLogits(forward, logits))
    ++logits;
  // Without attributes one input and one output say enough.
  if (!tokens && count == 2 && inputs == 1 && shape(1).size() == 3)
    tokens = 0;
  if (!tokens || shape(*tokens).size() != 2)
    return;
  model["batch"] = shape(*tokens)[0];
  model["seq"] = shape(*tokens)[1];
  auto labels = forward->getAttrOfType<train::InputAttr>(train::kLabelsAttr);
  bool isEncoder = labels ? labels.getValue() == train::Input::labels
                          : bool(findInput(forward, train::Input::labels));
  auto ids = forward.getArgAttrOfType<IntegerAttr>(*tokens, train::kIdsAttr);
  int64_t vocab = ids ? ids.getInt() : 0;
  if (!isEncoder && logits < count && shape(logits).size() == 3)
    vocab = vocab ? std::min(vocab, shape(logits)[2]) : shape(logits)[2];
  if (vocab)
    model["vocab"] = vocab;
}

Json fp8c::target::getManifest(ModuleOp module, StringRef target, StringRef gpu,
                               InitialData &data) {
  auto text = [&](StringRef name, StringRef otherwise) {
    auto attr = module->getAttrOfType<StringAttr>(name);
    return attr ? attr.str() : otherwise.str();
  };
  auto number = [](Operation *op, StringRef name) -> int64_t {
    auto attr = op->getAttrOfType<IntegerAttr>(name);
    return attr ? attr.getInt() : 0;
  };
  Json variables = Json::array(), functions = Json::object();
  int64_t parameters = 0, frozen = 0, lowerBound = 0;
  ScaledVariables scaled = getScaledVariables(module);
  SymbolTable symbols(module);
  for (auto variable : module.getOps<exec::VariableOp>()) {
    MemRefType type = variable.getBufferType();
    Json entry = getBuffer(variable.getSymName(), type);
    entry["offset"] = variable.getOffset();
    entry["bytes"] = exec::getByteSize(type);
    entry["role"] = train::stringifyRole(variable.getRole()).str();
    if (auto of = variable.getOf();
        of && variable.getRole() != train::Role::scale)
      entry["of"] = of->str();
    if (auto scale = variable.getScale())
      entry["scale"] = scale->str();
    Json parts = getParts(variable, symbols, data);
    if (!parts.empty())
      entry["parts"] = parts;
    if (!isa<train::JoinedInitAttr>(variable.getInit()))
      entry["init"] = getInit(variable, scaled, data);
    if (auto counted = variable->getAttrOfType<IntegerAttr>(fp8::kCountedAttr))
      entry["site"] = {
          {"format",
           getTypeName(
               variable->getAttrOfType<TypeAttr>(fp8::kFormatAttr).getValue())},
          {"values", counted.getInt()}};
    addSource(entry, variable->getAttrOfType<StringAttr>(train::kFileNameAttr),
              variable->hasAttr(train::kTransposedAttr));
    variables.push_back(entry);
    if (variable.getRole() == train::Role::parameter)
      parameters += type.getNumElements();
    if (variable.getRole() == train::Role::frozen)
      frozen += type.getNumElements();
  }
  Json model = {{"name", text(train::kModelAttr, "model")},
                {"parameters", parameters}};
  if (frozen)
    model["frozen"] = frozen;
  if (auto pad = module->getAttrOfType<IntegerAttr>(train::kPadAttr))
    model["pad"] = pad.getInt();
  for (auto function : module.getOps<func::FuncOp>()) {
    functions[function.getName().str()] = getFunction(function);
    lowerBound = std::max(lowerBound, number(function, exec::kLowerBoundAttr));
    if (train::getFunctionKind(function) == train::FunctionKind::forward)
      describeTokens(function, model);
  }
  if (int64_t count = number(module, train::kMicroBatchesAttr))
    model["micro_batches"] = count;
  if (module->hasAttr(train::kReproducibleAttr))
    model["reproducible"] = true;
  Json manifest = {{"format", 1},
                   {"compiler", "fp8c " FP8C_VERSION},
                   {"target", target.str()},
                   {"recipe", text(fp8::kRecipeAttr, "f32")},
                   {"model", model},
                   {"hyper", runtime::hyperNames},
                   {"variables_bytes", number(module, exec::kVariablesAttr)},
                   {"arena_bytes", number(module, exec::kArenaAttr)},
                   {"arena_lower_bound", lowerBound},
                   {"workspace_bytes", number(module, exec::kWorkspaceAttr)},
                   {"variables", variables},
                   {"functions", functions}};
  if (!gpu.empty())
    manifest["gpu"] = gpu.str();
  if (train::GridOp grid = train::findGrid(module))
    for (auto [axis, size] : llvm::zip(grid.getAxes(), grid.getSizes()))
      manifest["grid"][cast<StringAttr>(axis).str()] = size;
  if (int64_t uses = number(module, fp8::kCurrentUsesAttr))
    manifest["current_uses"] = uses;
  manifest["fingerprint"] = runtime::fingerprintOf(manifest);
  return manifest;
}

std::string fp8c::target::getContract(ModuleOp module) {
  InitialData data;
  return runtime::contractOf(
      getManifest(module, /*target=*/"", /*gpu=*/"", data));
}
