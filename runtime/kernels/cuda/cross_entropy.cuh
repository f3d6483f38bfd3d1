//===- cross_entropy.cuh - Softmax cross entropy with class labels --------===//
//
// See kernels/cpu/cross_entropy.h for what is computed.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_CROSS_ENTROPY_CUH
#define FP8C_KERNELS_CUDA_CROSS_ENTROPY_CUH

#include "kernels/cuda/cross_entropy_streamed.cuh"
#include "kernels/cuda/softmax.cuh"

namespace fp8c {
namespace detail {

template <int N, class T, class Row>
__global__ void cross_entropy_kernel(const T *logits, const int64_t *labels,
                                     float *lse, float *losses, Row row,
                                     int64_t ignore_index) {
  const int64_t i = blockIdx.x;
  const T *x = logits + i * row.width();
  const float row_lse = block_log_sum_exp<N>(x, row);
  if (threadIdx.x == 0) {
    const int64_t label = labels[i];
    if (lse)
      lse[i] = row_lse;
    losses[i] = counts(label, ignore_index) ? row_lse - load(x, label) : 0.0f;
  }
}

/// The mean of the losses, which are 0 for rows that do not count, in a fixed
/// order and in double.
static __global__ void mean_loss_kernel(const float *losses,
                                        const int64_t *count, float *loss,
                                        float *inv_count, int64_t rows) {
  double sum = 0.0;
  for (int64_t i = threadIdx.x; i < rows; i += 1024)
    sum += losses[i];
  sum = block_total<1024>(sum);
  if (threadIdx.x > 0)
    return;
  *loss = *count ? float(sum / double(*count)) : 0.0f;
  if (inv_count)
    *inv_count = *count ? 1.0f / float(*count) : 0.0f;
}

/// Two blocks fit into a multiprocessor of Hopper.
inline constexpr int64_t loss_shared_bytes =
    max_launch_bytes < 110 * 1024 ? max_launch_bytes : 110 * 1024;

/// Loss and gradient of a row; it is read from memory once if it fits into
/// shared memory (`Keep`).
template <int N, bool Keep, class T, class Out, class Row>
__global__ void __launch_bounds__(loss_threads)
    cross_entropy_fused_kernel(const T *logits, const int64_t *labels,
                               const int64_t *count, const float *dloss,
                               float *losses, Out *dlogits, Row row,
                               int64_t ignore_index) {
  extern __shared__ __align__(32) unsigned char shared[];
  const int64_t i = blockIdx.x, label = labels[i];
  const T *x = logits + i * row.width();
  Out *dx = dlogits + i * row.width();
  if (!counts(label, ignore_index)) {
    for (int64_t j = threadIdx.x * N; j < row.width(); j += loss_threads * N)
      store(dx, Position<N>::at(j), 0.0f);
    if (threadIdx.x == 0)
      losses[i] = 0.0f;
    return;
  }
  const float at_label = load(x, label); // before dx, which may be x
  T *kept = Keep ? reinterpret_cast<T *>(shared) : const_cast<T *>(x);
  Softmax s;
  for (int64_t j = threadIdx.x * N; j < row.width(); j += loss_threads * N) {
    if constexpr (N > 1) {
      const auto codes = load_codes<T, N>(x + j);
      if constexpr (Keep)
        *reinterpret_cast<Codes<T, N> *>(kept + j) = codes;
      s.add(masked(decode(codes), j, row));
    } else {
      s.add(masked(load(x, j), j, row));
    }
  }
  const float lse = s.reduce();
  if (threadIdx.x == 0)
    losses[i] = lse - at_label;
  const float factor = *dloss * (1.0f / float(*count));
  for (int64_t j = threadIdx.x * N; j < row.width(); j += loss_threads * N) {
    if constexpr (N > 1) {
      Codes<T, N> codes;
      if constexpr (Keep)
        codes = *reinterpret_cast<const Codes<T, N> *>(kept + j);
      else
        codes = load_codes<T, N>(x + j);
      store(dx, Index<N>{j},
            loss_gradient(
                Softmax::exponentials(masked(decode(codes), j, row), lse), j,
                label, factor));
    } else {
      store(
          dx, j,
          loss_gradient(Softmax::exponentials(masked(load(x, j), j, row), lse),
                        j, label, factor));
    }
  }
}

static __global__ void count_labels_kernel(const int64_t *labels,
                                           int64_t *count, int64_t rows,
                                           int64_t ignore_index) {
  int mine = 0;
  for (int64_t i = threadIdx.x; i < rows; i += blockDim.x)
    mine += counts(labels[i], ignore_index);
  __shared__ int sum;
  if (threadIdx.x == 0)
    sum = 0;
  __syncthreads();
  atomicAdd(&sum, mine);
  __syncthreads();
  if (threadIdx.x == 0)
    *count = sum;
}

template <int N, class T, class Out, class Row>
__global__ void
cross_entropy_backward_kernel(const T *logits, const int64_t *labels,
                              const float *lse, const float *inv_count,
                              const float *dloss, Out *dlogits, Row row,
                              int64_t ignore_index) {
  const int64_t i = blockIdx.x;
  const T *x = logits + i * row.width();
  Out *dx = dlogits + i * row.width();
  const int64_t label = labels[i];
  const bool count = counts(label, ignore_index);
  const float factor = count ? *dloss * *inv_count : 0.0f, row_lse = lse[i];
  for (int64_t j = threadIdx.x * N; j < row.width(); j += loss_threads * N) {
    const auto at = Position<N>::at(j);
    store(dx, at,
          loss_gradient(
              Softmax::exponentials(masked(load(x, at), j, row), row_lse), j,
              label, factor));
  }
}

} // namespace detail

/// How many of the labels count.
inline void count_labels(const Stream &stream, const int64_t *labels,
                         int64_t *count, int64_t rows, int64_t ignore_index) {
  detail::launch(stream, detail::count_labels_kernel, 1, 1024, 0, labels, count,
                 rows, ignore_index);
}

/// The mean over the rows that count.
inline void mean_loss(const Stream &stream, const float *row_losses,
                      const int64_t *count, float *loss, int64_t rows) {
  detail::launch(stream, detail::mean_loss_kernel, 1, 1024, 0, row_losses,
                 count, loss, static_cast<float *>(nullptr), rows);
}

/// The loss of each row; 0 if its label does not count. `lse` may be null.
template <class T, class Classes>
void cross_entropy_rows(const Stream &stream, const T *logits,
                        const int64_t *labels, float *row_losses, int64_t rows,
                        Classes classes, int64_t ignore_index,
                        float *lse = nullptr) {
  using namespace detail;
  const auto row = class_row(classes);
  using Row = std::remove_const_t<decltype(row)>;
  const auto kernel = row.width() % pack_size == 0
                          ? cross_entropy_kernel<pack_size, T, Row>
                          : cross_entropy_kernel<1, T, Row>;
  launch(stream, kernel, unsigned(rows), loss_threads, 0, logits, labels, lse,
         row_losses, row, ignore_index);
}

/// lse is saved per row and 1 / count once, for the backward pass.
template <class T, class Classes>
void cross_entropy(const Stream &stream, const T *logits, const int64_t *labels,
                   float *loss, float *lse, float *inv_count, int64_t rows,
                   Classes classes, int64_t ignore_index) {
  using namespace detail;
  auto *count = stream.workspace<int64_t>(16 + rows * sizeof(float));
  auto *losses = reinterpret_cast<float *>(count + 2);
  cross_entropy_rows(stream, logits, labels, losses, rows, classes,
                     ignore_index, lse);
  count_labels(stream, labels, count, rows, ignore_index);
  launch(stream, mean_loss_kernel, 1, 1024, 0,
         static_cast<const float *>(losses),
         static_cast<const int64_t *>(count), loss, inv_count, rows);
}

/// The loss of each row (0 if its label does not count) and dlogits, which may
/// be logits. `count` is of all rows of the batch, of which these may be some.
template <class T, class Out, class Classes>
void cross_entropy_fused(const Stream &stream, const T *logits,
                         const int64_t *labels, const int64_t *count,
                         const float *dloss, float *row_losses, Out *dlogits,
                         int64_t rows, Classes classes, int64_t ignore_index) {
  using namespace detail;
  const auto row = class_row(classes);
  using Row = std::remove_const_t<decltype(row)>;
  if constexpr (std::is_same_v<T, Out>)
    if (can_stream<T>(row.width())) {
      stream_cross_entropy(stream, logits, labels, count, dloss, row_losses,
                           dlogits, rows, row, ignore_index);
      return;
    }
  const int64_t bytes = row.width() * int64_t(sizeof(T));
  const bool keep = bytes <= loss_shared_bytes;
  const auto kernel =
      row.width() % pack_size
          ? cross_entropy_fused_kernel<1, false, T, Out, Row>
      : keep ? cross_entropy_fused_kernel<pack_size, true, T, Out, Row>
             : cross_entropy_fused_kernel<pack_size, false, T, Out, Row>;
  launch(stream, kernel, unsigned(rows), loss_threads,
         keep && row.width() % pack_size == 0 ? bytes : 0, logits, labels,
         count, dloss, row_losses, dlogits, row, ignore_index);
}

/// dlogits may be logits.
template <class T, class Out, class Classes>
void cross_entropy_backward(const Stream &stream, const T *logits,
                            const int64_t *labels, const float *lse,
                            const float *inv_count, const float *dloss,
                            Out *dlogits, int64_t rows, Classes classes,
                            int64_t ignore_index) {
  using namespace detail;
  const auto row = class_row(classes);
  using Row = std::remove_const_t<decltype(row)>;
  const auto kernel =
      row.width() % pack_size == 0
          ? cross_entropy_backward_kernel<pack_size, T, Out, Row>
          : cross_entropy_backward_kernel<1, T, Out, Row>;
  launch(stream, kernel, unsigned(rows), loss_threads, 0, logits, labels, lse,
         inv_count, dloss, dlogits, row, ignore_index);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_CROSS_ENTROPY_CUH
