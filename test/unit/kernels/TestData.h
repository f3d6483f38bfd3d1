//===- TestData.h - Data and comparisons that the kernel tests share ------===//

#ifndef FP8C_TEST_KERNELS_TESTDATA_H
#define FP8C_TEST_KERNELS_TESTDATA_H

#include "kernels/common/types.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace fp8c {
namespace test {

/// n normally distributed values, rounded to T.
template <class T>
std::vector<T> random_values(int64_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 bits(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<T> values(n);
  for (int64_t i = 0; i < n; ++i)
    store(values.data(), i, normal(bits));
  return values;
}

template <class T> std::vector<double> to_double(const std::vector<T> &x) {
  std::vector<double> values(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    values[i] = load(x.data(), i);
  return values;
}

/// One rounding to T, relative to the value.
template <class T> constexpr double unit_roundoff() {
  return sizeof(T) == 4                 ? 0x1p-24
         : std::is_same<T, bf16>::value ? 0x1p-8
         : std::is_same<T, f16>::value  ? 0x1p-11
         : std::is_same<T, e4m3>::value ? 0x1p-4
                                        : 0x1p-3;
}

/// Every element within `tolerance` of what it should be, relative to the
/// largest element (errors of sums do not scale with the single result), plus
/// one rounding of the element to T.
template <class T>
void expect_close(const std::vector<T> &actual,
                  const std::vector<double> &expected, double tolerance,
                  const char *what = "") {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0;
  for (double e : expected)
    largest = std::max(largest, std::abs(e));
  for (size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(load(actual.data(), i) - expected[i]);
    const double rounding = 1.001 * unit_roundoff<T>() * std::abs(expected[i]);
    ASSERT_LE(error, tolerance * largest + rounding)
        << what << "[" << i << "]: " << load(actual.data(), i) << " instead of "
        << expected[i];
  }
}

template <class T>
bool same_bits(const std::vector<T> &a, const std::vector<T> &b) {
  return a.size() == b.size() &&
         !std::memcmp(a.data(), b.data(), a.size() * sizeof(T));
}

/// Expects f(), which returns a vector, to return the same bits with one, two
/// and four threads.
template <class F> void expect_thread_independent(const F &f) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto serial = f();
  for (int threads : {2, 4}) {
    omp_set_num_threads(threads);
    EXPECT_TRUE(same_bits(f(), serial)) << threads << " threads";
  }
  omp_set_num_threads(before);
}

} // namespace test
} // namespace fp8c

#endif // FP8C_TEST_KERNELS_TESTDATA_H
