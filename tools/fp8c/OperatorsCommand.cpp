//===- OperatorsCommand.cpp - fp8c operators ------------------------------===//

#include "OperatorsCommand.h"

#include "Import/ONNX/Operators.h"
#include "llvm/Support/Format.h"

using namespace fp8c;

static int list() {
  for (const Operator *op : allOperators())
    llvm::outs() << llvm::format("%-24s %2d", op->name.data(), op->since)
                 << (op->import ? "" : "  while importing") << "\n";
  return 0;
}

void fp8c::addOperatorsCommand(CLI::App &app, std::function<int()> &action) {
  CLI::App *command = app.add_subcommand(
      "operators", "List the ONNX operators that compile takes");
  command->footer("For each operator the first opset whose form is known. "
                  "`while importing` says that it computes shapes, masks\n"
                  "and tables: its inputs must not depend on the data.");
  command->callback([&action] { action = list; });
}
