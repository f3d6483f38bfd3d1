//===- SourceWriter.h - Writing one function of a program -------*- C++ -*-===//

#ifndef TARGET_SOURCE_SOURCEWRITER_H
#define TARGET_SOURCE_SOURCEWRITER_H

#include "Exec/IR/Exec.h"
#include "Target/Common/Names.h"
#include "llvm/ADT/MapVector.h"

namespace fp8c::target {

/// What constants are called. They stand outside of functions, each once,
/// however many functions use it.
using ConstantNames = llvm::MapVector<mlir::Attribute, std::string>;

/// What statements of a function are written with: names of buffers, comments,
/// the target's way to call its library.
class SourceWriter {
public:
  SourceWriter(bool isCUDA, const mlir::SymbolTable &symbols,
               const ConstantNames &constants, Scope names,
               llvm::raw_ostream &os);

  /// Starts what an op does: a comment with its name, which profiles show.
  void comment(mlir::Operation *op, const llvm::Twine &detail);
  /// Declares a variable for a buffer.
  void declare(mlir::Value value, llvm::StringRef name,
               const llvm::Twine &initializer);
  /// Makes an expression stand for a buffer.
  void set(mlir::Value value, std::string expression) {
    expressions[value] = std::move(expression);
  }
  /// A name that nothing else in the function has.
  std::string unique(llvm::StringRef name) { return scope.unique(name); }

  /// A pointer expression for a buffer.
  std::string use(mlir::Value value) const { return expressions.lookup(value); }
  /// The same for buffers, with commas.
  std::string list(mlir::ValueRange values) const;

  /// Writes a call of the library on an op's buffers, in their order, and after
  /// them `more`.
  void call(mlir::Operation *op, const llvm::Twine &more = "");

  const bool isCUDA;
  /// Begins the arguments of every library call.
  const llvm::StringRef first;
  const mlir::SymbolTable &symbols;
  const ConstantNames &constants;
  llvm::raw_ostream &os;

private:
  llvm::DenseMap<mlir::Value, std::string> expressions;
  Scope scope;
};

/// "true" or "false".
inline llvm::StringRef flag(bool value) { return value ? "true" : "false"; }

/// An argument that says whether to add to what is there.
inline llvm::StringRef getAccumulate(bool accumulate, bool unlessFirst) {
  return !accumulate ? "false" : unlessFirst ? "call->accumulate != 0" : "true";
}

/// Text of an array of `count` entries, one a line.
std::string getTable(size_t count,
                     llvm::function_ref<std::string(size_t)> entry);

} // namespace fp8c::target

#endif // TARGET_SOURCE_SOURCEWRITER_H
