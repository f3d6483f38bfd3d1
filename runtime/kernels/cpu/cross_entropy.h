//===- cross_entropy.h - Softmax cross entropy with class labels ----------===//
//
//   loss = mean over counted rows of (lse - logits[label])
//   dlogits = dloss / count * (softmax(logits) - onehot(label))
//
// Rows whose label is `ignore_index` or negative do not count: no loss, zero
// gradient. With no row at all to count the loss is 0.
//
// `classes` is their number, or PaddedClasses where rows of logits, and of
// their gradients, are wider.
//
// Where nobody asks for the statistics, three functions do it with one pass
// over the logits: count_labels, cross_entropy_rows or, with the gradient,
// cross_entropy_fused (of all rows or of some at a time), mean_loss. They give
// the bits of the other two.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_CROSS_ENTROPY_H
#define FP8C_KERNELS_CPU_CROSS_ENTROPY_H

#include "kernels/common/class_row.h"
#include "kernels/common/ids.h"
#include "kernels/common/math.h"
#include "kernels/common/types.h"
#include "kernels/cpu/reduce.h"

#include <cassert>

namespace fp8c {
namespace detail {

/// In order and in double: one addition per row costs nothing.
inline float mean(double total, int64_t count) {
  return count ? float(total / double(count)) : 0.0f;
}
inline float inverse(int64_t count) {
  return count ? 1.0f / float(count) : 0.0f;
}

template <class T>
float row_loss(const T *x, float lse, int64_t label, int64_t classes) {
  assert(label < classes && "label is not a class");
  (void)classes;
  return lse - load(x, label);
}

/// dx may be x.
template <class T, class Out, class Row>
void cross_entropy_gradient(const T *x, float lse, int64_t label, float factor,
                            Out *dx, const Row &row) {
  const float at_label = exp_nonpositive(load(x, label) - lse);
#pragma GCC ivdep
  for (int64_t j = 0; j < row.classes; ++j)
    store(dx, j, exp_nonpositive(load(x, j) - lse) * factor);
  store(dx, label, (at_label - 1.0f) * factor);
  for (int64_t j = row.classes; j < row.width(); ++j)
    store(dx, j, 0.0f);
}

template <class T> float log_sum_exp(const T *x, int64_t n) {
  const float largest = reduce_max(0, n, [&](int64_t j) { return load(x, j); });
  const float total = reduce_sum(
      0, n, [&](int64_t j) { return exp_nonpositive(load(x, j) - largest); });
  return largest + log(total);
}

} // namespace detail

/// lse is saved per row and 1 / count once, for the backward pass.
template <class T, class Classes>
void cross_entropy(const T *logits, const int64_t *labels, float *loss,
                   float *lse, float *inv_count, int64_t rows, Classes classes,
                   int64_t ignore_index) {
  const auto row = detail::class_row(classes);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i)
    lse[i] = detail::log_sum_exp(logits + i * row.width(), row.classes);

  double total = 0.0;
  int64_t count = 0;
  for (int64_t i = 0; i < rows; ++i)
    if (detail::counts(labels[i], ignore_index)) {
      total += double(detail::row_loss(logits + i * row.width(), lse[i],
                                       labels[i], row.classes));
      ++count;
    }
  *loss = detail::mean(total, count);
  *inv_count = detail::inverse(count);
}

/// dlogits may be logits.
template <class T, class Out, class Classes>
void cross_entropy_backward(const T *logits, const int64_t *labels,
                            const float *lse, const float *inv_count,
                            const float *dloss, Out *dlogits, int64_t rows,
                            Classes classes, int64_t ignore_index) {
  const auto row = detail::class_row(classes);
  const float factor = *dloss * *inv_count;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T *x = logits + i * row.width();
    Out *dx = dlogits + i * row.width();
    if (!detail::counts(labels[i], ignore_index)) {
      for (int64_t j = 0; j < row.width(); ++j)
        store(dx, j, 0.0f);
      continue;
    }
    detail::cross_entropy_gradient(x, lse[i], labels[i], factor, dx, row);
  }
}

/// How many of the labels count.
inline void count_labels(const int64_t *labels, int64_t *count, int64_t rows,
                         int64_t ignore_index) {
  *count = 0;
  for (int64_t i = 0; i < rows; ++i)
    *count += detail::counts(labels[i], ignore_index);
}

/// The loss of each row; 0 if its label does not count.
template <class T, class Classes>
void cross_entropy_rows(const T *logits, const int64_t *labels,
                        float *row_losses, int64_t rows, Classes classes,
                        int64_t ignore_index) {
  const auto row = detail::class_row(classes);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T *x = logits + i * row.width();
    row_losses[i] =
        detail::counts(labels[i], ignore_index)
            ? detail::row_loss(x, detail::log_sum_exp(x, row.classes),
                               labels[i], row.classes)
            : 0.0f;
  }
}

/// The same, and dlogits, which may be logits. `count` is of all rows of the
/// batch, of which these may be some.
template <class T, class Out, class Classes>
void cross_entropy_fused(const T *logits, const int64_t *labels,
                         const int64_t *count, const float *dloss,
                         float *row_losses, Out *dlogits, int64_t rows,
                         Classes classes, int64_t ignore_index) {
  const auto row = detail::class_row(classes);
  const float factor = *dloss * detail::inverse(*count);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; ++i) {
    const T *x = logits + i * row.width();
    Out *dx = dlogits + i * row.width();
    if (!detail::counts(labels[i], ignore_index)) {
      row_losses[i] = 0.0f;
      for (int64_t j = 0; j < row.width(); ++j)
        store(dx, j, 0.0f);
      continue;
    }
    const float lse = detail::log_sum_exp(x, row.classes);
    row_losses[i] = detail::row_loss(x, lse, labels[i], row.classes);
    detail::cross_entropy_gradient(x, lse, labels[i], factor, dx, row);
  }
}

/// The mean over the rows that count.
inline void mean_loss(const float *row_losses, const int64_t *count,
                      float *loss, int64_t rows) {
  double total = 0.0;
  for (int64_t i = 0; i < rows; ++i)
    total += double(row_losses[i]);
  *loss = detail::mean(total, *count);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_CROSS_ENTROPY_H
