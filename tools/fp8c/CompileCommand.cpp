//===- CompileCommand.cpp - fp8c compile ----------------------------------===//
//
//   $ fp8c compile tiny.onnx --recipe fp8-delayed --batch 16 -o tiny.fp8x
//   $ fp8c compile tiny.onnx --recipe fp8-delayed --batch 16 --emit=fp8
//
//===----------------------------------------------------------------------===//

#include "CompileCommand.h"

#include "Analysis/ProductSummary.h"
#include "AutoRecipe/AutoRecipe.h"
#include "Diagnostics.h"
#include "Exec/IR/Exec.h"
#include "FP8/Transforms/Recipe.h"
#include "Import/ONNX/ImportONNX.h"
#include "ImportOptions.h"
#include "Target/Common/OutputFolder.h"
#include "Target/Source/SourcePrinter.h"
#include "TensorList.h"
#include "core/Escape.h"
#include "fp8c/Compile.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace fp8c;

namespace {
struct CompileArguments {
  std::string model, output, emit, recipe = "fp8-delayed", target = "cpu", loss,
                                   fp8Layouts, passPipelineDump;
  std::string hostCompiler = "c++", hostOpt = "3", cudaCompiler = "nvcc",
              gpu = "sm_90";
  std::vector<std::string> recompute;
  std::string stats;
  double budget = 0;
  int64_t batch = 0, seq = 0, microBatches = 0;
  std::string parallel;
  std::optional<int64_t> bucket;
  std::optional<int64_t> maxLogits, padVocabulary;
  std::optional<int64_t> sumRows;
  int64_t maxScratch = 0;
  uint64_t memoryLimit = 0;
  ImportONNXOptions import;
  bool forwardOnly = false, exposeOperands = false, keepParts = false,
       remarks = false, requireFP8 = false, saysRecompute = false,
       reproducible = false;
};
} // namespace

/// The runtime's headers: installed beside the tool, or in the source tree.
static std::string getRuntimeHeaders() {
  static int anchor;
  std::string tool = llvm::sys::fs::getMainExecutable("fp8c", &anchor);
  llvm::SmallString<256> installed(llvm::sys::path::parent_path(tool));
  llvm::sys::path::append(installed, "..", "include", "fp8c-runtime");
  return llvm::sys::fs::is_directory(installed) ? installed.str().str()
                                                : FP8C_RUNTIME_HEADERS;
}

/// Where --recipe auto puts the recipe: beside the program.
static std::string getRecipePath(StringRef program) {
  while (program.size() > 1 && program.back() == '/')
    program = program.drop_back();
  llvm::SmallString<256> path(program);
  llvm::sys::path::replace_extension(path, "recipe.yaml");
  return path.str().str();
}

/// Whether that place is free, or holds a recipe that was chosen before.
static LogicalResult checkRecipePlace(StringRef path, MLIRContext &context) {
  if (!llvm::sys::fs::exists(path))
    return success();
  auto buffer = llvm::sys::fs::is_regular_file(path)
                    ? llvm::MemoryBuffer::getFile(path)
                    : std::make_error_code(std::errc::invalid_argument);
  if (buffer && (*buffer)->getBuffer().starts_with("# Chosen by measurement:"))
    return success();
  return emitError(UnknownLoc::get(&context))
         << "will not replace " << path
         << ": it exists and is no recipe that fp8c chose\nhint: move it away, "
            "or choose another place with -o";
}

/// What the options say, but for the recipe that --recipe auto chooses.
static CompileOptions getOptions(const CompileArguments &args) {
  CompileOptions options;
  options.chooseRecompute = !args.saysRecompute;
  options.memoryLimit = args.memoryLimit;
  options.batch = args.batch;
  options.runtimeHeaders = getRuntimeHeaders();
  options.hostCompiler = args.hostCompiler;
  options.hostOptimization = args.hostOpt;
  options.cudaCompiler = args.cudaCompiler;
  PipelineOptions &pipeline = options.pipeline;
  pipeline.recipe = args.recipe;
  pipeline.loss = args.loss;
  pipeline.forwardOnly = args.forwardOnly;
  pipeline.recompose = !args.keepParts;
  pipeline.exposeOperands = args.exposeOperands;
  pipeline.target = args.target;
  pipeline.gpu = args.gpu;
  pipeline.microBatches = args.microBatches;
  pipeline.reproducible = args.reproducible;
  // What the option's check has let through.
  StringRef(args.parallel)
      .substr(StringRef("dp=").size())
      .getAsInteger(10, pipeline.dp);
  pipeline.bucket = args.bucket;
  pipeline.recompute = args.recompute;
  if (!args.fp8Layouts.empty())
    pipeline.fp8TN = args.fp8Layouts == "tn";
  pipeline.maxLogits = args.maxLogits;
  pipeline.padVocabulary = args.padVocabulary;
  pipeline.maxScratch = args.maxScratch;
  pipeline.sumRows = args.sumRows;
  return options;
}

/// Says so if a product that the recipe wants in FP8 is not.
static bool isWithoutFP8(ModuleOp module, StringRef model) {
  std::string missing = findMissingFP8(module);
  if (!missing.empty())
    llvm::errs() << "fp8c: error: " << model << ": --require-fp8: " << missing
                 << "\n";
  return !missing.empty();
}

static int runCompile(const CompileArguments &args) {
  DialectRegistry registry;
  registerDialects(registry);
  target::registerSourceModels(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  DiagnosticPrinter diagnostics(context, args.remarks);

  CompileOptions options = getOptions(args);
  if (failed(checkOptions(options, context)))
    return 1;
  // First of all: what is in the way is told before anything takes time.
  if (args.recipe == "auto" &&
      failed(checkRecipePlace(getRecipePath(args.output), context)))
    return 1;
  std::unique_ptr<target::OutputFolder> folder;
  if (args.emit.empty()) {
    folder = target::OutputFolder::make(
        args.output, [&] { return emitError(UnknownLoc::get(&context)); });
    if (!folder)
      return 1;
  }

  ImportReport report;
  auto importReporting = [&](int64_t batch, ImportReport *to) {
    ImportONNXOptions onnx = args.import;
    onnx.report = to;
    onnx.batch = batch;
    onnx.seq = args.seq;
    onnx.isForTraining = args.emit.empty() && !args.forwardOnly;
    return importONNX(args.model, onnx, context);
  };
  options.withBatch = [&](int64_t batch) {
    return importReporting(batch, /*to=*/nullptr);
  };
  OwningOpRef<ModuleOp> module = importReporting(args.batch, &report);
  if (!module)
    return 1;
  if (args.emit.empty())
    llvm::outs() << listTensors(args.model, report);

  if (args.recipe == "auto") {
    options.pipeline.recipe = getRecipePath(args.output);
    writeAutoRecipe(*module, args.stats,
                    {args.budget, /*f32Sums=*/args.microBatches == 0},
                    options.pipeline.recipe);
    llvm::errs() << "fp8c: the chosen recipe is in "
                 << runtime::printable(options.pipeline.recipe) << "\n";
  }
  Stage stage = symbolizeStage(args.emit).value_or(Stage::exec);
  if (failed(lower(*module, options, stage)))
    return 1;
  bool hasFormats = stage != Stage::train && stage != Stage::grad;
  if (args.requireFP8 && hasFormats && isWithoutFP8(*module, args.model))
    return 1;

  if (args.emit == "source")
    return failed(target::printSource(*module, llvm::outs()));
  if (!args.emit.empty()) {
    module->print(llvm::outs());
    return 0;
  }
  if (failed(buildProgram(*module, options, *folder)))
    return 1;
  if (std::string summary = getProductSummary(*module); !summary.empty())
    llvm::outs() << runtime::printable(args.output) << ": " << summary << "\n";
  return 0;
}

void fp8c::addCompileCommand(CLI::App &app, std::function<int()> &action) {
  auto args = std::make_shared<CompileArguments>();
  CLI::App *command = app.add_subcommand(
      "compile", "Compile an ONNX model into a training program");
  command->add_option("model", args->model, "ONNX file")->required();
  command->add_option(
      "-o,--output", args->output,
      "Program folder to write (default: the model's name with .fp8x)");
  command
      ->add_option(
          "--recipe", args->recipe,
          "Formats and scaling: " + llvm::join(fp8::getBuiltinRecipes(), ", ") +
              ", auto, or a recipe file")
      ->capture_default_str();
  auto *stats = command->add_option(
      "--stats", args->stats,
      "With --recipe auto: statistics of this model, from fp8c-run profile");
  command
      ->add_option("--budget-bytes-per-param", args->budget,
                   "With --recipe auto: the most that parameters, gradients "
                   "and moments may take together, in bytes per parameter, as "
                   "fp8c inspect tells them")
      ->needs(stats)
      ->check(CLI::PositiveNumber);
  command->add_option("--target", args->target, "Machine to compile for")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command->add_option("--batch", args->batch, "Sequences of a micro-batch")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--parallel", args->parallel,
                   "Processes that run the program together: dp=N, each with "
                   "--batch sequences of its own")
      ->check([](const std::string &text) -> std::string {
        StringRef number = text;
        int64_t count = 0;
        bool isGood = number.consume_front("dp=") &&
                      !number.getAsInteger(10, count) && count >= 1 &&
                      count <= train::kMostProcesses;
        return isGood ? "" : "is dp=N, for N processes with data of their own";
      });
  command
      ->add_option("--bucket", args->bucket,
                   "With --parallel: elements that gradients have, at least, "
                   "that travel together, as 32M (default)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::PositiveNumber);
  auto *microBatches =
      command
          ->add_option("--micro-batches", args->microBatches,
                       "Micro-batches of a step: 1 stores gradients as the "
                       "recipe says, without f32 sums (default: any number); "
                       "more need --reproducible")
          ->check(CLI::Range(1, 1024));
  command
      ->add_flag("--reproducible", args->reproducible,
                 "Make trainings give the same bits whatever a step's "
                 "sequences are divided into: processes (--parallel) times "
                 "micro-batches of one --batch. Gradients of micro-batches are "
                 "kept apart until they are summed, and libraries take the "
                 "first algorithm that they propose, not the fastest")
      ->needs(microBatches);
  command
      ->add_option("--seq", args->seq,
                   "Tokens of a sequence, if the model leaves it open")
      ->check(CLI::Range(1, 1 << 24));
  addImportOptions(*command, args->import);
  command->add_option("--loss", args->loss,
                      "Output of the graph to differentiate (default: its "
                      "scalar output, else cross-entropy of its logits)");
  command
      ->add_option("--fp8-layouts", args->fp8Layouts,
                   "Layouts of FP8 products: tn (contracted dimensions last, "
                   "as GPUs want them) or any; default: what the target needs")
      ->check(CLI::IsMember({"tn", "any"}));
  command
      ->add_option("--sum-rows", args->sumRows,
                   "Let kernels sum gradients of biases and norms over blocks "
                   "of so many rows by the way; 0: in kernels of their own "
                   "(default: 32 on cuda, 0 on cpu)")
      ->check(CLI::IsMember({0, 32}));
  command
      ->add_option("--pad-vocabulary", args->padVocabulary,
                   "Columns of the logits of a 16-bit or FP8 head are padded "
                   "inside to a multiple of this, of 16; 1: not at all "
                   "(default: 128 on cuda, 1 on cpu)")
      ->check([](const std::string &value) {
        int64_t multiple;
        return llvm::StringRef(value).getAsInteger(10, multiple) ||
                       multiple < 1 || multiple > 1 << 20 ||
                       (multiple != 1 && multiple % 16)
                   ? value + " is neither 1 nor a multiple of 16"
                   : "";
      });
  command
      ->add_option(
          "--max-logits", args->maxLogits,
          "Bytes of the largest logits buffer, as 512M: beyond, head and loss "
          "run by chunks of rows; 0: no limit (default: 1G on cuda, 0 on cpu)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--max-scratch", args->maxScratch,
                   "Bytes of the most scratch that attention's backward may "
                   "take on cuda, as 1G: beyond, it runs by parts of the "
                   "batch; 0: no limit (default)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--recompute", args->recompute,
                   "Compute anew in backward instead of keeping: none, norm, "
                   "gelu, quantize, block, block:N (the first N layers), or "
                   "several with commas (default: none on cpu, norm,gelu on "
                   "cuda)")
      ->delimiter(',')
      ->check([](const std::string &value) {
        llvm::StringRef text = value;
        int64_t layers;
        bool isKnown =
            llvm::is_contained({"none", "norm", "gelu", "quantize", "block"},
                               text) ||
            (text.consume_front("block:") && !text.getAsInteger(10, layers) &&
             layers >= 0);
        return isKnown
                   ? ""
                   : value +
                         " not in {none,norm,gelu,quantize,block,block:<number "
                         "of layers>}";
      });
  command
      ->add_option("--memory-limit", args->memoryLimit,
                   "Bytes, as 16G, that variables, temporaries and the "
                   "workspace of library calls may take: recomputes as little "
                   "as fits, unless --recompute says what")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
  command
      ->add_option("--emit", args->emit,
                   "Print a stage on stdout and build nothing")
      ->check(
          CLI::IsMember({"train", "grad", "fp8", "fusion", "exec", "source"}));
  auto *forwardOnly = command->add_flag("--forward-only", args->forwardOnly,
                                        "Compile the forward pass alone");
  command
      ->add_flag("--expose-operands", args->exposeOperands,
                 "Add the function @observe, which gives what products read: "
                 "fp8c-run profile measures it, fp8c-run train --watch-every "
                 "watches it")
      ->excludes(forwardOnly);
  command->add_flag("--keep-parts", args->keepParts,
                    "Do not put together what an exporter took apart: norms, "
                    "activations, rotary embeddings, attention");
  command->add_flag("--require-fp8", args->requireFP8,
                    "Fail if a product that the recipe wants in FP8 cannot be");
  command->add_flag("--remarks", args->remarks,
                    "Tell of every decision a pass remarks on");
  command
      ->add_option("--host-compiler", args->hostCompiler,
                   "C++20 compiler that builds the program")
      ->capture_default_str();
  command->add_option("--host-opt", args->hostOpt, "Its optimisation level")
      ->check(CLI::IsMember({"0", "1", "2", "3"}))
      ->capture_default_str();
  command
      ->add_option("--cuda-compiler", args->cudaCompiler,
                   "nvcc that builds programs for CUDA")
      ->capture_default_str();
  command
      ->add_option("--gpu", args->gpu,
                   "Architecture to build for: FP8 needs sm_89 or newer")
      ->check(CLI::IsMember(exec::TargetAttr::getArchitectures("cuda")))
      ->capture_default_str();
  command->callback([args, command, &action] {
    readImportOptions(*command, args->import);
    if ((args->recipe == "auto") != !args->stats.empty())
      throw CLI::ValidationError("--recipe auto and --stats need each other");
    if (args->output.empty()) {
      llvm::SmallString<256> path(args->model);
      llvm::sys::path::replace_extension(path, "fp8x");
      args->output = path.str().str();
    }
    args->saysRecompute = !args->recompute.empty();
    llvm::erase(args->recompute, "none");
    action = [args] { return runCompile(*args); };
  });
}
