//===- TensorOpsTest.cpp - Embedding, loss, rotary, copies, clipping ------===//

#include "TestData.h"
#include "kernels/cpu/tensor_ops.h"

#include <numeric>

using namespace fp8c;
using namespace fp8c::test;

namespace {

//===----------------------------------------------------------------------===//
// Embedding
//===----------------------------------------------------------------------===//

std::vector<int64_t> random_ids(int64_t n, int64_t rows) {
  std::mt19937 bits(11);
  std::vector<int64_t> ids(n);
  for (auto &id : ids)
    id = bits() % rows;
  return ids;
}

TEST(Embedding, LooksUpRows) {
  const int64_t rows = 17, width = 100, n = 300;
  const auto table = random_values<bf16>(rows * width, 1);
  const auto ids = random_ids(n, rows);
  std::vector<float> out(n * width);
  embedding(table.data(), ids.data(), out.data(), n, width, rows);
  for (int64_t i = 0; i < n * width; ++i)
    ASSERT_EQ(out[i], to_float(table[ids[i / width] * width + i % width]));
}

TEST(Embedding, IdsBelowZeroCountFromTheEnd) {
  const float table[] = {1, 2, 3}, dy[] = {10, 20, 40};
  const int64_t ids[] = {-1, 0, 2};
  float out[3], dtable[3];
  embedding(table, ids, out, 3, 1, 3);
  embedding_backward(ids, dy, dtable, 3, 1, 3, false);
  const float looked_up[] = {3, 1, 3}, added_up[] = {20, 0, 50};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(out[i], looked_up[i]);
    EXPECT_EQ(dtable[i], added_up[i]);
  }
}

TEST(Embedding, BackwardAddsUpRepeatedIds) {
  const int64_t rows = 17, width = 100, n = 300;
  const auto dy = random_values<bf16>(n * width, 2);
  const auto ids = random_ids(n, rows);
  for (bool accumulate : {false, true}) {
    auto dtable = random_values<float>(rows * width, 3);
    std::vector<double> expected(rows * width);
    if (accumulate)
      expected = to_double(dtable);
    for (int64_t i = 0; i < n * width; ++i)
      expected[ids[i / width] * width + i % width] += to_float(dy[i]);
    embedding_backward(ids.data(), dy.data(), dtable.data(), n, width, rows,
                       accumulate);
    expect_close(dtable, expected, 1e-6);
  }
}

TEST(Embedding, BackwardRoundsANarrowTableOnce) {
  const int64_t rows = 17, width = 100, n = 300;
  const auto dy = random_values<bf16>(n * width, 2);
  const auto ids = random_ids(n, rows);
  auto table = random_values<bf16>(rows * width, 3);
  std::vector<float> sums(rows * width);
  for (int64_t i = 0; i < rows * width; ++i)
    sums[i] = to_float(table[i]);
  embedding_backward(ids.data(), dy.data(), sums.data(), n, width, rows, true);
  embedding_backward(ids.data(), dy.data(), table.data(), n, width, rows, true);
  for (int64_t i = 0; i < rows * width; ++i)
    ASSERT_EQ(table[i].bits, from_float<bf16>(sums[i]).bits);
}

TEST(Embedding, BackwardDoesNotDependOnThreads) {
  const int64_t rows = 17, width = 200, n = 300;
  const auto dy = random_values<float>(n * width, 4);
  const auto ids = random_ids(n, rows);
  expect_thread_independent([&] {
    std::vector<float> dtable(rows * width);
    embedding_backward(ids.data(), dy.data(), dtable.data(), n, width, rows,
                       false);
    return dtable;
  });
}

//===----------------------------------------------------------------------===//
// Elements of rows
//===----------------------------------------------------------------------===//

TEST(Gather, TakesElementsOfEachRow) {
  const float data[] = {1, 2, 3, 4, 5, 6};
  const int64_t indices[] = {0, -1, 2, 3, -4, 1, 1, 1};
  float out[8];
  gather_elements(data, indices, out, 2, 4, 3);
  const float expected[] = {1, 3, 3, NAN, NAN, 5, 5, 5};
  for (int i = 0; i < 8; ++i)
    EXPECT_TRUE(out[i] == expected[i] ||
                (std::isnan(out[i]) && std::isnan(expected[i])))
        << i;

  const float dy[] = {1, 2, 4, 8, 16, 32, 64, 128};
  bf16 ddata[6];
  gather_elements_backward(dy, indices, ddata, 2, 4, 3);
  const float sums[] = {1, 0, 6, 0, 224, 0};
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(to_float(ddata[i]), sums[i]) << i;
}

TEST(Rows, OfIntegersAreReducedExactly) {
  const int64_t large = int64_t(1) << 62;
  const int64_t x[] = {large, large, 1, -3, -2, -9};
  int64_t sums[2], most[2];
  sum_rows(x, sums, 2, 3);
  max_rows(x, most, 2, 3);
  EXPECT_EQ(sums[0], INT64_MIN + 1);
  EXPECT_EQ(sums[1], -14);
  EXPECT_EQ(most[0], large);
  EXPECT_EQ(most[1], -2);
}

//===----------------------------------------------------------------------===//
// Cross entropy
//===----------------------------------------------------------------------===//

template <class T> void check_cross_entropy(double tolerance) {
  const int64_t rows = 50, classes = 301, ignored = 7;
  const auto logits = random_values<T>(rows * classes, 5, 4.0f);
  auto labels = random_ids(rows, classes);
  labels[3] = ignored;
  labels[9] = -100;
  labels[49] = -1;
  const float dloss = 2.0f;

  double loss = 0;
  int64_t count = 0;
  std::vector<double> lse(rows), dlogits(rows * classes);
  for (int64_t i = 0; i < rows; ++i) {
    double total = 0;
    for (int64_t j = 0; j < classes; ++j)
      total += std::exp(double(load(logits.data(), i * classes + j)));
    lse[i] = std::log(total);
    if (labels[i] < 0 || labels[i] == ignored)
      continue;
    ++count;
    loss += lse[i] - load(logits.data(), i * classes + labels[i]);
    for (int64_t j = 0; j < classes; ++j)
      dlogits[i * classes + j] =
          std::exp(load(logits.data(), i * classes + j) - lse[i]) -
          (j == labels[i]);
  }
  for (auto &d : dlogits)
    d *= dloss / count;

  float loss_out, inv_count;
  std::vector<float> lse_out(rows);
  cross_entropy(logits.data(), labels.data(), &loss_out, lse_out.data(),
                &inv_count, rows, classes, ignored);
  EXPECT_NEAR(loss_out, loss / count, 1e-6 * loss / count);
  EXPECT_EQ(inv_count, 1.0f / count);
  expect_close(lse_out, lse, 1e-6);

  std::vector<T> d(rows * classes);
  cross_entropy_backward(logits.data(), labels.data(), lse_out.data(),
                         &inv_count, &dloss, d.data(), rows, classes, ignored);
  expect_close(d, dlogits, tolerance);
  auto in_place = logits;
  cross_entropy_backward(in_place.data(), labels.data(), lse_out.data(),
                         &inv_count, &dloss, in_place.data(), rows, classes,
                         ignored);
  EXPECT_TRUE(same_bits(in_place, d));

  // The fused functions give the same bits, in place and rows apart.
  int64_t fused_count;
  std::vector<float> row_losses(rows);
  in_place = logits;
  count_labels(labels.data(), &fused_count, rows, ignored);
  for (int64_t first = 0; first < rows; first += 30) {
    T *x = in_place.data() + first * classes;
    cross_entropy_fused(x, labels.data() + first, &fused_count, &dloss,
                        row_losses.data() + first, x,
                        std::min<int64_t>(30, rows - first), classes, ignored);
  }
  float fused_loss;
  mean_loss(row_losses.data(), &fused_count, &fused_loss, rows);
  EXPECT_EQ(fused_count, count);
  EXPECT_EQ(fused_loss, loss_out);
  EXPECT_TRUE(same_bits(in_place, d));
}

TEST(CrossEntropy, Float) { check_cross_entropy<float>(1e-6); }
TEST(CrossEntropy, BFloat16) { check_cross_entropy<bf16>(1e-6); }

/// What stands behind the classes of a row changes no bit, and gets 0.
TEST(CrossEntropy, PaddedRows) {
  const int64_t rows = 7, classes = 33, width = 48;
  const auto dense = random_values<float>(rows * classes, 5, 4.0f);
  std::vector<float> wide(rows * width, NAN), expected(rows * width, 0.0f);
  auto labels = random_ids(rows, classes);
  labels[3] = -100;
  const PaddedClasses padded{classes, width};
  const auto widen = [&](const std::vector<float> &x, std::vector<float> &to) {
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(&x[i * classes], classes, &to[i * width]);
  };
  widen(dense, wide);
  const float dloss = 2.0f;
  float loss[2], inv_count;
  std::vector<float> lse(rows), d(rows * classes), losses(rows), lse2(rows);
  cross_entropy(dense.data(), labels.data(), &loss[0], lse.data(), &inv_count,
                rows, classes, -100);
  cross_entropy(wide.data(), labels.data(), &loss[1], lse2.data(), &inv_count,
                rows, padded, -100);
  EXPECT_EQ(loss[0], loss[1]);
  EXPECT_TRUE(same_bits(lse, lse2));
  cross_entropy_backward(dense.data(), labels.data(), lse.data(), &inv_count,
                         &dloss, d.data(), rows, classes, -100);
  widen(d, expected);
  std::vector<float> d_wide(rows * width, NAN);
  cross_entropy_backward(wide.data(), labels.data(), lse.data(), &inv_count,
                         &dloss, d_wide.data(), rows, padded, -100);
  EXPECT_TRUE(same_bits(d_wide, expected));
  int64_t count;
  count_labels(labels.data(), &count, rows, -100);
  cross_entropy_rows(wide.data(), labels.data(), losses.data(), rows, padded,
                     -100);
  mean_loss(losses.data(), &count, &loss[1], rows);
  EXPECT_EQ(loss[0], loss[1]);
  cross_entropy_fused(wide.data(), labels.data(), &count, &dloss, losses.data(),
                      wide.data(), rows, padded, -100);
  mean_loss(losses.data(), &count, &loss[1], rows);
  EXPECT_EQ(loss[0], loss[1]);
  EXPECT_TRUE(same_bits(wide, expected));
}

TEST(CrossEntropy, NothingToCount) {
  const auto logits = random_values<float>(2 * 5, 6);
  const int64_t labels[] = {-100, -100};
  float loss = 9, inv_count = 9, lse[2], dloss = 1;
  std::vector<float> d(10, 9.0f);
  cross_entropy(logits.data(), labels, &loss, lse, &inv_count, 2, 5, -100);
  cross_entropy_backward(logits.data(), labels, lse, &inv_count, &dloss,
                         d.data(), 2, 5, -100);
  EXPECT_EQ(loss, 0.0f);
  EXPECT_EQ(d, std::vector<float>(10, 0.0f));

  int64_t count = 9;
  float row_losses[2];
  loss = 9;
  d.assign(10, 9.0f);
  count_labels(labels, &count, 2, -100);
  cross_entropy_fused(logits.data(), labels, &count, &dloss, row_losses,
                      d.data(), 2, 5, -100);
  mean_loss(row_losses, &count, &loss, 2);
  EXPECT_EQ(loss, 0.0f);
  EXPECT_EQ(d, std::vector<float>(10, 0.0f));
}

TEST(CrossEntropy, DoesNotDependOnThreads) {
  const auto logits = random_values<float>(100 * 333, 7);
  const auto labels = random_ids(100, 333);
  expect_thread_independent([&] {
    std::vector<float> out(102);
    cross_entropy(logits.data(), labels.data(), &out[100], out.data(),
                  &out[101], 100, 333, -100);
    return out;
  });
}

//===----------------------------------------------------------------------===//
// Rotary
//===----------------------------------------------------------------------===//

void check_rotary(bool interleaved, bool batched_angles, int64_t rotary_dim) {
  const int64_t batch = 2, seq = 5, heads = 3, dim = 16;
  const int64_t half = rotary_dim / 2, stride = heads * dim + 4;
  const RotaryShape s{batch,       seq,   heads,  dim,    rotary_dim,
                      interleaved, false, stride, stride, batched_angles};
  const auto x = random_values<float>(batch * seq * stride, 8);
  const auto angles =
      random_values<float>((batched_angles ? batch : 1) * seq * half, 9);
  std::vector<float> cosines, sines;
  for (float a : angles) {
    cosines.push_back(std::cos(a));
    sines.push_back(std::sin(a));
  }

  auto expected = to_double(x);
  for (int64_t t = 0; t < batch * seq; ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        const double a = angles[(batched_angles ? t : t % seq) * half + i];
        const int64_t base = t * stride + h * dim;
        const int64_t i0 = base + (interleaved ? 2 * i : i);
        const int64_t i1 = interleaved ? i0 + 1 : i0 + half;
        expected[i0] = std::cos(a) * x[i0] - std::sin(a) * x[i1];
        expected[i1] = std::sin(a) * x[i0] + std::cos(a) * x[i1];
      }
  auto y = x;
  rotary(x.data(), cosines.data(), sines.data(), y.data(), s);
  expect_close(y, expected, 1e-6);

  RotaryShape back = s;
  back.inverse = true;
  rotary(y.data(), cosines.data(), sines.data(), y.data(), back); // in place
  expect_close(y, to_double(x), 1e-6);
}

TEST(Rotary, BothModesAndTheirInverse) {
  for (bool interleaved : {false, true})
    for (bool batched_angles : {false, true})
      for (int64_t rotary_dim : {16, 10})
        check_rotary(interleaved, batched_angles, rotary_dim);
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

using Dims = std::vector<int64_t>;

/// Copies between views and compares with a walk over all indices.
template <class T, class Out>
void check_copy(const Dims &shape, const Dims &src_strides,
                const Dims &dst_strides) {
  int64_t src_size = 1, dst_size = 1, total = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    src_size += (shape[d] - 1) * src_strides[d];
    dst_size += (shape[d] - 1) * dst_strides[d];
    total *= shape[d];
  }
  const auto src = random_values<T>(src_size, 10);
  auto expected = random_values<Out>(dst_size, 11);
  auto dst = expected;
  for (int64_t n = 0; n < total; ++n) {
    int64_t from = 0, to = 0, rest = n;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) {
      from += rest % shape[d] * src_strides[d];
      to += rest % shape[d] * dst_strides[d];
    }
    store(expected.data(), to, load(src.data(), from));
  }
  copy_strided(src.data(), dst.data(), int(shape.size()), shape.data(),
               src_strides.data(), dst_strides.data());
  EXPECT_TRUE(same_bits(dst, expected));
}

TEST(Copy, Views) {
  check_copy<float, float>({}, {}, {});
  check_copy<float, float>({1000}, {1}, {1});
  check_copy<float, float>({1000}, {1}, {3});
  check_copy<float, bf16>({100001}, {1}, {1});
  check_copy<bf16, bf16>({2, 50001}, {50003, 1}, {50002, 1});
  check_copy<float, float>({5, 7, 11}, {77, 11, 1}, {77, 11, 1});
  check_copy<float, float>({5, 7, 11}, {200, 20, 1}, {77, 11, 1}); // slice
  check_copy<float, float>({100, 333}, {1, 100}, {333, 1});        // .T
  check_copy<bf16, bf16>({2, 50, 8, 40}, {16000, 40, 2000, 1},     // heads
                         {16000, 320, 40, 1});
  check_copy<e4m3, e4m3>({3, 70, 65}, {4550, 1, 70}, {4550, 65, 1}); // batch .T
  check_copy<float, float>({4, 5, 6}, {1, 4, 20}, {30, 6, 1});       // reversed
  check_copy<float, bf16>({40, 500}, {0, 1}, {500, 1});              // rows
  check_copy<bf16, float>({40, 500}, {1, 0}, {500, 1});              // columns
  check_copy<float, float>({2, 1, 3, 1, 2, 2, 2, 2}, {48, 7, 16, 3, 8, 4, 2, 1},
                           {1, 9, 2, 9, 6, 12, 24, 48});
}

TEST(Copy, WrittenOut) {
  const float x[] = {1, 2, 3, 4, 5, 6};
  float y[6];
  copy(x, y, {3, 2}, {1, 3}, {2, 1});
  EXPECT_EQ(std::vector<float>(y, y + 6),
            (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST(Copy, Empty) {
  const int64_t shape[] = {3, 0}, strides[] = {0, 1};
  copy_strided<float, float>(nullptr, nullptr, 2, shape, strides, strides);
}

TEST(Fill, Converts) {
  std::vector<bf16> x(20000);
  fill(x.data(), int64_t(x.size()), 1.5f);
  for (bf16 v : x)
    ASSERT_EQ(to_float(v), 1.5f);
}

//===----------------------------------------------------------------------===//
// Clipping
//===----------------------------------------------------------------------===//

template <int N>
void clip(const float *(&sums)[N], float max_norm, float *coef, float *norm) {
  clip_coefficient(sums, N, &max_norm, coef, norm);
}

TEST(Clip, Coefficient) {
  const float a = 9.0f, b = 16.0f, bad = NAN, huge = INFINITY;
  float coef, norm;
  const float *sums[] = {&a, &b};
  clip(sums, 1.0f, &coef, &norm);
  EXPECT_EQ(norm, 5.0f);
  EXPECT_FLOAT_EQ(coef, 0.2f);
  clip(sums, 10.0f, &coef, &norm);
  EXPECT_EQ(coef, 1.0f) << "shorter than the limit";
  clip(sums, 0.0f, &coef, &norm);
  EXPECT_EQ(coef, 1.0f) << "no limit";
  for (const float *broken : {&bad, &huge}) {
    const float *with_broken[] = {&a, broken};
    clip(with_broken, 1.0f, &coef, &norm);
    EXPECT_EQ(coef, skip_step);
    EXPECT_FALSE(std::isfinite(norm));
  }
}

} // namespace
