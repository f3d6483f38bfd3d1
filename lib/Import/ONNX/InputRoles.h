//===- InputRoles.h - What the inputs of a graph are for --------*- C++ -*-===//
//
// Names of inputs differ from exporter to exporter; what the graph does with
// them does not.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_INPUTROLES_H
#define FP8C_IMPORT_ONNX_INPUTROLES_H

#include "Import/ONNX/ImportErrors.h"
#include "Import/ONNX/ImportONNX.h"
#include "Import/ONNX/Parameters/GraphUses.h"

namespace fp8c {

enum class InputRole {
  Data,      ///< Something that only the caller knows.
  Tokens,    ///< Ids that choose rows of the table of tokens.
  Labels,    ///< What the graph's own loss compares with.
  Positions, ///< 0, 1, 2, ...
  Mask,      ///< Which tokens may be seen: all.
  Segments,  ///< Token types: 0.
  Past,      ///< Keys and values of earlier tokens: none.
  Flag       ///< A switch such as "use the cache": off.
};

/// As --input takes them, and for messages.
llvm::StringRef toString(InputRole role);
std::optional<InputRole> parseInputRole(llvm::StringRef text);

/// The role of each input that is no initializer, by name: as `options` ask, or
/// found out. Adds errors where a role is asked for that no input can have, and
/// where there would be two inputs of tokens.
llvm::StringMap<InputRole> findInputRoles(const onnx::GraphProto &graph,
                                          const GraphUses &uses,
                                          const ImportONNXOptions &options,
                                          ImportErrors &errors);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_INPUTROLES_H
