//===- FunctionLowering.h - Where the results of a function go --*- C++ -*-===//
//
// What conversions of ops share: buffers of values, and the class that decides
// where results go.
//
//===----------------------------------------------------------------------===//

#ifndef CONVERSION_TRAINTOEXEC_FUNCTIONLOWERING_H
#define CONVERSION_TRAINTOEXEC_FUNCTIONLOWERING_H

#include "Conversion/TrainToExec/KernelBuilder.h"
#include "Conversion/TrainToExec/LoweringTable.h"
#include "Conversion/TrainToExec/Variables.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fp8c {

/// What the target's library cannot do, or can do besides.
struct LibraryFeatures {
  bool gemmWorkspace; ///< it multiplies f32 only: products need f32 copies
  bool gemmBias;      ///< a product can add a bias
};

/// The buffer of a value's data.
mlir::MemRefType getBufferType(mlir::Type type);
/// The buffer of a scale and its inverse.
mlir::MemRefType getScalePairType(mlir::MLIRContext *context);

/// Elements of a value's shape seen at other strides, from its first on.
mlir::MemRefType getStrided(mlir::MemRefType type,
                            llvm::ArrayRef<int64_t> shape,
                            llvm::ArrayRef<int64_t> strides);

class FunctionLowering {
public:
  FunctionLowering(mlir::func::FuncOp function, KernelBuilder &kernels,
                   const Variables &variables, const LoweringTable &table,
                   LibraryFeatures features)
      : kernels(kernels), features(features), builder(function),
        function(function), variables(variables), table(table) {}

  /// Lowers the function.
  mlir::LogicalResult run();
  /// Lowers an op, which may come before its turn.
  mlir::LogicalResult lower(mlir::Operation *op);

  // Ops of the lowered function.

  /// Creates an op that does what `origin` says, under its name.
  template <typename Op, typename... Arguments>
  Op create(mlir::Operation *origin, Arguments &&...arguments) {
    return train::createFor<Op>(builder, origin,
                                std::forward<Arguments>(arguments)...);
  }
  mlir::Value alloc(mlir::MemRefType type, mlir::Operation *origin,
                    llvm::StringRef name = "");
  mlir::Value view(mlir::Value source, mlir::MemRefType type,
                   int64_t offset = 0);

  // Buffers of values.

  mlir::Value buffer(mlir::Value value) const { return buffers.lookup(value); }
  void setBuffer(mlir::Value value, mlir::Value buffer) {
    buffers[value] = buffer;
  }
  /// The value's buffer, copied if it is a strided view.
  mlir::Value dense(mlir::Value value);
  /// The scale and inverse, or the inverses of all tiles, of a scaled value.
  mlir::Value scalePair(mlir::Value scaled) const {
    return pairs.lookup(scaled);
  }
  void setScalePair(mlir::Value scaled, mlir::Value pair) {
    pairs[scaled] = pair;
  }

  // Variables.

  mlir::Value getVariable(mlir::StringAttr name);
  train::Role getRole(mlir::StringAttr variable) const {
    return variables.lookup(variable).getRole();
  }
  mlir::MemRefType getVariableType(mlir::StringAttr variable) const {
    return variables.lookup(variable).getBufferType();
  }
  /// The scales of an FP8 variable.
  mlir::Value getScaleOf(mlir::StringAttr variable);
  /// Ops that read a variable.
  llvm::ArrayRef<mlir::Value> getReads(mlir::StringAttr variable) const;
  /// From here on what is read of the variable was stored with this pair: its
  /// own is the next one's already.
  void setPreviousPair(mlir::StringAttr variable, mlir::Value pair);
  mlir::Value getPreviousPair(mlir::StringAttr variable) const {
    return previousPairs.lookup(variable);
  }
  /// Statistics that are cleared where the scales are updated: what gathers
  /// them may do it in the variable.
  void setCleared(mlir::StringAttr variable) { cleared.insert(variable); }
  bool isCleared(mlir::StringAttr variable) const {
    return cleared.contains(variable);
  }
  /// Copies at the end of the function: reads of the target may follow.
  void copyAtExit(mlir::Value source, mlir::Value target) {
    copiesAtExit.push_back({source, target});
  }

  // Destinations.

  /// Where an op shall write a result: the variable it is assigned to, the
  /// function's result, its place in a concat, or a new temporary.
  mlir::Value destination(mlir::Value result, bool mayStride = false);
  /// Where a producer may add its result itself.
  struct Accumulator {
    mlir::Value variable; // null if nowhere
    Accumulation accumulation = Accumulation::Never;
    bool accumulates() const { return accumulation != Accumulation::Never; }
    bool unlessFirst() const {
      return accumulation == Accumulation::UnlessFirst;
    }
  };
  Accumulator accumulator(mlir::Value result);
  /// The accumulator's variable, or a destination.
  mlir::Value destination(mlir::Value result, const Accumulator &sum);
  /// Is the value a result of the function that its producer writes?
  bool isResult(mlir::Value value) const { return results.contains(value); }

  // Order.

  int64_t position(mlir::Operation *op) const { return positions.lookup(op); }
  /// Ops that another one does on the way.
  bool isDone(mlir::Operation *op) const { return done.contains(op); }
  /// False if it was done before.
  bool setDone(mlir::Operation *op) { return done.insert(op).second; }

  KernelBuilder &kernels;
  const LibraryFeatures features;
  mlir::OpBuilder builder;

private:
  mlir::Value getBuffer(exec::VariableOp variable);
  bool mayWriteInPlace(train::AssignOp assign, mlir::Value result);
  mlir::Value variableDestination(mlir::Value result);
  mlir::Value concatDestination(mlir::Value result);
  mlir::Value joinedDestination(mlir::Value result);
  mlir::LogicalResult verifyTypes();
  mlir::LogicalResult lowerReturn(mlir::func::ReturnOp op);
  void setSignature(mlir::Block &source);

  mlir::func::FuncOp function;
  const Variables &variables;
  const LoweringTable &table;
  llvm::DenseMap<mlir::Value, mlir::Value> buffers, pairs;
  /// Returned value -> the argument it is written to.
  llvm::DenseMap<mlir::Value, mlir::Value> results;
  llvm::DenseMap<mlir::Operation *, int64_t> positions;
  llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<mlir::Value>> reads;
  llvm::DenseMap<mlir::StringAttr, mlir::Value> variableBuffers, previousPairs;
  /// Of what a collective joins, the temporaries of a type.
  llvm::DenseMap<std::pair<mlir::Operation *, mlir::Type>, mlir::Value>
      joinedBuffers;
  llvm::DenseSet<mlir::StringAttr> cleared;
  llvm::DenseSet<mlir::Operation *> done;
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> copiesAtExit;
  mlir::Block *block = nullptr;
};

/// How a term is added to what `read`, or the terms before it, left.
Accumulation getAccumulation(train::AddOp add);

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return fp8::getShape(value.getType());
}

} // namespace fp8c

#endif // CONVERSION_TRAINTOEXEC_FUNCTIONLOWERING_H
