//===- KernelBench.cpp - How close kernels come to the machine ------------===//
//
// Fused kernels move memory: their rate in bytes per second stands next to that
// of Copy, the most this machine does. Attention multiplies matrices: its rate
// in floating-point operations stands next to that of Gemm.
//
// Sizes are those of a training step: 4096 tokens, width 768.
//
//===----------------------------------------------------------------------===//

#include "kernels/cpu/kernels.h"
#include "unit/kernels/Functors.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <memory>

using namespace fp8c;

namespace {

constexpr int64_t tokens = 4096, width = 768;

/// Page-aligned memory with small ordinary values.
template <class T> class Buffer {
public:
  explicit Buffer(int64_t n)
      : data(static_cast<T *>(
            std::aligned_alloc(4096, (n * sizeof(T) + 4095) / 4096 * 4096))) {
    for (int64_t i = 0; i < n; ++i)
      if constexpr (std::is_same<T, int64_t>::value)
        data[i] = i * 7919 % 50000;
      else
        store(data, i, float(i * 7919 % 1000) * 0.002f - 1.0f);
  }
  ~Buffer() { std::free(data); }
  operator T *() const { return data; }

private:
  T *data;
};

void set_bytes(benchmark::State &state, double bytes) {
  state.counters["GB/s"] = benchmark::Counter(
      bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void set_flops(benchmark::State &state, double flops) {
  state.counters["GFLOP/s"] = benchmark::Counter(
      flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

//===----------------------------------------------------------------------===//
// Fused kernels
//===----------------------------------------------------------------------===//

struct CopyKernel {
  const float *x;
  float *y;
  template <class C> void operator()(C &c) const {
    c.each([&](auto i) { store(y, c.at(i), load(x, c.at(i))); });
  }
};

void Copy(benchmark::State &state) {
  const int64_t n = tokens * width * 4;
  Buffer<float> x(n), y(n);
  for (auto _ : state)
    map(CopyKernel{x, y}, n);
  set_bytes(state, n * 8.0);
}
BENCHMARK(Copy)->UseRealTime();

template <class In, class Pre, class Q>
void BiasGeluQuantize(benchmark::State &state) {
  const int64_t n = tokens * width * 4;
  Buffer<In> fc(n);
  Buffer<Pre> pre(n);
  Buffer<Q> q(n);
  Buffer<float> bias(width * 4);
  const float scale = 100.0f;
  Stats stats = {0, 0, 0};
  for (auto _ : state)
    rows(test::BiasGeluQuantize<In, Pre, Q>{fc, bias, &scale, pre, q, &stats},
         tokens, width * 4);
  set_bytes(state, n * double(sizeof(In) + sizeof(Pre) + sizeof(Q)));
}
BENCHMARK(BiasGeluQuantize<bf16, bf16, e4m3>)->UseRealTime();
BENCHMARK(BiasGeluQuantize<float, float, e4m3>)->UseRealTime();

void GeluBackwardQuantize(benchmark::State &state) {
  const int64_t n = tokens * width * 4;
  Buffer<bf16> dy(n), pre(n);
  Buffer<e5m2> q(n);
  const float scale = 100.0f;
  Stats stats = {0, 0, 0};
  for (auto _ : state)
    map(test::GeluBackwardQuantize<bf16, bf16, e5m2>{dy, pre, &scale, q,
                                                     &stats},
        n);
  set_bytes(state, n * 5.0);
}
BENCHMARK(GeluBackwardQuantize)->UseRealTime();

template <class T> void Gelu(benchmark::State &state) {
  const int64_t n = tokens * width * 4;
  Buffer<T> x(n), y(n);
  for (auto _ : state)
    map(test::Gelu<T>{x, y}, n);
  set_bytes(state, n * 2.0 * sizeof(T));
}
BENCHMARK(Gelu<float>)->UseRealTime();
BENCHMARK(Gelu<bf16>)->UseRealTime();

void LayerNorm(benchmark::State &state) {
  const int64_t n = tokens * width;
  Buffer<float> x(n), y(n), gamma(width), beta(width), mean(tokens),
      rstd(tokens);
  for (auto _ : state)
    rows(test::LayerNorm<float>{x, gamma, beta, y, mean, rstd, 1.0f / width},
         tokens, width);
  set_bytes(state, n * 8.0);
}
BENCHMARK(LayerNorm)->UseRealTime();

void AdamW(benchmark::State &state) {
  const int64_t n = 8 << 20;
  Buffer<float> p(n), m(n), v(n), g(n);
  Buffer<bf16> w(n);
  fill<float>(v, n, 1.0f);
  const float hyper[] = {1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 3.0f, 1.0f};
  const float scale = 1.0f;
  Stats stats = {0, 0, 0};
  for (auto _ : state)
    map(test::AdamW<bf16>{p, m, v, g, w, hyper, &scale, &stats}, n);
  set_bytes(state, n * 34.0);
}
BENCHMARK(AdamW)->UseRealTime();

template <class T> void ColumnSum(benchmark::State &state) {
  const int64_t cols = state.range(0);
  Buffer<T> dy(tokens * cols);
  Buffer<float> dbias(cols);
  for (auto _ : state)
    columns(test::BiasGrad<T, float>{dy, dbias, true}, tokens, cols);
  set_bytes(state, double(tokens) * cols * sizeof(T));
}
BENCHMARK(ColumnSum<float>)->Arg(width)->Arg(4 * width)->UseRealTime();
BENCHMARK(ColumnSum<bf16>)->Arg(width)->Arg(4 * width)->UseRealTime();

void SquaredNorm(benchmark::State &state) {
  const int64_t n = 16 << 20;
  Buffer<float> g(n);
  float out;
  for (auto _ : state)
    sum(test::SumSquares{g}, n, &out);
  set_bytes(state, n * 4.0);
}
BENCHMARK(SquaredNorm)->UseRealTime();

//===----------------------------------------------------------------------===//
// Other operations
//===----------------------------------------------------------------------===//

constexpr int64_t vocabulary = 50304;

void CrossEntropy(benchmark::State &state) {
  const int64_t rows = 512;
  Buffer<float> logits(rows * vocabulary), lse(rows);
  Buffer<int64_t> labels(rows);
  float loss, inv_count;
  for (auto _ : state)
    cross_entropy<float>(logits, labels, &loss, lse, &inv_count, rows,
                         vocabulary, -100);
  set_bytes(state, rows * vocabulary * 4.0);
}
BENCHMARK(CrossEntropy)->UseRealTime();

void CrossEntropyBackward(benchmark::State &state) {
  const int64_t rows = 512;
  Buffer<float> logits(rows * vocabulary), d(rows * vocabulary), lse(rows);
  Buffer<int64_t> labels(rows);
  float loss, inv_count, dloss = 1.0f;
  cross_entropy<float>(logits, labels, &loss, lse, &inv_count, rows, vocabulary,
                       -100);
  for (auto _ : state)
    cross_entropy_backward<float, float>(logits, labels, lse, &inv_count,
                                         &dloss, d, rows, vocabulary, -100);
  set_bytes(state, rows * vocabulary * 8.0);
}
BENCHMARK(CrossEntropyBackward)->UseRealTime();

void EmbeddingBackward(benchmark::State &state) {
  Buffer<float> dy(tokens * width), table(vocabulary * width);
  Buffer<int64_t> ids(tokens);
  for (auto _ : state)
    embedding_backward<float>(ids, dy, table, tokens, width, vocabulary, true);
  set_bytes(state, tokens * width * 12.0);
}
BENCHMARK(EmbeddingBackward)->UseRealTime();

void Transpose(benchmark::State &state) {
  const int64_t shape[] = {width, tokens}, src[] = {1, width},
                dst[] = {tokens, 1};
  Buffer<float> x(tokens * width), y(tokens * width);
  for (auto _ : state)
    copy_strided<float, float>(x, y, 2, shape, src, dst);
  set_bytes(state, tokens * width * 8.0);
}
BENCHMARK(Transpose)->UseRealTime();

template <class T> void Widen(benchmark::State &state) {
  const int64_t n = 4 * width;
  Buffer<T> x(tokens * n);
  Buffer<float> y(tokens * n);
  for (auto _ : state)
    detail::convert_matrix<T, float>(x, n, y, n, tokens, n);
  set_bytes(state, tokens * n * (4.0 + sizeof(T)));
}
BENCHMARK(Widen<e4m3>)->UseRealTime();
BENCHMARK(Widen<bf16>)->UseRealTime();

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

template <class A, class B, class C> void Gemm(benchmark::State &state) {
  const GemmShape s{1024, width, width};
  Buffer<A> a(s.m * s.k);
  Buffer<B> b(s.k * s.n);
  Buffer<C> c(s.m * s.n);
  Buffer<float> workspace(gemm_workspace_bytes<A, B, C>(s) / 4 + 1);
  for (auto _ : state)
    gemm<A, B, C>(s, a, b, c, false, nullptr, nullptr, workspace);
  set_flops(state, 2.0 * s.m * s.n * s.k);
}
BENCHMARK(Gemm<float, float, float>)->UseRealTime();
BENCHMARK(Gemm<e4m3, e4m3, bf16>)->UseRealTime();

/// GPT-2's: the three operands side by side, 64 elements per head.
struct AttentionProblem {
  static constexpr int64_t tokens = 2048;
  AttentionShape s;
  Buffer<float> qkv, o, lse, d_o, dqkv;

  explicit AttentionProblem(int64_t seq)
      : s{tokens / seq, seq,       12,    12,     64,  3 * width,
          3 * width,    3 * width, width, 0.125f, true},
        qkv(tokens * 3 * width), o(tokens * width), lse(tokens * s.heads),
        d_o(tokens * width), dqkv(tokens * 3 * width) {}

  /// Of one product over the visible half of the scores.
  double flops() const {
    return 2.0 * s.batch * s.heads * s.seq * (s.seq + 1) / 2 * s.head_dim;
  }
};

void Attention(benchmark::State &state) {
  AttentionProblem p(state.range(0));
  for (auto _ : state)
    attention<float>(p.s, p.qkv, p.qkv + width, p.qkv + 2 * width, p.o, p.lse);
  set_flops(state, 2 * p.flops());
}
BENCHMARK(Attention)->Arg(128)->Arg(512)->Arg(1024)->UseRealTime();

void AttentionBackward(benchmark::State &state) {
  AttentionProblem p(state.range(0));
  attention<float>(p.s, p.qkv, p.qkv + width, p.qkv + 2 * width, p.o, p.lse);
  for (auto _ : state)
    attention_backward<float>(p.s, p.qkv, p.qkv + width, p.qkv + 2 * width, p.o,
                              p.lse, p.d_o, p.dqkv, p.dqkv + width,
                              p.dqkv + 2 * width);
  set_flops(state, 5 * p.flops());
}
BENCHMARK(AttentionBackward)->Arg(128)->Arg(512)->Arg(1024)->UseRealTime();

} // namespace
