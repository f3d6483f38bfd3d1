//===- Initialize.cpp - How variables start -------------------------------===//

#include "core/Initialize.h"

#include "core/Error.h"
#include "core/Instance.h"
#include "core/MappedFile.h"
#include "core/ParallelFor.h"
#include "core/Random.h"

#include <cstring>

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
  if (variable.init.value == 0) { // most of a program's bytes
    std::memset(data, 0, variable.bytes());
    return;
  }
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

} // namespace

void initializeVariables(Instance &instance, uint64_t seed, Which which) {
  const Program &program = instance.program();
  MappedFile initial;
  std::vector<unsigned char> staging;
  for (const Variable &variable : program.manifest().variables) {
    if (which == Which::NotInCheckpoints && isCheckpointed(variable.role))
      continue;
    staging.resize(variable.bytes());
    switch (variable.init.kind) {
    case Initializer::Kind::Constant:
      fillConstant(variable, staging.data());
      break;
    case Initializer::Kind::Normal:
      fillNormal(variable, seed, staging.data());
      break;
    case Initializer::Kind::Values:
      fillValues(variable, staging.data());
      break;
    case Initializer::Kind::File:
      if (initial.path().empty())
        initial = MappedFile(program.folder() + "/initial.bin");
      fillFromFile(variable, initial, staging.data());
      break;
    }
    instance.write(variable, staging.data());
  }
}

} // namespace fp8c::runtime
