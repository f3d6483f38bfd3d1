//===- onnx.cpp - Fuzzes the importer of ONNX models ----------------------===//
//
// The model's folder has a file for external data, w.bin.
//
//===----------------------------------------------------------------------===//

#include "Compiler.h"
#include "MutateMessage.h"

#include "Import/ONNX/ImportONNX.h"
#include <onnx/onnx_pb.h>

using namespace fp8c;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const std::string external =
      fuzz::folder().write("w.bin", std::string(4096, '\0'));
  std::string path = fuzz::folder().write("m.onnx", fuzz::text(data, size));
  mlir::MLIRContext &context = fuzz::context();
  fuzz::Diagnostics diagnostics(context);
  ImportONNXOptions options;
  options.batch = 2;
  options.seq = 8;
  diagnostics.check(!importONNX(path, options, context));
  return 0;
}

/// Half of the changes are to bytes, half to the message that they hold.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  onnx::ModelProto model;
  if (seed % 2 && model.ParseFromArray(data, int(size)))
    return fuzz::mutateMessage(model, data, size, maxSize, seed / 2);
  return LLVMFuzzerMutate(data, size, maxSize);
}
