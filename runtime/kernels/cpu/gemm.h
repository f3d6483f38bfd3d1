//===- gemm.h - Matrix products of any format -----------------------------===//
//
//   c = scale_inv_a * scale_inv_b * op(a) op(b) (+ c)
//
// All matrices are row-major. The products run in float (OpenBLAS): an operand
// in another format is widened first, which is exact. The scale of FP8 data is
// applied once, as the product's factor; scales of rows and blocks are applied
// as the operand is widened, which is exact for powers of two.
//
// Workspace, which the compiler plans into the arena: one dense float copy of
// each of a, b, c that is not float, in this order, each rounded up to 64
// bytes:
//
//   bytes(x) = x is float ? 0 : round_up(4 * copies(x) * rows(x) * cols(x), 64)
//   copies(x) = batch > 1 && stride_x == 0 ? 1 : batch
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_GEMM_H
#define FP8C_KERNELS_CPU_GEMM_H

#include "kernels/common/tiles.h"
#include "kernels/common/types.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/convert.h"

#include <algorithm>
#include <type_traits>

namespace fp8c {

/// c is m x n, op(a) is m x k, op(b) is k x n. With transpose_a, a is stored
/// k x m; with transpose_b, b is stored n x k. Strides are elements from one
/// matrix of a batch to the next (0: the same one for all), leading dimensions
/// elements from one row to the next (0: dense).
struct GemmShape {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;
  int64_t batch = 1, stride_a = 0, stride_b = 0, stride_c = 0;
  int64_t lda = 0, ldb = 0, ldc = 0;
  Granularity granularity_a = Granularity::tensor,
              granularity_b = Granularity::tensor;
};

namespace detail {

/// How one operand lies in memory.
struct Layout {
  int64_t rows, cols, copies, stride, ld;

  constexpr int64_t elements() const { return copies * rows * cols; }
};

constexpr Layout gemm_layout(int64_t rows, int64_t cols, int64_t batch,
                             int64_t stride, int64_t ld) {
  return {rows, cols, batch > 1 && stride == 0 ? 1 : batch, stride,
          ld ? ld : cols};
}

constexpr Layout layout_a(const GemmShape &s) {
  return s.transpose_a ? gemm_layout(s.k, s.m, s.batch, s.stride_a, s.lda)
                       : gemm_layout(s.m, s.k, s.batch, s.stride_a, s.lda);
}
constexpr Layout layout_b(const GemmShape &s) {
  return s.transpose_b ? gemm_layout(s.n, s.k, s.batch, s.stride_b, s.ldb)
                       : gemm_layout(s.k, s.n, s.batch, s.stride_b, s.ldb);
}
constexpr Layout layout_c(const GemmShape &s) {
  return gemm_layout(s.m, s.n, s.batch, s.stride_c, s.ldc);
}

template <class T> constexpr int64_t copy_bytes(const Layout &l) {
  return std::is_same<T, float>::value ? 0 : (4 * l.elements() + 63) / 64 * 64;
}

/// The matrices of one operand as float: in place, or widened into `copy`.
template <class T>
const float *widened(const T *x, Layout &layout, float *copy) {
  for (int64_t i = 0; i < layout.copies; ++i)
    convert_matrix(x + i * layout.stride, layout.ld,
                   copy + i * layout.rows * layout.cols, layout.cols,
                   layout.rows, layout.cols);
  layout.stride = layout.copies > 1 ? layout.rows * layout.cols : 0;
  layout.ld = layout.cols;
  return copy;
}
inline const float *widened(const float *x, Layout &, float *) { return x; }

/// The values of one matrix, scaled back.
template <class T>
const float *dequantized(const T *x, const TiledMatrix &m,
                         const float *scale_inv, float *copy) {
  const int64_t width =
      std::min(m.cols, m.tile_cols == 1 ? m.cols : m.tile_cols);
#pragma omp parallel for schedule(static) if (m.rows * m.cols >=               \
                                              parallel_threshold)
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j0 = 0; j0 < m.cols; j0 += width) {
      const T *from = x + i * m.cols + j0;
      float *to = copy + i * m.cols + j0;
      const float *inverse = scale_inv + m.scale_of(i, j0);
      const int64_t count = std::min(width, m.cols - j0);
      if (m.tile_cols == 1)
#pragma GCC ivdep
        for (int64_t j = 0; j < count; ++j)
          to[j] = load(from, j) * inverse[j];
      else
#pragma GCC ivdep
        for (int64_t j = 0; j < count; ++j)
          to[j] = load(from, j) * *inverse;
    }
  return copy;
}
/// Floats have no scales.
inline const float *dequantized(const float *x, const TiledMatrix &,
                                const float *, float *) {
  return x;
}

/// An operand as float, and what is left of its scale for the product's factor.
template <class T>
const float *widened(const T *x, Layout &layout, float *copy,
                     Granularity granularity, bool down, const float *scale_inv,
                     float &factor) {
  assert((granularity == Granularity::tensor || layout.ld == layout.cols) &&
         "tiled matrices are dense");
  if (granularity != Granularity::tensor)
    return dequantized(x, tiled(granularity, layout.rows, layout.cols, down),
                       scale_inv, copy);
  if (scale_inv)
    factor *= *scale_inv;
  return widened(x, layout, copy);
}

inline void sgemm_batch(const GemmShape &s, float alpha, const float *a,
                        const Layout &la, const float *b, const Layout &lb,
                        float beta, float *c, const Layout &lc) {
  const auto product = [&](int64_t i) {
    sgemm(s.transpose_a, s.transpose_b, s.m, s.n, s.k, alpha, a + i * la.stride,
          la.ld, b + i * lb.stride, lb.ld, beta, c + i * lc.stride, lc.ld);
  };
  if (s.batch == 1)
    return product(0);
  // Small products of a large batch: one thread each beats all threads on one.
  SingleThreadedBlas single;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < s.batch; ++i)
    product(i);
}

} // namespace detail

template <class A, class B, class C>
constexpr int64_t gemm_workspace_bytes(const GemmShape &s) {
  return detail::copy_bytes<A>(detail::layout_a(s)) +
         detail::copy_bytes<B>(detail::layout_b(s)) +
         detail::copy_bytes<C>(detail::layout_c(s));
}

template <class A, class B, class C>
void gemm(const GemmShape &s, const A *a, const B *b, C *c,
          bool accumulate = false, const float *scale_inv_a = nullptr,
          const float *scale_inv_b = nullptr, void *workspace = nullptr) {
  using namespace detail;
  assert((workspace || gemm_workspace_bytes<A, B, C>(s) == 0) &&
         "operands that are not float need a workspace");
  assert((s.batch == 1 || s.stride_c) && "the results of a batch overlap");
  assert((s.batch == 1 || (s.granularity_a == Granularity::tensor &&
                           s.granularity_b == Granularity::tensor)) &&
         "no batches of tiled matrices");
  float alpha = 1.0f;
  const float beta = accumulate ? 1.0f : 0.0f;

  Layout la = layout_a(s), lb = layout_b(s), lc = layout_c(s);
  char *copy_a = static_cast<char *>(workspace);
  char *copy_b = copy_a + copy_bytes<A>(la);
  char *copy_c = copy_b + copy_bytes<B>(lb);
  const float *fa = widened(a, la, reinterpret_cast<float *>(copy_a),
                            s.granularity_a, s.transpose_a, scale_inv_a, alpha);
  const float *fb =
      widened(b, lb, reinterpret_cast<float *>(copy_b), s.granularity_b,
              !s.transpose_b, scale_inv_b, alpha);

  if constexpr (std::is_same<C, float>::value) {
    sgemm_batch(s, alpha, fa, la, fb, lb, beta, c, lc);
  } else {
    float *fc = reinterpret_cast<float *>(copy_c);
    Layout dense = lc;
    dense.stride = s.m * s.n;
    dense.ld = s.n;
    if (accumulate) {
      Layout source = lc;
      widened(c, source, fc);
    }
    sgemm_batch(s, alpha, fa, la, fb, lb, beta, fc, dense);
    for (int64_t i = 0; i < s.batch; ++i)
      convert_matrix(fc + i * dense.stride, dense.ld, c + i * lc.stride, lc.ld,
                     s.m, s.n);
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_GEMM_H
