//===- SortIds.cu - Token ids in order ------------------------------------===//

#include "kernels/common/ids.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/library.h"

#include <cub/device/device_radix_sort.cuh>

namespace fp8c::library {

/// What is sorted: the rows that ids name, and their positions.
static __global__ void prepare(const int64_t *ids, int64_t *row_ids,
                               int32_t *positions, int64_t n, int64_t rows) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  row_ids[i] = row_of(ids[i], rows);
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
  const uint64_t needed =
      2 * ids_bytes + 2 * positions_bytes + aligned(temporary);
  unsigned char *base = stream.workspace<unsigned char>(needed);
  if (stream.planning())
    return {nullptr, nullptr, needed};
  auto *sorted = reinterpret_cast<int64_t *>(base);
  base += ids_bytes;
  auto *row_ids = reinterpret_cast<int64_t *>(base);
  auto *unsorted = reinterpret_cast<int32_t *>(base + ids_bytes);
  auto *positions =
      reinterpret_cast<int32_t *>(base + ids_bytes + positions_bytes);
  detail::launch(stream, prepare, detail::blocks_for(n, 256), 256, 0, ids,
                 row_ids, unsorted, n, rows);
  check(cub::DeviceRadixSort::SortPairs(
            base + ids_bytes + 2 * positions_bytes, temporary,
            static_cast<const int64_t *>(row_ids), sorted,
            static_cast<const int32_t *>(unsorted), positions, n, 0, bits,
            stream.handle()),
        "cannot sort ids");
  return {sorted, positions, needed};
}

} // namespace fp8c::library
