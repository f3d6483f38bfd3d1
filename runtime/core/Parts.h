//===- Parts.h - Variables that hold several of a model's -------*- C++ -*-===//
//
// A program may keep several of the model's parameters, and what belongs to
// them, as one variable. Files know the model's names alone: what is written
// is taken apart here, and what is read put together.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_PARTS_H
#define FP8C_RUNTIME_CORE_PARTS_H

#include "core/Safetensors.h"

namespace fp8c::runtime {

class Instance;

/// Copies a part's bytes out of its variable's, or into them.
void takePart(const Variable &variable, const Variable &part,
              const unsigned char *whole, unsigned char *bytes);
void putPart(const Variable &variable, const Variable &part,
             const unsigned char *bytes, unsigned char *whole);

/// What a file has of a variable: under the names of its parts, or its own.
std::vector<SafetensorsEntry> entriesOf(const Instance &instance,
                                        const Variable &variable);

/// A file's tensors as the variables they are.
class GivenVariables {
public:
  explicit GivenVariables(const SafetensorsReader &file) : file(file) {}

  const std::string &path() const { return file.path(); }

  /// Whether the file has it, or any of its parts; and whether all of them.
  bool has(const Variable &variable) const;
  bool hasAll(const Variable &variable) const;

  /// Whether it is a parameter in f32, and stored in another type.
  bool isWide(const Variable &variable) const;

  /// The variable's bytes, or null if the file does not have it. Those of a
  /// variable with parts live until release(). Throws Error if dtypes or shapes
  /// differ, if some of its parts are missing, and if parts that share a value,
  /// as a scale, differ in it.
  const unsigned char *find(const Variable &variable);
  void release(const Variable &variable) { joined.erase(variable.name); }

private:
  const SafetensorsReader &file;
  std::map<std::string, std::vector<unsigned char>> joined; ///< by name
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_PARTS_H
