//===- Pipelines.cpp - The way of a model, pass by pass -------------------===//

#include "Pipelines/Pipelines.h"

#include "Conversion/TrainToExec/Passes.h"
#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "FP8/Transforms/Passes.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace fp8c;

void fp8c::buildPipeline(OpPassManager &passes, const PipelineOptions &options,
                         Stage stage) {
  passes.addPass(createCanonicalizerPass());
  if (stage == Stage::train)
    return;
  if (!options.forwardOnly) {
    train::AppendLossOptions loss;
    loss.loss = options.loss;
    passes.addPass(train::createAppendLoss(loss));
  }
  passes.addPass(train::createBoundIds());
  if (!options.forwardOnly) {
    passes.addPass(train::createAutodiff());
    train::AddOptimizerOptions optimizer;
    optimizer.accumulate = !options.oneMicroBatch;
    passes.addPass(train::createAddOptimizer(optimizer));
    passes.addPass(createCSEPass());
    if (options.exposeOperands)
      passes.addPass(fp8::createExposeOperands());
    if (!options.recompute.empty()) {
      train::RecomputeOptions recompute;
      llvm::append_range(recompute.values, options.recompute);
      passes.addPass(train::createRecompute(recompute));
    }
  }
  if (stage == Stage::grad)
    return;
  fp8::AssignPrecisionOptions precision;
  precision.recipe = options.recipe;
  passes.addPass(fp8::createAssignPrecision(precision));
  passes.addPass(train::createApplyPrecision());
  train::PadVocabularyOptions vocabulary;
  vocabulary.multiple = options.getPadVocabulary();
  passes.addPass(train::createPadVocabulary(vocabulary));
  passes.addPass(fp8::createLowerStates());
  passes.addPass(fp8::createPadProducts());
  passes.addPass(fp8::createInsertScaling());
  if (options.needsTN())
    passes.addPass(fp8::createChooseLayouts());
  if (options.target == "cuda")
    passes.addPass(train::createRoundBias());
  passes.addPass(train::createMaterializeComputeWeights());
  passes.addPass(createCSEPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(train::createFuseOptimizer());
  if (stage == Stage::fp8)
    return;
  passes.addPass(train::createFitKernels());
  passes.addPass(train::createRepeatBias());
  train::FormFusionsOptions fusions;
  fusions.sumRows = options.getSumRows();
  passes.addPass(train::createFormFusions(fusions));
  if (stage == Stage::fusion)
    return;
  ConvertToExecOptions exec;
  // cuBLASLt multiplies every format; OpenBLAS needs f32 copies.
  exec.gemmWorkspace = options.target == "cpu";
  exec.gemmBias = options.target == "cuda";
  passes.addPass(createConvertToExec(exec));
  exec::ChunkLossOptions chunks;
  chunks.maxBytes = options.getMaxLogits();
  passes.addPass(exec::createChunkLoss(chunks));
  passes.addPass(exec::createMergeLaunches());
  if (options.target == "cuda") {
    exec::PlanWorkspaceOptions workspace;
    workspace.maxScratchBytes = options.maxScratch;
    workspace.gpu = options.gpu;
    passes.addPass(exec::createPlanWorkspace(workspace));
  }
  passes.addPass(exec::createPlanMemory());
}

void fp8c::registerDialects(DialectRegistry &registry) {
  registry.insert<exec::ExecDialect, fp8::FP8Dialect, train::TrainDialect,
                  arith::ArithDialect, func::FuncDialect, math::MathDialect,
                  memref::MemRefDialect>();
}

void fp8c::registerPasses() {
  registerTransformsPasses();
  train::registerTrainPasses();
  fp8::registerFP8Passes();
  exec::registerExecPasses();
  registerConversionPasses();
}
