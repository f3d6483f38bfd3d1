//===- ImportErrors.h - What stands in the way of an import -----*- C++ -*-===//
//
// An import goes on after an error, so that all of them are reported at once.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_IMPORTERRORS_H
#define FP8C_IMPORT_ONNX_IMPORTERRORS_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/Twine.h"
#include <string>
#include <vector>

namespace fp8c {

class ImportErrors {
public:
  /// Something is wrong with the file or the request: a whole sentence.
  void add(const llvm::Twine &message);

  /// A node that means something sound which cannot be expressed.
  struct Unsupported {
    std::string op, domain, version, node, reason;
  };
  void add(Unsupported row);

  /// The first message; there must be one.
  const std::string &first() const { return messages.front(); }

  bool empty() const { return messages.empty() && rows.empty(); }

  /// Emits an error for each message and one, a table, for all unsupported
  /// nodes; each begins with `path`.
  void emit(mlir::MLIRContext *context, llvm::StringRef path) const;

private:
  std::string table() const;

  std::vector<std::string> messages;
  std::vector<Unsupported> rows;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_IMPORTERRORS_H
