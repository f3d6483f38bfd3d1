//===- Manifest.cpp - What a compiled program says about itself -----------===//

#include "core/Manifest.h"

#include "core/Contract.h"
#include "core/Hyper.h"
#include "core/Json.h"
#include "core/MappedFile.h"
#include "core/Seal.h"
#include "core/Text.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace fp8c::runtime {
namespace {

constexpr int64_t manifestFormat = 1;

constexpr const char *compileAgain = "compile the model again";

constexpr struct {
  Role role;
  const char *name;
} roles[] = {
    {Role::Parameter, "parameter"},
    {Role::Gradient, "gradient"},
    {Role::Moment1, "moment1"},
    {Role::Moment2, "moment2"},
    {Role::Scale, "scale"},
    {Role::ComputeWeight, "compute_weight"},
    {Role::Frozen, "frozen"},
    {Role::GradientParts, "gradient_parts"},
    {Role::Mu, "mu"},
};

constexpr const char *inputRoles[] = {"", "tokens", "labels_next",
                                      "labels_tokens", "labels"};

TensorSpec parseTensor(const JsonField &field) {
  TensorSpec tensor;
  tensor.name = field.at("name").string();
  if (tensor.name.empty())
    throw field.at("name").error("a name cannot be empty");
  std::string type = field.at("dtype").string();
  std::optional<DataType> known = dataTypeFromName(type);
  if (!known)
    throw field.at("dtype").error("unknown dtype \"" + type + "\"");
  tensor.type = *known;
  uint64_t bytes = sizeOf(tensor.type);
  for (const JsonField &extent : field.at("shape").items()) {
    int64_t size = extent.extent();
    if (__builtin_mul_overflow(bytes, size, &bytes) ||
        bytes > (uint64_t(1) << 62))
      throw field.at("shape").error("the tensor is too large");
    tensor.shape.push_back(size);
  }
  return tensor;
}

DataType parseFP8(const JsonField &field) {
  std::optional<DataType> format = dataTypeFromName(field.string());
  if (!format || (*format != DataType::F8E4M3FN && *format != DataType::F8E5M2))
    throw field.error("\"" + field.string() + "\" is no FP8 format");
  return *format;
}

Quantisation parseQuantisation(const JsonField &field,
                               const std::vector<int64_t> &shape) {
  Quantisation how;
  how.format = parseFP8(field.at("format"));
  how.margin = static_cast<float>(field.number("margin", 0));
  how.powerOfTwo = field.at("pow2").boolean();
  for (const JsonField &size : field.at("tile").items()) {
    how.tile.push_back(size.integer());
    if (size.integer() < 1)
      throw size.error("is no number of elements");
  }
  if (!how.tile.empty() && how.tile.size() != shape.size() &&
      !(how.tile.size() == 2 && shape.size() > 2))
    throw field.at("tile").error("does not fit " + shapeText(shape));
  return how;
}

/// Older programs say by names what their inputs hold.
InputRole roleByName(const InputSpec &input) {
  if (input.type == DataType::I64 && input.name == "tokens")
    return InputRole::Tokens;
  if (input.type == DataType::I64 && input.name == "targets")
    return InputRole::LabelsNext;
  return InputRole::None;
}

InputSpec parseInput(const JsonField &field) {
  InputSpec input;
  static_cast<TensorSpec &>(input) = parseTensor(field);
  input.role = roleByName(input);
  if (field.has("role")) {
    const std::string name = field.at("role").string();
    auto *known =
        std::find(std::begin(inputRoles) + 1, std::end(inputRoles), name);
    if (known == std::end(inputRoles))
      throw field.at("role").error("unknown role \"" + name + "\"",
                                   compileAgain);
    input.role = static_cast<InputRole>(known - inputRoles);
    if (input.type != DataType::I64)
      throw field.at("dtype").error(
          concat(name, " are i64, not ", nameOf(input.type)));
  }
  input.ids = field.integer("ids", 0);
  if (input.ids < 0)
    throw field.at("ids").error("is negative");
  if (field.has("ignore_index"))
    input.ignoreIndex = field.at("ignore_index").integer();
  return input;
}

OutputSpec parseOutput(const JsonField &field) {
  OutputSpec output;
  static_cast<TensorSpec &>(output) = parseTensor(field);
  output.role = field.string("role", "");
  if (!field.has("uses"))
    return output;
  for (const JsonField &entry : field.at("uses").items()) {
    OperandUse use = {entry.at("op").string(),
                      entry.at("gemm").string(),
                      entry.at("operand").string(),
                      {},
                      {}};
    if (entry.has("quantised"))
      use.quantisation = parseQuantisation(entry.at("quantised"), output.shape);
    for (const JsonField &dim : entry.at("contracting").items()) {
      use.contracting.push_back(dim.integer());
      if (dim.integer() < 0 ||
          dim.integer() >= static_cast<int64_t>(output.shape.size()))
        throw dim.error("is no dimension of " + shapeText(output.shape));
    }
    output.uses.push_back(use);
  }
  return output;
}

Initializer parseInitializer(const JsonField &field) {
  Initializer init;
  std::string kind = field.at("kind").string();
  if (kind == "constant") {
    init.kind = Initializer::Kind::Constant;
    init.value = field.at("value").number();
  } else if (kind == "normal") {
    init.kind = Initializer::Kind::Normal;
    init.mean = field.number("mean", 0);
    init.std = field.at("std").number();
  } else if (kind == "values") {
    init.kind = Initializer::Kind::Values;
    for (const JsonField &value : field.at("values").items())
      init.values.push_back(value.number());
  } else if (kind == "amax" || kind == "scale") {
    init.of = field.at("of").string();
    init.kind = Initializer::Kind::Amax;
    if (kind == "scale") {
      init.kind = Initializer::Kind::Scale;
      std::optional<DataType> format =
          dataTypeFromName(field.at("format").string());
      if (!format)
        throw field.at("format").error("unknown dtype");
      init.format = *format;
    }
  } else if (kind == "file") {
    init.kind = Initializer::Kind::File;
    init.offset = field.at("offset").size();
    init.bytes = field.at("bytes").size();
  } else {
    throw field.at("kind").error("unknown kind \"" + kind + "\"");
  }
  return init;
}

Role parseRole(const JsonField &field) {
  std::string name = field.string();
  for (const auto &entry : roles)
    if (name == entry.name)
      return entry.role;
  throw field.error("unknown role \"" + name + "\"");
}

void parseInit(const JsonField &init, Variable &variable) {
  variable.init = parseInitializer(init);
  if (variable.init.kind == Initializer::Kind::File &&
      variable.init.bytes != variable.elements() * sizeof(float))
    throw init.at("bytes").error(
        concat("is ", variable.init.bytes, ", but ", variable.elements(),
               " f32 values take ", variable.elements() * sizeof(float)));
  if (variable.init.values.size() > variable.elements())
    throw init.at("values").error("has more values than the variable");
}

/// Parts side by side along a dimension; without one each is the whole.
void parseParts(const JsonField &field, Variable &variable) {
  const bool isWhole = !field.has("dim");
  const size_t dim = isWhole ? 0 : field.at("dim").size();
  if (!isWhole && dim >= variable.shape.size())
    throw field.at("dim").error("is no dimension of " +
                                shapeText(variable.shape));
  uint64_t inner = sizeOf(variable.type); // bytes of one of the dimension
  if (!isWhole) {
    variable.partRows = 1;
    for (size_t i = 0; i < variable.shape.size(); ++i) {
      const uint64_t extent = static_cast<uint64_t>(variable.shape[i]);
      variable.partRows *= i < dim ? extent : 1;
      inner *= i > dim ? extent : 1;
    }
  }
  int64_t total = 0;
  for (const JsonField &entry : field.at("of").items()) {
    Variable part;
    part.name = entry.at("name").string();
    part.type = variable.type;
    part.shape = variable.shape;
    part.role = variable.role;
    if (!isWhole) {
      part.shape[dim] = entry.at("size").extent();
      part.offset = static_cast<uint64_t>(total) * inner;
      if (part.shape[dim] > variable.shape[dim] - total)
        throw entry.at("size").error("is more than there is of " +
                                     shapeText(variable.shape));
      total += part.shape[dim];
    }
    if (entry.has("init")) {
      parseInit(entry.at("init"), part);
      if (!part.init.of.empty())
        throw entry.at("init").error("starts from another variable");
      variable.init.kind = Initializer::Kind::Parts;
    }
    variable.parts.push_back(std::move(part));
  }
  if (variable.parts.empty() || (!isWhole && total != variable.shape[dim]))
    throw field.error("are not all of " + shapeText(variable.shape));
}

Variable parseVariable(const JsonField &field, uint64_t blockBytes) {
  Variable variable;
  static_cast<TensorSpec &>(variable) = parseTensor(field);
  variable.offset = field.at("offset").size();
  uint64_t bytes = field.at("bytes").size();
  if (bytes != variable.bytes())
    throw field.at("bytes").error(
        concat("is ", bytes, ", but ", shapeText(variable.shape), " ",
               nameOf(variable.type), " takes ", variable.bytes()));
  if (variable.offset > blockBytes || bytes > blockBytes - variable.offset)
    throw field.error("lies outside the variables block");
  if (variable.offset % sizeOf(variable.type))
    throw field.at("offset").error("is not aligned to the dtype");
  variable.role = parseRole(field.at("role"));
  variable.of = field.string("of", "");
  variable.scale = field.string("scale", "");
  if (field.has("init"))
    parseInit(field.at("init"), variable);
  if (field.has("parts"))
    parseParts(field.at("parts"), variable);
  if (field.has("site")) {
    JsonField site = field.at("site");
    std::optional<DataType> format =
        dataTypeFromName(site.at("format").string());
    if (!format)
      throw site.at("format").error("unknown dtype");
    variable.site = ScaleSite{*format, site.at("values").size()};
  }
  return variable;
}

/// Names occur once and no two variables share bytes.
void checkVariables(const Manifest &manifest, const JsonField &root) {
  std::set<std::string> names;
  auto note = [&](const Variable &variable) {
    if (!names.insert(variable.name).second)
      throw root.error("two variables are called \"" + variable.name + "\"");
  };
  for (const Variable &variable : manifest.variables)
    note(variable);
  const std::set<std::string> known = names;
  for (const Variable &variable : manifest.variables)
    std::for_each(variable.parts.begin(), variable.parts.end(), note);
  for (const Variable &variable : manifest.variables)
    if (!variable.of.empty() && !known.count(variable.of))
      throw root.error("variable \"" + variable.name + "\" belongs to \"" +
                       variable.of + "\", which does not exist");
  for (const Variable &variable : manifest.variables)
    if (!variable.scale.empty() && !known.count(variable.scale))
      throw root.error("variable \"" + variable.name + "\" is scaled by \"" +
                       variable.scale + "\", which does not exist");
  for (const Variable &variable : manifest.variables)
    if (!variable.init.of.empty() && !known.count(variable.init.of))
      throw root.error("variable \"" + variable.name + "\" starts from \"" +
                       variable.init.of + "\", which does not exist");

  std::vector<const Variable *> byOffset;
  for (const Variable &variable : manifest.variables)
    if (variable.bytes() > 0)
      byOffset.push_back(&variable);
  std::sort(byOffset.begin(), byOffset.end(),
            [](const Variable *a, const Variable *b) {
              return a->offset < b->offset;
            });
  for (size_t i = 1; i < byOffset.size(); ++i)
    if (byOffset[i - 1]->offset + byOffset[i - 1]->bytes() >
        byOffset[i]->offset)
      throw root.error("variables \"" + byOffset[i - 1]->name + "\" and \"" +
                       byOffset[i]->name + "\" overlap");
}

ModelInfo parseModel(const JsonField &field) {
  auto count = [&](const char *key) -> int64_t {
    const int64_t value = field.integer(key, 0);
    if (value < 0)
      throw field.at(key).error("is negative");
    return value;
  };
  ModelInfo model;
  model.name = field.string("name", "");
  model.vocab = count("vocab");
  model.seq = count("seq");
  model.batch = count("batch");
  model.parameters = count("parameters");
  model.frozen = count("frozen");
  model.microBatches = count("micro_batches");
  if (field.has("reproducible"))
    model.reproducible = field.at("reproducible").boolean();
  if (field.has("pad"))
    model.pad = count("pad");
  return model;
}

Json parseManifest(const std::string &text, const std::string &path) {
  try {
    return parseJson(text.data(), text.data() + text.size(), path);
  } catch (const Error &error) {
    throw Error(error.what(), compileAgain);
  }
}

bool isCompiled(const Manifest &manifest) {
  return manifest.compiler.rfind("fp8c ", 0) == 0;
}

/// Whether the text is what the compiler wrote, as far as it can be told: older
/// compilers gave it a fingerprint, but no checksum.
void checkIntact(Manifest &manifest, const JsonField &root,
                 const std::string &text, Checks checks) {
  const bool sealed = root.has("files") || root.has("checksum");
  if (!sealed)
    manifest.note = "the program has no checksums: damage to it would not be "
                    "noticed";
  else if (checks == Checks::On && checkSeal(text) != Seal::Intact)
    throw root.error("damaged: its checksum is not that of its contents",
                     changedHint);
  if (sealed)
    for (const auto &[name, file] : root.at("files").members())
      manifest.files[name] = {file.at("bytes").size(),
                              file.at("checksum").string()};

  const OrderedJson document = OrderedJson::parse(text);
  manifest.contract = contractOf(document);
  const std::string fingerprint = fingerprintOf(document);
  if (fingerprint == manifest.fingerprint || !(sealed || isCompiled(manifest)))
    return;
  const std::string what = "fingerprint: is " + manifest.fingerprint +
                           ", that of what the manifest says is " + fingerprint;
  if (checks == Checks::On)
    throw root.error(what, changedHint);
  manifest.note = what;
}

/// Code reads hyperparameters by position: an order can be checked only by the
/// one that there is. Older programs end where it was shorter.
void checkHyper(const Manifest &manifest, const JsonField &root) {
  const std::vector<std::string> known(std::begin(hyperNames),
                                       std::end(hyperNames));
  const std::vector<std::string> &given = manifest.hyper;
  if (isCompiled(manifest) &&
      (given.size() < firstHyperNames || given.size() > known.size() ||
       !std::equal(given.begin(), given.end(), known.begin())))
    throw root.at("hyper").error("is not the list that programs are compiled "
                                 "for",
                                 compileAgain);
}

/// Tokens are checked against the vocabulary, so it must be one that the
/// program has: of the ids it looks up, or of the tokens that it gives scores.
void checkVocabulary(const Manifest &manifest, const JsonField &root) {
  auto check = [&](const std::string &name, int64_t most, const auto &what) {
    if (manifest.model.vocab > most)
      throw root.at("model").at("vocab").error(
          concat("is ", manifest.model.vocab, ", but ", name, what),
          compileAgain);
  };
  for (const auto &[name, function] : manifest.functions) {
    std::optional<size_t> tokens = function.tokens();
    if (int64_t ids = tokens ? function.inputs[*tokens].ids : 0)
      check(name, ids, concat(" takes ids below ", ids));
    else if (std::optional<size_t> logits = function.logits();
             logits && (name == "forward" || name == "infer"))
      check(name, function.outputs[*logits].shape[2],
            " gives " + shapeText(function.outputs[*logits].shape));
  }
}

void checkInitialData(const Manifest &manifest, const JsonField &root) {
  if (manifest.files.empty())
    return;
  if (!manifest.files.count("program.so"))
    throw root.at("files").error("has no \"program.so\"");
  auto initial = manifest.files.find("initial.bin");
  auto check = [&](const Variable &variable) {
    if (variable.init.kind == Initializer::Kind::File &&
        (initial == manifest.files.end() ||
         variable.init.offset > initial->second.bytes ||
         variable.init.bytes > initial->second.bytes - variable.init.offset))
      throw root.error("variable \"" + variable.name +
                       "\" starts from what initial.bin does not have");
  };
  for (const Variable &variable : manifest.variables) {
    check(variable);
    std::for_each(variable.parts.begin(), variable.parts.end(), check);
  }
}

} // namespace

uint64_t TensorSpec::elements() const {
  uint64_t count = 1;
  for (int64_t extent : shape)
    count *= static_cast<uint64_t>(extent);
  return count;
}

const char *nameOf(InputRole role) {
  return inputRoles[static_cast<size_t>(role)];
}

namespace {

template <class Specs, class Predicate>
std::optional<size_t> findSpec(const Specs &specs, Predicate predicate) {
  auto found = std::find_if(specs.begin(), specs.end(), predicate);
  return found == specs.end() ? std::nullopt
                              : std::optional<size_t>(found - specs.begin());
}

/// By its role, or by its name if none has the role.
std::optional<size_t> findOutput(const FunctionSpec &function,
                                 const char *what) {
  std::optional<size_t> found =
      findSpec(function.outputs,
               [&](const OutputSpec &output) { return output.role == what; });
  return found ? found
               : findSpec(function.outputs, [&](const OutputSpec &output) {
                   return output.role.empty() && output.name == what;
                 });
}

} // namespace

std::optional<size_t> FunctionSpec::tokens() const {
  return findSpec(inputs, [](const InputSpec &input) {
    return input.role == InputRole::Tokens;
  });
}

std::optional<size_t> FunctionSpec::labels() const {
  return findSpec(inputs,
                  [](const InputSpec &input) { return input.isLabels(); });
}

std::optional<size_t> FunctionSpec::loss() const {
  std::optional<size_t> found = findOutput(*this, "loss");
  return found && outputs[*found].type == DataType::F32 &&
                 outputs[*found].elements() == 1
             ? found
             : std::nullopt;
}

std::optional<size_t> FunctionSpec::logits() const {
  std::optional<size_t> ids = tokens(), named = findOutput(*this, "logits");
  auto fits = [&](const OutputSpec &output) {
    const std::vector<int64_t> &shape = output.shape;
    return output.type == DataType::F32 && shape.size() == 3 &&
           (!ids ||
            std::equal(shape.begin(), shape.end() - 1,
                       inputs[*ids].shape.begin(), inputs[*ids].shape.end()));
  };
  return named && fits(outputs[*named]) ? named : findSpec(outputs, fits);
}

const char *nameOf(Role role) { return roles[static_cast<size_t>(role)].name; }

bool isCheckpointed(Role role) {
  return role != Role::Gradient && role != Role::GradientParts &&
         role != Role::ComputeWeight && role != Role::Frozen;
}

std::string Manifest::modelFingerprint() const {
  std::vector<std::string> lines;
  for (const Variable &variable : variables)
    if (isCheckpointed(variable.role))
      for (const Variable &part : variable.stored())
        lines.push_back(concat(nameOf(part.role), " ", nameOf(part.type), " ",
                               shapeText(part.shape), " ", part.name, "\n"));
  std::sort(lines.begin(), lines.end());
  return sha256(std::accumulate(lines.begin(), lines.end(), std::string()));
}

Manifest Manifest::read(const std::string &path, Checks checks) {
  MappedFile file(path);
  const std::string text(reinterpret_cast<const char *>(file.data()),
                         file.size());
  const Json document = parseManifest(text, path);
  JsonField root(document, path);
  int64_t format = root.at("format").integer();
  if (format != manifestFormat)
    throw root.at("format").error(
        concat("is ", format, "; this runtime reads ", manifestFormat),
        "compile the model again with the fp8c of this installation");

  Manifest manifest;
  manifest.compiler = root.string("compiler", "");
  manifest.target = root.at("target").string();
  if (manifest.target != "cpu" && manifest.target != "cuda")
    throw root.at("target").error("is \"" + manifest.target +
                                      "\", which this runtime does not know",
                                  "compile with --target cpu or cuda");
  manifest.gpu = root.string("gpu", "");
  manifest.recipe = root.string("recipe", "");
  if (root.has("grid")) {
    manifest.processes = root.at("grid").at("dp").integer();
    if (manifest.processes < 1)
      throw root.at("grid").at("dp").error(
          concat("is ", manifest.processes, ", expected at least 1"));
  }
  manifest.fingerprint = root.at("fingerprint").string();
  checkIntact(manifest, root, text, checks);
  if (root.has("model"))
    manifest.model = parseModel(root.at("model"));
  for (const JsonField &name : root.at("hyper").items())
    manifest.hyper.push_back(name.string());
  manifest.variablesBytes = root.at("variables_bytes").size();
  manifest.arenaBytes = root.at("arena_bytes").size();
  if (root.has("arena_lower_bound"))
    manifest.arenaLowerBound = root.at("arena_lower_bound").size();
  if (manifest.arenaBytes < manifest.arenaLowerBound)
    throw root.at("arena_bytes")
        .error(concat("is ", manifest.arenaBytes,
                      ", and the program needs at least ",
                      manifest.arenaLowerBound),
               compileAgain);
  if (root.has("workspace_bytes"))
    manifest.workspaceBytes = root.at("workspace_bytes").size();
  manifest.currentUses = root.integer("current_uses", 0);
  for (const JsonField &variable : root.at("variables").items())
    manifest.variables.push_back(
        parseVariable(variable, manifest.variablesBytes));
  checkVariables(manifest, root);
  for (const auto &[name, function] : root.at("functions").members()) {
    FunctionSpec &spec = manifest.functions[name];
    for (const JsonField &input : function.at("inputs").items())
      spec.inputs.push_back(parseInput(input));
    for (const JsonField &output : function.at("outputs").items())
      spec.outputs.push_back(parseOutput(output));
  }
  checkHyper(manifest, root);
  checkVocabulary(manifest, root);
  checkInitialData(manifest, root);
  return manifest;
}

const Variable *Manifest::findVariable(const std::string &name) const {
  for (const Variable &variable : variables)
    if (variable.name == name)
      return &variable;
  return nullptr;
}

uint64_t Manifest::bytesOf(Role role) const {
  uint64_t bytes = 0;
  for (const Variable &variable : variables)
    if (variable.role == role)
      bytes += variable.bytes();
  return bytes;
}

} // namespace fp8c::runtime
