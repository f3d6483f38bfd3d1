//===- Names.cpp - Names of an ONNX file that a program can keep ----------===//

#include "Import/ONNX/Names.h"

#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace fp8c {

/// Of a parameter: gradient, moments, scales, statistics, and copies in other
/// formats ("e4m3t" is transposed), which have scales again.
static bool belongsToParameter(StringRef suffix) {
  StringRef word = suffix.split('.').first;
  if (llvm::is_contained(
          {"grad", "m", "v", "scale", "scale_inv", "amax", "clamps"}, word))
    return true;
  word.consume_back("t");
  return llvm::is_contained({"f32", "f16", "bf16", "e4m3", "e5m2"}, word);
}

/// Of a node: the scales of its operands.
static bool belongsToNode(StringRef suffix) {
  return suffix.ends_with(".scale") &&
         llvm::is_contained({"x", "w", "dy", "lhs", "rhs"},
                            suffix.split('.').first);
}

void checkNames(ModuleOp module, ImportErrors &errors) {
  llvm::StringSet<> nodes;
  module.walk([&](Operation *op) { nodes.insert(train::getName(op)); });
  auto check = [&](StringRef kind, StringRef name) {
    if (name == "__metadata__")
      errors.add(kind + " '" + name +
                 "' has the name of what safetensors files say about "
                 "themselves: rename it");
    for (size_t dot = name.find('.'); dot != StringRef::npos;
         dot = name.find('.', dot + 1)) {
      StringRef owner = name.take_front(dot), suffix = name.drop_front(dot + 1);
      bool isOfParameter = belongsToParameter(suffix) &&
                           module.lookupSymbol<train::VariableOp>(owner);
      if (isOfParameter || (belongsToNode(suffix) && nodes.contains(owner)))
        return errors.add(kind + " '" + name +
                          "' has a name that the compiler needs for " +
                          (isOfParameter ? "the parameter '" : "the node '") +
                          owner + "': rename it");
    }
  };
  for (auto variable : module.getOps<train::VariableOp>())
    check("parameter", variable.getSymName());
  auto nameOf = [](Attribute attribute) {
    auto name = dyn_cast_or_null<StringAttr>(attribute);
    return name ? name.getValue() : StringRef();
  };
  for (auto function : module.getOps<func::FuncOp>()) {
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      check("input", nameOf(function.getArgAttr(i, "train.name")));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      check("output", nameOf(function.getResultAttr(i, "train.name")));
  }
}

} // namespace fp8c
