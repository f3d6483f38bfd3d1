//===- shared_memory.h - What a block of threads can have -----------------===//
//
// One table for the kernels, which choose by it what fits, and for the
// compiler, which refuses what does not.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_SHARED_MEMORY_H
#define FP8C_KERNELS_COMMON_SHARED_MEMORY_H

#include <cstdint>

namespace fp8c {

/// A compute capability, as 890 for 8.9, and the bytes of shared memory that
/// one of its blocks can have (CUDA C++ Programming Guide, "Technical
/// Specifications per Compute Capability").
struct SharedMemory {
  int capability;
  int64_t bytes;
};

inline constexpr SharedMemory shared_memory[] = {
    {890, 99 * 1024}, {900, 227 * 1024}, {1000, 227 * 1024}, {1200, 99 * 1024}};

/// What kernels declare for themselves, at most: the rest is for launches.
inline constexpr int64_t declared_shared_bytes = 1024;

/// Bytes that a launch can ask for. Of a capability that is not in the table,
/// the one before it counts.
constexpr int64_t launch_shared_bytes(int capability) {
  int64_t bytes = shared_memory[0].bytes;
  for (const SharedMemory &entry : shared_memory)
    if (entry.capability <= capability)
      bytes = entry.bytes;
  return bytes - declared_shared_bytes;
}

/// Bytes from one row of a tile's codes to the next: columns of neighbouring
/// rows lie in different banks.
constexpr int64_t tile_pitch(int64_t cols) { return cols + 4; }

/// Rows whose codes `rows_tiled` gathers in shared memory at a time, of
/// `available` bytes: a sector of a column, or half of one where that does not
/// fit, which takes twice as long (measured on H100 at 1,600 columns).
constexpr int gathered_rows(int64_t cols, int copies, int64_t available) {
  return cols * copies <= 6400 && 32 * copies * tile_pitch(cols) <= available
             ? 32
             : 16;
}

/// Bytes that `rows_tiled` asks for, which may be more than are available.
constexpr int64_t rows_tiled_bytes(int64_t cols, int copies,
                                   int64_t available) {
  const int64_t codes =
      copies * gathered_rows(cols, copies, available) * tile_pitch(cols);
  const int64_t sums = cols * int64_t(sizeof(float));
  return codes > sums ? codes : sums;
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_SHARED_MEMORY_H
