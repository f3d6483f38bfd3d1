//===- statistics.cpp - Fuzzes the reader of measured statistics ----------===//
//
// The input is what `fp8c-run profile` writes, and `fp8c compile --recipe auto`
// reads.
//
//===----------------------------------------------------------------------===//

#include "Compiler.h"

#include "AutoRecipe/AutoRecipe.h"
#include "Train/IR/Train.h"
#include "mlir/Parser/Parser.h"

using namespace fp8c;

static constexpr char kModel[] = R"mlir(
train.variable @wte.weight : tensor<32x8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
)mlir";

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string path = fuzz::folder().write("stats.json", fuzz::text(data, size));
  mlir::MLIRContext &context = fuzz::context();
  context.loadDialect<train::TrainDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      kModel, mlir::ParserConfig(&context));
  fuzz::require(bool(module), "the model is right");
  for (double budget : {0.0, 6.0})
    fuzz::mayRefuse([&] {
      writeAutoRecipe(*module, path, {budget, /*f32Sums=*/budget != 0},
                      fuzz::folder().in("auto.yaml"));
    });
  return 0;
}
