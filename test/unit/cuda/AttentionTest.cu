//===- AttentionTest.cu - Attention for every length and width ------------===//
//
// cuDNN's attention and the plain kernels, as programs call them: planned,
// captured as a CUDA graph, and replayed after the memory of host and device
// has been overwritten. Each output is compared with a reference in f32 that
// shares no code with them.
//
//===----------------------------------------------------------------------===//

#include "AttentionCases.h"
#include "AttentionReference.cuh"

#include "kernels/cuda/attention.cuh"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>

using namespace fp8c;
using namespace fp8c::attention_test;

namespace {

struct Free {
  void operator()(void *p) const { cudaFree(p); }
};

/// Device memory; bytes of 0xff are NaN in every format.
struct Buffer {
  std::unique_ptr<unsigned char, Free> data;
  size_t bytes = 0;

  explicit Buffer(size_t bytes) : bytes(bytes) {
    void *p = nullptr;
    check(cudaMalloc(&p, bytes ? bytes : 1), "no memory");
    data.reset(static_cast<unsigned char *>(p));
    poison();
  }
  void poison() { check(cudaMemset(data.get(), 0xff, bytes), "cannot poison"); }
  template <class T> T *as() const { return reinterpret_cast<T *>(data.get()); }
  template <class T> std::vector<T> read() const {
    std::vector<T> host(bytes / sizeof(T));
    check(cudaMemcpy(host.data(), data.get(), bytes, cudaMemcpyDeviceToHost),
          "cannot read");
    return host;
  }
};

/// Takes and overwrites what the heap has free: what a captured call still
/// pointed to is gone then.
void overwriteHost() {
  std::vector<std::vector<unsigned char>> blocks;
  for (size_t size = 16; size <= 4096; size += 16)
    for (int i = 0; i < 8; ++i)
      blocks.emplace_back(size, 0xff);
}

/// Plans and captures what `enqueue` enqueues, as the runtime does.
class Captured {
public:
  explicit Captured(const std::function<void(const Stream &)> &enqueue) {
    check(cudaStreamCreateWithFlags(&context.stream, cudaStreamNonBlocking),
          "no stream");
    call.device = &context;
    context.tables = &tables;
    context.planning = true;
    enqueue(Stream(&call));
    context.planning = false;
    workspace = std::make_unique<Buffer>(context.workspace_needed);
    context.workspace = workspace->data.get();
    context.workspace_bytes = workspace->bytes;
    context.next_table = 0;
    check(cudaStreamBeginCapture(context.stream,
                                 cudaStreamCaptureModeThreadLocal),
          "cannot capture");
    enqueue(Stream(&call));
    check(cudaStreamEndCapture(context.stream, &graph), "cannot capture");
    check(cudaGraphInstantiate(&executable, graph, 0), "no graph");
  }
  ~Captured() {
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
    cudaStreamDestroy(context.stream);
    for (void *table : tables)
      cudaFree(table);
  }
  size_t workspaceBytes() const { return workspace->bytes; }
  void replay() {
    workspace->poison();
    overwriteHost();
    check(cudaDeviceSynchronize(), "cannot overwrite memory");
    check(cudaGraphLaunch(executable, context.stream), "cannot launch");
    check(cudaStreamSynchronize(context.stream), "attention failed");
  }

private:
  CudaContext context = {};
  Fp8cCall call = {};
  std::vector<void *> tables;
  std::unique_ptr<Buffer> workspace;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
};

/// The tensors of one case in T, laid out as programs have them: q, k and v
/// side by side in one tensor, or each on its own.
template <class T> struct Tensors {
  explicit Tensors(const Case &c)
      : c(c), qkv(elements() * sizeof(T)), d_qkv(elements() * sizeof(T)),
        o(c.o() * sizeof(T)), d_o(c.o() * sizeof(T)), lse(c.rows() * 4),
        bias(c.biasSize() * 4), d_bias(c.biasSize() * 4), lengths(c.batch * 8) {
    // Of the last sequence no key is seen.
    for (int64_t b = 0; b < c.batch; ++b)
      hostLengths.push_back(b + 1 < c.batch ? c.kv_seq - 5 * b - 1 : 0);
  }

  AttentionShape shape() const {
    AttentionShape s = {};
    s.batch = c.batch;
    s.seq = c.seq;
    s.heads = c.heads;
    s.kv_heads = c.kv_heads;
    s.head_dim = c.head_dim;
    s.scale = c.scale();
    s.causal = c.causal;
    s.kv_seq = c.kv_seq == c.seq ? 0 : c.kv_seq;
    s.parts = c.parts;
    s.window = c.window;
    s.softcap = c.softcap;
    const auto shape = c.biasShape();
    std::copy(shape.begin(), shape.end(), s.bias);
    s.lengths = c.lengths;
    s.o_stride = c.heads * c.head_dim;
    s.q_stride = c.packed ? packedWidth() : s.o_stride;
    s.k_stride = s.v_stride =
        c.packed ? packedWidth() : c.kv_heads * c.head_dim;
    return s;
  }
  int64_t packedWidth() const {
    return (c.heads + 2 * c.kv_heads) * c.head_dim;
  }
  int64_t elements() const { return c.q() + 2 * c.k(); }
  /// Where q (0), k (1) or v (2) begins in qkv.
  int64_t offset(int which) const {
    if (c.packed)
      return which ? (c.heads + (which - 1) * c.kv_heads) * c.head_dim : 0;
    return which ? c.q() + (which - 1) * c.k() : 0;
  }
  T *in(int which) const { return qkv.as<T>() + offset(which); }
  T *gradient(int which) const { return d_qkv.as<T>() + offset(which); }
  void poisonOutputs() {
    for (Buffer *buffer : {&d_qkv, &o, &lse, &d_bias})
      buffer->poison();
  }
  void fill(Data data) {
    fillInputs(c, data, in(0), shape().q_stride, in(1), in(2), shape().k_stride,
               d_o.template as<T>());
    if (c.bias)
      fillBias<<<gridOf(c.biasSize()), 256>>>(bias.as<float>(), c.biasSize(),
                                              shape().bias[2], shape().bias[3],
                                              c.hides);
    check(cudaMemcpy(lengths.as<int64_t>(), hostLengths.data(), lengths.bytes,
                     cudaMemcpyHostToDevice),
          "cannot write lengths");
  }
  const float *biasOrNone() const {
    return c.bias ? bias.as<float>() : nullptr;
  }
  const int64_t *lengthsOrNone() const {
    return c.lengths ? lengths.as<int64_t>() : nullptr;
  }

  Case c;
  Buffer qkv, d_qkv, o, d_o, lse, bias, d_bias, lengths;
  std::vector<int64_t> hostLengths;
};

enum class Kernels { library, tiled, plain };

template <class T>
void enqueue(const Stream &stream, const Tensors<T> &t, Kernels kernels) {
  const AttentionShape s = t.shape();
  const T *q = t.in(0), *k = t.in(1), *v = t.in(2);
  T *o = t.o.template as<T>();
  const T *d_o = t.d_o.template as<T>();
  float *lse = t.lse.template as<float>();
  const detail::ScoreInputs in{t.biasOrNone(), t.lengthsOrNone()};
  float *d_bias = t.c.bias ? t.d_bias.template as<float>() : nullptr;
  if (kernels == Kernels::library) {
    attention(stream, s, q, k, v, o, lse, in.bias, in.lengths);
    attention_backward(stream, s, q, k, v, o, lse, d_o, t.gradient(0),
                       t.gradient(1), t.gradient(2), nullptr, 0, in.bias,
                       in.lengths, d_bias);
    return;
  }
  if (kernels == Kernels::tiled) {
    constexpr Format format = format_of<T>();
    library::tiled_attention(stream, s, format, q, k, v, o, lse, in);
    library::tiled_attention_backward(stream, s, format, q, k, v, o, lse, d_o,
                                      t.gradient(0), t.gradient(1),
                                      t.gradient(2), in, d_bias);
    return;
  }
  detail::plain_attention(stream, s, q, k, v, o, lse, in);
  detail::plain_attention_backward(stream, s, q, k, v, o, lse, d_o,
                                   t.gradient(0), t.gradient(1), t.gradient(2),
                                   in);
  if (d_bias)
    detail::plain_attention_dbias(stream, s, q, k, v, o, lse, d_o, in, d_bias);
}

/// Where all keys of a query have numbers so low that nothing is left of their
/// scores, plain kernels weigh them alike and cuDNN sees none.
template <class T> float lowestSeen(const Tensors<T> &t, Kernels kernels) {
  const bool isCudnn = kernels == Kernels::library &&
                       library::has_attention(t.shape(), t.c.format);
  return isCudnn ? -1e37f : -INFINITY;
}

template <class T>
void compare(const Tensors<T> &t, Data data, Kernels kernels,
             const std::string &what) {
  const Reference expected(t.c, t.in(0), t.shape().q_stride, t.in(1), t.in(2),
                           t.shape().k_stride, t.d_o.template as<T>(),
                           t.biasOrNone(), t.hostLengths,
                           lowestSeen(t, kernels));
  const float limit = 1e-3f * largest(expected.dv);
  auto gathered = [&](const T *from, int64_t rows, int64_t width,
                      int64_t stride) {
    return gather(from, rows, width, stride);
  };
  const AttentionShape s = t.shape();
  const int64_t rows = t.c.batch * t.c.seq, kvRows = t.c.batch * t.c.kv_seq,
                width = t.c.heads * t.c.head_dim,
                kvWidth = t.c.kv_heads * t.c.head_dim;
  expectClose(gathered(t.o.template as<T>(), rows, width, width), expected.o,
              limit, what + " o");
  auto dq = gathered(t.gradient(0), rows, width, s.q_stride);
  auto dq_expected = expected.dq;
  if (data == Data::negative)
    ignoreFirstColumns(t.c, dq, dq_expected);
  expectClose(dq, dq_expected, limit, what + " dq");
  expectClose(gathered(t.gradient(1), kvRows, kvWidth, s.k_stride), expected.dk,
              limit, what + " dk");
  expectClose(gathered(t.gradient(2), kvRows, kvWidth, s.v_stride), expected.dv,
              limit, what + " dv");
  const auto lse = t.lse.template read<float>();
  for (size_t i = 0; i < lse.size(); ++i)
    if (std::isfinite(expected.lse[i]))
      ASSERT_NEAR(lse[i], expected.lse[i], 1e-2f * (1 + std::abs(lse[i])))
          << what << " lse " << i;
  if (!t.c.bias)
    return;
  const auto d_bias = t.d_bias.template read<float>();
  if (s.bias[3] == 1) { // of a softmax that it does not change
    EXPECT_EQ(largest(Floats(d_bias.begin(), d_bias.end())), 0.0f) << what;
    return;
  }
  expectClose(Floats(d_bias.begin(), d_bias.end()), expected.dBias,
              1e-3f * largest(expected.dBias) + 1e-5f, what + " dbias");
}

template <class T> void test(const Case &c, Kernels kernels) {
  Tensors<T> t(c);
  Captured graph([&](const Stream &s) { enqueue(s, t, kernels); });
  testing::Test::RecordProperty("workspace",
                                std::to_string(graph.workspaceBytes()));
  if (kernels == Kernels::library)
    testing::Test::RecordProperty(
        "cudnn",
        concat(library::has_attention(t.shape(), c.format) ? "forward " : "",
               library::has_attention_backward(t.shape(), c.format) ? "backward"
                                                                    : ""));
  std::vector<unsigned char> first;
  for (int replay = 0; replay < 3; ++replay) {
    // What caps scores has no use for large ones.
    const Data data =
        replay == 1 && c.isPlain() ? Data::negative : Data::random;
    t.poisonOutputs();
    t.fill(data);
    graph.replay();
    compare(t, data, kernels, concat("replay ", replay));
    const auto bits = t.d_qkv.template read<unsigned char>();
    if (replay == 0)
      first = bits;
    if (replay == 2)
      EXPECT_EQ(std::memcmp(bits.data(), first.data(), bits.size()), 0)
          << "the same inputs gave other bits";
  }
}

void test(const Case &c, Kernels kernels) {
  switch (c.format) {
  case Format::f16:
    return test<f16>(c, kernels);
  case Format::f32:
    return test<float>(c, kernels);
  default:
    return test<bf16>(c, kernels);
  }
}

class Attention : public testing::TestWithParam<Case> {};

} // namespace

TEST_P(Attention, Library) { test(GetParam(), Kernels::library); }
TEST_P(Attention, Tiled) {
  if (library::has_tiled_attention(Tensors<bf16>(GetParam()).shape(),
                                   GetParam().format))
    test(GetParam(), Kernels::tiled);
}
TEST_P(Attention, Plain) { test(GetParam(), Kernels::plain); }

INSTANTIATE_TEST_SUITE_P(, Attention, testing::ValuesIn(attentionCases()),
                         [](const auto &info) { return nameOf(info.param); });
INSTANTIATE_TEST_SUITE_P(Scores, Attention, testing::ValuesIn(scoreCases()),
                         [](const auto &info) { return nameOf(info.param); });

/// Parts of the batch, at the size of real models: the same bits as all of it
/// at once, whatever memory held before.
TEST(AttentionParts, GiveTheSameBits) {
  for (auto [batch, seq, heads, kv_heads, head_dim] :
       {std::array<int64_t, 5>{64, 1024, 12, 12, 64},
        std::array<int64_t, 5>{8, 2048, 32, 32, 128},
        std::array<int64_t, 5>{8, 2048, 16, 4, 128}}) {
    Case c = {batch, seq, seq, heads, kv_heads, head_dim, /*causal=*/true};
    std::vector<unsigned char> whole;
    for (int64_t parts : {1, 2, 4, 8}) {
      c.parts = parts;
      Tensors<bf16> t(c);
      Captured graph([&](const Stream &s) { enqueue(s, t, Kernels::library); });
      for (int replay = 0; replay < 3; ++replay) {
        t.poisonOutputs();
        t.fill(Data::random);
        graph.replay();
        const auto bits = t.d_qkv.read<unsigned char>();
        if (whole.empty())
          whole = bits;
        EXPECT_EQ(std::memcmp(bits.data(), whole.data(), bits.size()), 0)
            << nameOf(c) << ", replay " << replay;
      }
    }
  }
}
