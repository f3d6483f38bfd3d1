//===- Functors.h - Fused kernels as the compiler prints them -------------===//
//
// Written the way emitted programs write them, these are the contract between
// the emitter and the skeletons. Tests check what they compute and that their
// loops are vectorised; benchmarks measure them.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_TEST_KERNELS_FUNCTORS_H
#define FP8C_TEST_KERNELS_FUNCTORS_H

#include "kernels/common/stats.h"

namespace fp8c {
namespace test {

/// A gradient and, by the way, its sum over blocks of rows: twice, the second
/// time of its squares.
template <class In, class Out> struct ScaleAndSum {
  const In *x;
  Out *y;
  float *sums, *squares;
  template <class Row> void operator()(Row &row) const {
    row.each([&](auto j) {
      const float t = load(x, row.at(j)) * 0.5f;
      store(y, row.at(j), t);
      row.partial_sum(Slot<0>{}, sums, j, t);
      row.partial_sum(Slot<1>{}, squares, j, t * t);
    });
  }
};

/// Quantised for two products that read it along different dimensions.
template <class In, class Q> struct QuantizeTranspose {
  const In *x;
  Q *q, *q_t;
  template <class Row> void operator()(Row &row) const {
    row.each([&](auto j) {
      const Q code = from_float<Q>(load(x, row.at(j)));
      store(q, row.at(j), code);
      row.store_transposed(q_t, j, code);
    });
  }
};

/// Forward of an MLP between its two products: the pre-activation is saved for
/// the backward pass, the activation is quantised for the second product.
template <class In, class Pre, class Q> struct BiasGeluQuantize {
  const In *fc;
  const float *bias, *scale;
  Pre *pre;
  Q *q;
  Stats *q_stats;
  template <class Row> void operator()(Row &row) const {
    Amax q_amax;
    const float s = load(scale, 0);
    row.each([&](auto j) {
      const float t0 = load(fc, row.at(j)) + load(bias, j);
      const Pre n1 = from_float<Pre>(t0);
      const float t1 = to_float(n1);
      const float t2 = 0.5f * t1 * (1.0f + erf(t1 * 0.707106769f));
      store(pre, row.at(j), n1);
      store(q, row.at(j), quantize<Q>(t2, s, q_amax));
    });
    row.commit(q_amax, q_stats);
  }
};

/// Its backward: the gradient through gelu, quantised.
template <class In, class Pre, class Q> struct GeluBackwardQuantize {
  const In *dy;
  const Pre *pre;
  const float *scale;
  Q *q;
  Stats *q_stats;
  template <class Chunk> void operator()(Chunk &c) const {
    Amax q_amax;
    const float s = load(scale, 0);
    c.each([&](auto i) {
      const float x = load(pre, c.at(i));
      const float cdf = 0.5f * (1.0f + erf(x * 0.707106769f));
      const float pdf = 0.398942292f * exp(-0.5f * x * x);
      const float dx = load(dy, c.at(i)) * (cdf + x * pdf);
      store(q, c.at(i), quantize<Q>(dx, s, q_amax));
    });
    c.commit(q_amax, q_stats);
  }
};

template <class T> struct Gelu {
  const T *x;
  T *y;
  template <class Chunk> void operator()(Chunk &c) const {
    c.each([&](auto i) {
      const float t = load(x, c.at(i));
      store(y, c.at(i), 0.5f * t * (1.0f + erf(t * 0.707106769f)));
    });
  }
};

template <class T> struct LayerNorm {
  const T *x;
  const float *gamma, *beta;
  T *y;
  float *mean_out, *rstd_out;
  float inv_cols;
  template <class Row> void operator()(Row &row) const {
    const float t0 = row.sum([&](auto j) { return load(x, row.at(j)); });
    const float mean = t0 * inv_cols;
    const float t1 = row.sum([&](auto j) {
      const float d = load(x, row.at(j)) - mean;
      return d * d;
    });
    const float rstd = rsqrt(t1 * inv_cols + 1e-5f);
    row.each([&](auto j) {
      store(y, row.at(j),
            (load(x, row.at(j)) - mean) * rstd * load(gamma, j) +
                load(beta, j));
    });
    store(mean_out, row.index, mean);
    store(rstd_out, row.index, rstd);
  }
};

template <class T> struct Softmax {
  const T *x;
  T *y;
  template <class Row> void operator()(Row &row) const {
    const float m = row.max([&](auto j) { return load(x, row.at(j)); });
    const float t =
        row.sum([&](auto j) { return exp(load(x, row.at(j)) - m); });
    const float inv = reciprocal(t);
    row.each([&](auto j) {
      store(y, row.at(j), exp(load(x, row.at(j)) - m) * inv);
    });
  }
};

/// Hyperparameters: lr, beta1, beta2, eps, weight decay, step, clip
/// coefficient. The compute weight is written in the same pass.
template <class W> struct AdamW {
  float *p, *m, *v, *g;
  W *w;
  const float *hyper, *scale;
  Stats *w_stats;
  template <class Chunk> void operator()(Chunk &c) const {
    Amax w_amax;
    const float lr = load(hyper, 0), beta1 = load(hyper, 1),
                beta2 = load(hyper, 2), eps = load(hyper, 3),
                decay = load(hyper, 4), step = load(hyper, 5),
                clip = load(hyper, 6), s = load(scale, 0);
    const float correct1 = reciprocal(1.0f - pow(beta1, step));
    const float correct2 = reciprocal(1.0f - pow(beta2, step));
    c.each([&](auto i) {
      const float grad = load(g, c.at(i)) * clip;
      const float m0 = load(m, c.at(i));
      const float v0 = load(v, c.at(i));
      const float p0 = load(p, c.at(i));
      const float m1 = beta1 * m0 + (1.0f - beta1) * grad;
      const float v1 = beta2 * v0 + (1.0f - beta2) * grad * grad;
      const float update = m1 * correct1 / (sqrt(v1 * correct2) + eps);
      const float p1 = p0 - lr * (update + decay * p0);
      // A negative coefficient: skip this step.
      const bool apply = clip >= 0.0f;
      store(m, c.at(i), select(apply, m1, m0));
      store(v, c.at(i), select(apply, v1, v0));
      store(p, c.at(i), select(apply, p1, p0));
      store(g, c.at(i), 0.0f);
      store(w, c.at(i), quantize<W>(select(apply, p1, p0), s, w_amax));
    });
    c.commit(w_amax, w_stats);
  }
};

template <class T, class Out> struct BiasGrad {
  const T *dy;
  Out *dbias;
  bool accumulate;
  template <class Block> void operator()(Block &b) const {
    b.sum(dbias, accumulate,
          [&](auto i, auto j) { return load(dy, b.at(i, j)); });
  }
};

struct SumSquares {
  const float *g;
  float operator()(int64_t i) const {
    const float x = load(g, i);
    return x * x;
  }
};

} // namespace test
} // namespace fp8c

#endif // FP8C_TEST_KERNELS_FUNCTORS_H
