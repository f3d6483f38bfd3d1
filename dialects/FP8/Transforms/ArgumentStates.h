//===- ArgumentStates.h - Scale states as arguments and results -*- C++ -*-===//

#ifndef FP8_TRANSFORMS_ARGUMENTSTATES_H
#define FP8_TRANSFORMS_ARGUMENTSTATES_H

#include "FP8/Transforms/FunctionScaler.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace fp8c::fp8 {

/// Gives a function an argument and a result for each of its sites, behind
/// those that it has. A site inside of loops is carried by them, so that every
/// iteration is a step: it scales by the state that it is given, and passes on
/// one that has recorded what it saw and advanced.
class ArgumentStates : public ScaleStateProvider {
public:
  /// `function` is one that they `fit`.
  explicit ArgumentStates(mlir::FunctionOpInterface function)
      : function(function) {}

  /// Can a function have more arguments and results? Not if its type is no
  /// FunctionType, or if it ends otherwise than by returning its results.
  static bool fit(mlir::FunctionOpInterface function);

  bool needsNames() const override { return false; }
  std::optional<std::string> getObstacle(mlir::Value value) const override;
  ScaleSite *getSite(llvm::StringRef name, OperandAttr operand,
                     mlir::Value value, std::string &obstacle) override;
  bool reaches(const ScaleSite &site, mlir::Value value) const override;
  void prepare() override;
  mlir::Value read(mlir::OpBuilder &, ScaleSite &site,
                   mlir::Operation *) override;
  void keep(ScaleSite &site, mlir::Value state, QuantizeOp quantize,
            mlir::Operation *consumer) override;

  /// Comes last: lets the function return what it has kept. An error at the
  /// function if its own verifier refuses that; the module is not to be used
  /// then.
  mlir::LogicalResult returnStates();

private:
  struct Site : ScaleSite {
    /// Of the function, and of the innermost loop if there is one.
    mlir::Value argument, state;
    /// What is to be returned.
    mlir::Value result;
    /// The loops around it, innermost first, until they are replaced.
    llvm::SmallVector<mlir::Operation *> loops;
  };
  llvm::SmallVector<mlir::Type> getTypes();
  llvm::SmallVector<mlir::DictionaryAttr> getAttrs();
  void carry(mlir::LoopLikeOpInterface loop, llvm::ArrayRef<Site *> carried);

  mlir::FunctionOpInterface function;
  llvm::SmallVector<std::unique_ptr<Site>> sites;
};

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_ARGUMENTSTATES_H
