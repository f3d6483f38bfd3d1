//===- TensorContent.h - What the elements of a tensor look like *- C++ -*-===//
//
// Where names and uses say nothing, the elements may: masks and tables of
// rotations look like nothing else.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_TENSORCONTENT_H
#define FP8C_IMPORT_ONNX_PARAMETERS_TENSORCONTENT_H

#include "Import/ONNX/Constant.h"

namespace fp8c {

/// Whether all elements are 0 or so negative (-1e4 and less) that an
/// exponential makes 0 of what they are added to.
bool isAdditiveMask(const Constant &constant);

/// Whether rows [..., positions, dim] hold cosines and sines of multiples of
/// each position, as rotary embeddings and the positions of the first
/// Transformer do (arXiv 1706.03762, section 3.5; 2104.09864, section 3.4).
bool isTableOfWaves(const Constant &constant);

/// Whether the elements grow by equal steps along the last dimension, as the
/// biases of ALiBi do (arXiv 2108.12409).
bool isLinear(const Constant &constant);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_TENSORCONTENT_H
