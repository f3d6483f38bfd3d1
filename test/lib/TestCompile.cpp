//===- TestCompile.cpp - Programs of what no ONNX file says ---------------===//

#include "TestCompile.h"

#include "Target/Common/OutputFolder.h"
#include "fp8c/Compile.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace fp8c;

namespace {
/// What `fp8c compile` does behind the importer, without optimisation.
struct TestCompile : PassWrapper<TestCompile, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestCompile)
  TestCompile() = default;
  TestCompile(const TestCompile &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "test-compile"; }
  StringRef getDescription() const override {
    return "Compile a module of the train dialect into a program";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registerDialects(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    CompileOptions options;
    options.pipeline.recipe = recipe;
    options.pipeline.forwardOnly = forwardOnly;
    options.pipeline.target = target;
    options.hostOptimization = "0";
    OpPassManager passes(ModuleOp::getOperationName());
    buildPipeline(passes, options.pipeline, Stage::exec, symbolizeStage(from));
    auto folder =
        target::OutputFolder::make(output, [&] { return module.emitError(); });
    if (!folder || failed(runPipeline(passes, module)) ||
        failed(buildProgram(module, options, *folder)))
      signalPassFailure();
  }

  Option<std::string> output{*this, "output", llvm::cl::desc("Program folder")};
  Option<std::string> target{*this, "target", llvm::cl::init("cpu")};
  Option<std::string> recipe{*this, "recipe", llvm::cl::init("f32")};
  Option<bool> forwardOnly{*this, "forward-only", llvm::cl::init(false)};
  Option<std::string> from{*this, "from",
                           llvm::cl::desc("The stage that the module is at; "
                                          "without it, as imported")};
};
} // namespace

void test::registerTestCompile() { PassRegistration<TestCompile>(); }
