//===- GemmTest.cpp - Matrix products against a double reference ----------===//

#include "kernels/cpu/gemm.h"
#include "TestData.h"

using namespace fp8c;
using namespace fp8c::test;

namespace {

/// Elements a matrix operand occupies, leading dimension and batch included.
int64_t extent(const detail::Layout &l) {
  return (l.copies - 1) * l.stride + l.rows * l.ld;
}

template <class A, class B, class C>
void check(const GemmShape &s, bool accumulate, bool scaled) {
  const auto la = detail::layout_a(s), lb = detail::layout_b(s),
             lc = detail::layout_c(s);
  const auto a = random_values<A>(extent(la), 1);
  const auto b = random_values<B>(extent(lb), 2);
  auto c = random_values<C>(extent(lc), 3);
  const float scale_a = 0.25f, scale_b = 3.0f;

  auto expected = to_double(c); // also what lies between rows must stay
  for (int64_t i = 0; i < s.batch; ++i)
    for (int64_t m = 0; m < s.m; ++m)
      for (int64_t n = 0; n < s.n; ++n) {
        double total = 0;
        for (int64_t k = 0; k < s.k; ++k) {
          const int64_t ia = s.transpose_a ? k * la.ld + m : m * la.ld + k;
          const int64_t ib = s.transpose_b ? n * lb.ld + k : k * lb.ld + n;
          total += double(load(a.data(), i * s.stride_a + ia)) *
                   load(b.data(), i * s.stride_b + ib);
        }
        double &out = expected[i * s.stride_c + m * lc.ld + n];
        out = (accumulate ? out : 0) +
              total * (scaled ? scale_a * scale_b : 1.0f);
      }

  const int64_t bytes = gemm_workspace_bytes<A, B, C>(s);
  std::vector<char> workspace(bytes + 64, 0x55);
  gemm(s, a.data(), b.data(), c.data(), accumulate, scaled ? &scale_a : nullptr,
       scaled ? &scale_b : nullptr, bytes ? workspace.data() : nullptr);
  expect_close(c, expected, 1e-6);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(workspace[bytes + i], 0x55) << "wrote beyond its workspace";
}

template <class A, class B, class C> void check_all() {
  for (bool transpose_a : {false, true})
    for (bool transpose_b : {false, true})
      for (bool accumulate : {false, true}) {
        GemmShape dense{33, 47, 20, transpose_a, transpose_b};
        check<A, B, C>(dense, accumulate, false);
        check<A, B, C>(dense, accumulate, true);
        GemmShape padded = dense;
        padded.lda = padded.ldb = padded.ldc = 50;
        check<A, B, C>(padded, accumulate, true);
        GemmShape batch = padded;
        batch.batch = 3;
        batch.stride_a = 50 * 50;
        batch.stride_b = 0; // one matrix for all
        batch.stride_c = 50 * 40;
        check<A, B, C>(batch, accumulate, false);
      }
}

TEST(Gemm, Float) { check_all<float, float, float>(); }
TEST(Gemm, BFloat16) { check_all<bf16, bf16, bf16>(); }
TEST(Gemm, FP8Forward) { check_all<e4m3, e4m3, bf16>(); }
TEST(Gemm, FP8Backward) { check_all<e5m2, e4m3, float>(); }
TEST(Gemm, Mixed) {
  check_all<float, bf16, float>();
  check_all<f16, float, f16>();
}

TEST(Gemm, WorkspaceFollowsTheFormula) {
  GemmShape s{33, 47, 20};
  s.batch = 3;
  s.stride_a = 33 * 20;
  s.stride_c = 33 * 47;
  EXPECT_EQ((gemm_workspace_bytes<float, float, float>(s)), 0);
  EXPECT_EQ((gemm_workspace_bytes<bf16, float, float>(s)),
            (4 * 3 * 33 * 20 + 63) / 64 * 64);
  EXPECT_EQ((gemm_workspace_bytes<float, e4m3, float>(s)),
            (4 * 47 * 20 + 63) / 64 * 64)
      << "one copy of an operand that all of the batch share";
  EXPECT_EQ((gemm_workspace_bytes<float, e4m3, f16>(s)),
            (4 * 47 * 20 + 63) / 64 * 64 + (4 * 3 * 33 * 47 + 63) / 64 * 64);
}

} // namespace
