//===- recipe.cpp - Fuzzes the reader of recipes --------------------------===//

#include "FP8/Transforms/Recipe.h"
#include "Compiler.h"

using namespace fp8c;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string path =
      fuzz::folder().write("recipe.yaml", fuzz::text(data, size));
  mlir::MLIRContext &context = fuzz::context();
  fuzz::Diagnostics diagnostics(context);
  auto recipe = fp8::readRecipe(path, mlir::UnknownLoc::get(&context));
  diagnostics.check(mlir::failed(recipe));
  return 0;
}
