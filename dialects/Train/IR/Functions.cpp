//===- Functions.cpp - The functions of a program -------------------------===//

#include "Train/IR/Functions.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

std::optional<FunctionKind> train::getFunctionKind(Operation *function) {
  auto kind = function->getAttrOfType<FunctionKindAttr>(kFunctionAttr);
  return kind ? std::optional(kind.getValue()) : std::nullopt;
}

void train::setFunctionKind(func::FuncOp function, FunctionKind kind) {
  function.setName(stringifyFunctionKind(kind));
  function->setAttr(kFunctionAttr,
                    FunctionKindAttr::get(function.getContext(), kind));
}

func::FuncOp train::findFunction(ModuleOp module, FunctionKind kind) {
  for (auto function : module.getOps<func::FuncOp>())
    if (getFunctionKind(function) == kind)
      return function;
  return {};
}

FailureOr<func::FuncOp>
train::requireFunction(ModuleOp module, FunctionKind kind, StringRef whatToDo) {
  if (func::FuncOp function = findFunction(module, kind))
    return function;
  return module.emitError("needs a function with ")
         << kFunctionAttr << " = "
         << FunctionKindAttr::get(module.getContext(), kind) << ": "
         << whatToDo;
}

LogicalResult train::verifyAbsent(ModuleOp module, FunctionKind kind,
                                  StringRef question) {
  Operation *other = findFunction(module, kind);
  if (!other)
    other = module.lookupSymbol(stringifyFunctionKind(kind));
  if (!other)
    return success();
  return module.emitError("has a symbol @")
         << SymbolTable::getSymbolName(other).getValue()
         << " already: " << question;
}

bool train::isInFunction(Operation *op, FunctionKind kind) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  return function && getFunctionKind(function) == kind;
}

SmallVector<func::FuncOp> train::getFunctions(ModuleOp module) {
  return llvm::filter_to_vector(
      module.getOps<func::FuncOp>(),
      [](func::FuncOp function) { return function.getBody().hasOneBlock(); });
}

/// Would a pass of ours do something with the op?
static bool isOurs(Operation *op) {
  return isa<TrainDialect, fp8::FP8Dialect>(op->getDialect()) ||
         op->getName().getDialectNamespace() == "exec" ||
         isa<PrecisionOpInterface>(op) || fp8::getContraction(op);
}

void ProgramPass::runOnOperation() {
  for (auto function : getOperation().getOps<FunctionOpInterface>()) {
    Region &body = function.getFunctionBody();
    if (body.empty() || body.hasOneBlock())
      continue;
    WalkResult walked = body.walk([](Operation *op) {
      return isOurs(op) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walked.wasInterrupted()) {
      function->emitOpError("has ")
          << body.getBlocks().size() << " blocks, but " << getArgument()
          << " works on functions of one: turn branches into values, as "
             "arith.select";
      return signalPassFailure();
    }
  }
  runOnProgram();
}
