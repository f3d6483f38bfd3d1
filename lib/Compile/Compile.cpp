//===- Compile.cpp - From a module to a program folder --------------------===//

#include "fp8c/Compile.h"

#include "Analysis/ProductSummary.h"
#include "Exec/IR/Exec.h"
#include "Pipelines/MemoryLimit.h"
#include "Target/CPU/BuildCPU.h"
#include "Target/CUDA/BuildCUDA.h"
#include "Target/Common/OutputFolder.h"
#include "Target/Source/SourcePrinter.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace fp8c;

LogicalResult fp8c::checkOptions(const CompileOptions &options,
                                 MLIRContext &context) {
  if (options.pipeline.microBatches > 1 && !options.pipeline.reproducible)
    return emitError(UnknownLoc::get(&context))
           << "--micro-batches " << options.pipeline.microBatches
           << ": gradients of several are kept apart only in reproducible "
              "trainings\nhint: add --reproducible, or leave --micro-batches "
              "away and say --accumulate when training";
  return success();
}

/// What the steps here need to be in the context, whoever made it.
static void loadDialects(MLIRContext &context) {
  DialectRegistry registry;
  registerDialects(registry);
  target::registerSourceModels(registry);
  context.appendDialectRegistry(registry);
  context.loadDialect<exec::ExecDialect>();
}

/// Sets what is computed anew, where there is something to choose.
static LogicalResult chooseRecompute(ModuleOp module, CompileOptions &options) {
  PipelineOptions &pipeline = options.pipeline;
  const bool hasBackward = options.from && *options.from != Stage::train;
  if (options.memoryLimit && hasBackward)
    return emitError(module.getLoc())
           << "a memory limit is of a module without a backward pass: what "
              "that computes anew is what it is kept by";
  if (options.chooseRecompute)
    pipeline.recompute.clear();
  if (options.memoryLimit)
    return fitMemory(module, pipeline, options.chooseRecompute,
                     options.memoryLimit, options.withBatch ? options.batch : 0,
                     options.withBatch);
  if (!options.chooseRecompute || hasBackward)
    return success();
  PipelineOptions machine = pipeline;
  if (machine.target.empty()) {
    exec::TargetAttr target = target::getTargetAttr(module);
    machine.target = target.getBackend().str();
    machine.gpu = target.getArchitecture().str();
  }
  pipeline.recompute = machine.getDefaultRecompute(module.getContext());
  return success();
}

LogicalResult fp8c::lower(ModuleOp module, CompileOptions options,
                          Stage stage) {
  loadDialects(*module.getContext());
  if (failed(chooseRecompute(module, options)))
    return failure();
  PassManager passes(module.getContext());
  buildPipeline(passes, options.pipeline, stage, options.from);
  if (failed(passes.run(module)))
    return failure();
  // Formats are chosen by then, and counted.
  if (!options.requireFP8 || stage == Stage::train || stage == Stage::grad)
    return success();
  std::string missing = findMissingFP8(module);
  if (missing.empty())
    return success();
  return emitError(module.getLoc()) << missing;
}

LogicalResult fp8c::buildProgram(ModuleOp module, const CompileOptions &options,
                                 target::OutputFolder &folder) {
  // Compilers run in the folder.
  SmallString<256> headers(options.runtimeHeaders);
  if (headers.empty() || !llvm::sys::fs::is_directory(headers))
    return emitError(module.getLoc())
           << "found no headers of the runtime in '" << headers << "'";
  llvm::sys::fs::make_absolute(headers);
  std::string include = headers.str().str();
  loadDialects(*module.getContext());
  if (target::isForCUDA(module))
    return target::buildCUDA(module, folder, {include, options.cudaCompiler});
  return target::buildCPU(
      module, folder,
      {include, options.hostCompiler, options.hostOptimization});
}

LogicalResult fp8c::compile(ModuleOp module, const CompileOptions &options) {
  if (failed(checkOptions(options, *module.getContext())))
    return failure();
  // Before anything takes time: what is in the way.
  std::unique_ptr<target::OutputFolder> folder = target::OutputFolder::make(
      options.output, [&] { return emitError(module.getLoc()); });
  return success(folder && succeeded(lower(module, options)) &&
                 succeeded(buildProgram(module, options, *folder)));
}
