//===- FunctionScaler.h - FP8 products of one function ---------*- C++ -*-===//

#ifndef FP8_TRANSFORMS_FUNCTIONSCALER_H
#define FP8_TRANSFORMS_FUNCTIONSCALER_H

#include "FP8/IR/Precision.h"
#include "FP8/Transforms/ValueRoles.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace fp8c::fp8 {

/// A place where values are quantised with delayed scaling, and what its
/// statistics are kept under. Providers derive from it.
struct ScaleSite {
  mlir::StringAttr name;
  OperandAttr operand;
};

/// Where the scale states of a function's sites are from step to step, and what
/// becomes of them in it.
class ScaleStateProvider {
public:
  virtual ~ScaleStateProvider() = default;

  /// Are sites told apart by the names of ops? Else ops without a name of their
  /// own have a number.
  virtual bool needsNames() const { return true; }
  /// Why no state can follow a value; none if one can.
  virtual std::optional<std::string> getObstacle(mlir::Value value) const = 0;
  /// The site of that name for `value`, made if there is none and the function
  /// may. An obstacle if it is there but scales otherwise.
  virtual ScaleSite *getSite(llvm::StringRef name, OperandAttr operand,
                             mlir::Value value, std::string &obstacle) = 0;
  /// May a value that is quantised elsewhere use the site's scale too?
  virtual bool reaches(const ScaleSite &, mlir::Value) const { return true; }
  /// Called once all sites are known, and nothing is built yet: block arguments
  /// may be replaced.
  virtual void prepare() {}
  /// The site's state, for an op that serves `consumer`.
  virtual mlir::Value read(mlir::OpBuilder &builder, ScaleSite &site,
                           mlir::Operation *consumer) = 0;
  /// Do scales come from the states? Else from values, to begin with.
  virtual bool scalesByState() const { return true; }
  /// Keeps the statistics of what `quantize` has quantised for `consumer`.
  virtual void keep(ScaleSite &site, mlir::Value state, QuantizeOp quantize,
                    mlir::Operation *consumer) = 0;
  /// Whether it has been said already why scales are current.
  virtual bool isSilent() const { return false; }
};

/// How contractions quantise what they scale currently, by "name gemm operand";
/// null where several of that name differ.
using CurrentUses = llvm::StringMap<mlir::Attribute>;

/// Makes the contractions of a function that fp8-assign-precision wants in FP8
/// fp8.matmul, and quantises what they read, each value once per format.
class FunctionScaler {
public:
  /// Without a provider all scales are current, and `whyCurrent` is remarked
  /// where they should not be.
  FunctionScaler(mlir::Operation *function, ScaleStateProvider *states,
                 llvm::StringRef whyCurrent = {})
      : function(function), states(states), whyCurrent(whyCurrent) {}

  mlir::LogicalResult run();
  const CurrentUses &getCurrentUses() const { return currentUses; }

private:
  /// What a contraction has of an operand.
  struct Use {
    /// What the site is called after the contraction's name: "x", "w" or "dy".
    llvm::StringRef suffix;
    /// Null with current scaling.
    ScaleSite *site = nullptr;
    /// Is it the first time that the site sees the value? What is computed anew
    /// was counted when it was computed first.
    bool isFirst = false;
  };
  struct Contraction {
    FP8ContractionOpInterface op;
    Use lhs, rhs;
  };
  struct Operand : Use {
    mlir::Value value;
    OperandAttr spec;
    llvm::SmallVector<int64_t> contracting;
  };
  void collect();
  void findSites();
  /// Fills in the site of a use that is delayed; `number` is that of the
  /// consumer among the contractions.
  void findSite(mlir::Operation *consumer, size_t number, OperandAttr spec,
                mlir::Value value, Use &use);
  mlir::LogicalResult lower(const Contraction &contraction);
  void noteUse(mlir::Operation *consumer, const Operand &operand,
               mlir::Value quantized);
  mlir::Value quantize(mlir::Operation *consumer, const Operand &operand);
  mlir::Value quantizeTiles(mlir::Operation *consumer, const Operand &operand);

  mlir::Operation *function;
  ScaleStateProvider *states;
  llvm::StringRef whyCurrent;
  ValueRoles roles;
  llvm::SmallVector<Contraction> contractions;
  /// Names that several forward contractions have, or several of another phase
  /// where names are not needed: no state could be told from another.
  llvm::StringSet<> ambiguous;
  /// Which site serves an operand, by the name that a site of its own would
  /// have. A value that backward computes anew finds the forward pass's scale
  /// this way.
  llvm::StringMap<ScaleSite *> siteOfOperand;
  /// By value, and the spec or, in tiles, the spec and what is contracted.
  llvm::DenseMap<mlir::Value,
                 llvm::SmallDenseMap<mlir::Attribute, mlir::Value, 2>>
      quantized;
  CurrentUses currentUses;
  bool saidNoState = false;
};

/// The key of a use among CurrentUses.
std::string getUseKey(llvm::StringRef name, llvm::StringRef gemm,
                      llvm::StringRef operand);

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_FUNCTIONSCALER_H
