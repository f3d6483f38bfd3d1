//===- LossTest.cu - Rows of logits that are wider than their classes -----===//
//
// What pads a row has no part in its loss, whatever stands there, and gets a
// gradient of zero. Widths take every way that there is: rows that stream
// through shared memory, that are kept there, and that are read twice.
//
//===----------------------------------------------------------------------===//

#include "kernels/cuda/cross_entropy.cuh"

#include <gtest/gtest.h>

using namespace fp8c;

namespace {

template <class T> struct Managed {
  T *data = nullptr;
  explicit Managed(size_t count) {
    check(cudaMallocManaged(&data, count * sizeof(T)), "no memory");
  }
  ~Managed() { cudaFree(data); }
  T &operator[](size_t i) { return data[i]; }
};

constexpr int64_t rows = 5, ignored = -100;

/// Logits as the rows of a matrix `width` wide; garbage behind `classes`.
template <class T> void fill(Managed<T> &x, int64_t classes, int64_t width) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < width; ++j)
      x[i * width + j] = from_float<T>(
          j < classes ? float((i * 7919 + j * 104729) % 1009) / 101.0f - 5.0f
          : j % 3     ? 1e30f
                      : NAN);
}

template <class T, class Out> void check_rows(int64_t classes, int64_t width) {
  Managed<T> narrow(rows * classes), wide(rows * width);
  Managed<Out> d_narrow(rows * classes), d_wide(rows * width);
  Managed<float> losses(rows), padded_losses(rows), dloss(1);
  Managed<int64_t> labels(rows), count(1);
  fill(narrow, classes, classes);
  fill(wide, classes, width);
  for (int64_t i = 0; i < rows; ++i)
    labels[i] = i == 2 ? ignored : (i * 31) % classes;
  labels[rows - 1] = classes - 1;
  *dloss.data = 2.0f;

  CudaContext context{};
  Fp8cCall call{};
  call.device = &context;
  const Stream stream(&call);
  count_labels(stream, labels.data, count.data, rows, ignored);
  cross_entropy_fused(stream, narrow.data, labels.data, count.data, dloss.data,
                      losses.data, d_narrow.data, rows, classes, ignored);
  cross_entropy_fused(stream, wide.data, labels.data, count.data, dloss.data,
                      padded_losses.data, d_wide.data, rows,
                      PaddedClasses{classes, width}, ignored);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_NEAR(padded_losses[i], losses[i], 1e-5f * (1 + losses[i])) << i;
    for (int64_t j = 0; j < width; ++j) {
      const float d = load(d_wide.data, i * width + j);
      if (j >= classes)
        ASSERT_EQ(d, 0.0f) << i << ", " << j;
      else // the log-sum-exp adds in another order
        ASSERT_NEAR(d, load(d_narrow.data, i * classes + j),
                    1e-6f + (sizeof(Out) == 2 ? 4e-3f : 0.0f))
            << i << ", " << j;
    }
  }
  cross_entropy_rows(stream, wide.data, labels.data, losses.data, rows,
                     PaddedClasses{classes, width}, ignored);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  for (int64_t i = 0; i < rows; ++i)
    EXPECT_NEAR(padded_losses[i], losses[i], 1e-5f * (1 + losses[i])) << i;
}

TEST(PaddedLoss, Streams) {
  check_rows<bf16, bf16>(257, 384);
  check_rows<bf16, bf16>(50257, 50304);
}
TEST(PaddedLoss, KeepsRows) { check_rows<bf16, float>(50257, 50304); }
TEST(PaddedLoss, ReadsRowsTwice) {
  check_rows<bf16, float>(100001, 100096);
  check_rows<bf16, bf16>(100001, 100096);
}
/// Most threads have padding only.
TEST(PaddedLoss, OfFewClasses) { check_rows<bf16, bf16>(3, 8192); }

} // namespace
