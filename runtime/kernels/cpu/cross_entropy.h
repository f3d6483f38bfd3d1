//===- cross_entropy.h - Softmax cross entropy with class labels ----------===//
//
//   loss = mean over counted rows of (lse - logits[label])
//   dlogits = dloss / count * (softmax(logits) - onehot(label))
//
// Rows whose label is `ignore_index` or negative do not count: no loss, zero
// gradient. With no row at all to count the loss is 0.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_CROSS_ENTROPY_H
#define FP8C_KERNELS_CPU_CROSS_ENTROPY_H

#include "kernels/common/math.h"
#include "kernels/common/types.h"
#include "kernels/cpu/reduce.h"

#include <cassert>

namespace fp8c {
namespace detail {

inline bool counts(int64_t label, int64_t ignore_index) {
  return label >= 0 && label != ignore_index;
}

template <class T> float log_sum_exp(const T *x, int64_t n) {
  const float largest = reduce_max(0, n, [&](int64_t j) { return load(x, j); });
  const float total = reduce_sum(
      0, n, [&](int64_t j) { return exp_nonpositive(load(x, j) - largest); });
  return largest + log(total);
}

} // namespace detail

/// lse is saved per row and 1 / count once, for the backward pass.
template <class T>
void cross_entropy(const T *logits, const int64_t *labels, float *loss,
                   float *lse, float *inv_count, int64_t rows, int64_t classes,
                   int64_t ignore_index) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i)
    lse[i] = detail::log_sum_exp(logits + i * classes, classes);

  // In order and in double: one addition per row costs nothing.
  double total = 0.0;
  int64_t count = 0;
  for (int64_t i = 0; i < rows; ++i)
    if (detail::counts(labels[i], ignore_index)) {
      assert(labels[i] < classes && "label is not a class");
      total += double(lse[i]) - double(load(logits, i * classes + labels[i]));
      ++count;
    }
  *loss = count ? float(total / double(count)) : 0.0f;
  *inv_count = count ? 1.0f / float(count) : 0.0f;
}

/// dlogits may be logits.
template <class T, class Out>
void cross_entropy_backward(const T *logits, const int64_t *labels,
                            const float *lse, const float *inv_count,
                            const float *dloss, Out *dlogits, int64_t rows,
                            int64_t classes, int64_t ignore_index) {
  const float factor = *dloss * *inv_count;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T *x = logits + i * classes;
    Out *dx = dlogits + i * classes;
    if (!detail::counts(labels[i], ignore_index)) {
      for (int64_t j = 0; j < classes; ++j)
        store(dx, j, 0.0f);
      continue;
    }
    const float row_lse = lse[i];
    const float at_label =
        detail::exp_nonpositive(load(x, labels[i]) - row_lse);
#pragma GCC ivdep
    for (int64_t j = 0; j < classes; ++j)
      store(dx, j, detail::exp_nonpositive(load(x, j) - row_lse) * factor);
    store(dx, labels[i], (at_label - 1.0f) * factor);
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_CROSS_ENTROPY_H
