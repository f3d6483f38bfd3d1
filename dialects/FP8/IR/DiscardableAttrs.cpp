//===- DiscardableAttrs.cpp - Which attributes a dialect knows ------------===//

#include "FP8/IR/DiscardableAttrs.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace fp8c;

/// "functions or arguments of functions"
static std::string describe(unsigned places) {
  static constexpr std::pair<AttrPlace, StringLiteral> words[] = {
      {OnOp, "ops"},
      {OnModule, "modules"},
      {OnFunction, "functions"},
      {OnVariable, "variables"},
      {OnArgument, "arguments of functions"},
      {OnResult, "results of functions"}};
  SmallVector<StringRef> parts;
  for (auto [place, word] : words)
    if (places & place)
      parts.push_back(word);
  return llvm::join(parts, " or ");
}

/// `places` are those that the attribute is in.
static LogicalResult verify(function_ref<InFlightDiagnostic()> error,
                            unsigned places, NamedAttribute attr,
                            ArrayRef<KnownAttr> known) {
  auto row = llvm::find_if(known, [&](const KnownAttr &candidate) {
    return candidate.name == attr.getName().getValue();
  });
  if (row == known.end()) {
    InFlightDiagnostic diagnostic = error();
    diagnostic << "has an attribute " << attr.getName()
               << " that the dialect does not know; there are ";
    llvm::interleaveComma(known, diagnostic, [&](const KnownAttr &candidate) {
      diagnostic << candidate.name;
    });
    return diagnostic;
  }
  if (!(places & row->places))
    return error() << "has the attribute " << attr.getName()
                   << ", which stands on " << describe(row->places) << " only";
  if (!row->isOfType(attr.getValue()))
    return error() << "attribute " << attr.getName() << " must be " << row->type
                   << ", but is " << attr.getValue();
  return success();
}

bool fp8c::isVariable(Operation *op) {
  return isa<SymbolOpInterface>(op) && !isa<ModuleOp, FunctionOpInterface>(op);
}

LogicalResult fp8c::verifyOperationAttr(Operation *op, NamedAttribute attr,
                                        ArrayRef<KnownAttr> known) {
  unsigned place = OnOp;
  if (isa<ModuleOp>(op))
    place |= OnModule;
  else if (isa<FunctionOpInterface>(op))
    place |= OnFunction;
  else if (isVariable(op))
    place |= OnVariable;
  return verify([&] { return op->emitOpError(); }, place, attr, known);
}

LogicalResult fp8c::verifySignatureAttr(Operation *op, AttrPlace place,
                                        unsigned index, NamedAttribute attr,
                                        ArrayRef<KnownAttr> known) {
  auto error = [&] {
    return op->emitOpError(place == OnArgument ? "argument " : "result ")
           << index << " ";
  };
  return verify(error, place, attr, known);
}
