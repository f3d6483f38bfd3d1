//===- Manifest.cpp - What a program tells the runtime --------------------===//

#include "Target/Common/Manifest.h"

#include "Exec/IR/Exec.h"
#include "FP8/Transforms/ScaleSites.h"
#include "FP8/Transforms/ValueRoles.h"
#include "Target/Common/Hyper.h"
#include "core/Json.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;
using Json = nlohmann::ordered_json;

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

static Json getInit(Attribute init, InitialData &data) {
  if (auto normal = dyn_cast<train::NormalInitAttr>(init))
    return {{"kind", "normal"},
            {"mean", normal.getMean().getValueAsDouble()},
            {"std", normal.getStddev().getValueAsDouble()}};
  if (auto file = dyn_cast<train::FileInitAttr>(init)) {
    uint64_t offset = 0;
    for (const InitialData::Range &range : data.ranges)
      offset += range.size;
    data.ranges.push_back(
        {file.getPath().str(), file.getOffset(), file.getSize()});
    return {{"kind", "file"}, {"offset", offset}, {"bytes", file.getSize()}};
  }
  return {{"kind", "constant"},
          {"value",
           cast<train::ConstantInitAttr>(init).getValue().getValueAsDouble()}};
}

/// Scales and amaxes of stored values start with what the first values give.
static Json getInit(exec::VariableOp variable, ModuleOp module,
                    InitialData &data) {
  if (variable.getRole() != train::Role::scale)
    return getInit(variable.getInit(), data);
  auto of = variable.getOf();
  if (isa<IntegerType>(variable.getBufferType().getElementType()))
    return of ? Json{{"kind", "amax"}, {"of", of->str()}}
              : Json{{"kind", "constant"}, {"value", 0}};
  if (of) {
    auto scaled = module.lookupSymbol<exec::VariableOp>(
        variable.getSymName().drop_back(StringRef(".scale").size()));
    return {{"kind", "scale"},
            {"of", of->str()},
            {"format", getTypeName(scaled.getBufferType().getElementType())}};
  }
  // A scale state starts with scale and inverse 1 and no history.
  return {{"kind", "values"}, {"values", {1, 0, 0, 0, 1}}};
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
    output["uses"].push_back(entry);
  }
}

static Json getFunction(func::FuncOp function) {
  Json inputs = Json::array(), outputs = Json::array();
  int64_t count = function->getAttrOfType<IntegerAttr>("exec.inputs").getInt();
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    bool isInput = static_cast<int64_t>(index) < count;
    auto attr = function.getArgAttrOfType<StringAttr>(index, "train.name");
    std::string name =
        attr ? attr.str() : (isInput ? "in" : "out") + std::to_string(index);
    Json buffer = getBuffer(name, cast<MemRefType>(type));
    addUses(buffer, function, index);
    (isInput ? inputs : outputs).push_back(buffer);
  }
  return {{"inputs", inputs}, {"outputs", outputs}};
}

std::string fp8c::target::getManifest(ModuleOp module, StringRef target,
                                      StringRef gpu, InitialData &data) {
  auto text = [&](StringRef name, StringRef otherwise) {
    auto attr = module->getAttrOfType<StringAttr>(name);
    return attr ? attr.str() : otherwise.str();
  };
  auto number = [](Operation *op, StringRef name) -> int64_t {
    auto attr = op->getAttrOfType<IntegerAttr>(name);
    return attr ? attr.getInt() : 0;
  };
  Json variables = Json::array(), functions = Json::object();
  int64_t parameters = 0, lowerBound = 0;
  for (auto variable : module.getOps<exec::VariableOp>()) {
    MemRefType type = variable.getBufferType();
    Json entry = getBuffer(variable.getSymName(), type);
    entry["offset"] = variable.getOffset();
    entry["bytes"] = exec::getByteSize(type);
    entry["role"] = train::stringifyRole(variable.getRole()).str();
    if (auto of = variable.getOf();
        of && variable.getRole() != train::Role::scale)
      entry["of"] = of->str();
    entry["init"] = getInit(variable, module, data);
    if (auto counted = variable->getAttrOfType<IntegerAttr>(fp8::kCountedAttr))
      entry["site"] = {
          {"format",
           getTypeName(
               variable->getAttrOfType<TypeAttr>(fp8::kFormatAttr).getValue())},
          {"values", counted.getInt()}};
    variables.push_back(entry);
    if (variable.getRole() == train::Role::parameter)
      parameters += type.getNumElements();
  }
  Json model = {{"name", text("train.model", "model")},
                {"parameters", parameters}};
  for (auto function : module.getOps<func::FuncOp>()) {
    functions[function.getName().str()] = getFunction(function);
    lowerBound = std::max(lowerBound, number(function, exec::kLowerBoundAttr));
    if (function.getName() != "forward")
      continue;
    auto shape = [&](unsigned index) {
      return cast<MemRefType>(function.getArgumentTypes()[index]).getShape();
    };
    // A language model: tokens [batch, seq] to logits [batch, seq, vocab].
    if (function.getNumArguments() == 2 && shape(0).size() == 2 &&
        shape(1).size() == 3) {
      model["batch"] = shape(0)[0];
      model["seq"] = shape(0)[1];
      model["vocab"] = shape(1)[2];
    }
  }
  std::vector<std::string> hyper;
  for (StringRef name : getHyperNames())
    hyper.push_back(name.str());

  if (int64_t count = number(module, "train.micro_batches"))
    model["micro_batches"] = count;
  Json manifest = {{"format", 1},
                   {"compiler", "fp8c " FP8C_VERSION},
                   {"target", target.str()},
                   {"recipe", text("fp8.recipe", "f32")},
                   {"model", model},
                   {"hyper", hyper},
                   {"variables_bytes", number(module, exec::kVariablesAttr)},
                   {"arena_bytes", number(module, exec::kArenaAttr)},
                   {"arena_lower_bound", lowerBound},
                   {"workspace_bytes", number(module, exec::kWorkspaceAttr)},
                   {"variables", variables},
                   {"functions", functions}};
  if (!gpu.empty())
    manifest["gpu"] = gpu.str();
  // What a checkpoint depends on: the variables and the recipe, not the plan of
  // temporaries.
  std::string identity = runtime::jsonText({{"recipe", manifest["recipe"]},
                                            {"variables", variables},
                                            {"functions", functions}});
  manifest["fingerprint"] =
      llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(identity)),
                  /*LowerCase=*/true);
  return runtime::jsonText(manifest, 1) + "\n";
}
