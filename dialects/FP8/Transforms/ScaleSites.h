//===- ScaleSites.h - Where delayed scaling keeps its statistics -*- C++ -*-==//

#ifndef FP8_TRANSFORMS_SCALESITES_H
#define FP8_TRANSFORMS_SCALESITES_H

#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace fp8c::fp8 {

/// A place where values are quantised with delayed scaling, and the variable of
/// its state.
struct ScaleSite {
  mlir::StringAttr name;
  train::VariableOp variable;
  OperandAttr operand;
};

/// All sites of a module, by name.
class ScaleSites {
public:
  explicit ScaleSites(mlir::ModuleOp module)
      : module(module), symbols(module) {}

  /// The site of that name, made if there is none. Null if there is one that
  /// scales differently.
  ScaleSite *getOrCreate(llvm::StringRef name, OperandAttr operand);
  /// Null if there is no such site.
  ScaleSite *lookup(llvm::StringRef name, OperandAttr operand) const;

  /// In the order in which they were made.
  auto getAll() {
    return llvm::map_range(
        sites, [](auto &entry) -> ScaleSite & { return *entry.second; });
  }

private:
  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::MapVector<mlir::StringAttr, std::unique_ptr<ScaleSite>> sites;
  train::VariableOp lastVariable;
};

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_SCALESITES_H
