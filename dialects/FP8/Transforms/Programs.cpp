//===- Programs.cpp - Dialects that keep whole training programs ----------===//

#include "FP8/Transforms/Programs.h"

using namespace mlir;
using namespace fp8c;

const fp8::ProgramDialectInterface *fp8::findProgramDialect(Operation *root) {
  DialectInterfaceCollection<ProgramDialectInterface> dialects(
      root->getContext());
  auto owner = llvm::find_if(
      dialects, [&](const auto &dialect) { return dialect.isProgram(root); });
  return owner == dialects.end() ? nullptr : &*owner;
}
