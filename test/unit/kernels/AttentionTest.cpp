//===- AttentionTest.cpp - Attention against a double reference -----------===//

#include "TestData.h"
#include "kernels/cpu/attention_backward.h"

using namespace fp8c;
using namespace fp8c::test;

namespace {

template <class T> struct Problem {
  detail::AttentionIndex s;
  std::vector<T> q, k, v, d_o;
  std::vector<float> bias;
  std::vector<int64_t> lengths;

  explicit Problem(const AttentionShape &shape)
      : s(shape), q(random_values<T>(s.batch * s.seq * s.q_stride, 1)),
        k(random_values<T>(s.batch * s.kv_seq * s.k_stride, 2)),
        v(random_values<T>(s.batch * s.kv_seq * s.v_stride, 3)),
        d_o(random_values<T>(s.batch * s.seq * s.o_stride, 4)),
        bias(random_values<float>(s.bias[0] * s.bias[1] * s.bias[2] * s.bias[3],
                                  7)) {
    // Of the last sequence no key is seen.
    for (int64_t b = 0; b < s.batch && s.lengths; ++b)
      lengths.push_back(b + 1 < s.batch ? s.kv_seq - 3 : 0);
  }

  double biasAt(int64_t b, int64_t h, int64_t i, int64_t j) const {
    return bias.empty() ? 0.0 : bias[biasIndex(b, h, i, j)];
  }
  size_t biasIndex(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const int64_t at[] = {b, h, i, j};
    int64_t index = 0;
    for (int dim = 0; dim < 4; ++dim)
      index = index * s.bias[dim] + (s.bias[dim] > 1 ? at[dim] : 0);
    return size_t(index);
  }
  bool sees(int64_t b, int64_t i, int64_t j) const {
    return !(s.causal && j > i) && !(s.window && j <= i - s.window) &&
           !(s.lengths && j >= lengths[b]);
  }
};

/// Everything by its definition, in double.
struct Reference {
  std::vector<double> o, lse, dq, dk, dv, d_bias;
};

template <class T> Reference reference(const Problem<T> &p) {
  const auto &s = p.s;
  const auto q = to_double(p.q), k = to_double(p.k), v = to_double(p.v),
             d_o = to_double(p.d_o);
  Reference r{std::vector<double>(d_o.size()),
              std::vector<double>(s.batch * s.heads * s.seq),
              std::vector<double>(q.size()),
              std::vector<double>(k.size()),
              std::vector<double>(v.size()),
              std::vector<double>(p.bias.size())};
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h)
      for (int64_t i = 0; i < s.seq; ++i) {
        const int64_t kv = h / (s.heads / s.kv_heads);
        const int64_t n = s.kv_seq;
        const int64_t qi = (b * s.seq + i) * s.q_stride + h * s.head_dim;
        const int64_t oi = (b * s.seq + i) * s.o_stride + h * s.v_head_dim;
        const auto ki = [&](int64_t j) {
          return (b * s.kv_seq + j) * s.k_stride + kv * s.head_dim;
        };
        const auto vi = [&](int64_t j) {
          return (b * s.kv_seq + j) * s.v_stride + kv * s.v_head_dim;
        };
        std::vector<double> p_row(n), dp(n), slope(n, 1.0);
        double total = 0, mean = 0;
        for (int64_t j = 0; j < n; ++j) {
          double dot = 0;
          for (int64_t d = 0; d < s.head_dim; ++d)
            dot += q[qi + d] * k[ki(j) + d];
          double y = s.scale * dot;
          if (s.softcap > 0) {
            const double bounded = std::tanh(y / s.softcap);
            y = s.softcap * bounded;
            slope[j] = 1 - bounded * bounded;
          }
          if (p.sees(b, i, j))
            total += p_row[j] = std::exp(y + p.biasAt(b, h, i, j));
        }
        r.lse[(b * s.heads + h) * s.seq + i] =
            total > 0 ? std::log(total) : INFINITY;
        for (int64_t j = 0; j < n; ++j) {
          p_row[j] = total > 0 ? p_row[j] / total : 0.0;
          for (int64_t d = 0; d < s.v_head_dim; ++d) {
            r.o[oi + d] += p_row[j] * v[vi(j) + d];
            r.dv[vi(j) + d] += p_row[j] * d_o[oi + d];
            dp[j] += d_o[oi + d] * v[vi(j) + d];
          }
          mean += p_row[j] * dp[j];
        }
        for (int64_t j = 0; j < n; ++j) {
          const double dy = p_row[j] * (dp[j] - mean);
          if (!p.bias.empty())
            r.d_bias[p.biasIndex(b, h, i, j)] += dy;
          const double ds = s.scale * slope[j] * dy;
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
  std::vector<float> lse, d_bias;
};

template <class T> Result<T> run(const Problem<T> &p) {
  Result<T> r{std::vector<T>(p.d_o.size()), std::vector<T>(p.q.size()),
              std::vector<T>(p.k.size()), std::vector<T>(p.v.size()),
              std::vector<float>(p.s.batch * p.s.heads * p.s.seq)};
  r.d_bias.assign(p.bias.size(), NAN);
  // What is not written is seen, where there are no gaps between heads.
  auto poison = [](std::vector<T> &x, int64_t stride, int64_t width) {
    for (size_t i = 0; i < x.size() && stride == width; ++i)
      store(x.data(), int64_t(i), NAN);
  };
  poison(r.o, p.s.o_stride, p.s.heads * p.s.v_head_dim);
  poison(r.dq, p.s.q_stride, p.s.heads * p.s.head_dim);
  poison(r.dk, p.s.k_stride, p.s.kv_heads * p.s.head_dim);
  poison(r.dv, p.s.v_stride, p.s.kv_heads * p.s.v_head_dim);
  const float *bias = p.bias.empty() ? nullptr : p.bias.data();
  attention(p.s, p.q.data(), p.k.data(), p.v.data(), r.o.data(), r.lse.data(),
            bias, p.lengths.data());
  attention_backward(p.s, p.q.data(), p.k.data(), p.v.data(), r.o.data(),
                     r.lse.data(), p.d_o.data(), r.dq.data(), r.dk.data(),
                     r.dv.data(), bias, p.lengths.data(),
                     bias ? r.d_bias.data() : nullptr);
  return r;
}

template <class T> void check(const Problem<T> &p, double tolerance) {
  const auto expected = reference(p);
  const auto actual = run(p);
  expect_close(actual.o, expected.o, tolerance, "o");
  for (size_t i = 0; i < expected.lse.size(); ++i) // infinite without keys
    if (std::isinf(expected.lse[i]))
      EXPECT_EQ(actual.lse[i], INFINITY);
    else
      EXPECT_NEAR(actual.lse[i], expected.lse[i],
                  1e-6 * (1 + std::abs(expected.lse[i])));
  expect_close(actual.dq, expected.dq, tolerance, "dq");
  expect_close(actual.dk, expected.dk, tolerance, "dk");
  expect_close(actual.dv, expected.dv, tolerance, "dv");
  if (p.s.bias[3] > 1)
    expect_close(actual.d_bias, expected.d_bias, 2 * tolerance, "d_bias");
  else
    for (float x : actual.d_bias) // what is the same for all keys
      EXPECT_EQ(x, 0.0f);
}
template <class T> void check(const AttentionShape &shape, double tolerance) {
  check(Problem<T>(shape), tolerance);
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

// What scores can have, alone and together; of both kinds of order.
TEST(Attention, Windows) {
  for (int64_t window : {1, 7, 64, 99, 300})
    for (int64_t kv_seq : {100, 40, 130}) {
      AttentionShape s = dense(true, 2);
      s.window = window;
      s.kv_seq = kv_seq;
      check<float>(s, 2e-6);
    }
}

TEST(Attention, CappedScores) {
  for (bool causal : {false, true}) {
    AttentionShape s = dense(causal);
    s.softcap = 0.5f;
    check<float>(s, 3e-6);
    check<bf16>(s, 4e-3);
  }
}

TEST(Attention, Lengths) {
  for (bool causal : {false, true}) {
    AttentionShape s = dense(causal, 2);
    s.lengths = true;
    check<float>(s, 2e-6);
  }
}

TEST(Attention, Biases) {
  // Each dimension of the bias as large as the scores' or 1.
  for (int whole = 0; whole < 16; ++whole)
    for (bool causal : {false, true}) {
      AttentionShape s = dense(causal, whole % 2 ? 2 : 4);
      s.kv_seq = whole % 3 ? 100 : 70;
      const int64_t full[] = {s.batch, s.heads, s.seq, s.kv_seq};
      for (int dim = 0; dim < 4; ++dim)
        s.bias[dim] = whole >> dim & 1 ? full[dim] : 1;
      check<float>(s, 4e-6);
    }
}

TEST(Attention, AllAtOnce) {
  AttentionShape s = dense(true, 2);
  s.window = 20;
  s.softcap = 0.5f;
  s.lengths = true;
  s.bias[0] = 1;
  s.bias[1] = s.heads;
  s.bias[2] = s.bias[3] = s.seq;
  check<float>(s, 4e-6);
  check<bf16>(s, 6e-3);
}

// So low that lse holds nothing of the sum: the keys are weighed alike, and a
// query that sees only infinitely low ones gets 0. The lowest number is no sum,
// so that queries get no gradient.
TEST(Attention, HiddenKeys) {
  AttentionShape s = dense(false);
  s.bias[0] = s.bias[1] = 1;
  s.bias[2] = s.bias[3] = s.seq;
  Problem<float> p(s), alike(s);
  for (int64_t j = 0; j < s.seq; ++j) {
    p.bias[3 * s.seq + j] = -3.4e38f;
    p.bias[4 * s.seq + j] = -__FLT_MAX__;
    alike.bias[4 * s.seq + j] = 0.0f;
    p.bias[5 * s.seq + j] = -INFINITY;
    alike.bias[3 * s.seq + j] = 0.0f;
    for (int64_t i : {8, 9})
      p.bias[i * s.seq + j] = alike.bias[i * s.seq + j] = j % 3 ? -1e9f : 0.5f;
  }
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t d = 0; d < s.q_stride; ++d) { // scores of 0
      p.q[(b * s.seq + 3) * s.q_stride + d] = 0;
      alike.q[(b * s.seq + 3) * s.q_stride + d] = 0;
      alike.q[(b * s.seq + 4) * s.q_stride + d] = 0;
      p.q[(b * s.seq + 5) * s.q_stride + d] = 0;
      alike.q[(b * s.seq + 5) * s.q_stride + d] = 0;
    }
  auto expected = reference(alike);
  const auto actual = run(p);
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t d = 0; d < s.o_stride; ++d) {
      const int64_t first = b * s.seq * s.o_stride + d;
      EXPECT_NEAR(actual.o[first + 3 * s.o_stride],
                  expected.o[first + 3 * s.o_stride], 1e-6);
      EXPECT_NEAR(actual.o[first + 4 * s.o_stride],
                  expected.o[first + 4 * s.o_stride], 1e-6);
      EXPECT_EQ(actual.dq[first + 4 * s.o_stride], 0.0f);
      EXPECT_EQ(actual.o[first + 5 * s.o_stride], 0.0f);
      EXPECT_EQ(actual.dq[first + 5 * s.o_stride], 0.0f);
      EXPECT_NEAR(actual.o[first + 8 * s.o_stride],
                  expected.o[first + 8 * s.o_stride], 1e-6);
    }
  // The gradients of the values: those of the query that sees nothing are left
  // out.
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t d = 0; d < s.o_stride; ++d)
      alike.d_o[(b * s.seq + 5) * s.o_stride + d] = 0;
  expected = reference(alike);
  expect_close(actual.dv, expected.dv, 3e-6, "dv");
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
  AttentionShape biased = dense(true, 2);
  biased.bias[0] = biased.bias[1] = biased.bias[2] = 1;
  biased.bias[3] = biased.seq;
  for (const AttentionShape &s : {dense(true, 2), biased}) {
    const Problem<float> p(s);
    expect_thread_independent([&] {
      auto r = run(p);
      for (const auto *more : {&r.lse, &r.dq, &r.dk, &r.dv, &r.d_bias})
        r.o.insert(r.o.end(), more->begin(), more->end());
      return r.o;
    });
  }
}

} // namespace
