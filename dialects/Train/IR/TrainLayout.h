//===- TrainLayout.h - What differs between processes -----------*- C++ -*-===//
//
// Processes along the data axis see other data: so do losses, gradients and
// amaxes differ, until a collective joins them. Weights, moments and scales
// must never: nothing would bring them together again.
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_IR_TRAINLAYOUT_H
#define TRAIN_IR_TRAINLAYOUT_H

#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fp8c::train {

/// What of a value differs between processes along `dp`.
struct Variation {
  /// Its elements or codes; of a scale state, what was recorded and not agreed
  /// on.
  bool value = false;
  /// Of a scaled tensor or a scale state, the scale.
  bool scale = false;

  bool any() const { return value || scale; }
  Variation operator|(Variation other) const {
    return {value || other.value, scale || other.scale};
  }
};

/// A data-flow analysis of the functions of a module: forward, an op at a time,
/// in the order in which functions run in a step.
class Layout {
public:
  explicit Layout(mlir::ModuleOp module);

  Variation get(mlir::Value value) const { return variations.lookup(value); }

  /// Emits an error for all that may not vary, but does, and the reverse.
  mlir::LogicalResult verify() const;

private:
  void visit(mlir::Block &block, std::optional<FunctionKind> kind);
  void visit(mlir::Operation *op, std::optional<FunctionKind> kind);
  Variation ofOperands(mlir::Operation *op) const;
  Variation ofRead(ReadOp read, std::optional<FunctionKind> kind) const;

  mlir::LogicalResult verify(mlir::Operation *op) const;
  mlir::LogicalResult verify(AssignOp assign) const;
  /// Tells where a value that varies comes from.
  mlir::InFlightDiagnostic explain(mlir::InFlightDiagnostic error,
                                   mlir::Value value) const;

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  bool hasLastMicro;
  mlir::DenseMap<mlir::Value, Variation> variations;
  /// Gradients that are sums of all processes once @update runs.
  mlir::DenseSet<mlir::StringAttr> summed;
};

} // namespace fp8c::train

#endif // TRAIN_IR_TRAINLAYOUT_H
