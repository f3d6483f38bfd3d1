//===- manifest.cpp - Fuzzes the reader of a program's manifest -----------===//

#include "core/Manifest.h"
#include "Fuzz.h"

using namespace fp8c;
using namespace fp8c::runtime;

static void check(const TensorSpec &tensor) {
  for (int64_t extent : tensor.shape)
    fuzz::require(extent >= 0, "no extent is negative");
  fuzz::require(!tensor.name.empty(), "every tensor has a name");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz::mayRefuse([&] {
    Manifest manifest = Manifest::read(
        fuzz::folder().write("manifest.json", fuzz::text(data, size)));
    for (const Variable &variable : manifest.variables) {
      check(variable);
      fuzz::require(variable.offset <= manifest.variablesBytes &&
                        variable.bytes() <=
                            manifest.variablesBytes - variable.offset,
                    "variables lie in the block");
      fuzz::require(manifest.findVariable(variable.name) == &variable,
                    "names of variables occur once");
      fuzz::require(variable.of.empty() || manifest.findVariable(variable.of),
                    "what a variable belongs to exists");
    }
    for (const auto &[name, function] : manifest.functions) {
      for (const TensorSpec &input : function.inputs)
        check(input);
      for (const OutputSpec &output : function.outputs)
        check(output);
    }
  });
  return 0;
}
