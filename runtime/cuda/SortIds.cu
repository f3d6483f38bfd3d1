//===- SortIds.cu - Token ids in order ------------------------------------===//

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/library.h"

#include <cub/device/device_radix_sort.cuh>

namespace fp8c::library {

static __global__ void count_up(int32_t *positions, int64_t n) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n)
    positions[i] = int32_t(i);
}

SortedIds sort_ids(const Stream &stream, const int64_t *ids, int64_t n,
                   int64_t rows) {
  int bits = 1;
  while (int64_t(1) << bits < rows)
    ++bits;
  const auto aligned = [](uint64_t bytes) { return (bytes + 255) / 256 * 256; };
  const uint64_t ids_bytes = aligned(n * 8), positions_bytes = aligned(n * 4);
  size_t temporary = 0;
  check(cub::DeviceRadixSort::SortPairs(
            nullptr, temporary, ids, static_cast<int64_t *>(nullptr),
            static_cast<const int32_t *>(nullptr),
            static_cast<int32_t *>(nullptr), n, 0, bits, stream.handle()),
        "cannot sort ids");
  const uint64_t needed = ids_bytes + 2 * positions_bytes + temporary;
  unsigned char *base = stream.workspace<unsigned char>(needed);
  if (stream.planning())
    return {nullptr, nullptr};
  auto *sorted = reinterpret_cast<int64_t *>(base);
  auto *unsorted = reinterpret_cast<int32_t *>(base + ids_bytes);
  auto *positions =
      reinterpret_cast<int32_t *>(base + ids_bytes + positions_bytes);
  detail::launch(stream, count_up, detail::blocks_for(n, 256), 256, 0, unsorted,
                 n);
  check(cub::DeviceRadixSort::SortPairs(
            base + ids_bytes + 2 * positions_bytes, temporary, ids, sorted,
            static_cast<const int32_t *>(unsorted), positions, n, 0, bits,
            stream.handle()),
        "cannot sort ids");
  return {sorted, positions};
}

} // namespace fp8c::library
