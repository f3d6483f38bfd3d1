//===- LoweringTable.h - Conversions by op ----------------------*- C++ -*-===//

#ifndef CONVERSION_TRAINTOEXEC_LOWERINGTABLE_H
#define CONVERSION_TRAINTOEXEC_LOWERINGTABLE_H

#include "mlir/IR/Operation.h"
#include <functional>

namespace fp8c {

class FunctionLowering;

/// The error of an op that another pass should have changed.
llvm::LogicalResult emitNoLowering(mlir::Operation *op);

/// How each op becomes ops of the exec dialect.
class LoweringTable {
public:
  LoweringTable();

  /// `lower` converts ops of type `Op`.
  template <typename Op>
  void add(llvm::LogicalResult (*lower)(Op, FunctionLowering &)) {
    conversions[mlir::TypeID::get<Op>()] = [lower](mlir::Operation *op,
                                                   FunctionLowering &function) {
      return lower(llvm::cast<Op>(op), function);
    };
  }

  llvm::LogicalResult lower(mlir::Operation *op,
                            FunctionLowering &function) const;

private:
  using Conversion =
      std::function<llvm::LogicalResult(mlir::Operation *, FunctionLowering &)>;
  llvm::DenseMap<mlir::TypeID, Conversion> conversions;
};

void addCollectiveLowerings(LoweringTable &table);
void addFusionLowerings(LoweringTable &table);
void addLossLowerings(LoweringTable &table);
void addNetworkLowerings(LoweringTable &table);
void addProductLowerings(LoweringTable &table);
void addScaleLowerings(LoweringTable &table);
void addShapeLowerings(LoweringTable &table);
void addStateLowerings(LoweringTable &table);

} // namespace fp8c

#endif // CONVERSION_TRAINTOEXEC_LOWERINGTABLE_H
