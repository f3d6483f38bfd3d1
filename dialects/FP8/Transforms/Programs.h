//===- Programs.h - Dialects that keep whole training programs -*- C++ -*-===//
//
// The FP8 passes know products, formats and scales. What variables a program
// has, which function runs when, and where scale states are from step to step
// is a dialect's business: one that has such programs says it by
// ProgramDialectInterface. Functions of other modules are lowered one by one,
// and have their states as arguments and results.
//
//===----------------------------------------------------------------------===//

#ifndef FP8_TRANSFORMS_PROGRAMS_H
#define FP8_TRANSFORMS_PROGRAMS_H

#include "FP8/Transforms/Recipe.h"
#include "mlir/IR/DialectInterface.h"

namespace fp8c::fp8 {

/// What fp8-assign-precision asks of a program, in program order.
class ProgramFacts {
public:
  virtual ~ProgramFacts() = default;

  /// Decides about variables, and writes it down on them. Comes first.
  virtual mlir::LogicalResult assignVariables() = 0;
  /// Sees every op before it is decided about.
  virtual void visit(mlir::Operation *op) = 0;
  /// Adds the names and the part of the model that rules may ask for.
  virtual void addTo(OpFacts &facts, mlir::Operation *op) = 0;
  /// The float type of a result about which no rule decides, and why; none if
  /// rules do.
  struct Format {
    mlir::Type type;
    std::string why;
  };
  virtual std::optional<Format> getFormat(mlir::OpResult result) = 0;
  /// Is the op in the function that runs most? Its products are counted.
  virtual bool isCounted(mlir::Operation *op) = 0;
};

/// A dialect of whole programs.
class ProgramDialectInterface
    : public mlir::DialectInterface::Base<ProgramDialectInterface> {
public:
  ProgramDialectInterface(mlir::Dialect *dialect) : Base(dialect) {}

  /// Is it a module that is one of the dialect's programs, or a function of
  /// one?
  virtual bool isProgram(mlir::Operation *root) const = 0;
  virtual std::unique_ptr<ProgramFacts>
  getFacts(mlir::ModuleOp module, RecipeEvaluator &evaluator) const = 0;
  /// fp8-insert-scaling of such a program, by FunctionScaler.
  virtual mlir::LogicalResult insertScaling(mlir::ModuleOp module) const = 0;
};

/// The dialect whose program `root` is, or is a function of; null if there is
/// none.
const ProgramDialectInterface *findProgramDialect(mlir::Operation *root);

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_PROGRAMS_H
