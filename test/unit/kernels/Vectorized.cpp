//===- Vectorized.cpp - One kernel per compilation ------------------------===//
//
// Not run, only compiled: a test per FUNCTOR fails unless the compiler reports
// that the element loop was vectorised. Losing that changes no result and costs
// a factor of ten, so nothing else would notice.
//
//===----------------------------------------------------------------------===//

#include "Functors.h"
#include "kernels/cpu/skeletons.h"

using namespace fp8c;
using namespace fp8c::test;

template <class X, float (*f)(X)> struct Apply {
  const float *x;
  float *y;
  template <class Chunk> void operator()(Chunk &c) const {
    c.each([&](auto i) { store(y, c.at(i), f(load(x, c.at(i)))); });
  }
};
struct Power {
  const float *x, *e;
  float *y;
  template <class Chunk> void operator()(Chunk &c) const {
    c.each([&](auto i) {
      store(y, c.at(i), pow(load(x, c.at(i)), load(e, c.at(i))));
    });
  }
};
struct CrossEntropyGrad {
  const bf16 *logits;
  const float *lse;
  const int64_t *labels;
  bf16 *d;
  template <class Row> void operator()(Row &row) const {
    const float l = load(lse, row.index);
    const int64_t label = load(labels, row.index);
    row.each([&](auto j) {
      const float p = exp(load(logits, row.at(j)) - l);
      store(d, row.at(j), p - select(j == label, 1.0f, 0.0f));
    });
  }
};

void kernel(const FUNCTOR &k, int64_t m, int64_t n) { SKELETON; }
