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
  int64_t opset = opsetOf(model.opset_import(), onnxDomain);
  if (!opset)
    errors.add("the model does not say which opset of ONNX it uses");
  else if (opset < oldestOpset || opset > newestOpset)
    errors.add("the model uses opset " + Twine(opset) + " of ONNX; known are " +
               Twine(oldestOpset) + " to " + Twine(newestOpset));
  llvm::StringMap<int64_t> versions;
  for (const onnx::OperatorSetIdProto &import : model.opset_import()) {
    auto [at, isNew] =
        versions.try_emplace(spellDomain(import.domain()), import.version());
    if (!isNew && at->second != import.version())
      errors.add("the model imports opsets " + Twine(at->second) + " and " +
                 Twine(import.version()) + " of domain '" + import.domain() +
                 "': which of them its nodes mean nobody can tell");
  }
  bool isTraining = model.training_info_size() > 0;
  for (const onnx::NodeProto &node : model.graph().node())
    isTraining |= node.domain() == "ai.onnx.preview.training";
  if (isTraining)
    errors.add("the model is a training graph: export the forward graph, "
               "without gradients and optimizer, which fp8c adds itself");
}

static void checkOptions(const ImportONNXOptions &options,
                         ImportErrors &errors) {
  if (options.batch < 0 || options.seq < 0)
    errors.add("batch and sequence length must be positive");
}

/// The output of the graph that is the function's logits; empty if none is.
static std::string logitsOf(func::FuncOp function) {
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (train::getOutput(function, i) == train::Output::logits)
      return function.getResultAttrOfType<StringAttr>(i, train::kNameAttr)
          .str();
  return "";
}

namespace {
class ModelImporter {
public:
  /// Rewrites the file's model.
  ModelImporter(ONNXFile &file, const ImportONNXOptions &options,
                MLIRContext &context)
      : options(options), context(context), model(file.model()),
        module(ModuleOp::create(UnknownLoc::get(&context))),
        initializers(file, *model.mutable_graph(), options, *module, errors),
        roles(findInputRoles(model.graph(), initializers.uses(), options,
                             errors)) {}

  OwningOpRef<ModuleOp> run();

  void initializersReport(ImportReport &report) const {
    initializers.report(report);
  }

  ImportErrors errors;

private:
  const onnx::GraphProto &graph() const { return model.graph(); }
  void dropPresents();
  void addInfer(const std::string &logits);

  const ImportONNXOptions &options;
  MLIRContext &context;
  onnx::ModelProto &model;
  OwningOpRef<ModuleOp> module;
  Initializers initializers;
  llvm::StringMap<InputRole> roles;
};
} // namespace

OwningOpRef<ModuleOp> ModelImporter::run() {
  checkOptions(options, errors);
  checkModel(model, errors);
  dropPresents();
  GraphInputs inputs(graph(), roles, options, &context, errors);
  std::vector<const onnx::NodeProto *> nodes = orderNodes(graph(), errors);
  if (!errors.empty())
    return {};

  module->getOperation()->setAttr(train::kModelAttr,
                                  StringAttr::get(&context, graph().name()));
  if (options.pad)
    module->getOperation()->setAttr(
        train::kPadAttr, Builder(&context).getI64IntegerAttr(*options.pad));
  FunctionImporter importer(model, initializers, &context, errors);
  OwningOpRef<func::FuncOp> forward =
      importer.run(train::FunctionKind::forward, inputs, nodes);
  if (!forward)
    return {};
  markRoles(*forward, inputs, options);
  if (options.report)
    options.report->inputs = describeInputs(*forward, inputs);
  std::string logits = logitsOf(*forward);
  module->push_back(forward.release());
  initializers.checkUndecided();
  if (!logits.empty())
    addInfer(logits);
  resolveNames(*module, errors);
  return std::move(module);
}

/// Keys and values for the next token, [batch, heads, tokens, width] beside
/// logits or a loss, are of no use without a past.
void ModelImporter::dropPresents() {
  bool hasTokens = llvm::any_of(
      roles, [](const auto &role) { return role.second == InputRole::Tokens; });
  auto isPresent = [](const onnx::ValueInfoProto &output) {
    return output.type().tensor_type().shape().dim_size() == 4;
  };
  auto *outputs = model.mutable_graph()->mutable_output();
  if (!hasTokens || llvm::all_of(*outputs, isPresent))
    return;
  for (int i = outputs->size(); i-- > 0;)
    if (isPresent(outputs->Get(i)))
      outputs->DeleteSubrange(i, 1);
}

/// Text is generated one sequence at a time, from tokens to logits alone: a
/// loss that the graph has is left out, and its labels with it.
void ModelImporter::addInfer(const std::string &logits) {
  onnx::ModelProto inferModel = model;
  auto *outputs = inferModel.mutable_graph()->mutable_output();
  for (int i = outputs->size(); i-- > 0;)
    if (outputs->Get(i).name() != logits)
      outputs->DeleteSubrange(i, 1);
  llvm::StringMap<InputRole> inferRoles;
  for (const auto &role : roles)
    if (role.second != InputRole::Labels)
      inferRoles[role.first()] = role.second;
  ImportONNXOptions one = options;
  one.batch = 1;
  ImportErrors inferErrors;
  GraphInputs inputs(graph(), inferRoles, one, &context, inferErrors);
  if (!inputs.isOpenTokens())
    return;
  FunctionImporter importer(inferModel, initializers, &context, inferErrors);
  std::vector<const onnx::NodeProto *> needed =
      orderNodes(inferModel.graph(), inferErrors);
  if (OwningOpRef<func::FuncOp> infer =
          importer.run(train::FunctionKind::infer, inputs, needed)) {
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
  restoreBiases(*file->model().mutable_graph());
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
