//===- safetensors.cpp - Fuzzes the reader of .safetensors files ----------===//

#include "core/Safetensors.h"
#include "Fuzz.h"

#include <algorithm>

using namespace fp8c;
using namespace fp8c::runtime;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string path =
      fuzz::folder().write("model.safetensors", fuzz::text(data, size));
  fuzz::mayRefuse([&] {
    SafetensorsReader reader(path);
    const unsigned char *first = nullptr, *last = nullptr;
    for (const auto &[name, tensor] : reader.tensors()) {
      for (int64_t extent : tensor.spec.shape)
        fuzz::require(extent >= 0, "no extent is negative");
      uint64_t bytes = tensor.spec.bytes();
      fuzz::require(bytes <= size, "a tensor is no larger than its file");
      first = first ? std::min(first, tensor.data) : tensor.data;
      last = std::max(last, tensor.data + bytes);
      fuzz::require(reader.find(tensor.spec) == tensor.data,
                    "a tensor is found by what it is");
    }
    fuzz::require(uint64_t(last - first) <= size, "tensors lie in the file");
    unsigned sum = 0;
    for (; first != last; ++first)
      sum += *first;
    static volatile unsigned sink;
    sink = sum;
  });
  return 0;
}
