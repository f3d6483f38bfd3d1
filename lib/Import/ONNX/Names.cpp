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

bool isOfFunction(StringRef name) {
  return train::symbolizeFunctionKind(name).has_value();
}

namespace {
/// The names that a module has.
class Names {
public:
  explicit Names(ModuleOp module) : symbols(module) {
    module.walk([&](Operation *op) { nodes.insert(train::getName(op)); });
  }

  /// Why nothing can be called so; empty if it can.
  std::string problemOf(StringRef name) const {
    if (name == "__metadata__")
      return "the name of what safetensors files say about themselves";
    for (size_t dot = name.find('.'); dot != StringRef::npos;
         dot = name.find('.', dot + 1)) {
      StringRef owner = name.take_front(dot), suffix = name.drop_front(dot + 1);
      bool isOfParameter = belongsToParameter(suffix) &&
                           symbols.lookup<train::VariableOp>(owner);
      if (isOfParameter || (belongsToNode(suffix) && nodes.contains(owner)))
        return ("a name that the compiler needs for " +
                Twine(isOfParameter ? "the parameter '" : "the node '") +
                owner + "'")
            .str();
    }
    return "";
  }

  void rename(train::VariableOp variable) {
    std::string name = variable.getSymName().str();
    // "w.m" is w_m where there is a parameter "w", and stays apart from it.
    llvm::replace(name, '.', '_');
    while (symbols.lookup(name) || !problemOf(name).empty())
      name += "_";
    if (!variable->hasAttr(train::kFileNameAttr))
      variable->setAttr(train::kFileNameAttr, variable.getSymNameAttr());
    if (failed(symbols.rename(variable, name)))
      llvm::report_fatal_error("variables are read within their module");
  }

private:
  SymbolTable symbols;
  llvm::StringSet<> nodes;
};
} // namespace

void resolveNames(ModuleOp module, ImportErrors &errors) {
  Names names(module);
  for (auto variable : llvm::to_vector(module.getOps<train::VariableOp>()))
    if (StringRef name = variable.getSymName(); !names.problemOf(name).empty())
      names.rename(variable);
  auto check = [&](StringRef kind, Attribute attribute) {
    auto name = dyn_cast_or_null<StringAttr>(attribute);
    std::string problem = name ? names.problemOf(name) : "";
    if (!problem.empty())
      errors.add(kind + " '" + name.getValue() + "' has " + problem +
                 ": rename it");
  };
  for (auto function : module.getOps<func::FuncOp>()) {
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      check("input", function.getArgAttr(i, train::kNameAttr));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      check("output", function.getResultAttr(i, train::kNameAttr));
  }
}

} // namespace fp8c
