//===- Pattern.cu - Memory with numbers in it -----------------------------===//

#include "cuda/Pattern.h"

namespace fp8c::library {

static __global__ void pattern_kernel(uint32_t *words, uint64_t n) {
  const uint64_t step = uint64_t(gridDim.x) * blockDim.x;
  for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += step) {
    uint32_t x = uint32_t(i) * 0x9e3779b9u + 0x7f4a7c15u;
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    // Of every byte: the sign stays, the highest exponent bit goes.
    words[i] = (x ^ (x >> 16)) & 0xbfbfbfbfu;
  }
}

void fill_pattern(cudaStream_t stream, unsigned char *memory, uint64_t bytes) {
  if (bytes >= 4)
    pattern_kernel<<<4096, 256, 0, stream>>>(
        reinterpret_cast<uint32_t *>(memory), bytes / 4);
}

} // namespace fp8c::library
