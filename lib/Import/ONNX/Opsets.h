//===- Opsets.h - Versions of operators, by domain --------------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_OPSETS_H
#define FP8C_IMPORT_ONNX_OPSETS_H

#include "llvm/ADT/StringRef.h"
#include <onnx/onnx_pb.h>

namespace fp8c {

/// ONNX's own domain is "", which models also write as "ai.onnx".
constexpr llvm::StringLiteral onnxDomain = "",
                              microsoftDomain = "com.microsoft";

/// The domain, in one spelling.
inline llvm::StringRef spellDomain(llvm::StringRef domain) {
  return domain == "ai.onnx" ? llvm::StringRef(onnxDomain) : domain;
}

using OpsetImports =
    google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>;

/// The version of a domain's operators that a model or a function imports; 0 if
/// none.
inline int64_t opsetOf(const OpsetImports &imports, llvm::StringRef domain) {
  for (const onnx::OperatorSetIdProto &import : imports)
    if (spellDomain(import.domain()) == spellDomain(domain))
      return import.version();
  return 0;
}

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_OPSETS_H
