//===- TiedMatrices.h - Matrices that are one parameter ---------*- C++ -*-===//
//
// A model whose head is its table of tokens has the matrix once. Exporters
// write it twice, the second time transposed: trained as two, they would drift
// apart.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_TIEDMATRICES_H
#define FP8C_IMPORT_ONNX_PARAMETERS_TIEDMATRICES_H

#include "Import/ONNX/ONNXFile.h"
#include <vector>

namespace fp8c {

/// That a matrix has the elements of an earlier one.
struct Tie {
  size_t matrix, of; ///< Places in the list.
  bool isTransposed;
};

/// Which matrices of the list equal an earlier one to the bit, as they are or
/// transposed. Matrices of one repeated element are never tied. Reads whole
/// tensors only where two of one size agree in a sample of their elements.
std::vector<Tie> findTied(const ONNXFile &file,
                          const std::vector<const onnx::TensorProto *> &list);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_TIEDMATRICES_H
