//===- ImportONNX.cpp - From an ONNX file to the train dialect ------------===//

#include "Import/ONNX/ImportONNX.h"

#include "Import/ONNX/FunctionImporter.h"
#include "Import/ONNX/FunctionRoles.h"
#include "Import/ONNX/GraphOrder.h"
#include "Import/ONNX/InlineFunctions.h"
#include "Import/ONNX/Names.h"
#include "Import/ONNX/NodeImporter.h"
#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Parameters/RestoreBiases.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace fp8c {

static void checkModel(const onnx::ModelProto &model, ImportErrors &errors) {
  int64_t opset = opsetOf(model, "");
  if (!opset)
    errors.add("the model does not say which opset of ONNX it uses");
  else if (opset < oldestOpset || opset > newestOpset)
    errors.add("the model uses opset " + Twine(opset) + " of ONNX; known are " +
               Twine(oldestOpset) + " to " + Twine(newestOpset));
}

static void checkOptions(const ImportONNXOptions &options,
                         ImportErrors &errors) {
  if (options.batch < 0 || options.seq < 0)
    errors.add("batch and sequence length must be positive");
}

/// Whether the function gives logits for the tokens it takes.
static bool isLanguageModel(func::FuncOp func) {
  if (func.getNumArguments() != 1)
    return false;
  ArrayRef<int64_t> tokens =
      cast<RankedTensorType>(func.getArgumentTypes()[0]).getShape();
  return llvm::any_of(func.getResultTypes(), [&](Type type) {
    auto logits = cast<RankedTensorType>(type);
    return logits.getElementType().isF32() && logits.getRank() == 3 &&
           logits.getShape().take_front(2) == tokens;
  });
}

/// The model with what exporters have left out.
static onnx::ModelProto prepare(onnx::ModelProto model) {
  restoreBiases(*model.mutable_graph());
  return model;
}

namespace {
class ModelImporter {
public:
  ModelImporter(const ONNXFile &file, const ImportONNXOptions &options,
                MLIRContext &context)
      : options(options), context(context), model(prepare(file.model())),
        module(ModuleOp::create(UnknownLoc::get(&context))),
        initializers(file, *model.mutable_graph(), options, *module, errors),
        roles(findInputRoles(model.graph(), GraphUses(model.graph()), options,
                             errors)) {}

  OwningOpRef<ModuleOp> run();

  void initializersReport(ImportReport &report) const {
    initializers.report(report);
  }

  ImportErrors errors;

private:
  const onnx::GraphProto &graph() const { return model.graph(); }
  void dropPresents();
  void addInfer();

  const ImportONNXOptions &options;
  MLIRContext &context;
  onnx::ModelProto model; ///< The file's, which is rewritten here.
  OwningOpRef<ModuleOp> module;
  Initializers initializers;
  llvm::StringMap<InputRole> roles;
  std::vector<const onnx::NodeProto *> nodes;
};
} // namespace

OwningOpRef<ModuleOp> ModelImporter::run() {
  checkOptions(options, errors);
  checkModel(model, errors);
  dropPresents();
  GraphInputs inputs(graph(), roles, options, &context, errors);
  nodes = orderNodes(graph(), errors);
  if (!errors.empty())
    return {};

  module->getOperation()->setAttr("train.model",
                                  StringAttr::get(&context, graph().name()));
  if (options.pad)
    module->getOperation()->setAttr(
        train::kPadAttr, Builder(&context).getI64IntegerAttr(*options.pad));
  FunctionImporter importer(model, initializers, &context, errors);
  OwningOpRef<func::FuncOp> forward = importer.run("forward", inputs, nodes);
  if (!forward)
    return {};
  markRoles(*forward, inputs, options);
  module->push_back(forward.release());
  initializers.checkUndecided();
  if (inputs.isOpenTokens())
    addInfer();
  resolveNames(*module, errors);
  return std::move(module);
}

/// Keys and values for the next token are of no use without a past.
void ModelImporter::dropPresents() {
  auto *outputs = model.mutable_graph()->mutable_output();
  for (int i = outputs->size(); i-- > 0;) {
    StringRef name = outputs->Get(i).name();
    bool isPresent =
        name.starts_with("present") || name.starts_with("past_key_values") ||
        name.starts_with("key_cache") || name.starts_with("value_cache");
    if (isPresent && outputs->size() > 1)
      outputs->DeleteSubrange(i, 1);
  }
}

/// Text is generated one sequence at a time.
void ModelImporter::addInfer() {
  if (!isLanguageModel(module->lookupSymbol<func::FuncOp>("forward")))
    return;
  ImportONNXOptions one = options;
  one.batch = 1;
  ImportErrors inferErrors;
  GraphInputs inputs(graph(), roles, one, &context, inferErrors);
  FunctionImporter importer(model, initializers, &context, inferErrors);
  if (OwningOpRef<func::FuncOp> infer = importer.run("infer", inputs, nodes)) {
    markRoles(*infer, inputs, one);
    module->push_back(infer.release());
    return;
  }
  emitWarning(UnknownLoc::get(&context))
      << "the model only works with a batch of " << options.batch
      << ": it cannot generate text";
}

OwningOpRef<ModuleOp> importONNX(StringRef path,
                                 const ImportONNXOptions &options,
                                 MLIRContext &context) {
  context.loadDialect<train::TrainDialect, arith::ArithDialect,
                      func::FuncDialect>();
  std::string error;
  std::unique_ptr<ONNXFile> file = ONNXFile::open(path.str(), error);
  if (!file) {
    emitError(UnknownLoc::get(&context)) << error;
    return {};
  }
  ImportErrors errors;
  inlineFunctions(file->model(), errors);
  errors.emit(&context, path);
  if (!errors.empty())
    return {};
  ModelImporter importer(*file, options, context);
  OwningOpRef<ModuleOp> module = importer.run();
  importer.errors.emit(&context, path);
  if (options.report && module)
    importer.initializersReport(*options.report);
  if (!module || !importer.errors.empty() || failed(verify(*module)))
    return {};
  return module;
}

} // namespace fp8c
