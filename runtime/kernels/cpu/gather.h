//===- gather.h - Elements of rows by number ------------------------------===//

#ifndef FP8C_KERNELS_CPU_GATHER_H
#define FP8C_KERNELS_CPU_GATHER_H

#include "kernels/common/ids.h"
#include "kernels/common/integers.h"
#include "kernels/common/types.h"
#include "kernels/cpu/parallel.h"

#include <vector>

namespace fp8c {

/// out[i, j] = data[i, indices[i, j]] for rows of `width` elements, of which
/// `count` are asked for. NaN where an index names no element.
template <class T, class Out>
void gather_elements(const T *data, const int64_t *indices, Out *out,
                     int64_t rows, int64_t count, int64_t width) {
  const int64_t n = rows * count;
#pragma omp parallel for schedule(static) if (n >= parallel_threshold)
  for (int64_t i = 0; i < n; ++i)
    store(out, i,
          detail::element_of(data + i / count * width, indices[i], width));
}

/// ddata[i, k] = the sum of dy[i, j] over j, in order, with indices[i, j] = k.
template <class T, class Out>
void gather_elements_backward(const T *dy, const int64_t *indices, Out *ddata,
                              int64_t rows, int64_t count, int64_t width) {
#pragma omp parallel if (rows * (width + count) >= parallel_threshold)
  {
    std::vector<float> sums(width);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < rows; ++i) {
      for (float &sum : sums)
        sum = 0.0f;
      for (int64_t j = i * count; j < (i + 1) * count; ++j)
        if (detail::names_row(indices[j], width))
          sums[row_of(indices[j], width)] += load(dy, j);
      for (int64_t k = 0; k < width; ++k)
        store(ddata, i * width + k, sums[k]);
    }
  }
}

/// out[i] = the sum of row i, of integers.
template <class T>
void sum_rows(const T *x, T *out, int64_t rows, int64_t cols) {
#pragma omp parallel for schedule(static) if (rows * cols >= parallel_threshold)
  for (int64_t i = 0; i < rows; ++i) {
    T sum = 0;
    for (int64_t j = 0; j < cols; ++j)
      sum = add(sum, x[i * cols + j]);
    out[i] = sum;
  }
}

/// out[i] = the largest integer of row i.
template <class T>
void max_rows(const T *x, T *out, int64_t rows, int64_t cols) {
#pragma omp parallel for schedule(static) if (rows * cols >= parallel_threshold)
  for (int64_t i = 0; i < rows; ++i) {
    T most = detail::smallest_integer<T>();
    for (int64_t j = 0; j < cols; ++j)
      most = larger(most, x[i * cols + j]);
    out[i] = most;
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_GATHER_H
