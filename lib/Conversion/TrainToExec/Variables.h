//===- Variables.h - Variables at their offsets -----------------*- C++ -*-===//

#ifndef CONVERSION_TRAINTOEXEC_VARIABLES_H
#define CONVERSION_TRAINTOEXEC_VARIABLES_H

#include "Exec/IR/Exec.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// The variables of a lowered module.
class Variables {
public:
  /// Lowers the module's variables: they lie one after another, each FP8
  /// variable's scales behind it. Variables that are always assigned with one
  /// scale share a pair.
  explicit Variables(mlir::ModuleOp module);

  exec::VariableOp lookup(mlir::StringAttr name) const {
    return byName.lookup(name);
  }
  /// The variable with the scales of an FP8 variable.
  exec::VariableOp lookupScale(mlir::StringAttr variable) const {
    return scales.lookup(variable);
  }

private:
  exec::VariableOp create(train::VariableOp variable, llvm::StringRef name,
                          mlir::MemRefType type, train::Role role,
                          mlir::Attribute init, mlir::FlatSymbolRefAttr of);

  mlir::ModuleOp module;
  int64_t offset = 0;
  llvm::DenseMap<mlir::StringAttr, exec::VariableOp> byName, scales;
};

} // namespace fp8c

#endif // CONVERSION_TRAINTOEXEC_VARIABLES_H
