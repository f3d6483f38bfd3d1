//===- ValueTable.h - What the names in a graph stand for -------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_VALUETABLE_H
#define FP8C_IMPORT_ONNX_VALUETABLE_H

#include "Import/ONNX/Initializers.h"
#include "llvm/ADT/DenseMap.h"

namespace fp8c {

/// Gives each op of the function its name and phase.
class OpNamer : public mlir::OpBuilder::Listener {
public:
  mlir::StringAttr getName() const { return name; }
  void notifyOperationInserted(mlir::Operation *op,
                               mlir::OpBuilder::InsertPoint) override;

  /// Ops have this name until the end of the scope.
  class Scope {
  public:
    Scope(OpNamer &namer, mlir::StringAttr name)
        : namer(namer), outer(namer.name) {
      namer.name = name;
    }
    ~Scope() { namer.name = outer; }

  private:
    OpNamer &namer;
    mlir::StringAttr outer;
  };

private:
  mlir::StringAttr name;
};

/// What is known of an ONNX value. `type` is null where its node could not be
/// imported; nodes that use it are passed over without a further error. It is
/// also null where the node could, but without this output: nothing may use it.
struct Datum {
  mlir::RankedTensorType type;
  /// Null as long as nothing needs a constant or a parameter as a value of the
  /// function.
  mlir::Value value = {};
  ConstantPtr constant = nullptr; ///< Its elements, where they are known.
  bool isLeftOut = false;

  /// Its node could not be imported, and the type is likely: with it the nodes
  /// behind are looked at, too.
  bool isGuess = false;

  /// Of a sequence of tensors; then there is no type.
  std::shared_ptr<const std::vector<Datum>> sequence = nullptr;
};

/// The values of one function. Parameters are read and constants become ops
/// where they are first used.
class ValueTable {
public:
  ValueTable(Initializers &initializers, mlir::OpBuilder &builder,
             OpNamer &namer)
      : initializers(initializers), builder(builder), namer(namer) {}

  /// Null if nothing has the name.
  const Datum *lookup(llvm::StringRef name);
  void set(llvm::StringRef name, Datum datum) {
    values[name] = std::move(datum);
  }

  /// Forgets a value of a branch that ends.
  void erase(llvm::StringRef name) { values.erase(name); }

  /// The value of the function; `name` must be known and not be poisoned.
  mlir::Value read(llvm::StringRef name);

  /// An `arith.constant`, one for equal ones. Where `name` is empty it has the
  /// name of the node that is being imported.
  mlir::Value constant(mlir::DenseElementsAttr attr, llvm::StringRef name = {});

private:
  mlir::Value readParameter(const Initializer &parameter);
  mlir::Value lookUpRows(const Initializer &parameter, mlir::Value table);

  Initializers &initializers;
  mlir::OpBuilder &builder;
  OpNamer &namer;
  llvm::StringMap<Datum> values;
  llvm::DenseMap<mlir::Attribute, mlir::Value> parameters; ///< by variable
  llvm::DenseMap<mlir::Attribute, mlir::Value> constants;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_VALUETABLE_H
