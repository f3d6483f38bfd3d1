//===- SkeletonsTest.cpp - Fused kernels against plain loops --------------===//
//===----------------------------------------------------------------------===//

#include "kernels/cpu/skeletons.h"
#include "Functors.h"
#include "TestData.h"

using namespace fp8c;
using namespace fp8c::test;

namespace {

TEST(Rows, BiasGeluQuantize) {
  // An odd width, so that vector loops have remainders.
  const int64_t n = 70, cols = 333;
  auto fc = random_values<bf16>(n * cols, 1, 2.0f);
  const auto bias = random_values<float>(cols, 2);
  store(fc.data(), 5, 1e6f);
  store(fc.data(), 4000, NAN);
  const float scale = 50.0f;
  std::vector<bf16> pre(n * cols);
  std::vector<e4m3> q(n * cols);
  Stats stats = {0, 0, 0};
  rows(BiasGeluQuantize<bf16, bf16, e4m3>{fc.data(), bias.data(), &scale,
                                          pre.data(), q.data(), &stats},
       n, cols);

  Amax expected;
  for (int64_t i = 0; i < n * cols; ++i) {
    const float t = round_to<bf16>(to_float(fc[i]) + bias[i % cols]);
    const float gelu = 0.5f * t * (1.0f + erf(t * 0.707106769f));
    ASSERT_EQ(pre[i].bits, from_float<bf16>(t).bits);
    ASSERT_EQ(q[i].bits, quantize<e4m3>(gelu, scale, expected).bits);
  }
  EXPECT_EQ(stats.amax_bits, expected.amax_bits);
  EXPECT_EQ(stats.saturated, expected.saturated);
  EXPECT_EQ(stats.nonfinite, 1u);
  EXPECT_GT(stats.saturated, 0u);
}

TEST(Rows, TransposedCopy) {
  const int64_t n = 37, cols = 70;
  const auto x = random_values<float>(n * cols, 1);
  std::vector<e4m3> q(n * cols), q_t(n * cols);
  rows(QuantizeTranspose<float, e4m3>{x.data(), q.data(), q_t.data()}, n, cols);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < cols; ++j) {
      ASSERT_EQ(q[i * cols + j].bits, from_float<e4m3>(x[i * cols + j]).bits);
      ASSERT_EQ(q_t[j * n + i].bits, q[i * cols + j].bits);
    }
}

TEST(Rows, PartialSums) {
  // The last block is not full.
  const int64_t n = 75, cols = 333, blocks = 3;
  const auto x = random_values<float>(n * cols, 1);
  expect_thread_independent([&] {
    std::vector<float> y(n * cols), sums(blocks * cols, NAN),
        squares(blocks * cols, NAN);
    rows_summed<32>(ScaleAndSum<float, float>{x.data(), y.data(), sums.data(),
                                              squares.data()},
                    n, cols);
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t j = 0; j < cols; ++j) {
        float sum = 0, square = 0;
        for (int64_t i = 32 * b; i < n && i < 32 * b + 32; ++i) {
          sum += y[i * cols + j];
          square += y[i * cols + j] * y[i * cols + j];
        }
        EXPECT_EQ(sums[b * cols + j], sum);
        EXPECT_EQ(squares[b * cols + j], square);
      }
    EXPECT_EQ(y[7], 0.5f * x[7]);
    return sums;
  });
}

TEST(Rows, LayerNorm) {
  const int64_t n = 40, cols = 515;
  const auto x = random_values<float>(n * cols, 3);
  const auto gamma = random_values<float>(cols, 4);
  const auto beta = random_values<float>(cols, 5);
  std::vector<float> y(n * cols), mean(n), rstd(n);
  rows(LayerNorm<float>{x.data(), gamma.data(), beta.data(), y.data(),
                        mean.data(), rstd.data(), 1.0f / cols},
       n, cols);

  std::vector<double> expected(n * cols);
  for (int64_t i = 0; i < n; ++i) {
    double m = 0, v = 0;
    for (int64_t j = 0; j < cols; ++j)
      m += x[i * cols + j];
    m /= cols;
    for (int64_t j = 0; j < cols; ++j)
      v += (x[i * cols + j] - m) * (x[i * cols + j] - m);
    const double r = 1.0 / std::sqrt(v / cols + 1e-5);
    for (int64_t j = 0; j < cols; ++j)
      expected[i * cols + j] = (x[i * cols + j] - m) * r * gamma[j] + beta[j];
    EXPECT_NEAR(mean[i], m, 1e-6);
    EXPECT_NEAR(rstd[i], r, 1e-6);
  }
  expect_close(y, expected, 1e-6);
}

struct RowMax {
  const float *x;
  float *y;
  template <class Row> void operator()(Row &row) const {
    store(y, row.index, row.max([&](auto j) { return load(x, row.at(j)); }));
  }
};

TEST(Rows, MaxPropagatesNaN) {
  auto x = random_values<float>(300, 6);
  x[150] = NAN;
  x[299] = 77.0f;
  std::vector<float> y(3);
  rows(RowMax{x.data(), y.data()}, 3, 100);
  EXPECT_EQ(y[0], *std::max_element(x.begin(), x.begin() + 100));
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], 77.0f);
}

TEST(Rows, Softmax) {
  const int64_t n = 10, cols = 77;
  const auto x = random_values<bf16>(n * cols, 12, 5.0f);
  std::vector<bf16> y(n * cols);
  rows(Softmax<bf16>{x.data(), y.data()}, n, cols);
  std::vector<double> expected(n * cols);
  for (int64_t i = 0; i < n; ++i) {
    double total = 0;
    for (int64_t j = 0; j < cols; ++j)
      total += expected[i * cols + j] = std::exp(to_float(x[i * cols + j]));
    for (int64_t j = 0; j < cols; ++j)
      expected[i * cols + j] /= total;
  }
  expect_close(y, expected, 1e-6);
}

struct Scale {
  const float *x;
  float *y;
  Stats *stats;
  template <class Chunk> void operator()(Chunk &c) const {
    Amax amax;
    c.each(
        [&](auto i) { store(y, c.at(i), amax.add(load(x, c.at(i)) * 3.0f)); });
    c.commit(amax, stats);
  }
};

TEST(Map, CoversEveryElementOnce) {
  for (int64_t n : {0, 1, 31, 8192, 8193, 50001}) {
    std::vector<float> x(n + 1, 1.0f);
    Stats stats = {0, 0, 0};
    map(Scale{x.data(), x.data(), &stats}, n); // in place
    for (int64_t i = 0; i < n; ++i)
      ASSERT_EQ(x[i], 3.0f);
    EXPECT_EQ(x[n], 1.0f) << "beyond the end";
    EXPECT_EQ(from_bits(stats.amax_bits), n ? 3.0f : 0.0f);
  }
}

template <class T, class Out> void check_columns(int64_t n, int64_t cols) {
  const auto dy = random_values<T>(n * cols, 7);
  for (bool accumulate : {false, true}) {
    auto dbias = random_values<Out>(cols, 8);
    std::vector<double> expected(cols);
    if (accumulate)
      expected = to_double(dbias);
    for (int64_t i = 0; i < n * cols; ++i)
      expected[i % cols] += to_float(dy[i]);
    columns(BiasGrad<T, Out>{dy.data(), dbias.data(), accumulate}, n, cols);
    expect_close(dbias, expected, 1e-6);
  }
}

TEST(Columns, Sum) {
  check_columns<float, float>(1000, 300);
  check_columns<bf16, float>(257, 129);
  check_columns<e5m2, bf16>(3, 1000);
  check_columns<float, float>(1, 1);
}

TEST(Sum, AnyLength) {
  for (int64_t n : {0, 1, 2047, 2048, 100001, 3000000}) {
    const auto x = random_values<float>(n, 9);
    double expected = 0;
    for (float v : x)
      expected += double(v) * v;
    float out = 5.0f;
    sum(SumSquares{x.data()}, n, &out);
    EXPECT_NEAR(out, expected, 1e-6 * expected);
    sum(SumSquares{x.data()}, n, &out, /*accumulate=*/true);
    EXPECT_NEAR(out, 2 * expected, 2e-6 * expected);
  }
}

TEST(Skeletons, DoNotDependOnThreads) {
  const int64_t n = 300, cols = 700;
  const auto x = random_values<float>(n * cols, 10);
  expect_thread_independent([&] {
    std::vector<float> out(cols + 1);
    columns(BiasGrad<float, float>{x.data(), out.data(), false}, n, cols);
    sum(SumSquares{x.data()}, n * cols, &out[cols]);
    return out;
  });
}

} // namespace
