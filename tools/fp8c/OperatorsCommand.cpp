//===- OperatorsCommand.cpp - fp8c operators ------------------------------===//

#include "OperatorsCommand.h"

#include "Import/ONNX/Operators.h"
#include "OperatorsPage.h"
#include "llvm/Support/FormatVariadic.h"

using namespace fp8c;

/// One line per operator: its forms are of one meaning.
static int list() {
  const Operator *last = nullptr;
  for (const Operator *op : allOperators()) {
    if (last && last->name == op->name && last->domain == op->domain)
      continue;
    last = op;
    bool isOnnx = op->domain == onnxDomain;
    std::string name = (isOnnx ? "" : op->domain.str() + ".") + op->name.str();
    int64_t since =
        isOnnx ? std::max<int64_t>(op->since, oldestOpset) : op->since;
    llvm::outs() << llvm::formatv("{0,-45} {1,2}{2}\n", name, since,
                                  op->import ? "" : "  while importing");
  }
  return 0;
}

void fp8c::addOperatorsCommand(CLI::App &app, std::function<int()> &action) {
  CLI::App *command = app.add_subcommand(
      "operators", "List the ONNX operators that compile takes");
  command->footer("For each operator the first opset whose form is known. "
                  "`while importing` says that it computes shapes, masks\n"
                  "and tables: its inputs must not depend on the data.");
  auto isPage = std::make_shared<bool>(false);
  command->add_flag("--markdown", *isPage,
                    "Print the page docs/operators.md, with gradients and FP8");
  command->callback([&action, isPage] {
    action = [isPage] {
      if (!*isPage)
        return list();
      printOperatorsPage(llvm::outs());
      return 0;
    };
  });
}
