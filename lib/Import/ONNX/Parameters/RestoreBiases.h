//===- RestoreBiases.h - Biases that an exporter has left out ---*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_RESTOREBIASES_H
#define FP8C_IMPORT_ONNX_PARAMETERS_RESTOREBIASES_H

#include <onnx/onnx_pb.h>

namespace fp8c {

/// PyTorch's exporter drops the bias of a Gemm where all of it is 0, as in a
/// model that was never trained. Where the file says that this was a parameter
/// the bias comes back, as an initializer of zeros.
void restoreBiases(onnx::GraphProto &graph);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_RESTOREBIASES_H
