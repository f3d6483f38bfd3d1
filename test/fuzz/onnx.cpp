//===- onnx.cpp - Fuzzes the importer of ONNX models ----------------------===//
//
// The model's folder has a file for external data, w.bin: 64 KiB of f32 that
// are all different, as weights are.
//
//===----------------------------------------------------------------------===//

#include "Compiler.h"
#include "MutateMessage.h"

#include "Import/ONNX/ImportONNX.h"
#include <numeric>
#include <onnx/onnx_pb.h>

using namespace fp8c;

static std::string_view weights() {
  static const std::vector<float> values = [] {
    std::vector<float> some(1 << 14);
    std::iota(some.begin(), some.end(), -100.0f);
    return some;
  }();
  return {reinterpret_cast<const char *>(values.data()),
          values.size() * sizeof(float)};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const std::string external = fuzz::folder().write("w.bin", weights());
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
