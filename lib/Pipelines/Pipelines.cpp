//===- Pipelines.cpp - The way of a model, pass by pass -------------------===//

#include "fp8c/Pipelines.h"

#include "Conversion/FP8ToUpstream/Passes.h"
#include "Conversion/TrainToExec/Passes.h"
#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "FP8/Training/Passes.h"
#include "FP8/Transforms/Passes.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace fp8c;

static void buildTrain(OpPassManager &passes, const PipelineOptions &options) {
  passes.addPass(createCanonicalizerPass());
  if (!options.recompose)
    return;
  passes.addPass(createCSEPass());
  passes.addPass(train::createRecompose());
  passes.addPass(createCanonicalizerPass());
}

static void buildGrad(OpPassManager &passes, const PipelineOptions &options) {
  fp8::MergeProductsOptions merge;
  merge.recipe = options.recipe;
  passes.addPass(fp8::createMergeProducts(merge));
  if (!options.forwardOnly) {
    train::AppendLossOptions loss;
    loss.loss = options.loss;
    passes.addPass(train::createAppendLoss(loss));
  }
  passes.addPass(train::createBoundIds());
  if (options.forwardOnly)
    return;
  passes.addPass(train::createAutodiff());
  train::AddOptimizerOptions optimizer;
  optimizer.microBatches = options.microBatches;
  passes.addPass(train::createAddOptimizer(optimizer));
  train::SetGridOptions grid;
  grid.dp = options.dp;
  grid.reproducible = options.reproducible;
  passes.addPass(train::createSetGrid(grid));
  passes.addPass(createCSEPass());
  passes.addPass(train::createJoinProducts());
  if (options.exposeOperands)
    passes.addPass(fp8::createExposeOperands());
  if (!options.recompute.empty()) {
    train::RecomputeOptions recompute;
    llvm::append_range(recompute.values, options.recompute);
    passes.addPass(train::createRecompute(recompute));
  }
}

static void buildFP8(OpPassManager &passes, const PipelineOptions &options) {
  fp8::AssignPrecisionOptions precision;
  precision.recipe = options.recipe;
  passes.addPass(fp8::createAssignPrecision(precision));
  passes.addPass(train::createApplyPrecision());
  train::PadVocabularyOptions vocabulary;
  vocabulary.multiple = options.padVocabulary.value_or(vocabulary.multiple);
  passes.addPass(train::createPadVocabulary(vocabulary));
  passes.addPass(fp8::createLowerStates());
  passes.addPass(fp8::createPadProducts());
  passes.addPass(fp8::createInsertScaling());
  passes.addPass(fp8::createAgreeScales());
  train::OrderGradientsOptions order;
  if (options.bucket)
    order.window = *options.bucket;
  passes.addPass(train::createOrderGradients(order));
  train::ReduceGradientsOptions gradients;
  gradients.bucket = options.bucket.value_or(gradients.bucket);
  passes.addPass(train::createReduceGradients(gradients));
  passes.addPass(fp8::createLowerComm());
  passes.addPass(train::createCheckLayout());
#ifndef NDEBUG
  passes.addPass(fp8::createCheckPrecision());
#endif
  fp8::ChooseLayoutsOptions layouts;
  if (options.fp8TN)
    layouts.tn = *options.fp8TN ? Override::yes : Override::no;
  passes.addPass(fp8::createChooseLayouts(layouts));
  passes.addPass(train::createRoundBias());
  passes.addPass(train::createMaterializeComputeWeights());
  passes.addPass(createCSEPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(train::createFuseOptimizer());
}

static void buildFusion(OpPassManager &passes, const PipelineOptions &options) {
  passes.addPass(train::createFitKernels());
  passes.addPass(fp8::createQuantizeParts());
  passes.addPass(train::createRepeatBias());
  train::FormFusionsOptions fusions;
  fusions.sumRows = options.sumRows.value_or(fusions.sumRows);
  passes.addPass(train::createFormFusions(fusions));
  passes.addPass(train::createCheckLayout());
}

static void buildExec(OpPassManager &passes, const PipelineOptions &options) {
  passes.addPass(createConvertToExec());
  exec::ChunkLossOptions chunks;
  chunks.maxBytes = options.maxLogits.value_or(chunks.maxBytes);
  passes.addPass(exec::createChunkLoss(chunks));
  passes.addPass(exec::createMergeLaunches());
  passes.addPass(exec::createOverlapCollectives());
  exec::PlanWorkspaceOptions workspace;
  workspace.maxScratchBytes = options.maxScratch;
  passes.addPass(exec::createPlanWorkspace(workspace));
  passes.addPass(exec::createPlanMemory());
}

namespace {
/// The passes that lead from the stage before to this one.
struct StagePipeline {
  StringLiteral name, summary;
  void (*build)(OpPassManager &, const PipelineOptions &);
};
} // namespace

/// In the order of Stage.
static constexpr StagePipeline kStages[] = {
    {"fp8c-train-pipeline", "An imported model, simplified", buildTrain},
    {"fp8c-grad-pipeline", "Backward pass and optimizer", buildGrad},
    {"fp8c-fp8-pipeline", "Formats, and FP8 scaling made explicit", buildFP8},
    {"fp8c-fusion-pipeline", "Ops that become one kernel", buildFusion},
    {"fp8c-exec-pipeline", "Library calls and kernels on planned buffers",
     buildExec}};

std::vector<std::string>
PipelineOptions::getDefaultRecompute(MLIRContext *context) const {
  auto attr = exec::TargetAttr::getFor(
      [&] { return emitError(UnknownLoc::get(context)); }, context, target,
      gpu);
  std::vector<std::string> values;
  if (attr)
    for (StringRef value : llvm::split(attr.getTraits().recompute, ","))
      if (!value.empty())
        values.push_back(value.str());
  return values;
}

static void setTarget(OpPassManager &passes, const PipelineOptions &options) {
  if (options.target.empty())
    return;
  exec::SetTargetOptions target;
  target.target = options.target;
  target.gpu = options.gpu;
  passes.addPass(exec::createSetTarget(target));
}

void fp8c::buildPipeline(OpPassManager &passes, const PipelineOptions &options,
                         Stage stage, std::optional<Stage> from) {
  setTarget(passes, options);
  int first = from ? static_cast<int>(*from) + 1 : 0;
  for (int i = first; i <= static_cast<int>(stage); ++i)
    kStages[i].build(passes, options);
}

void fp8c::registerDialects(DialectRegistry &registry) {
  registry.insert<exec::ExecDialect, fp8::FP8Dialect, train::TrainDialect,
                  arith::ArithDialect, func::FuncDialect, math::MathDialect,
                  memref::MemRefDialect>();
  fp8::registerTrainingPrograms(registry);
  // What fp8-lower-to-upstream reads and leaves.
  registry.insert<cf::ControlFlowDialect, linalg::LinalgDialect,
                  scf::SCFDialect, tensor::TensorDialect>();
}

namespace {
/// What a named pipeline can be told.
struct NamedOptions : PassPipelineOptions<NamedOptions> {
  Option<std::string> recipe{*this, "recipe", llvm::cl::init("fp8-delayed"),
                             llvm::cl::desc("Built-in recipe, or its path")};
  Option<std::string> target{*this, "target", llvm::cl::init(""),
                             llvm::cl::desc("cpu or cuda; by default what "
                                            "the module says")};
  Option<std::string> gpu{*this, "gpu", llvm::cl::init("sm_90"),
                          llvm::cl::desc("The GPU of target cuda")};
  Option<bool> forwardOnly{*this, "forward-only", llvm::cl::init(false),
                           llvm::cl::desc("No loss, gradients, optimizer")};
  Option<bool> exposeOperands{*this, "expose-operands", llvm::cl::init(false),
                              llvm::cl::desc("Run fp8-expose-operands")};
  Option<int64_t> dp{*this, "dp", llvm::cl::init(1),
                     llvm::cl::desc("See train-set-grid")};
  Option<int64_t> bucket{*this, "bucket", llvm::cl::init(0),
                         llvm::cl::desc("See train-reduce-gradients; 0: its "
                                        "default")};
  ListOption<std::string> recompute{*this, "recompute",
                                    llvm::cl::desc("See train-recompute")};

  PipelineOptions get() const {
    PipelineOptions options;
    options.recipe = recipe;
    options.target = target;
    options.gpu = gpu;
    options.forwardOnly = forwardOnly;
    options.exposeOperands = exposeOperands;
    options.dp = dp;
    if (bucket)
      options.bucket = bucket;
    options.recompute.assign(recompute.begin(), recompute.end());
    return options;
  }
};
} // namespace

void fp8c::registerPasses() {
  for (const StagePipeline &stage : kStages)
    PassPipelineRegistration<NamedOptions>(
        stage.name, stage.summary,
        [&stage](OpPassManager &passes, const NamedOptions &options) {
          setTarget(passes, options.get());
          stage.build(passes, options.get());
        });
  registerTransformsPasses();
  train::registerTrainPasses();
  fp8::registerFP8Passes();
  fp8::registerFP8TrainingPasses();
  exec::registerExecPasses();
  registerConversionPasses();
  registerFP8ToUpstreamPasses();
}
