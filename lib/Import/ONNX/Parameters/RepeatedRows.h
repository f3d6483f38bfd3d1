//===- RepeatedRows.h - Tables that exporters have looked up ----*- C++ -*-===//
//
// An exporter that knows all ids looks the rows of a table up itself. What is
// left holds a row as often as the id came: trained as it stands, its copies
// would drift apart.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_REPEATEDROWS_H
#define FP8C_IMPORT_ONNX_PARAMETERS_REPEATEDROWS_H

#include "Import/ONNX/Constant.h"

namespace fp8c {

/// A tensor [S...] as rows of a table: along `axis` stand the elements of a
/// row, and `ids`, of the other dimensions, say which.
struct RepeatedRows {
  Constant table; ///< [rows, width], each row once, in order of appearance.
  Constant ids;   ///< i64
  int64_t axis;
};

/// The rows that the tensor repeats; none where it repeats none, or is one
/// element all over, which says nothing.
std::optional<RepeatedRows> findRepeatedRows(const Constant &tensor);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_REPEATEDROWS_H
