//===- ScaleSites.h - Variables of scale states ----------------*- C++ -*-===//

#ifndef FP8_TRAINING_SCALESITES_H
#define FP8_TRAINING_SCALESITES_H

#include "FP8/Transforms/FunctionScaler.h"
#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace fp8c::fp8 {

/// A site whose state is a variable.
struct VariableSite : ScaleSite {
  train::VariableOp variable;
};

/// All sites of a module, by name.
class ScaleSites {
public:
  explicit ScaleSites(mlir::ModuleOp module)
      : module(module), symbols(module) {}

  /// The site of that name, made if there is none. Null if there is one that
  /// scales differently.
  VariableSite *getOrCreate(llvm::StringRef name, OperandAttr operand);
  /// Null if there is no such site.
  VariableSite *lookup(llvm::StringRef name, OperandAttr operand) const;

  /// In the order in which they were made.
  auto getAll() {
    return llvm::map_range(
        sites, [](auto &entry) -> VariableSite & { return *entry.second; });
  }

private:
  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::MapVector<mlir::StringAttr, std::unique_ptr<VariableSite>> sites;
  train::VariableOp lastVariable;
};

} // namespace fp8c::fp8

#endif // FP8_TRAINING_SCALESITES_H
