//===- Initialize.cpp - How variables start -------------------------------===//

#include "core/Initialize.h"

#include "core/Error.h"
#include "core/Instance.h"
#include "core/ParallelFor.h"
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

void fillFromFile(const Variable &variable, const MappedFile &file,
                  unsigned char *data) {
  const Initializer &init = variable.init;
  if (init.offset > file.size() || init.bytes > file.size() - init.offset)
    throw Error::inFile(file.path(),
                        "too short for variable \"" + variable.name + "\"",
                        "compile the model again");
  const unsigned char *source = file.data() + init.offset;
  if (variable.type == DataType::F32) {
    std::memcpy(data, source, init.bytes);
    return;
  }
  uint64_t count = variable.elements();
  for (uint64_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, source + i * sizeof(float), sizeof(float));
    storeElement(variable.type, value, data + i * sizeOf(variable.type));
  }
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

} // namespace

void initializeVariables(Instance &instance, uint64_t seed, Which which) {
  const Program &program = instance.program();
  std::unique_ptr<Program::InitialData> initial;
  std::vector<unsigned char> staging;
  auto fill = [&](const Variable &variable, unsigned char *data) {
    switch (variable.init.kind) {
    case Initializer::Kind::Constant:
      return fillConstant(variable, data);
    case Initializer::Kind::Normal:
      return fillNormal(variable, seed, data);
    case Initializer::Kind::Values:
      return fillValues(variable, data);
    case Initializer::Kind::File:
      if (!initial)
        initial = program.openInitialData();
      return fillFromFile(variable, initial->file, data);
    case Initializer::Kind::Amax:
    case Initializer::Kind::Scale:
      break; // from the values of another variable, below
    }
  };
  // What scales and amaxes start from, and the variables that are scaled.
  std::map<std::string, float> amaxes;
  std::map<std::string, DataType> scaled;
  for (const Variable &variable : program.manifest().variables)
    if (!variable.init.of.empty()) {
      amaxes[variable.init.of] = 0;
      if (variable.name == variable.init.of + ".scale")
        scaled[variable.init.of] = variable.init.format;
    }
  auto isWanted = [&](const Variable &variable) {
    return which == Which::AllVariables || !isCheckpointed(variable.role);
  };
  for (const Variable &variable : program.manifest().variables) {
    if (!isWanted(variable) || !variable.init.of.empty())
      continue;
    if (variable.init.kind == Initializer::Kind::Constant &&
        variable.init.value == 0) { // most bytes; whatever their scale
      instance.clear(variable);
      continue;
    }
    staging.resize(variable.bytes());
    if (!amaxes.count(variable.name)) {
      fill(variable, staging.data());
    } else {
      Variable wide = variable;
      wide.type = DataType::F32;
      std::vector<float> values(wide.elements());
      fill(wide, reinterpret_cast<unsigned char *>(values.data()));
      float &amax = amaxes[variable.name], scale = 1;
      for (float value : values)
        amax = std::isfinite(value) ? std::max(amax, std::abs(value)) : amax;
      if (auto it = scaled.find(variable.name); it != scaled.end())
        scale = scaleFor(it->second, amax, variable.name);
      fillScaled(variable, values, scale, staging.data());
    }
    instance.write(variable, staging.data());
  }
  for (const Variable &variable : program.manifest().variables) {
    if (!isWanted(variable) || variable.init.of.empty())
      continue;
    staging.assign(variable.bytes(), 0);
    float amax = amaxes[variable.init.of];
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
  if (initial && initial->verification)
    initial->verification->finish();
}

} // namespace fp8c::runtime
