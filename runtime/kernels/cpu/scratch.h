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
    if (slot.floats < floats) {
      slot.memory.reset(new float[size_t(floats) + 16]);
      slot.floats = floats;
    }
    const uintptr_t address = reinterpret_cast<uintptr_t>(slot.memory.get());
    return reinterpret_cast<float *>((address + 63) & ~uintptr_t(63));
  }

private:
  struct Slot {
    std::unique_ptr<float[]> memory;
    int64_t floats = 0;
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
