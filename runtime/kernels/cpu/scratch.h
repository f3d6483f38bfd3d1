//===- scratch.h - Memory of one thread for one kernel --------------------===//
//
// Kernels that need temporary matrices take them from a buffer that belongs to
// the thread and outlives the call: mapping fresh pages in every call would
// cost more than the arithmetic.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_SCRATCH_H
#define FP8C_KERNELS_CPU_SCRATCH_H

#include <memory>
#include <stdint.h>
#include <vector>

namespace fp8c {
namespace detail {

/// Hands out float arrays, 64-byte aligned and uninitialised, that are valid
/// until it goes out of scope. Scopes nest like the calls of a thread.
class Scratch {
public:
  Scratch() : outer(pool().used) {}
  ~Scratch() { pool().used = outer; }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;

  float *take(int64_t floats) {
    Pool &p = pool();
    if (p.used == p.slots.size())
      p.slots.emplace_back();
    Slot &slot = p.slots[p.used++];
    const int64_t lines = (floats + 15) / 16;
    if (slot.lines < lines) {
      slot.memory.reset(new Line[size_t(lines)]);
      slot.lines = lines;
    }
    return slot.memory[0].floats;
  }

private:
  struct alignas(64) Line {
    float floats[16];
  };
  struct Slot {
    std::unique_ptr<Line[]> memory;
    int64_t lines = 0;
  };
  struct Pool {
    std::vector<Slot> slots;
    size_t used = 0;
  };
  static Pool &pool() {
    thread_local Pool instance;
    return instance;
  }
  size_t outer;
};

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_CPU_SCRATCH_H
