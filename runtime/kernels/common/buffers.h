//===- buffers.h - Buffers of a program's memory --------------------------===//

#ifndef FP8C_KERNELS_COMMON_BUFFERS_H
#define FP8C_KERNELS_COMMON_BUFFERS_H

#include "kernels/common/scale_state.h"

namespace fp8c {

/// A buffer at an offset, in bytes, of a block of memory.
template <class T> T *at(unsigned char *block, int64_t offset) {
  return reinterpret_cast<T *>(block + offset);
}

/// The same buffer with elements of another type.
template <class T, class U> T *as(U *buffer) {
  return reinterpret_cast<T *>(buffer);
}

inline ScaleState *scale_state(float *words) { return as<ScaleState>(words); }
/// The statistics that a scale's state gathers.
inline Stats *pending_stats(float *state) {
  return &scale_state(state)->pending;
}
/// The inverse that stands with a scale, alone or in a state.
inline float *scale_inv(float *scale) { return scale + scale_inverse_word; }

/// sum += x for tensors, or sum = x: a gradient whose producer cannot add by
/// itself.
template <class X, class Sum> struct AccumulateKernel {
  const X *x;
  Sum *sum;
  bool accumulate;

  template <class Chunk> FP8C_DEVICE void operator()(Chunk &chunk) const {
    chunk.each([&](auto j) {
      const auto term = load(x, chunk.at(j));
      store(sum, chunk.at(j),
            accumulate ? load(sum, chunk.at(j)) + term : term);
    });
  }
};

template <class X, class Sum>
AccumulateKernel(const X *, Sum *, bool) -> AccumulateKernel<X, Sum>;
template <class X, class Sum>
AccumulateKernel(X *, Sum *, bool) -> AccumulateKernel<X, Sum>;

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_BUFFERS_H
