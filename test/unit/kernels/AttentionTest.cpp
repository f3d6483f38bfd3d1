//===- AttentionTest.cpp - Attention against a double reference -----------===//

#include "TestData.h"
#include "kernels/cpu/attention_backward.h"

using namespace fp8c;
using namespace fp8c::test;

namespace {

template <class T> struct Problem {
  detail::AttentionIndex s;
  std::vector<T> q, k, v, d_o;

  explicit Problem(const AttentionShape &shape)
      : s(shape), q(random_values<T>(s.batch * s.seq * s.q_stride, 1)),
        k(random_values<T>(s.batch * s.kv_seq * s.k_stride, 2)),
        v(random_values<T>(s.batch * s.kv_seq * s.v_stride, 3)),
        d_o(random_values<T>(s.batch * s.seq * s.o_stride, 4)) {}
};

/// Everything by its definition, in double.
struct Reference {
  std::vector<double> o, lse, dq, dk, dv;
};

template <class T> Reference reference(const Problem<T> &p) {
  const auto &s = p.s;
  const auto q = to_double(p.q), k = to_double(p.k), v = to_double(p.v),
             d_o = to_double(p.d_o);
  Reference r{std::vector<double>(d_o.size()),
              std::vector<double>(s.batch * s.heads * s.seq),
              std::vector<double>(q.size()), std::vector<double>(k.size()),
              std::vector<double>(v.size())};
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h)
      for (int64_t i = 0; i < s.seq; ++i) {
        const int64_t kv = h / (s.heads / s.kv_heads);
        const int64_t n = s.causal ? std::min(i + 1, s.kv_seq) : s.kv_seq;
        const int64_t qi = (b * s.seq + i) * s.q_stride + h * s.head_dim;
        const int64_t oi = (b * s.seq + i) * s.o_stride + h * s.v_head_dim;
        const auto ki = [&](int64_t j) {
          return (b * s.kv_seq + j) * s.k_stride + kv * s.head_dim;
        };
        const auto vi = [&](int64_t j) {
          return (b * s.kv_seq + j) * s.v_stride + kv * s.v_head_dim;
        };
        std::vector<double> p_row(n), dp(n);
        double total = 0, mean = 0;
        for (int64_t j = 0; j < n; ++j) {
          double dot = 0;
          for (int64_t d = 0; d < s.head_dim; ++d)
            dot += q[qi + d] * k[ki(j) + d];
          total += p_row[j] = std::exp(s.scale * dot);
        }
        r.lse[(b * s.heads + h) * s.seq + i] = std::log(total);
        for (int64_t j = 0; j < n; ++j) {
          p_row[j] /= total;
          for (int64_t d = 0; d < s.v_head_dim; ++d) {
            r.o[oi + d] += p_row[j] * v[vi(j) + d];
            r.dv[vi(j) + d] += p_row[j] * d_o[oi + d];
            dp[j] += d_o[oi + d] * v[vi(j) + d];
          }
          mean += p_row[j] * dp[j];
        }
        for (int64_t j = 0; j < n; ++j) {
          const double ds = s.scale * p_row[j] * (dp[j] - mean);
          for (int64_t d = 0; d < s.head_dim; ++d) {
            r.dq[qi + d] += ds * k[ki(j) + d];
            r.dk[ki(j) + d] += ds * q[qi + d];
          }
        }
      }
  return r;
}

template <class T> struct Result {
  std::vector<T> o, dq, dk, dv;
  std::vector<float> lse;
};

template <class T> Result<T> run(const Problem<T> &p) {
  Result<T> r{std::vector<T>(p.d_o.size()), std::vector<T>(p.q.size()),
              std::vector<T>(p.k.size()), std::vector<T>(p.v.size()),
              std::vector<float>(p.s.batch * p.s.heads * p.s.seq)};
  attention(p.s, p.q.data(), p.k.data(), p.v.data(), r.o.data(), r.lse.data());
  attention_backward(p.s, p.q.data(), p.k.data(), p.v.data(), r.o.data(),
                     r.lse.data(), p.d_o.data(), r.dq.data(), r.dk.data(),
                     r.dv.data());
  return r;
}

template <class T> void check(const AttentionShape &shape, double tolerance) {
  const Problem<T> p(shape);
  const auto expected = reference(p);
  const auto actual = run(p);
  expect_close(actual.o, expected.o, tolerance, "o");
  expect_close(actual.lse, expected.lse, 1e-6, "lse");
  expect_close(actual.dq, expected.dq, tolerance, "dq");
  expect_close(actual.dk, expected.dk, tolerance, "dk");
  expect_close(actual.dv, expected.dv, tolerance, "dv");
}

/// Dense operands. 100 query rows: more than one block, and not a multiple.
AttentionShape dense(bool causal, int64_t kv_heads = 4) {
  return {
      2,      100,  4,     kv_heads, 24, 4 * 24, kv_heads * 24, kv_heads * 24,
      4 * 24, 0.2f, causal};
}

TEST(Attention, Dense) { check<float>(dense(false), 2e-6); }
TEST(Attention, Causal) { check<float>(dense(true), 2e-6); }

// The first query sees one key: its output is that key's value.
TEST(Attention, NothingFlowsThroughTheSoftmaxOfOneScore) {
  const Problem<float> p(dense(true));
  const auto dq = run(p).dq;
  for (int64_t b = 0; b < p.s.batch; ++b)
    for (int64_t j = 0; j < p.s.q_stride; ++j)
      EXPECT_EQ(dq[b * p.s.seq * p.s.q_stride + j], 0.0f);
}

TEST(Attention, GroupedQuery) {
  check<float>(dense(true, 2), 2e-6);
  check<float>(dense(false, 1), 2e-6);
}

// The backward pass reads an o that was rounded to bf16, hence the tolerance.
TEST(Attention, BFloat16) {
  check<bf16>(dense(true, 2), 4e-3);
  check<bf16>(dense(false), 4e-3);
}

TEST(Attention, StridedTokens) {
  AttentionShape s = dense(true);
  s.q_stride += 8;
  s.k_stride += 3;
  s.v_stride += 5;
  s.o_stride += 16;
  check<float>(s, 2e-6);
  check<bf16>(s, 4e-3);
}

TEST(Attention, OtherKeyLengthAndValueWidth) {
  for (int64_t kv_seq : {40, 130})
    for (bool causal : {false, true}) {
      AttentionShape s = dense(causal);
      s.kv_seq = kv_seq;
      s.v_head_dim = 16;
      s.v_stride = s.o_stride = 4 * 16;
      check<float>(s, 2e-6);
    }
}

TEST(Attention, SlicesOfOneTensor) {
  // q, k, v of a token side by side, as the fused projection of GPT-2 leaves
  // them, and gradients that are written the same way.
  const int64_t width = 4 * 24, tokens = 2 * 100;
  AttentionShape s = dense(true);
  s.q_stride = s.k_stride = s.v_stride = 3 * width;
  const auto qkv = random_values<float>(tokens * 3 * width, 5);
  const auto d_o = random_values<float>(tokens * width, 6);
  std::vector<float> o(tokens * width), lse(2 * 4 * 100), dqkv(qkv.size(), NAN);
  attention(s, &qkv[0], &qkv[width], &qkv[2 * width], o.data(), lse.data());
  attention_backward(s, &qkv[0], &qkv[width], &qkv[2 * width], o.data(),
                     lse.data(), d_o.data(), &dqkv[0], &dqkv[width],
                     &dqkv[2 * width]);

  Problem<float> p(dense(true));
  p.d_o = d_o;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j < width; ++j) {
      p.q[t * width + j] = qkv[t * 3 * width + j];
      p.k[t * width + j] = qkv[t * 3 * width + width + j];
      p.v[t * width + j] = qkv[t * 3 * width + 2 * width + j];
    }
  const auto expected = reference(p);
  expect_close(o, expected.o, 2e-6, "o");
  std::vector<double> d(qkv.size());
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j < width; ++j) {
      d[t * 3 * width + j] = expected.dq[t * width + j];
      d[t * 3 * width + width + j] = expected.dk[t * width + j];
      d[t * 3 * width + 2 * width + j] = expected.dv[t * width + j];
    }
  expect_close(dqkv, d, 2e-6, "dqkv");
}

TEST(Attention, LargeScores) {
  // exp(200) is infinite: only differences to the maximum may be raised.
  AttentionShape s = dense(true);
  s.scale = 20.0f;
  check<float>(s, 3e-5);
}

TEST(Attention, DoesNotDependOnThreads) {
  const Problem<float> p(dense(true, 2));
  expect_thread_independent([&] {
    auto r = run(p);
    for (const auto *more : {&r.lse, &r.dq, &r.dk, &r.dv})
      r.o.insert(r.o.end(), more->begin(), more->end());
    return r.o;
  });
}

} // namespace
