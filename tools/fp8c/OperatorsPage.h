//===- OperatorsPage.h - The operators as a page of Markdown ----*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_OPERATORSPAGE_H
#define FP8C_TOOLS_FP8C_OPERATORSPAGE_H

#include "llvm/Support/raw_ostream.h"

namespace fp8c {

/// Prints docs/operators.md: of each operator the opsets, the inputs, and what
/// a training makes of it.
void printOperatorsPage(llvm::raw_ostream &os);

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_OPERATORSPAGE_H
