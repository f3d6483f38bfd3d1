//===- Initialize.cpp - How variables start -------------------------------===//

#include "core/Initialize.h"

#include "core/Error.h"
#include "core/Instance.h"
#include "core/ParallelFor.h"
#include "core/Parts.h"
#include "core/Random.h"
#include "core/Text.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace fp8c::runtime {
namespace {

constexpr uint64_t grain = 1 << 16; // elements; even, since normals are pairs

void fillNormal(const Variable &variable, uint64_t seed, unsigned char *data) {
  RandomStream stream(seed, "init/" + variable.name);
  const Initializer &init = variable.init;
  uint64_t size = sizeOf(variable.type), count = variable.elements();
  parallelFor(count, grain, [&](uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; i += 2) {
      std::array<double, 2> pair = stream.normals(i / 2);
      for (uint64_t j = 0; j < 2 && i + j < last; ++j)
        storeElement(variable.type, init.mean + init.std * pair[j],
                     data + (i + j) * size);
    }
  });
}

void fillConstant(const Variable &variable, unsigned char *data) {
  uint64_t size = sizeOf(variable.type), count = variable.elements();
  for (uint64_t i = 0; i < count; ++i)
    storeElement(variable.type, variable.init.value, data + i * size);
}

void fillValues(const Variable &variable, unsigned char *data) {
  std::memset(data, 0, variable.bytes());
  const std::vector<double> &values = variable.init.values;
  for (size_t i = 0; i < values.size(); ++i)
    storeElement(variable.type, values[i], data + i * sizeOf(variable.type));
}

/// f32 values, which may not be aligned.
void fillFromF32(const Variable &variable, const unsigned char *source,
                 unsigned char *data) {
  uint64_t count = variable.elements();
  if (variable.type == DataType::F32) {
    std::memcpy(data, source, count * sizeof(float));
    return;
  }
  for (uint64_t i = 0; i < count; ++i)
    storeElement(variable.type,
                 loadElement(DataType::F32, source + i * sizeof(float)),
                 data + i * sizeOf(variable.type));
}

/// The largest finite value of a format that scales are for.
float maxFinite(DataType type, const std::string &name) {
  switch (type) {
  case DataType::F8E4M3FN:
    return 448.0f;
  case DataType::F8E5M2:
    return 57344.0f;
  case DataType::F16:
    return 65504.0f;
  default:
    throw Error(concat("\"", name, "\" cannot be a scale for ", nameOf(type)));
  }
}

/// The power of two that brings `amax` next to the largest value of `format`,
/// as programs compute it themselves; 1 for an amax of 0.
float scaleFor(DataType format, float amax, const std::string &name) {
  float max = maxFinite(format, name);
  if (!(amax > 0))
    return 1;
  int exponent;
  std::frexp(std::min(max / amax, 0x1p126f), &exponent);
  return std::ldexp(1.0f, exponent - 1);
}

/// Values in f32, of which scales are computed before they are stored.
void fillScaled(const Variable &variable, const std::vector<float> &values,
                float scale, unsigned char *data) {
  uint64_t size = sizeOf(variable.type);
  parallelFor(values.size(), grain, [&](uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; ++i)
      storeElement(variable.type, values[i] * scale, data + i * size);
  });
}

/// Largest finite magnitude of the elements, each times `inverse`.
float amaxOf(const Variable &variable, const unsigned char *data,
             float inverse) {
  uint64_t size = sizeOf(variable.type), count = variable.elements();
  double amax = 0;
  for (uint64_t i = 0; i < count; ++i) {
    double value = std::fabs(loadElement(variable.type, data + i * size));
    amax = std::isfinite(value) ? std::max(amax, value) : amax;
  }
  return static_cast<float>(amax) * inverse;
}

/// Scale and inverse of a pair, which are its first and its last word.
struct ScalePair {
  float scale, inverse;
  ScalePair(const Variable &variable, const unsigned char *data)
      : scale(static_cast<float>(loadElement(variable.type, data))),
        inverse(static_cast<float>(loadElement(
            variable.type, data + variable.bytes() - sizeOf(variable.type)))) {}
};

/// Gives variables their values. Those that start from others come last.
class VariableSetter {
public:
  VariableSetter(Instance &instance, uint64_t seed, GivenVariables *given);
  void set(Which which);

private:
  /// A given variable as it is stored, or null.
  const unsigned char *givenAsStored(const Variable &variable);
  /// Whether some parts are given, and the others start as they do.
  bool isInPieces(const Variable &variable) const {
    return variable.init.kind == Initializer::Kind::Parts &&
           !given->hasAll(variable);
  }
  void setValues(const Variable &variable);
  void setStored(const Variable &variable, const unsigned char *data);
  void fill(const Variable &variable, unsigned char *data);
  float scaleOf(const Variable &variable);
  void setFromOther(const Variable &variable);
  void check(const Variable &variable, const unsigned char *data,
             float amax) const;
  Error error(const Variable &variable, const std::string &what,
              const std::string &hint) const {
    return Error::inFile(given->path(), "\"" + variable.name + "\" " + what,
                         hint);
  }

  Instance &instance;
  uint64_t seed;
  GivenVariables *given;
  std::unique_ptr<Program::InitialData> initial;
  std::vector<unsigned char> staging;
  /// Of what other variables start from.
  std::map<std::string, float> amaxes;
  /// By the name of what is stored times that scale.
  std::map<std::string, const Variable *> scales;
};

VariableSetter::VariableSetter(Instance &instance, uint64_t seed,
                               GivenVariables *given)
    : instance(instance), seed(seed), given(given) {
  const std::vector<Variable> &variables = instance.manifest().variables;
  std::map<std::string, std::string> scaleOf; // names
  for (const Variable &variable : variables)
    if (!variable.scale.empty())
      scaleOf.emplace(variable.name, variable.scale);
  for (const Variable &variable : variables)
    if (const std::string &of = variable.init.of; !of.empty()) {
      amaxes[of] = 0;
      if (auto scale = scaleOf.find(of);
          scale != scaleOf.end() && scale->second == variable.name)
        scales[of] = &variable;
    }
}

Variable inF32(Variable variable) {
  for (Variable &part : variable.parts) {
    part.offset = part.offset / sizeOf(part.type) * sizeof(float);
    part.type = DataType::F32;
  }
  variable.type = DataType::F32;
  return variable;
}

const unsigned char *VariableSetter::givenAsStored(const Variable &variable) {
  return given && !given->isWide(variable) && !isInPieces(variable)
             ? given->find(variable)
             : nullptr;
}

/// Initial values, or those given in f32.
void VariableSetter::fill(const Variable &variable, unsigned char *data) {
  if (given && given->has(variable) && !isInPieces(variable)) {
    fillFromF32(variable, given->find(inF32(variable)), data);
    return given->release(variable);
  }
  const Initializer &init = variable.init;
  switch (init.kind) {
  case Initializer::Kind::Constant:
    return fillConstant(variable, data);
  case Initializer::Kind::Normal:
    return fillNormal(variable, seed, data);
  case Initializer::Kind::Values:
    return fillValues(variable, data);
  case Initializer::Kind::File:
    if (!initial)
      initial = instance.program().openInitialData();
    if (init.offset > initial->file.size() ||
        init.bytes > initial->file.size() - init.offset)
      throw Error::inFile(initial->file.path(),
                          "too short for variable \"" + variable.name + "\"",
                          "compile the model again");
    return fillFromF32(variable, initial->file.data() + init.offset, data);
  case Initializer::Kind::Parts:
    for (const Variable &part : variable.parts) {
      std::vector<unsigned char> bytes(part.bytes());
      fill(part, bytes.data());
      putPart(variable, part, bytes.data(), data);
    }
    return;
  case Initializer::Kind::Amax:
  case Initializer::Kind::Scale:
    break; // from the values of another variable, in setFromOther()
  }
}

float VariableSetter::scaleOf(const Variable &variable) {
  auto found = scales.find(variable.name);
  if (found == scales.end())
    return 1;
  const Variable &scale = *found->second;
  if (const unsigned char *data = givenAsStored(scale))
    return ScalePair(scale, data).scale;
  return scaleFor(scale.init.format, amaxes.at(variable.name), variable.name);
}

void VariableSetter::setStored(const Variable &variable,
                               const unsigned char *data) {
  instance.write(variable, data);
  float inverse = 1;
  if (auto found = scales.find(variable.name); found != scales.end()) {
    const Variable &scale = *found->second;
    const unsigned char *pair = givenAsStored(scale);
    if (!pair)
      throw error(variable, "is given as codes, without \"" + scale.name + "\"",
                  variable.role == Role::Parameter
                      ? "give the scale too, or the values in f32"
                      : "give the scale too");
    inverse = ScalePair(scale, pair).inverse;
  }
  if (auto amax = amaxes.find(variable.name); amax != amaxes.end())
    amax->second = amaxOf(variable, data, inverse);
}

void VariableSetter::setValues(const Variable &variable) {
  if (const unsigned char *data = givenAsStored(variable)) {
    setStored(variable, data);
    return given->release(variable);
  }
  if (variable.init.kind == Initializer::Kind::Constant &&
      variable.init.value == 0 &&
      !(given && given->isWide(variable))) // most bytes; whatever their scale
    return instance.clear(variable);
  staging.resize(variable.bytes());
  if (auto amax = amaxes.find(variable.name); amax != amaxes.end()) {
    const Variable wide = inF32(variable);
    std::vector<float> values(wide.elements());
    fill(wide, reinterpret_cast<unsigned char *>(values.data()));
    amax->second =
        amaxOf(wide, reinterpret_cast<unsigned char *>(values.data()), 1);
    fillScaled(variable, values, scaleOf(variable), staging.data());
  } else {
    fill(variable, staging.data());
  }
  instance.write(variable, staging.data());
}

/// Whether a given scale or amax is one of values up to `amax`.
void VariableSetter::check(const Variable &variable, const unsigned char *data,
                           float amax) const {
  const std::string &of = variable.init.of;
  // Of E4M3: values may have been rounded after, or be rounded before.
  constexpr float slack = 1.125f;
  if (variable.init.kind == Initializer::Kind::Amax) {
    float known;
    std::memcpy(&known, data, sizeof(known));
    if (!(known * slack >= amax))
      throw error(variable,
                  concat("is ", known, ", but \"", of, "\" has ", amax),
                  "leave it out: it is computed");
    return;
  }
  ScalePair pair(variable, data);
  if (!(pair.scale > 0 && pair.scale * pair.inverse == 1))
    throw error(variable, "is not a scale and its inverse",
                "leave it out: it is computed");
  float max = maxFinite(variable.init.format, variable.name);
  if (!(pair.scale * amax <= max * slack))
    throw error(variable,
                concat("is ", pair.scale, ", at which \"", of, "\" with ", amax,
                       " would be more than ", max, ", the largest ",
                       nameOf(variable.init.format)),
                "leave it out: it is computed");
}

void VariableSetter::setFromOther(const Variable &variable) {
  float amax = amaxes[variable.init.of];
  if (const unsigned char *data = givenAsStored(variable)) {
    check(variable, data, amax);
    return instance.write(variable, data);
  }
  staging.assign(variable.bytes(), 0);
  if (variable.init.kind == Initializer::Kind::Scale) {
    float scale = scaleFor(variable.init.format, amax, variable.name);
    storeElement(variable.type, scale, staging.data());
    // The inverse is the last word, where GEMM libraries want it.
    storeElement(variable.type, 1 / scale,
                 staging.data() + staging.size() - sizeOf(variable.type));
  } else {
    std::memcpy(staging.data(), &amax, sizeof(amax));
  }
  instance.write(variable, staging.data());
}

void VariableSetter::set(Which which) {
  for (bool fromOther : {false, true})
    for (const Variable &variable : instance.manifest().variables) {
      if (variable.init.of.empty() == fromOther ||
          (which == Which::NotInCheckpoints && isCheckpointed(variable.role)))
        continue;
      fromOther ? setFromOther(variable) : setValues(variable);
    }
  if (initial && initial->verification)
    initial->verification->finish();
}

} // namespace

void initializeVariables(Instance &instance, uint64_t seed, Which which) {
  VariableSetter(instance, seed, nullptr).set(which);
}

void initializeVariables(Instance &instance, uint64_t seed,
                         const SafetensorsReader &given) {
  GivenVariables variables(given);
  VariableSetter(instance, seed, &variables).set(Which::AllVariables);
}

void checkKept(const Instance &instance, const SafetensorsReader &given) {
  std::vector<unsigned char> now;
  GivenVariables variables(given);
  for (const Variable &variable : instance.manifest().variables) {
    const unsigned char *data =
        variables.isWide(variable) || !variables.hasAll(variable)
            ? nullptr
            : variables.find(variable);
    if (!data)
      continue;
    now.resize(variable.bytes());
    instance.read(variable, now.data());
    if (std::memcmp(now.data(), data, now.size()) != 0)
      throw Error::inFile(given.path(),
                          "\"" + variable.name +
                              "\" is computed by init, and not what is given",
                          "leave it out: it follows from the parameters");
    variables.release(variable);
  }
}

} // namespace fp8c::runtime
